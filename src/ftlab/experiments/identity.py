"""What a finished training is known by: code, base model, method, data, seed and settings.

Two trainings of the same key give the same numbers, so that the second need not be run.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ftlab.common.files import package_sha256, sha256_of
from ftlab.common.hardware import choose_device
from ftlab.data import Task
from ftlab.evaluation.forgetting import ForgettingProbe
from ftlab.models import model_folder
from ftlab.models.folders import WANTED_FILES
from ftlab.training.fingerprint import describe, digest_of

PACKAGE = Path(__file__).parents[1]
# The code that decides what a training gives. Not the recipe of the base model: it shows in the
# hash of the model.
ROOMS = ("common", "world", "data", "models", "training", "tuning")
MODULES = (
    "evaluation/cost.py",
    "evaluation/forgetting.py",
    "evaluation/metrics.py",
    "evaluation/skills.py",
    "evaluation/texts.py",
    "experiments/baselines.py",
    "experiments/estimators.py",
    "experiments/jobs.py",
)
NOT_OF_A_TRAINING = ("task", "name", "candidates")  # fields of a method, or told by themselves


def key_of(parts: Mapping[str, Any]) -> str:
    """The digest of what a training is known by."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def code_sha256(modules: Iterable[str] = ()) -> str:
    """Hash of the package's code that decides what a training gives, and of further modules that
    are loaded, by name; those without a file (a notebook's) add nothing, nor does the one that
    only sees to it that trainings are run."""
    files = {
        file.relative_to(PACKAGE).as_posix(): file
        for room in ROOMS
        for file in (PACKAGE / room).rglob("*.py")
        if "pretraining" not in file.parts
    }
    files |= {name: PACKAGE / name for name in MODULES}
    for name in modules:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and Path(file) != PACKAGE / "experiments" / "fair.py":
            files[name] = Path(file)
    return package_sha256(files)


def base_sha256(base_model: str) -> str:
    """Hash of all files of a base model that are ever read: weights, configuration, tokenizer."""
    folder = model_folder(base_model)
    files = sorted({file for pattern in WANTED_FILES for file in folder.glob(pattern)})
    stamps = [(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return _files_sha256(tuple(stamps))


@functools.lru_cache
def _files_sha256(stamps: tuple[tuple[Path, int, int], ...]) -> str:
    return sha256_of(*(file for file, _, _ in stamps))


def task_sha256(task: Task, test: pd.DataFrame) -> str:
    """Hash of a task's texts, labels and names of labels, in all three parts."""
    parts = [list(part[name]) for part in (task.train, task.validation, test) for name in part]
    return digest_of([task.label_names, parts])


def probe_sha256(probe: ForgettingProbe | None) -> str | None:
    """Hash of what a probe asks, and of whom."""
    if probe is None:
        return None
    return digest_of([base_sha256(probe.base_model), probe.pages, probe.pairs])


def about_method(method: Any) -> dict[str, Any]:
    """Whatever decides what a method makes of its data, at one value of its hyperparameter: its
    fields, and the code of a class that is not the package's own."""
    kind = type(method)
    own = kind.__module__.startswith("ftlab.")
    fields = {
        name: _about(name, value)
        for name, value in _fields(method).items()
        if name not in NOT_OF_A_TRAINING
    }
    code = {} if own else {"code": describe(kind.fit)}
    return {"class": f"{kind.__module__}.{kind.__qualname__}", **code, **fields}


def here() -> dict[str, str]:
    """The device, and the library that computes: seconds and last digits depend on them."""
    device, _ = choose_device()
    return {"device": device.type, "torch": torch.__version__}


def _about(name: str, value: Any) -> Any:
    if name == "base_model":
        return base_sha256(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: _about(name, item) for name, item in _fields(value).items()}
    if callable(value):
        return describe(value)
    return digest_of(value)


def _fields(value: Any) -> dict[str, Any]:
    fields = (field for field in dataclasses.fields(value) if field.compare)
    return {field.name: getattr(value, field.name) for field in fields}
