"""How sure are we: intervals and paired comparisons.

Scores are arrays of shape (seeds, items): one row per training seed, one column per test item, the
same items in the same order in every row. An interval answers for both sources of chance: another
seed, and another draw of test items. Its variance is the variance of the seed means divided by
the number of seeds, plus the variance of the item means divided by the number of items; its width
is Student's t at the Satterthwaite degrees of freedom, so that three seeds count as three. The
sum counts the seed-by-item noise twice, which errs towards caution: in simulations (kept as a
test) the truth lies inside in 0.92 to 0.99 of the trials at 3 and 5 seeds, and in more when nearly
every answer is right or when seeds do not differ at all. A plain bootstrap over seeds and items
falls to 0.76 once seeds differ.

What was chosen once for all seeds, such as a learning rate, is held fixed: an interval does not
allow for another choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from ftlab.common.errors import LabError

LEVEL = 0.95
BOOTSTRAP_DRAWS = 500
ANYTHING = 1e6  # where the interval of a number ends that could be anything


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95% interval; `low == high` for an exact fact."""

    value: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.value:.4g} exactly"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def mean_interval(scores: ArrayLike) -> Estimate:
    """Mean of `scores` (seeds, items); a single row (items,) answers for the items alone."""
    block = _block(scores)
    ends = [0.0, 0.0, 1.0, 1.0] if _right_or_wrong(block) else []
    return _interval([(1.0, block, ends)], clip=(0.0, 1.0) if ends else None)


def paired_difference(a: ArrayLike, b: ArrayLike) -> Estimate:
    """Mean of a - b, for two methods scored with the same seeds on the same items.

    Both are (seeds, items), or (items,) for one seed. Being paired, what is hard for both methods
    cancels out.
    """
    first, second = _block(a), _block(b)
    if first.shape != second.shape:
        raise LabError(
            f"A paired comparison needs the same seeds and items on both sides, not {first.shape} "
            f"and {second.shape}."
        )
    both_binary = _right_or_wrong(first) and _right_or_wrong(second)
    ends = [-1.0, 1.0] if both_binary else []
    return _interval([(1.0, first - second, ends)], clip=(-1.0, 1.0) if both_binary else None)


def unpaired_difference(a: ArrayLike, b: ArrayLike) -> Estimate:
    """Mean of `a` minus mean of `b`: the same seeds, but other items (train and test, say)."""
    first, second = _block(a), _block(b)
    if len(first) != len(second):
        raise LabError(
            f"Both sides need the same seeds, but there are {len(first)} and {len(second)}."
        )
    both_binary = _right_or_wrong(first) and _right_or_wrong(second)
    ends = [0.0, 1.0] if both_binary else []
    return _interval(
        [(1.0, first, ends), (-1.0, second, ends)], clip=(-1.0, 1.0) if both_binary else None
    )


def seeds_interval(
    values: ArrayLike, *, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """Mean of one number per seed (Student's t): for what no single test item has, as seconds.

    `bounds` are the least and the greatest value that the measure can have, (0, 1) for an F1 or a
    share: Student's t knows nothing of them, so the interval is cut off there.
    """
    per_seed = _numbers(values)
    if per_seed.ndim != 1 or len(per_seed) < 2:
        raise LabError("An interval over seeds needs one number for each of at least two seeds.")
    spread = (per_seed.var(ddof=1) / len(per_seed), len(per_seed))
    return _clipped(_spread(float(per_seed.mean()), [spread]), bounds)


def ratio_interval(a: ArrayLike, b: ArrayLike) -> Estimate:
    """How many times `b` is `a`: geometric mean of a / b over paired seeds, both above zero."""
    first, second = _numbers(a), _numbers(b)
    if first.shape != second.shape or (first <= 0).any() or (second <= 0).any():
        raise LabError("A ratio needs pairs of numbers above zero, one pair for each seed.")
    logs = seeds_interval(np.log(first / second))
    value, low, high = (float(np.exp(number)) for number in (logs.value, logs.low, logs.high))
    return Estimate(value, low, high, logs.seeds)


def wilson(right: int, items: int) -> Estimate:
    """A share of `items` with Wilson's interval (1927), which is never certain: 20 right of 20 tell
    no more than "above 0.84". It knows one training only; over seeds take `mean_interval`."""
    from scipy.stats import binomtest

    if not 0 <= right <= items or not items:
        raise LabError(f"A share needs 0 to all of at least one item, not {right} of {items}.")
    around = binomtest(right, items).proportion_ci(LEVEL, method="wilson")
    return Estimate(right / items, float(around.low), float(around.high), seeds=1)


def exact(value: float) -> Estimate:
    """A fact that no chance enters, such as a difference of parameter counts."""
    number = float(_numbers(value))
    return Estimate(number, number, number, seeds=1)


def bootstrap_interval(
    statistic: Callable[[np.ndarray], ArrayLike], items: int, seed: int = 0
) -> Estimate:
    """Interval of a metric that is no mean over items, such as macro F1 or a difference of two.

    `statistic` takes item numbers (items,), with repeats, and returns the metric of each seed on
    those items (seeds,). Items are drawn again `BOOTSTRAP_DRAWS` times, the same for every seed.
    """
    per_seed = np.atleast_1d(_numbers(statistic(np.arange(items))))
    generator = np.random.default_rng(seed)
    draws = [
        _numbers(statistic(generator.integers(0, items, items))).mean()
        for _ in range(BOOTSTRAP_DRAWS)
    ]
    parts = [(float(np.var(draws, ddof=1)), items)]
    if len(per_seed) > 1:
        parts.append((per_seed.var(ddof=1) / len(per_seed), len(per_seed)))
    return _spread(float(per_seed.mean()), parts, seeds=len(per_seed))


def _numbers(values: ArrayLike) -> np.ndarray:
    numbers = np.asarray(values, dtype=float)
    if numbers.size == 0 or not np.isfinite(numbers).all():
        raise LabError("An interval needs finite numbers: some are missing (nan) or infinite.")
    return numbers


def _block(scores: ArrayLike) -> np.ndarray:
    block = np.atleast_2d(_numbers(scores))
    if block.ndim != 2:
        raise LabError(f"Scores must have the shape (seeds, items), not {block.shape}.")
    return block


def _right_or_wrong(block: np.ndarray) -> bool:
    return bool(np.isin(block, (0.0, 1.0)).all())


def _interval(
    blocks: list[tuple[float, np.ndarray, list[float]]], clip: tuple[float, float] | None
) -> Estimate:
    """Interval of the signed sum of the blocks' means; blocks share their seeds, not their items.

    Right-or-wrong scores get a few made-up items at both ends of the scale (Agresti and Coull for
    a share, Bonett and Price, Agresti and Caffo for differences): without them 200 right out of
    200 would look like certainty.
    """
    per_seed = sum(sign * block.mean(axis=1) for sign, block, _ in blocks)
    assert isinstance(per_seed, np.ndarray)
    centre, parts = 0.0, []
    for sign, block, ends in blocks:
        items = np.append(block.mean(axis=0), ends)
        centre += sign * items.mean()
        if len(items) > 1:
            parts.append((items.var(ddof=1) / len(items), len(items)))
    if len(per_seed) > 1:
        parts.append((per_seed.var(ddof=1) / len(per_seed), len(per_seed)))
    if not parts:
        raise LabError("An interval needs at least two items or two seeds.")
    around = _spread(centre, parts, seeds=len(per_seed))
    return _clipped(replace(around, value=float(per_seed.mean())), clip or (-np.inf, np.inf))


def _clipped(estimate: Estimate, bounds: tuple[float, float]) -> Estimate:
    """The same with an interval inside the bounds, as far as that still holds the value."""
    low, high = max(estimate.low, bounds[0]), min(estimate.high, bounds[1])
    return replace(estimate, low=min(low, estimate.value), high=max(high, estimate.value))


def _spread(centre: float, parts: list[tuple[float, int]], seeds: int | None = None) -> Estimate:
    """`centre` plus and minus t times the root of the summed variances; `parts` are pairs of a
    variance of a mean and the number of things it was estimated from."""
    from scipy.special import stdtrit

    variance = sum(part for part, _ in parts)
    half = 0.0
    if variance > 0:
        freedom = variance**2 / sum(part**2 / (count - 1) for part, count in parts)
        half = float(stdtrit(freedom, 0.5 + LEVEL / 2)) * variance**0.5
    return Estimate(centre, centre - half, centre + half, seeds or parts[0][1])
