"""What is read off learning curves: time until a level is reached, and estimates over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ftlab.evaluation import Estimate, ratio_interval, seeds_interval, single


def cost_until(history: pd.DataFrame, target: float, start: float, column: str) -> float:
    """What training took (`column`: "step" or "seconds") until validation accuracy was `target`.

    Linear between two evaluations, from `start`, the accuracy before the first step. If it was
    never reached, the cost of the whole run: at least that much.
    """
    seen = history.dropna(subset=["validation_metric"])
    levels = np.concatenate([[start], seen["validation_metric"]])
    costs = np.concatenate([[0.0], seen[column]])
    reached = levels >= target
    if not reached.any():
        return float(costs[-1])
    place = int(np.argmax(reached))
    if place == 0:
        return float(costs[1])  # nothing was needed: the first evaluation is the earliest known
    share = (target - levels[place - 1]) / (levels[place] - levels[place - 1])
    return float(costs[place - 1] + share * (costs[place] - costs[place - 1]))


def over_seeds(
    values: Sequence[float],
    *,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    items: int = 0,
) -> Estimate:
    """The mean of one number a seed, with its interval (see `seeds_interval`). One seed shows no
    spread: its number could be anything, and the interval says so, whatever the bounds."""
    if len(values) > 1:
        return seeds_interval(values, bounds=bounds, items=items)
    return single(values[0])


def seed_ratio(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """How many times `second` is `first`, over paired seeds; `over_seeds` for ratios."""
    if len(first) > 1:
        return ratio_interval(first, second)
    return single(first[0] / second[0], 0.0)
