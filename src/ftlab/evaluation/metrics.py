"""Metrics of classes and of whole sets of answers, through the evaluate library, offline."""

from __future__ import annotations

import functools
import tempfile
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ftlab.common.errors import LabError
from ftlab.evaluation.texts import matches

CLASS_SCORES = ("accuracy", "macro precision", "macro recall", "macro F1", "micro F1", "MCC")


def accuracy(predictions: ArrayLike, labels: ArrayLike) -> float:
    """Share of predicted classes that equal the label; both are whole numbers, shape (items,)."""
    return _compute("accuracy", _classes(predictions), _classes(labels))


def class_scores(predictions: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Every score of `CLASS_SCORES`; predicted classes and labels are whole numbers, (items,).

    Macro scores average over the classes that occur as a label or a prediction, with equal weight;
    a class without a prediction (or a label) has precision (or recall) and F1 of 0. Micro F1
    counts all items together: where each has one class, micro precision, recall and F1 all equal
    the accuracy. MCC is the Matthews correlation for any number of classes (Gorodkin 2004), from
    -1 to 1, and 0 for guessing or where only one class occurs. LabError for other shapes or types,
    different lengths or no items.
    """
    predicted, wanted = _classes(predictions), _classes(labels)
    return {name: _compute(name, predicted, wanted) for name in CLASS_SCORES}


def exact_match(answers: Sequence[str], references: Sequence[str]) -> float:
    """Share of answers that equal the reference once both are normalised (see `normalise`)."""
    return _compute("exact_match", list(answers), list(references))


def correct(predictions: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """1.0 where the prediction is right, else 0.0; (seeds, items) or (items,) against (items,)."""
    predicted, expected = np.asarray(predictions), np.asarray(labels)
    same_number(predicted.shape[-1], expected.shape[-1])
    return np.asarray(predicted == expected, dtype=float)


def same_number(predictions: int, labels: int) -> None:
    """LabError unless there are as many predictions as labels."""
    if predictions != labels:
        raise LabError(f"There are {predictions} predictions but {labels} labels.")


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
    same_number(len(predictions), len(references))
    if len(references) == 0:
        raise LabError(f"The {name} of no items at all cannot be measured.")
    with tempfile.TemporaryDirectory() as folder:
        # evaluate makes a folder for every metric; ours leaves nothing behind, and its own id
        # keeps runs at the same time from waiting for each other's lock.
        metric = _metric_class()(
            config_name=name,
            keep_in_memory=True,
            cache_dir=folder,
            experiment_id=uuid.uuid4().hex,
        )
        result = metric.compute(predictions=predictions, references=references)
    return float(result[name])


@functools.cache
def _scorers() -> dict[str, Callable[[Any, Any], float]]:
    """What is computed of references and predictions, by the metric's name."""
    from sklearn.metrics import f1_score, matthews_corrcoef, precision_score, recall_score

    def averaged(score: Callable[..., float], average: str) -> Callable[[Any, Any], float]:
        return functools.partial(score, average=average, zero_division=0)

    def correlation(references: Any, predictions: Any) -> float:
        # scikit-learn also says 0 where only one class occurs, but with a warning.
        one_class = len({*references, *predictions}) == 1
        return 0.0 if one_class else matthews_corrcoef(references, predictions)

    return {
        "accuracy": lambda references, predictions: correct(predictions, references).mean(),
        "macro precision": averaged(precision_score, "macro"),
        "macro recall": averaged(recall_score, "macro"),
        "macro F1": averaged(f1_score, "macro"),
        "micro F1": averaged(f1_score, "micro"),
        "MCC": correlation,
        "exact_match": lambda references, predictions: matches(predictions, references).mean(),
    }


@functools.cache
def _metric_class() -> Any:
    """The lab's metric. Made on first use: importing evaluate takes seconds."""
    import datasets
    import evaluate

    class LabMetric(evaluate.Metric):
        """A metric that lives here, so that nothing is fetched from the Hub; `config_name` is
        which of `_scorers` it computes."""

        def _info(self) -> evaluate.MetricInfo:
            value = datasets.Value("string" if self.config_name == "exact_match" else "int64")
            return evaluate.MetricInfo(
                description=self.__doc__ or "",
                citation="",
                inputs_description="",
                features=datasets.Features({"predictions": value, "references": value}),
            )

        def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
            return {self.config_name: _scorers()[self.config_name](references, predictions)}

    return LabMetric
