"""Intervals on trial: made-up experiments whose truth is known, so that one can count how often an
interval holds it; and how many test texts a difference takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate, items_needed, wilson
from ftlab.plots import measuring as drawn
from ftlab.plots import show

Interval = Callable[[np.ndarray], tuple[float, float]]
TRIALS, SHOWN = 1000, 40  # experiments made up, and those of them that are drawn
WORTH = 0.02  # disagreement of two models, at least: with none, no number of texts would do


def made_up_scores(
    rng: np.random.Generator,
    seeds: int,
    items: int,
    *,
    accuracy: float = 0.85,
    seed_sd: float = 0.4,
    item_sd: float = 1.5,
) -> np.ndarray:
    """Right (1) or wrong (0) answers of made-up trainings, (seeds, items), whose mean over all
    seeds and items that there could be is `accuracy`.

    On the scale of the logits every training is a little better or worse (`seed_sd`), and every
    item easier or harder (`item_sd`), by a normal distribution each.
    """
    middle = _logit_for(accuracy, math.hypot(seed_sd, item_sd))
    better = rng.normal(0, seed_sd, (seeds, 1)) + rng.normal(0, item_sd, (1, items))
    return (rng.random((seeds, items)) < _share(middle + better)).astype(float)


@dataclass(frozen=True, eq=False)
class Coverage:
    """How often the intervals of made-up experiments hold the truth.

    `rows`: name (of the kind of interval), trial, low, high, holds.
    """

    rows: pd.DataFrame
    truth: float
    seeds: int
    items: int

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(self.rows.name))

    def share(self, name: str) -> Estimate:
        """The share of the trials in which this kind of interval held the truth."""
        own = self.rows[self.rows.name == name].holds
        return wilson(int(own.sum()), len(own))

    def width(self, name: str) -> float:
        """The mean width of this kind of interval."""
        own = self.rows[self.rows.name == name]
        return float((own.high - own.low).mean())

    def plot(self) -> None:
        """Show the first intervals of every kind, those that miss the truth set apart."""
        shares = {name: self.share(name).value for name in self.names}
        told = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        ends = {
            name: self.rows[self.rows.name == name].head(SHOWN)[["low", "high"]].to_numpy()
            for name in self.names
        }
        show(
            drawn.intervals(
                ends, self.truth, {name: f"{share:.0%}" for name, share in shares.items()}
            ),
            f"The intervals of {SHOWN} made-up experiments with {self.seeds} seeds and "
            f"{self.items} items, one line each, and the truth. They hold it in: {told}.",
        )

    def told(self) -> str:
        """Which kind keeps the 95% that it promises, in words."""
        kept = [name for name in self.names if self.share(name).high >= 0.95]
        short = [name for name in self.names if name not in kept]
        parts = [f"**{name}** hold the truth in {self.share(name).value:.0%}" for name in short]
        promise = f"Of intervals that promise 95%, those over {'; those over '.join(parts)}."
        kept_too = ", ".join(f"**{n}** ({self.share(n).value:.0%})" for n in kept)
        return (promise if short else "") + (
            f" The promise is kept by those over {kept_too}." if kept else " None keeps it."
        )

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for name in self.names:
            about = {"interval": name, "n_seeds": self.seeds, "n": self.items}
            yield {"name": "coverage", "value": self.share(name).value, **about}


def coverage(
    intervals: Mapping[str, Interval],
    *,
    n_seeds: int = 5,
    items: int = 300,
    trials: int = TRIALS,
    seed: int = 0,
    **how: float,
) -> Coverage:
    """Make up experiments and count how often each of the `intervals`, functions of the scores
    (seeds, items), holds the truth. `how`: see `made_up_scores`. LabError for an interval that is
    none."""
    rng = np.random.default_rng(seed)
    truth = how.get("accuracy", 0.85)
    rows = []
    for trial in range(trials):
        scores = made_up_scores(rng, n_seeds, items, **how)
        for name, interval in intervals.items():
            ends = np.ravel(interval(scores))  # type: ignore[arg-type]
            if ends.shape != (2,) or not np.isfinite(ends).all():
                raise LabError(f"{name!r} must give two finite numbers, low and high, not {ends}.")
            low, high = map(float, ends)
            rows.append((name, trial, low, high, low <= truth <= high))
    frame = pd.DataFrame(rows, columns=["name", "trial", "low", "high", "holds"])
    return Coverage(frame, truth, n_seeds, items)


def texts_needed(first: np.ndarray, second: np.ndarray) -> tuple[float, pd.DataFrame]:
    """How often two models disagree, and how many test texts show a difference between such models
    in four tests of five, one difference a row; `first` and `second` are (items,), 0 or 1."""
    disagree = max(WORTH, float((first != second).mean()))
    rows = {
        f"{points} point{'s' * (points > 1)}": items_needed(
            points / 100, max(disagree, points / 100)
        )
        for points in (1, 2, 5, 10)
    }
    return disagree, pd.DataFrame({"test texts needed": rows}).rename_axis("difference")


def _share(logits: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-logits)))


def _logit_for(accuracy: float, sd: float) -> float:
    """The middle of a normal distribution of logits whose mean share is `accuracy`."""
    from scipy.optimize import brentq

    if not 0 < accuracy < 1:
        raise LabError(f"An accuracy to make scores of lies between 0 and 1, not at {accuracy}.")
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)

    def over(middle: float) -> float:
        return float((weights * _share(middle + sd * nodes)).sum() / weights.sum() - accuracy)

    return float(brentq(over, -50, 50))
