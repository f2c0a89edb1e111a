"""Whether the models, data, documents and folders that parameters name can be had and used."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftlab.common.errors import LabError
from ftlab.notebook.parameters import CONTRACT, ParameterError, own_names

CHOICES = ("text_column", "label_column", "task_labels")  # among the columns and labels of a table
NEAR = 0.7  # difflib's ratio from which a word is taken for a misspelt name


def check_sources(notebook: str, values: Mapping[str, Any], *, own: bool = True) -> None:
    """ParameterError, which names the parameter, if something that `values` name cannot be had or
    used. Without `own` what the lab itself brings is not looked at: that spares the time of
    importing and reading.
    """
    name = ""

    def wanted(parameter: str) -> bool:
        nonlocal name
        name = parameter
        return parameter in values and (own or values[name] not in own_names(notebook, name))

    try:
        for model in ("base_model", "encoder"):
            if wanted(model):
                from ftlab.models import complete_folder

                refuse_misspelt(notebook, model, values[model])
                complete_folder(values[model])
        if wanted("task_data") or any(map(values.get, CHOICES)):
            name = "task_data"
            _check_tasks(notebook, values)
        if wanted("documents") or wanted("questions"):
            from ftlab.rag.own import read_case

            name = "documents"
            read_case(values["documents"], values["questions"], values.get("chunk_size", 0))
        if values.get("records") and not Path(values["records"]).is_dir():
            raise ParameterError(f"Parameter 'records': there is no folder {values['records']}.")
    except ParameterError:
        raise
    except LabError as error:
        text = str(error)
        named = text.split()[0].strip(":") in values  # it begins with a parameter's name
        raise ParameterError(text if named else f"Parameter '{name}': {text}") from error


def _check_tasks(notebook: str, values: Mapping[str, Any]) -> None:
    from ftlab.data import load_tasks

    task_data = values["task_data"]
    refuse_misspelt(notebook, "task_data", task_data)
    load_tasks(
        task_data,
        text_column=values.get("text_column", ""),
        label_column=values.get("label_column", ""),
        labels=values.get("task_labels", 0),
        texts_per_label=values.get("texts_per_label", 0),
        seed=values["seed"],
    )


def refuse_misspelt(notebook: str, name: str, value: str) -> None:
    """ParameterError if `value`, which is no file or folder here, is nearly the name of something
    that the lab brings: it would be looked for on the Hub, in vain."""
    own = own_names(notebook, name)
    source = CONTRACT[name].source
    if not own or value in own or source is None or Path(value).expanduser().exists():
        return
    near = difflib.get_close_matches(value.lower(), own, n=1, cutoff=NEAR)
    if near:
        others = " or ORGANISATION/NAME on the Hub" if source.hub else ""
        raise ParameterError(
            f"Parameter '{name}': there is no '{value}': did you mean '{near[0]}'? The lab brings "
            f"{', '.join(own)}; else give a file, a folder{others}."
        )
