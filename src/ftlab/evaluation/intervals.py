"""How sure are we: intervals and paired comparisons.

Scores are arrays of shape (seeds, items): one row per training seed, one column per test item, the
same items in the same order in every row. An interval answers for both sources of chance: another
seed, and another draw of test items. Its variance is the variance of the seed means divided by
the number of seeds, plus the variance of the item means divided by the number of items; its width
is Student's t at the Satterthwaite degrees of freedom, so that three seeds count as three. The
sum counts the seed-by-item noise twice, which errs towards caution: in simulations (kept as a
test) the truth lies inside in 0.92 to 0.99 of the trials at 3 and 5 seeds, and in more when nearly
all answers are right or seeds do not differ. A plain bootstrap of both falls to 0.76 if they do.

What was chosen once for all seeds, such as a learning rate, is held fixed: an interval does not
allow for another choice. Every estimate carries what it was computed from, so that a record can
keep it and anybody can compute it again (`recomputed`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from ftlab.common.errors import LabError

LEVEL = 0.95
BOOTSTRAP_DRAWS = 500
NAMES = ("bounds", "items")  # of what `seeds_interval` keeps beside its numbers
SMALL = (np.uint8, np.int16, np.int32, np.float32)  # what data are kept as, if nothing is lost


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95% interval; `low == high` for an exact fact.

    Where nothing is known about the spread (one seed, say) an end is infinite and `open` is true.
    `estimator` names the function of this module that made it, `data` are its arguments: the
    answers per seed and item, or one number a seed, in the smallest type that holds them exactly.
    """

    value: float
    low: float
    high: float
    seeds: int
    estimator: str = field(default="", compare=False, repr=False)
    data: tuple[np.ndarray, ...] = field(default=(), compare=False, repr=False)

    @property
    def open(self) -> bool:
        """Whether there is no interval: the number could be anything."""
        return math.isinf(self.low) or math.isinf(self.high)

    @property
    def per_seed(self) -> list[float]:
        """The estimate of every seed alone; [] where it does not rest on several seeds."""
        if self.seeds < 2 or self.estimator not in ESTIMATORS:
            return []
        return [float(value) for value in ESTIMATORS[self.estimator].per_seed(*self.data)]

    def __str__(self) -> str:
        if self.open:
            return f"{self.value:.3g} (no interval)"
        if self.low == self.high:
            return f"{self.value:.4g} exactly"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def mean_interval(scores: ArrayLike) -> Estimate:
    """Mean of `scores` (seeds, items); a single row (items,) answers for the items alone."""
    block = _block(scores)
    ends = [0.0, 0.0, 1.0, 1.0] if _right_or_wrong(block) else []
    made = _interval([(1.0, block, ends)], clip=(0.0, 1.0) if ends else None)
    return _made_by("mean_interval", made, block)


def paired_difference(a: ArrayLike, b: ArrayLike) -> Estimate:
    """Mean of a - b, for two methods scored with the same seeds on the same items.

    Both are (seeds, items), or (items,) for one seed. Being paired, what is hard for both methods
    cancels out.
    """
    first, second = _block(a), _block(b)
    if first.shape != second.shape:
        shapes = f"{first.shape} and {second.shape}"
        raise LabError(f"Both sides of pairs need the same seeds and items, not {shapes}.")
    both_binary = _right_or_wrong(first) and _right_or_wrong(second)
    ends = [-1.0, 1.0] if both_binary else []
    made = _interval([(1.0, first - second, ends)], clip=(-1.0, 1.0) if both_binary else None)
    return _made_by("paired_difference", made, first, second)


def unpaired_difference(a: ArrayLike, b: ArrayLike) -> Estimate:
    """Mean of `a` minus mean of `b`: the same seeds, but other items (train and test, say)."""
    first, second = _block(a), _block(b)
    if len(first) != len(second):
        raise LabError(f"Both sides need the same seeds, not {len(first)} and {len(second)}.")
    both_binary = _right_or_wrong(first) and _right_or_wrong(second)
    ends = [0.0, 1.0] if both_binary else []
    made = _interval(
        [(1.0, first, ends), (-1.0, second, ends)], clip=(-1.0, 1.0) if both_binary else None
    )
    return _made_by("unpaired_difference", made, first, second)


def seeds_interval(
    values: ArrayLike, *, bounds: tuple[float, float] = (-np.inf, np.inf), items: int = 0
) -> Estimate:
    """Mean of one number per seed (Student's t): for what no single test item has, as seconds.

    It is cut off at the `bounds`, (0, 1) for a share. Two seeds that agree tell no spread; shares
    of `items` that are dealt anew for each seed have at least the width of so many items alone.
    """
    per_seed = _numbers(values)
    if per_seed.ndim != 1 or len(per_seed) < 2:
        raise LabError("An interval over seeds needs one number for each of at least two seeds.")
    count, spreads = items * len(per_seed), [(per_seed.var(ddof=1) / len(per_seed), len(per_seed))]
    if items:  # two right and two wrong are added (Agresti and Coull)
        share = (abs(per_seed.mean()) * count + 2) / (count + 4)
        spreads.append((share * (1 - share) / count, count))
    around = [_spread(float(per_seed.mean()), [part], len(per_seed)) for part in spreads]
    made = _clipped(max(around, key=lambda each: each.high), bounds)  # the wider of both
    if len(per_seed) == 2 and made.low == made.high:
        made = replace(made, low=bounds[0], high=bounds[1])
    beside = (np.array(bounds, dtype=float), np.array(items))
    return _made_by("seeds_interval", made, per_seed, *beside[: 2 if items else 1])


def ratio_interval(a: ArrayLike, b: ArrayLike) -> Estimate:
    """How many times `b` is `a`: geometric mean of a / b over paired seeds, both above zero."""
    first, second = _numbers(a), _numbers(b)
    if first.shape != second.shape or (first <= 0).any() or (second <= 0).any():
        raise LabError("A ratio needs pairs of numbers above zero, one pair for each seed.")
    logs = seeds_interval(np.log(first / second))
    value, low, high = (float(np.exp(number)) for number in (logs.value, logs.low, logs.high))
    return _made_by("ratio_interval", Estimate(value, low, high, logs.seeds), first, second)


def single(value: float, least: float = -math.inf) -> Estimate:
    """The number of one seed, which shows no spread: it could be anything from `least` on."""
    made = Estimate(float(value), least, math.inf, 1)
    return _made_by("single", made, np.array(value), np.array(least))


def wilson(right: int, items: int) -> Estimate:
    """A share of `items` with Wilson's interval (1927), which is never certain: 20 right of 20 tell
    no more than "above 0.84". It knows one training only; over seeds take `mean_interval`."""
    from scipy.stats import binomtest

    if not 0 <= right <= items or not items:
        raise LabError(f"A share needs at least one item, 0 to all right, not {right} of {items}.")
    around = binomtest(right, items).proportion_ci(LEVEL, method="wilson")
    made = Estimate(right / items, float(around.low), float(around.high), seeds=1)
    return _made_by("wilson", made, np.array(right), np.array(items))


def exact(value: float) -> Estimate:
    """A fact that no chance enters, such as a difference of parameter counts."""
    number = float(_numbers(value))
    return _made_by("exact", Estimate(number, number, number, seeds=1), np.array(number))


def bootstrap_interval(
    statistic: Callable[[np.ndarray], ArrayLike], items: int, seed: int = 0
) -> Estimate:
    """Interval of a metric that is no mean over items, such as macro F1 or a difference of two.

    `statistic` takes item numbers (items,), with repeats, and returns the metric of each seed on
    those items (seeds,). Items are drawn again `BOOTSTRAP_DRAWS` times, the same for every seed.
    The estimate's data are the metric of each seed and of each draw, not the answers themselves.
    """
    per_seed = np.atleast_1d(_numbers(statistic(np.arange(items))))
    generator = np.random.default_rng(seed)
    draws = [
        _numbers(statistic(generator.integers(0, items, items))).mean()
        for _ in range(BOOTSTRAP_DRAWS)
    ]
    return _from_draws(per_seed, np.array(draws), np.array(items))


def recomputed(estimator: str, data: Sequence[np.ndarray]) -> Estimate:
    """The estimate that `estimator` makes of the `data` of another one; LabError if it cannot."""
    if estimator not in ESTIMATORS:
        raise LabError(f"There is no estimator '{estimator}', only {', '.join(ESTIMATORS)}.")
    try:
        return ESTIMATORS[estimator].make(*data)
    except (TypeError, ValueError) as error:
        raise LabError(f"These data do not fit the estimator '{estimator}': {error}") from error


def _from_draws(per_seed: np.ndarray, draws: np.ndarray, items: np.ndarray) -> Estimate:
    parts = [(float(np.var(draws, ddof=1)), int(items))]
    if len(per_seed) > 1:
        parts.append((per_seed.var(ddof=1) / len(per_seed), len(per_seed)))
    made = _spread(float(per_seed.mean()), parts, seeds=len(per_seed))
    return _made_by("bootstrap_interval", made, per_seed, draws, items)


def _made_by(estimator: str, estimate: Estimate, *data: np.ndarray) -> Estimate:
    return replace(estimate, estimator=estimator, data=tuple(map(_smallest, data)))


def _smallest(array: np.ndarray) -> np.ndarray:
    """A copy in the smallest type that holds every number exactly."""
    for kind in SMALL:
        with np.errstate(all="ignore"):  # of a cast that does not fit
            small = array.astype(kind)
        if np.array_equal(small, array):
            return small
    return array.copy()


def _numbers(values: ArrayLike) -> np.ndarray:
    numbers = np.asarray(values, dtype=float)
    if numbers.size == 0 or not np.isfinite(numbers).all():
        raise LabError("An interval needs finite numbers, but some are missing (nan) or infinite.")
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
    per_seed = np.sum([sign * block.mean(axis=1) for sign, block, _ in blocks], axis=0)
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


def _means(block: np.ndarray) -> np.ndarray:
    return np.asarray(block, dtype=float).mean(axis=1)


@dataclass(frozen=True)
class _Estimator:
    """How to make an estimate of the data of one, and the value of each seed alone."""

    make: Callable[..., Estimate]
    per_seed: Callable[..., Sequence[float] | np.ndarray]


ESTIMATORS = {
    "mean_interval": _Estimator(mean_interval, _means),
    "paired_difference": _Estimator(paired_difference, lambda a, b: _means(a) - _means(b)),
    "unpaired_difference": _Estimator(unpaired_difference, lambda a, b: _means(a) - _means(b)),
    "seeds_interval": _Estimator(
        lambda values, *told: seeds_interval(values, **dict(zip(NAMES, told, strict=False))),
        lambda values, *_: values,
    ),
    "ratio_interval": _Estimator(ratio_interval, np.divide),
    "bootstrap_interval": _Estimator(_from_draws, lambda per_seed, *_: per_seed),
    "single": _Estimator(lambda value, least: single(float(value), float(least)), lambda *_: ()),
    "wilson": _Estimator(lambda right, items: wilson(int(right), int(items)), lambda *_: ()),
    "exact": _Estimator(exact, lambda *_: ()),
}
