"""The search for a hyperparameter: a grid that is widened until the best value lies inside.

Or no search, where a longer run has made it: `Choices`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WIDENINGS = 3  # on each side, at most
FACTORS = {"learning_rate": 2.0, "C": 10.0, "strength": 2.0}  # by which a grid is widened
DIVERGED = -1.0  # the score of a training that left the numbers


def choice(scores: Mapping[float, float]) -> float:
    """The value with the best score. Of several the middle one, as scores that are equal on
    validation differ by chance; of two in the middle the smaller, which moves or fits less.

    Where all trainings diverged it is the smallest value: below it they may not.
    """
    best = max(scores.values())
    tied = sorted(value for value, score in scores.items() if score == best)
    return tied[0] if best == DIVERGED else tied[(len(tied) - 1) // 2]


def wider(start: Sequence[float], scores: Mapping[float, float], factor: float) -> float | None:
    """The next value to try, a `factor` beyond the end at which the best one lies; None if it lies
    inside, or if `WIDENINGS` steps beyond this end of the grid `start` have been taken. A grid of
    a single value is no search, and is not widened."""
    if len(start) < 2:
        return None
    best = choice(scores)
    if best == max(scores) and sum(value > max(start) for value in scores) < WIDENINGS:
        return _rounded(best * factor)
    if best == min(scores) and sum(value < min(start) for value in scores) < WIDENINGS:
        return _rounded(best / factor)
    return None


def at_the_end(start: Sequence[float], scores: Mapping[float, float]) -> bool:
    """Whether the choice lies at an end of what was tried, in spite of all widening."""
    return len(start) > 1 and choice(scores) in (min(scores), max(scores))


def _rounded(value: float) -> float:
    return float(f"{value:.12g}")  # 0.01 / 10 is 0.001


@dataclass(frozen=True)
class Choices:
    """What a longer run chose, so that a short one need not search.

    `values` are those of the hyperparameter that each seed of it chose, by method, hyperparameter
    and task, and for each label budget (0: all labels).
    """

    values: Mapping[tuple[str, str, str], Mapping[int, Sequence[float]]] = field(
        default_factory=dict
    )

    @classmethod
    def of(cls, tries: Iterable[Mapping[str, Any]]) -> Choices:
        """From tries as a record keeps them, see `FairComparison.tries`; others are left aside."""
        values: dict[tuple[str, str, str], dict[int, list[float]]] = {}
        for row in tries:
            name = next((name for name in FACTORS if row.get(name) is not None), None)
            if name and row.get("chosen") and {"method", "task", "labels_per_class"} <= {*row}:
                budgets = values.setdefault((row["method"], name, row["task"]), {})
                budgets.setdefault(int(row["labels_per_class"]), []).append(float(row[name]))
        return cls(values)

    def value(self, method: str, hyperparameter: str, task: str, budget: int) -> float | None:
        """The middle one of the values that the seeds chose at this label budget, or at the one
        nearest to it; of two in the middle the smaller. None if nothing is known of the method on
        this task."""
        budgets = self.values.get((method, hyperparameter, task))
        if not budgets:
            return None
        chosen = sorted(budgets[min(budgets, key=lambda one: _apart(one, budget))])
        return chosen[(len(chosen) - 1) // 2]


def _apart(budget: int, other: int) -> float:
    """How far apart two label budgets are, by their ratio; all labels are more than any number."""
    first, second = (math.log(one) if one else 1e3 for one in (budget, other))
    return abs(first - second)
