"""Metrics of classes, as scikit-learn computes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ftlab.common.errors import LabError

CLASS_SCORES = ("accuracy", "macro precision", "macro recall", "macro F1", "micro F1", "MCC")


def accuracy(predictions: ArrayLike, labels: ArrayLike) -> float:
    """Share of predicted classes that equal the label; both are whole numbers, shape (items,)."""
    predicted, expected = _pair("accuracy", predictions, labels)
    return float(correct(predicted, expected).mean())


def class_scores(predictions: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Every score of `CLASS_SCORES`; predicted classes and labels are whole numbers, (items,).

    Macro scores average over the classes that occur as a label or a prediction, with equal weight;
    a class without a prediction (or a label) has precision (or recall) and F1 of 0. Micro F1
    counts all items together: where each has one class, micro precision, recall and F1 all equal
    the accuracy. MCC is the Matthews correlation for any number of classes (Gorodkin 2004), from
    -1 to 1, and 0 for guessing or where only one class occurs. LabError for other shapes or types,
    different lengths or no items.
    """
    from sklearn.metrics import f1_score, matthews_corrcoef, precision_score, recall_score

    predicted, expected = _pair("accuracy", predictions, labels)
    macro = {"average": "macro", "zero_division": 0}
    # scikit-learn also says 0 where only one class occurs, but with a warning.
    one_class = len({*expected, *predicted}) == 1
    scores = (
        correct(predicted, expected).mean(),
        precision_score(expected, predicted, **macro),
        recall_score(expected, predicted, **macro),
        f1_score(expected, predicted, **macro),
        f1_score(expected, predicted, average="micro", zero_division=0),
        0.0 if one_class else matthews_corrcoef(expected, predicted),
    )
    return {name: float(score) for name, score in zip(CLASS_SCORES, scores, strict=True)}


def correct(predictions: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """1.0 for a correct prediction, else 0.0; (seeds, items) or (items,) against (items,)."""
    predicted, expected = np.asarray(predictions), np.asarray(labels)
    same_number(predicted.shape[-1], expected.shape[-1])
    return np.asarray(predicted == expected, dtype=float)


def same_number(predictions: int, labels: int) -> None:
    """LabError unless there are as many predictions as labels."""
    if predictions != labels:
        raise LabError(f"There are {predictions} predictions but {labels} labels.")


def _pair(name: str, predictions: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    predicted, expected = _classes(predictions), _classes(labels)
    same_number(len(predicted), len(expected))
    _some(name, len(expected))
    return predicted, expected


def _some(name: str, items: int) -> None:
    if not items:
        raise LabError(f"The {name} cannot be computed: there are no items.")


def _classes(values: ArrayLike) -> np.ndarray:
    """Class indices. Scores such as 0.7 are refused: they are no classes yet."""
    classes = np.asarray(values)
    if classes.ndim != 1 or (classes.size and classes.dtype.kind not in "iu"):
        raise LabError(
            "Predictions and labels must be a one-dimensional array of whole numbers (class "
            f"indices), not {classes.dtype} values of shape {classes.shape}."
        )
    return classes
