"""The contract of the notebooks' parameters: what each may be, and which each notebook has.

A notebook has one cell tagged `parameters`, made by `parameters_source`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ftlab.notebook.parameter import Parameter, ParameterError, Source, Value

__all__ = [
    "CONTRACT",
    "NOTEBOOKS",
    "PROFILES",
    "SEEDS_BY_PROFILE",
    "Parameter",
    "ParameterError",
    "Source",
    "Value",
    "check_name",
    "check_parameters",
    "defaults_of",
    "help_of",
    "own_names",
    "parameters_source",
]

PROFILES = ("smoke", "quick", "full")
SEEDS_BY_PROFILE = {"smoke": 1, "quick": 3, "full": 5}
SERVERS = ("http://", "https://", "tcp://")  # of Milvus

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
            "how many seeds, counting up from the first; 0: as the profile sets",
            low=0,
            high=100,
            read_by_lab=True,
        ),
        Parameter(
            "base_model",
            str,
            '"lab", a folder with a saved model, or a Hub name',
            source=Source(own=("lab",), hub=True),
        ),
        Parameter(
            "task_data",
            str,
            '"tickets", "reviews", a file, a folder or a Hub dataset',
            source=Source(
                own=("tickets", "reviews", "town", "near", "far", "dialect", "letters"), hub=True
            ),
        ),
        Parameter(
            "text_column",
            str,
            'the column with the texts; "": detected by its name',
            may_be_empty=True,
        ),
        Parameter(
            "label_column",
            str,
            'the column with the labels; "": detected by its name',
            may_be_empty=True,
        ),
        Parameter(
            "task_labels",
            int,
            "keep only this many labels, the most frequent; 0: all",
            low=2,
            but=(0,),
        ),
        Parameter(
            "texts_per_label",
            int,
            "train on this many texts per label; 0: all",
            low=1,
            but=(0,),
        ),
        Parameter(
            "rank", int, "rank of the LoRA adapter that is compared with the other methods", low=1
        ),
        Parameter(
            "learning_rate",
            float,
            "learning rate of that LoRA; 0: tuned as for every other method",
            low=1e-7,
            high=1,
            but=(0,),
        ),
        Parameter("other_ways", bool, "False: leave out LoRA's relatives"),
        Parameter(
            "documents",
            str,
            '"town", or a folder of .txt and .md files',
            source=Source(own=("town",)),
        ),
        Parameter(
            "questions",
            str,
            '"town", or a JSON Lines file of questions, answers and sources',
            source=Source(own=("town",)),
        ),
        Parameter(
            "encoder",
            str,
            'the model that embeds texts: "lab", a folder, or a Hub name',
            source=Source(own=("lab",), hub=True),
        ),
        Parameter(
            "index",
            str,
            'a path ending in .db or .npz, or the address of a Milvus server; "": for this run',
            may_be_empty=True,
            source=Source(made=True, suffixes=(".db", ".npz"), servers=SERVERS),
        ),
        Parameter(
            "chunk_size",
            int,
            "words per passage; 0: one sentence (town), 80 words (your documents)",
            low=4,
            high=1000,
            but=(0,),
        ),
        Parameter(
            "k",
            int,
            "how many passages the model gets; 0: chosen on validation",
            low=1,
            high=50,
            but=(0,),
        ),
        Parameter(
            "records",
            str,
            'the folder with the records of your runs; "": the lab\'s results/',
            may_be_empty=True,
            source=Source(),
        ),
    )
}

LETTERS_DEFAULTS: dict[str, Value] = {
    "profile": "quick",
    "seed": 0,
    "seeds": 0,
    "base_model": "lab",
    "task_data": "letters",
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
    "02_layer_freezing": {**LETTERS_DEFAULTS, "texts_per_label": 16},
    "03_lora": {**LETTERS_DEFAULTS, "rank": 4, "learning_rate": 0.0, "other_ways": True},
    "04_retrieval": {
        "profile": "quick",
        "seed": 0,
        "seeds": 0,
        "base_model": "lab",
        "documents": "town",
        "questions": "town",
        "encoder": "lab",
        "index": "",
        "chunk_size": 0,
        "k": 4,
    },
    "05_rag_comparison": {
        "profile": "quick",
        "seed": 0,
        "seeds": 0,
        "base_model": "lab",
        "documents": "town",
        "questions": "town",
    },
    "06_evaluation": {**LETTERS_DEFAULTS, "texts_per_label": 6},
    "07_overfitting": {**LETTERS_DEFAULTS, "texts_per_label": 2},
    "08_search_and_ensembles": {**LETTERS_DEFAULTS, "texts_per_label": 8},
    "99_verdicts": {"profile": "quick", "seed": 0, "base_model": "lab", "records": ""},
}

# What a parameter means where it allows more than in other notebooks.
SOURCES = '"tickets", a file, a folder or a Hub dataset'
HELP_IN = {
    ("01_pretraining_vs_finetuning", "task_data"): f"beside the town's letters: {SOURCES}",
    ("02_layer_freezing", "task_data"): f'"letters", {SOURCES}',
    ("03_lora", "task_data"): f'"letters", {SOURCES}',
    ("04_retrieval", "chunk_size"): "words per passage; 0: a paragraph (town), 80 (your documents)",
    ("04_retrieval", "k"): "how many passages the model gets; 0: four",
    ("06_evaluation", "task_data"): f'"letters", {SOURCES}',
    ("08_search_and_ensembles", "task_data"): f'"letters", {SOURCES}',
    ("07_overfitting", "task_data"): f'"letters", "near", {SOURCES}',
    ("07_overfitting", "texts_per_label"): "few texts per label to learn; 0: an eighth of all",
}

# What a parameter cannot be where it allows less.
NOT_IN = {
    ("01_pretraining_vs_finetuning", "task_data"): ("town", "letters"),
    ("02_layer_freezing", "task_data"): ("town",),
    ("03_lora", "task_data"): ("town",),
    ("06_evaluation", "task_data"): ("town",),
    ("08_search_and_ensembles", "task_data"): ("town",),
}


def parameters_source(notebook: str) -> str:
    """The source of a notebook's parameters cell, from the contract."""
    lines = []
    for name, default in defaults_of(notebook).items():
        text = f'"{default}"' if isinstance(default, str) else repr(default)
        lines.append(f"{name} = {text}  # {help_of(notebook, name)}")
    return "\n".join(lines)


def help_of(notebook: str, name: str) -> str:
    """What a notebook's parameter means, in a line."""
    return HELP_IN.get((notebook, name), CONTRACT[name].help)


def defaults_of(notebook: str) -> dict[str, Value]:
    if notebook not in NOTEBOOKS:
        raise ParameterError(
            f"'{notebook}' is not one of the lab's notebooks: {', '.join(NOTEBOOKS)}."
        )
    return NOTEBOOKS[notebook]


def own_names(notebook: str, name: str) -> tuple[str, ...]:
    """The names of what the lab itself brings that a notebook's parameter may be."""
    source = CONTRACT[name].source
    own = source.own if source else ()
    return tuple(word for word in own if word not in NOT_IN.get((notebook, name), ()))


def check_parameters(notebook: str, values: Mapping[str, object]) -> dict[str, Any]:
    """`values` in the notebook's order; ParameterError if one is unknown, missing or not allowed.

    Checks the values alone: `open_lab` also looks whether the model and the data are there.
    """
    defaults = defaults_of(notebook)
    for name in values:
        check_name(notebook, name)
    for name in defaults:
        if name not in values:
            raise ParameterError(
                f"Parameter '{name}' is not set: run the cell tagged 'parameters' first."
            )
        CONTRACT[name].check(values[name])
        source = CONTRACT[name].source
        if source and values[name] in source.own and values[name] not in own_names(notebook, name):
            raise ParameterError(
                f"Parameter '{name}' cannot be {values[name]!r} in {notebook}: "
                f"give one of {', '.join(own_names(notebook, name))}, or data of your own."
            )
    return {name: values[name] for name in defaults}


def check_name(notebook: str, name: str) -> None:
    """Raise ParameterError, with the nearest name, unless the notebook has a parameter `name`."""
    allowed = defaults_of(notebook)
    if name not in allowed:
        near = difflib.get_close_matches(name, allowed, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ParameterError(
            f"'{name}' is not a parameter of {notebook}: {hint}Allowed are {', '.join(allowed)}."
        )
