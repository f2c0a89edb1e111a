"""Two models on the same items, and how many items it takes to tell them apart."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ftlab.common.errors import LabError


def mcnemar(a: ArrayLike, b: ArrayLike) -> float:
    """The p-value of "both are correct equally often" (McNemar 1947, exact).

    `a` and `b` are 1 where the model is correct, (items,), the same items in the same order. Only
    items that only one of them has correct count. It knows one training of each
    model, so it says nothing of other seeds: for that take `paired_difference`.
    """
    from scipy.stats import binomtest

    first, second = np.asarray(a), np.asarray(b)
    if first.shape != second.shape or first.ndim != 1:
        raise LabError(
            "Both sides need one score per item, for the same items, not scores of the shapes "
            f"{first.shape} and {second.shape}."
        )
    if not np.isin([first, second], (0, 1)).all():
        raise LabError("McNemar's test only takes scores of 1 (correct) or 0 (wrong).")
    only_first = int(((first == 1) & (second == 0)).sum())
    differ = only_first + int(((first == 0) & (second == 1)).sum())
    return float(binomtest(only_first, differ).pvalue) if differ else 1.0


def items_needed(
    difference: float, disagreement: float, *, power: float = 0.8, level: float = 0.95
) -> int:
    """How many test items it takes to see a difference in accuracy between two models.

    `difference` is that of their accuracies, `disagreement` the share of items that exactly one of
    them gets right (at least the difference). With so many items McNemar's test finds it at `level`
    in a share `power` of the tests (Connor 1987).
    """
    from scipy.stats import norm

    if not 0 < difference <= disagreement <= 1:
        raise LabError(
            "items_needed needs 0 < difference <= disagreement <= 1, but difference is "
            f"{difference} and disagreement is {disagreement}."
        )
    wrong, missed = norm.ppf(0.5 + level / 2), norm.ppf(power)
    spread = math.sqrt(max(0.0, disagreement - difference**2))
    return math.ceil(((wrong * math.sqrt(disagreement) + missed * spread) / difference) ** 2)
