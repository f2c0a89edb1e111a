"""The contract of a notebook's parameters, and the opening of the lab that enforces it.

A notebook has one cell tagged `parameters`, made by `parameters_source`, and opens the lab in the
next code cell: `lab = open_lab("01_pretraining_vs_finetuning", globals())`. Whoever runs it with
other values (papermill, or by editing the cell) is told in one sentence when a value cannot be.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ftlab.environment import describe_environment, quiet_libraries, set_seeds
from ftlab.errors import LabError
from ftlab.records import Record, new_run_id

PROFILES = ("smoke", "quick", "full")
SEEDS_BY_PROFILE = {"smoke": 1, "quick": 3, "full": 5}
KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}
# What IPython and papermill themselves put into a notebook's namespace.
NOT_PARAMETERS = {"In", "Out", "PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"}

Value = bool | int | float | str
T = TypeVar("T")


class ParameterError(LabError):
    """A parameter is unknown, missing, of the wrong type, or outside what is allowed."""


@dataclass(frozen=True)
class Parameter:
    """What one parameter may be, said once for all notebooks.

    `help` is the comment in the notebook. `choices` lists the allowed values; `low` and `high`
    bound a number (both included), `but` are values allowed below `low`. A text must hold something
    unless `may_be_empty`. `read_by_lab` marks what `open_lab` itself uses, so that a notebook need
    not.
    """

    name: str
    kind: type
    help: str
    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    but: tuple[Value, ...] = ()
    may_be_empty: bool = False
    read_by_lab: bool = False

    def check(self, value: object) -> None:
        """Raise ParameterError, saying what is allowed, unless `value` may be given."""
        if not self._has_kind(value) or not self._in_range(value):
            raise ParameterError(
                f"Parameter '{self.name}' must be {self.allowed}, not {_shown(value)}."
            )

    @property
    def allowed(self) -> str:
        """What may be given, in words: 'a whole number from 0 to 100'."""
        if self.choices:
            return "one of " + ", ".join(_shown(choice) for choice in self.choices)
        words = KINDS[self.kind]
        if self.kind is str and not self.may_be_empty:
            words += " that is not empty"
        if self.low is not None and self.high is not None:
            words += f" from {self.low} to {self.high}"
        elif self.low is not None:
            words += f" of at least {self.low}"
        return words + "".join(f", or {_shown(value)}" for value in self.but)

    def _has_kind(self, value: object) -> bool:
        if isinstance(value, bool):  # which Python counts as a whole number
            return self.kind is bool
        if self.kind is float:
            return isinstance(value, (int, float)) and value == value
        return isinstance(value, self.kind)

    def _in_range(self, value: Any) -> bool:
        if value in self.but:
            return True
        if self.choices:
            return value in self.choices
        if isinstance(value, str):
            return self.may_be_empty or bool(value.strip())
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


CONTRACT = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "profile",
            str,
            "smoke (does it run?), quick, or full (more seeds, more data)",
            choices=PROFILES,
            read_by_lab=True,
        ),
        Parameter("seed", int, "the first seed", low=0, high=2**31 - 1, read_by_lab=True),
        Parameter(
            "seeds",
            int,
            "how many seeds, counted from the first; 0: as many as the profile says",
            low=0,
            high=100,
            read_by_lab=True,
        ),
        Parameter("base_model", str, '"lab", a folder with a saved model, or a Hub name'),
        Parameter("task_data", str, '"tickets", "reviews", a file, a folder or a Hub dataset'),
        Parameter(
            "text_column",
            str,
            'the column with the texts; "": found by its name',
            may_be_empty=True,
        ),
        Parameter(
            "label_column",
            str,
            'the column with the labels; "": found by its name',
            may_be_empty=True,
        ),
        Parameter(
            "task_labels", int, "keep the most frequent labels only; 0: all", low=2, but=(0,)
        ),
        Parameter(
            "texts_per_label",
            int,
            "learn from so many texts of each label; 0: all",
            low=1,
            but=(0,),
        ),
    )
}

LADDER_DEFAULTS: dict[str, Value] = {
    "profile": "quick",
    "seed": 0,
    "seeds": 0,
    "base_model": "lab",
    "task_data": "town",
    "text_column": "",
    "label_column": "",
    "task_labels": 0,
    "texts_per_label": 0,
}

# The parameters of each notebook with their defaults, in the order of its parameters cell.
NOTEBOOKS: dict[str, dict[str, Value]] = {
    "00_start_here": {"profile": "quick", "seed": 0, "base_model": "lab"},
    "01_pretraining_vs_finetuning": {
        "profile": "quick",
        "seed": 0,
        "seeds": 0,
        "base_model": "lab",
        "task_data": "tickets",
        "text_column": "",
        "label_column": "",
        "task_labels": 0,
    },
    "02_layer_freezing": LADDER_DEFAULTS,
    "03_lora": LADDER_DEFAULTS,
}

# What a parameter means where it allows more than in other notebooks.
HELP_IN = {
    (notebook, "task_data"): '"town" (three tasks), "tickets", a file, a folder or a Hub dataset'
    for notebook in ("02_layer_freezing", "03_lora")
}


@dataclass(frozen=True)
class Lab:
    """An opened lab: the profile, the seeds of this run and its record."""

    profile: str
    seeds: list[int]
    record: Record

    def pick(self, *, smoke: T, quick: T, full: T) -> T:
        """The value for this run's profile: `epochs = lab.pick(smoke=1, quick=5, full=10)`."""
        return {"smoke": smoke, "quick": quick, "full": full}[self.profile]


def parameters_source(notebook: str) -> str:
    """The source of a notebook's parameters cell, from the contract."""
    lines = []
    for name, default in _defaults(notebook).items():
        text = f'"{default}"' if isinstance(default, str) else repr(default)
        help_text = HELP_IN.get((notebook, name), CONTRACT[name].help)
        lines.append(f"{name} = {text}  # {help_text}")
    return "\n".join(lines)


def check_parameters(notebook: str, values: Mapping[str, object]) -> dict[str, Any]:
    """`values` in the notebook's order; ParameterError if one is unknown, missing or not allowed.

    Checks the values alone: `open_lab` also looks whether the model and the data are there.
    """
    defaults = _defaults(notebook)
    for name in values:
        if name not in defaults:
            near = difflib.get_close_matches(name, defaults, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise ParameterError(
                f"'{name}' is not a parameter of {notebook}: {hint}Allowed are "
                f"{', '.join(defaults)}."
            )
    for name in defaults:
        if name not in values:
            raise ParameterError(
                f"Parameter '{name}' is not set: run the cell tagged 'parameters' first."
            )
        CONTRACT[name].check(values[name])
    return {name: values[name] for name in defaults}


def open_lab(notebook: str, namespace: dict[str, Any]) -> Lab:
    """Check the parameters in `namespace` (the notebook's `globals()`) and begin the run.

    Refuses in one sentence what is unknown or not allowed, a base model or data that cannot be
    had; then sets the seeds of Python, NumPy and torch, quiets the libraries, prints the
    environment and starts the record.
    """
    values = check_parameters(notebook, _given(notebook, namespace))
    model_folder = _check_sources(values)
    count = values.get("seeds") or SEEDS_BY_PROFILE[values["profile"]]
    seeds = list(range(values["seed"], values["seed"] + count))
    set_seeds(values["seed"])
    quiet_libraries()
    environment, why = describe_environment(model_folder)
    print(f"{notebook}: profile {values['profile']}, seeds {', '.join(map(str, seeds))}")
    for key, value in environment.items():
        shown = re.sub("[0-9a-f]{40,}", lambda digest: digest[0][:12], str(value))
        print(f"  {key:<18} {shown}")
    print(why)
    run_id = new_run_id(values["profile"], values["seed"])
    record = Record(notebook, values["profile"], values["seed"], values, environment, run_id)
    return Lab(values["profile"], seeds, record)


def _defaults(notebook: str) -> dict[str, Value]:
    if notebook not in NOTEBOOKS:
        raise ParameterError(f"'{notebook}' is no notebook of the lab: {', '.join(NOTEBOOKS)}.")
    return NOTEBOOKS[notebook]


def _shown(value: object) -> str:
    """The value as a sentence names it; a text keeps its quotes, so that '3' is no 3."""
    text = repr(value)
    return (text if len(text) <= 60 else text[:59] + "…") + (
        " (a text)" if isinstance(value, str) and value.strip().lstrip("-").isdigit() else ""
    )


def _given(notebook: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """The parameters in a notebook's namespace: all plain values that stand there.

    Papermill injects an unknown name as well, so that one must be found here. Once the lab has
    been opened, the notebook's own variables stand there too, and only declared names count. A
    refused name is taken out of the namespace: else the corrected cell would be refused again.
    """
    opened = any(isinstance(value, Lab) for value in namespace.values())
    allowed = _defaults(notebook)
    given = {name: namespace[name] for name in allowed if name in namespace}
    if not opened:
        for name in list(_plain_names(namespace)):
            if name not in allowed:
                given[name] = namespace.pop(name)
    return given


def _plain_names(namespace: Mapping[str, Any]) -> Iterator[str]:
    for name, value in namespace.items():
        plain = value is None or isinstance(value, (bool, int, float, str, list, dict, tuple))
        if plain and not name.startswith("_") and name not in NOT_PARAMETERS:
            yield name


def _check_sources(values: Mapping[str, Any]) -> Path:
    """The base model's folder; ParameterError if it, or the data, cannot be had or used."""
    from ftlab.data import load_tasks
    from ftlab.models import model_folder

    try:
        name = "base_model"
        folder = model_folder(values["base_model"])
        if "task_data" in values:
            name = "task_data"
            load_tasks(
                values["task_data"],
                text_column=values.get("text_column", ""),
                label_column=values.get("label_column", ""),
                labels=values.get("task_labels", 0),
                texts_per_label=values.get("texts_per_label", 0),
                seed=values["seed"],
            )
    except LabError as error:
        text = str(error)
        raise ParameterError(text if name in text else f"Parameter '{name}': {text}") from None
    return folder
