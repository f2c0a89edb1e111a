"""Metrics of classes and of answers, through the evaluate library."""

from __future__ import annotations

import functools
import tempfile
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ftlab.errors import LabError


def accuracy(predictions: ArrayLike, labels: ArrayLike) -> float:
    """Share of predicted classes that equal the label; both are whole numbers, shape (items,)."""
    return _compute("accuracy", _classes(predictions), _classes(labels))


def macro_f1(predictions: ArrayLike, labels: ArrayLike) -> float:
    """F1 of every class that occurs as a label or a prediction, averaged with equal weight."""
    return _compute("macro_f1", _classes(predictions), _classes(labels))


def exact_match(answers: Sequence[str], references: Sequence[str]) -> float:
    """Share of answers that equal the reference once both are normalised (see `normalise`)."""
    return _compute("exact_match", list(answers), list(references))


def normalise(text: str) -> str:
    """What counts as the same answer: outer blanks, case and one final full stop are ignored."""
    return text.strip().removesuffix(".").rstrip().casefold()


def correct(predictions: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """1.0 where the prediction is right, else 0.0; (seeds, items) or (items,) against (items,)."""
    predicted, expected = np.asarray(predictions), np.asarray(labels)
    if predicted.shape[-1:] != expected.shape[-1:]:
        raise LabError(
            f"There are {predicted.shape[-1]} predictions but {expected.shape[-1]} labels."
        )
    return np.asarray(predicted == expected, dtype=float)


def matches(answers: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """1.0 where the normalised answer equals the normalised reference, else 0.0; (items,)."""
    return correct([normalise(text) for text in answers], [normalise(text) for text in references])


def _classes(values: ArrayLike) -> np.ndarray:
    """Class indices. Others are refused: evaluate would cut 1.5 down to 1 without a word."""
    classes = np.asarray(values)
    if classes.ndim != 1 or (classes.size and classes.dtype.kind not in "iu"):
        raise LabError(
            "Predictions and labels must be one row of whole numbers (class indices), "
            f"not {classes.dtype} values of shape {classes.shape}."
        )
    return classes


def _compute(name: str, predictions: Any, references: Any) -> float:
    if len(predictions) != len(references):
        raise LabError(f"There are {len(predictions)} predictions but {len(references)} labels.")
    if len(references) == 0:
        raise LabError(f"The {name} of no items at all cannot be measured.")
    with tempfile.TemporaryDirectory() as folder:
        # evaluate makes a folder for every metric; ours leaves nothing behind, and its own id
        # keeps runs at the same time from waiting for each other's lock.
        metric = _metric_classes()[name](
            keep_in_memory=True, cache_dir=folder, experiment_id=uuid.uuid4().hex
        )
        result = metric.compute(predictions=predictions, references=references)
    return float(result[name])


@functools.cache
def _metric_classes() -> dict[str, Any]:
    """The lab's metrics. Made on first use: importing evaluate takes seconds."""
    import datasets
    import evaluate
    from sklearn.metrics import f1_score

    class LabMetric(evaluate.Metric):
        """A metric that lives here, so that nothing is fetched from the Hub."""

        value_type = "int64"

        def _info(self) -> evaluate.MetricInfo:
            value = datasets.Value(self.value_type)
            return evaluate.MetricInfo(
                description=self.__doc__ or "",
                citation="",
                inputs_description="",
                features=datasets.Features({"predictions": value, "references": value}),
            )

    class Accuracy(LabMetric):
        """Share of predictions that equal the reference."""

        def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
            return {"accuracy": correct(predictions, references).mean()}

    class MacroF1(LabMetric):
        """F1 per class, averaged with equal weight; 0 for a class never predicted rightly."""

        def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
            return {"macro_f1": f1_score(references, predictions, average="macro", zero_division=0)}

    class ExactMatch(LabMetric):
        """Share of texts that equal the reference after normalisation."""

        value_type = "string"

        def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
            return {"exact_match": matches(predictions, references).mean()}

    return {"accuracy": Accuracy, "macro_f1": MacroF1, "exact_match": ExactMatch}
