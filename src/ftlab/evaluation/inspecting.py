"""Reading what went wrong: rows by their loss, slices, labels that may themselves be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ftlab.common.errors import LabError
from ftlab.evaluation.intervals import wilson

if TYPE_CHECKING:
    import pandas as pd


def by_loss(
    rows: pd.DataFrame, probabilities: ArrayLike, label_names: Sequence[str]
) -> pd.DataFrame:
    """The rows (columns text and label) with the model's predictions, the worst first.

    `label` becomes the label's name; adds `predicted` (a name), `confidence` (the probability of
    the predicted label) and `loss` (nats: minus the log probability of the true label).
    `probabilities` is (rows, classes).
    """
    table = np.asarray(probabilities, dtype=float)
    if table.shape != (len(rows), len(label_names)):
        raise LabError(
            f"Expected probabilities of shape {(len(rows), len(label_names))}, not {table.shape}."
        )
    labels = rows.label.to_numpy()
    judged = rows.assign(
        label=[label_names[i] for i in labels],
        predicted=[label_names[i] for i in table.argmax(axis=1)],
        confidence=table.max(axis=1),
        loss=-np.log(np.maximum(table[np.arange(len(rows)), labels], 1e-12)),
    )
    return judged.sort_values("loss", ascending=False, kind="stable")


def slices(scores: ArrayLike, groups: Sequence[str]) -> pd.DataFrame:
    """Accuracy of each group of items, worst first, with its 95% Wilson interval.

    `scores` is 1 where the model is correct, else 0, (items,); `groups` names each item's group.
    Columns `accuracy`, `low`, `high`, `items`, and `below`: whether the whole interval lies below
    the accuracy of all items.
    """
    import pandas as pd

    values = np.asarray(scores, dtype=float)
    if values.shape != (len(groups),) or not len(groups):
        raise LabError(f"Expected one score for each of {len(groups)} items, not {values.shape}.")
    rows = {}
    for name, part in pd.Series(values).groupby(np.asarray(groups)):
        around = wilson(int(part.sum()), len(part))
        rows[name] = {
            "accuracy": around.value,
            "low": around.low,
            "high": around.high,
            "items": len(part),
            "below": bool(around.high < values.mean()),
        }
    return pd.DataFrame(rows).T.infer_objects().sort_values("accuracy", kind="stable")


def doubtful_labels(probabilities: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """Row numbers whose label may be wrong, the most doubtful first (Northcutt et al. 2021).

    `probabilities` (rows, classes) must come from models that did not learn from the row itself
    (cross-validation). A row is doubtful if some other class is at least as probable as that class
    is, on average, for the rows that carry it, and more probable than the row's own label.
    """
    table, given = np.asarray(probabilities, dtype=float), np.asarray(labels)
    if table.ndim != 2 or given.shape != table.shape[:1]:
        raise LabError(
            f"Probabilities of shape {table.shape} do not fit labels of shape {given.shape}."
        )
    means = np.array(
        [
            table[given == k, k].mean() if (given == k).any() else np.inf
            for k in range(table.shape[1])
        ]
    )
    reached = np.where(table >= means, table, -np.inf)
    best = reached.argmax(axis=1)
    rows = np.arange(len(given))
    own = table[rows, given]
    doubtful = np.isfinite(reached[rows, best]) & (best != given) & (table[rows, best] > own)
    margin = own - table.max(axis=1)
    return rows[doubtful][np.argsort(margin[doubtful], kind="stable")]
