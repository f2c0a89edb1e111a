"""The search for a hyperparameter: a grid that is widened until the best value lies inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

WIDENINGS = 3  # on each side, at most
FACTORS = {"learning_rate": 2.0, "C": 10.0}  # by which a grid is widened
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
