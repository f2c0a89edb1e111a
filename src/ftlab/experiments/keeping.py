"""Finished trainings, kept on the disk: what was trained once is not trained again.

One file (.npz) a training, named by the digest of all that decides its numbers (see `identity`).
It is written whole when the training has ended, by the process that ran it, so that a comparison
that is killed goes on where it was.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ftlab.common.arrays import read_arrays, write_arrays
from ftlab.common.errors import LabError
from ftlab.common.paths import results_dir
from ftlab.experiments.searching import Choices
from ftlab.models.storing import save_tensors

WRONG = -1  # the class that a network predicts which has diverged: none


@dataclass(frozen=True, eq=False)
class Training:
    """What a finished training gave.

    `validation` and `test` are the predicted classes (texts,). `measured` are single numbers:
    rows (training texts), train (accuracy on some of them), steps, seconds, forgotten and recall,
    and what `evaluation.cost` counts; None where something was not asked or cannot be known.
    `history` is that of `training.fit`, where validation accuracy was followed. `diverged` says
    why there is no network, if there is none: then nothing is predicted correctly.
    """

    validation: np.ndarray
    test: np.ndarray
    measured: dict[str, float | None]
    history: pd.DataFrame | None = None
    diverged: str = ""


@dataclass(frozen=True)
class Trainings:
    """What earlier runs have left: a folder of finished trainings, and what a longer run chose.

    `modules` are the names of further modules whose code decides what a training gives, such as
    that of the experiment: a change there trains anew. A method whose hyperparameter is among
    `choices` is trained with that value, without a search.
    """

    folder: Path = field(default_factory=lambda: results_dir() / "trainings")
    modules: tuple[str, ...] = ()
    choices: Choices = field(default_factory=Choices)

    def load(self, key: str) -> Training | None:
        """The training of this key, if there is one that is whole. A damaged file is told about
        and left aside: the next `store` replaces it."""
        path = self.folder / f"{key}.npz"
        if not path.exists():
            return None
        try:
            arrays = read_arrays(path)
            about = json.loads(str(arrays.pop("about")))
            if about["key"] != key:
                raise LabError(f"{path} is the training {about['key']}, under another name.")
            history = {
                name.removeprefix("history."): array
                for name, array in arrays.items()
                if name.startswith("history.")
            }
            return Training(
                arrays["validation"],
                arrays["test"],
                about["measured"],
                pd.DataFrame(history) if history else None,
                about["diverged"],
            )
        except (LabError, KeyError, TypeError, ValueError) as error:
            warnings.warn(f"A kept training cannot be used and is run again: {error}", stacklevel=2)
            return None

    def store(self, key: str, training: Training, about: Mapping[str, Any]) -> None:
        """Keep a training, with what it is `about`, in plain words and numbers, for readers.
        LabError if the disk does not take it."""
        history = {} if training.history is None else dict(training.history.items())
        text = {"key": key, "measured": training.measured, "diverged": training.diverged, **about}
        write_arrays(
            self.folder / f"{key}.npz",
            {
                "validation": _small(training.validation),
                "test": _small(training.test),
                "about": np.array(json.dumps(text)),
                **{f"history.{name}": column.to_numpy() for name, column in history.items()},
            },
        )

    def has_network(self, key: str) -> bool:
        """Whether the weights of this training are kept as well."""
        return self._network(key).exists()

    def store_network(self, key: str, model: torch.nn.Module) -> None:
        """Keep the weights of a trained network; those that share memory once."""
        unique = {tensor.data_ptr(): name for name, tensor in model.state_dict().items()}
        kept = {name: model.state_dict()[name] for name in unique.values()}
        try:
            save_tensors(self._network(key), kept)
        except (OSError, SafetensorError) as error:
            raise LabError(f"Cannot write {self._network(key)}: {error}.") from error

    def load_network(self, key: str, model: torch.nn.Module) -> None:
        """Put the kept weights into a network that was built as the trained one was."""
        path = self._network(key)
        try:
            odd = model.load_state_dict(load_file(path), strict=False).unexpected_keys
        except (OSError, RuntimeError, SafetensorError) as error:
            raise LabError(f"Cannot read {path}: {error}") from error
        if odd:
            raise LabError(f"{path} does not fit this network, which has no {odd[0]}.")

    def drop_network(self, key: str) -> None:
        """Delete the weights of this training, if they are kept."""
        self._network(key).unlink(missing_ok=True)

    def _network(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"


def _small(classes: np.ndarray) -> np.ndarray:
    """Classes in the smallest type that holds them."""
    for kind in (np.int8, np.int16):
        if np.array_equal(classes, classes.astype(kind)):
            return classes.astype(kind)
    return classes
