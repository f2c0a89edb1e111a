"""Calibration: confidence against accuracy, and where to put the decision threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ftlab.common.errors import LabError
from ftlab.evaluation.metrics import correct, same_number

if TYPE_CHECKING:
    import pandas as pd


def softmax(logits: ArrayLike, temperature: float = 1.0) -> np.ndarray:
    """(items, classes) logits to probabilities, after division by `temperature` (above 0)."""
    from scipy.special import softmax as over_classes

    if not temperature > 0:
        raise LabError(f"The temperature must be above 0, not {temperature}.")
    return np.asarray(over_classes(_table(logits) / temperature, axis=1))


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature that makes `labels` (items,) likeliest (Guo et al. 2017).

    Choose it on validation items. It changes how sure the model says it is, never what it says.
    """
    from scipy.optimize import minimize_scalar

    table, truth = _table(logits), np.ravel(labels)
    same_number(len(table), len(truth))
    rows = np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        chances = softmax(table, float(np.exp(log_temperature)))[rows, truth]
        return float(-np.log(np.maximum(chances, 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-4.0, 4.0), method="bounded").x))


def reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = 10) -> pd.DataFrame:
    """Accuracy of the predicted class by its confidence (a reliability diagram's data).

    One row for each of `bins` equally wide bins of confidence that has any items: `confidence`
    (mean), `accuracy` (share of correct predictions), `items`.
    """
    import pandas as pd

    table = _table(probabilities)
    confidence, hits = table.max(axis=1), correct(table.argmax(axis=1), np.ravel(labels))
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    frame = pd.DataFrame({"bin": place, "confidence": confidence, "accuracy": hits})
    rows = frame.groupby("bin").mean()
    return rows.assign(items=frame.groupby("bin").size()).reset_index(drop=True)


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 10
) -> float:
    """The mean distance between confidence and accuracy, bins weighted by their items (Naeini et
    al. 2015). A share; it depends on the number of bins and is above 0 even for a perfect model."""
    rows = reliability(probabilities, labels, bins)
    return float(np.average((rows.confidence - rows.accuracy).abs(), weights=rows["items"]))


def cheapest_threshold(
    scores: ArrayLike, labels: ArrayLike, *, miss: float, alarm: float
) -> tuple[float, float]:
    """Where to draw the line, and what an item then costs on average.

    `scores` (items,) are higher for what is likelier positive, `labels` are 0 or 1. Said positive
    is what scores at least the threshold; each positive below it costs `miss`, each negative at or
    above it `alarm`. Choose it on validation items. Infinity means: say positive of nothing.
    """
    values, truth = np.asarray(scores, dtype=float), np.asarray(labels)
    if values.ndim != 1 or values.shape != truth.shape or not len(values):
        raise LabError(
            f"Scores {values.shape} and labels {truth.shape} must have one value for each item."
        )
    if miss < 0 or alarm < 0:
        raise LabError(f"The costs `miss` and `alarm` must be 0 or more, not {miss} and {alarm}.")
    lines: Sequence[float] = [*np.unique(values), np.inf]
    costs = [
        float((miss * (truth == 1) * (values < t) + alarm * (truth == 0) * (values >= t)).mean())
        for t in lines
    ]
    best = int(np.argmin(costs))
    return float(lines[best]), costs[best]


def _table(values: ArrayLike) -> np.ndarray:
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise LabError(f"Expected finite numbers of shape (items, classes), not {table.shape}.")
    return table
