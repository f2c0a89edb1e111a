"""Rows to learn from or to be judged by, and a look at each of them before anything starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import torch

from ftlab.common.errors import LabError
from ftlab.data.features import IGNORED
from ftlab.models import max_length
from ftlab.models.rng import private_rng
from ftlab.training.objective import Objective, to_device


class Examples:
    """Rows with their lengths, what each counts in a mean, and the batches made of them.

    `caller` and `kind` are for errors: "fit", "training". LabError if there are no rows, or one
    has no length.
    """

    def __init__(self, caller: str, kind: str, rows: Sequence[Any], objective: Objective) -> None:
        self.caller, self.rows, self.objective = caller, rows, objective
        self.kind = f"{kind} example".strip()
        if not len(rows):
            raise LabError(f"{caller}: there are no {self.kind}s.")
        lengths = self._ask("length", objective.length_of, _length_problem)
        self.measured = lengths[0] is not None
        self.lengths = [int(length) for length in lengths] if self.measured else [1] * len(rows)
        self.weights: list[float] = []  # `check` finds them

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, chosen: Sequence[int], device: torch.device) -> Any:
        """The batch of these rows, with all tensors on `device`; LabError if they make none."""
        try:
            batch = self.objective.put_together([self.rows[i] for i in chosen])
        except Exception as error:  # whatever a function of the reader's raises
            raise LabError(
                f"{self.caller}: the {self.kind}s {listed(chosen)} cannot be put into one batch "
                f"({_reason(error)})."
            ) from error
        return to_device(batch, device)

    def weight(self, chosen: Sequence[int]) -> float:
        """What these rows count together."""
        return sum(self.weights[i] for i in chosen)

    def tokens(self, chosen: Sequence[int]) -> float:
        """The sum of their lengths; NaN if rows have none."""
        return sum(self.lengths[i] for i in chosen) if self.measured else math.nan

    def check(self, model: Any) -> None:
        """LabError names the first example that the model cannot take, and why."""
        if self.objective.texts:
            self._check_texts(model)
        if not self.objective.plain:
            with private_rng(0):  # as `collate` may draw
                self._check_batches(model)
        self.weights = self._ask("weight", self.objective.weight_of, _weight_problem)

    def _check_texts(self, model: Any) -> None:
        table = getattr(model, "get_input_embeddings", lambda: None)()
        vocabulary = table.num_embeddings if table is not None else math.inf
        names = getattr(model, "label_names", None)
        longest = max_length(model, 10**9)
        for number, feature in enumerate(self.rows):
            problem = _token_problem(feature["input_ids"], vocabulary, longest)
            if self.objective.plain and not problem:
                problem = (
                    _class_problem(feature.get("labels"), len(names))
                    if names
                    else _token_label_problem(feature.get("labels"), len(feature["input_ids"]))
                )
            if problem:
                self._refuse(number, problem)

    def _check_batches(self, model: Any) -> None:
        first = self._together([], 0)
        # Each with the first row, as one of another shape may make a batch alone.
        for number in range(1, len(self)):
            self._together([self.rows[0]], number)
        if self.objective.loss is None:
            self.objective.check_own_loss(model, first)

    def _together(self, others: list[Any], number: int) -> Any:
        """The batch of a row and `others`, of which none is to blame if there is no such batch."""
        try:
            return self.objective.put_together([*others, self.rows[number]])
        except Exception as error:
            if others:
                self._together([], number)  # is it this row alone?
            what = "one batch with example 0" if others else "a batch"
            self._refuse(number, f"cannot be put into {what} ({_reason(error)})", error)

    def _ask(self, what: str, ask: Callable[[Any], Any], problem: Callable[[Any], str]) -> list:
        found = []
        for number in range(len(self)):
            try:
                found.append(ask(self.rows[number]))
            except Exception as error:
                self._refuse(number, f"has no {what} ({_reason(error)})", error)
            if wrong := problem(found[-1]):
                self._refuse(number, f"has the {what} {found[-1]!r}, which is not {wrong}")
        return found

    def _refuse(self, number: int, problem: str, error: Exception | None = None) -> NoReturn:
        raise LabError(f"{self.caller}: {self.kind} {number} {problem}.") from error


def listed(numbers: Sequence[int], most: int = 8) -> str:
    """The first of them in words: "3, 5, 8 and 2 more"."""
    more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    return ", ".join(map(str, numbers[:most])) + more


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _length_problem(length: Any) -> str:
    whole = isinstance(length, int | np.integer) and length >= 0
    return "" if length is None or whole else "a whole number of 0 or more"


def _weight_problem(weight: Any) -> str:
    number = isinstance(weight, int | float | np.number)
    return "" if number and 0 < weight < math.inf else "a number above 0"


def _token_problem(ids: Sequence[int], vocabulary: float, longest: int) -> str:
    if not ids:
        return "has no tokens"
    if max(ids) >= vocabulary or min(ids) < 0:
        return (
            f"has the token id {max(ids)}, but the model has {vocabulary} tokens: this tokenizer "
            "is not the model's"
        )
    if len(ids) > longest:
        return f"has {len(ids)} tokens, the model takes {longest}: encode with that max_length"
    return ""


def _class_problem(label: Any, classes: int) -> str:
    if isinstance(label, list):
        return "has a label for each token, but the model is a classifier"
    if label is None:
        return "has no label"
    if not (isinstance(label, int | np.integer) and 0 <= label < classes):
        return f"has the label {label}, but the model's labels go from 0 to {classes - 1}"
    return ""


def _token_label_problem(labels: Any, length: int) -> str:
    if not isinstance(labels, list):
        return (
            "has no label for each token: for a language model, labels are the input_ids, with "
            f"{IGNORED} for tokens that are not trained on"
        )
    if len(labels) != length:
        return f"has {length} tokens but {len(labels)} labels"
    if all(label == IGNORED for label in labels[1:]):
        return "has nothing to train on: no token after its first has a label"
    return ""
