"""Methods compared over label budgets: who needs how many labels, and how long?

Every method gets the same number of tries for its knob, judged on validation. Samples are paired
by seed: with one seed all methods learn from the same texts, and a small sample is part of every
larger one. The test part is only predicted, never looked at for a choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ftlab.common.errors import LabError
from ftlab.data import Task
from ftlab.evaluation import (
    Estimate,
    correct,
    mean_interval,
    ratio_interval,
    seeds_interval,
    single,
)
from ftlab.experiments.estimators import Learned, Method

FULL = 0  # the label budget that means: all there are, as in Task.sample_per_class
OWN_TEXTS = 100  # how many of its training texts a method is asked again, at most


@dataclass
class LearningCurve:
    """What became of every method, label budget and seed.

    `runs` has one row for each: method, budget, seed, knob, rows (training texts), train (accuracy
    on at most `OWN_TEXTS` of its own training texts), test (accuracy), steps, seconds. `tries` has
    the validation accuracy of every knob tried, averaged over the seeds that tried it.
    `right[method, budget]` is 1.0 where a test text was labelled rightly, (seeds, items).
    `histories` are those of the runs that were watched.
    """

    runs: pd.DataFrame
    tries: pd.DataFrame
    right: dict[tuple[str, int], np.ndarray]
    histories: dict[tuple[str, int], list[pd.DataFrame]]

    def accuracy(self, method: str, budget: int) -> Estimate:
        """Test accuracy with its interval over seeds and items."""
        return mean_interval(self.right[method, budget])

    def column(self, name: str, method: str, budget: int) -> np.ndarray:
        """A column of `runs`, one number a seed, in the order of the seeds."""
        chosen = (self.runs.method == method) & (self.runs.budget == budget)
        return self.runs[chosen][name].to_numpy(dtype=float)


def learning_curve(
    task: Task,
    test: pd.DataFrame,
    methods: Sequence[Method],
    budgets: Sequence[int],
    seeds: Sequence[int],
    *,
    tune_at: Sequence[int],
    tuned_on: int = 1,
    inspect: Callable[[str, Learned], dict[str, Any]] | None = None,
) -> LearningCurve:
    """Train every method on every budget (labels a class; `FULL`: all) with every seed.

    A knob is chosen by its mean validation accuracy with the first `tuned_on` seeds, at each budget
    of `tune_at`; the other budgets take the choice made at the first of these. `test` is what
    `task.read_test()` gave.
    What `inspect(name, learned)` says of a trained method is added to its row of `runs`.
    LabError if methods have different numbers of tries: the comparison would not be fair.
    """
    from ftlab.common.progress import progress_bar

    searched = [method for method in methods if method.tries and not method.given]
    if len({len(method.tries) for method in searched}) > 1:
        counts = ", ".join(f"{method.name} {len(method.tries)}" for method in searched)
        raise LabError(f"Methods need the same number of tries to be compared fairly: {counts}.")
    work = _Work(task, test, inspect or (lambda name, learned: {}))
    trainings = len(budgets) * len(seeds) * len(methods)
    tuning = seeds[:tuned_on]
    extra = sum(max(0, len(method.tries) - 1) for method in methods)
    trainings += len(tune_at) * len(tuning) * extra
    with progress_bar(trainings, 0, True) as work.advance:
        # Tuned budgets come first: the others take over what was chosen there. Methods take turns,
        # so that a slow quarter of an hour of the computer does not fall on one of them alone.
        for budget in sorted(budgets, key=lambda budget: budget not in tune_at):
            for method in methods:
                if budget in tune_at and method.tries:
                    work.tune(method, budget, tuning)
            for seed in seeds:
                for method in methods:
                    work.run(method, budget, seed, tune_at[0])
    return LearningCurve(
        pd.DataFrame(work.runs),
        pd.DataFrame(work.tries),
        {key: np.stack(rows) for key, rows in work.right.items()},
        work.histories,
    )


@dataclass
class _Work:
    """A comparison under way."""

    task: Task
    test: pd.DataFrame
    inspect: Callable[[str, Learned], dict[str, Any]]
    advance: Callable[[str], None] = print
    runs: list[dict[str, Any]] = field(default_factory=list)
    tries: list[dict[str, Any]] = field(default_factory=list)
    right: dict[tuple[str, int], list[np.ndarray]] = field(default_factory=dict)
    histories: dict[tuple[str, int], list[pd.DataFrame]] = field(default_factory=dict)
    knobs: dict[tuple[str, int], float] = field(default_factory=dict)
    ready: dict[tuple[str, int, int], Learned] = field(default_factory=dict)

    def tune(self, method: Method, budget: int, seeds: Sequence[int]) -> None:
        """Choose the knob on validation; the winner's trainings are kept for `run`."""
        samples = {seed: self.task.sample_per_class(budget, seed) for seed in seeds}
        best = -1.0
        for number, knob in enumerate(method.tries):
            learned = {}
            for seed, rows in samples.items():
                learned[seed] = method.learn(rows, knob, seed)
                if number:  # the first of the tries counts as the run that it may become
                    self.advance(f"{method.name}, trying {knob:g}")
            scores = [_share_right(one, self.task.validation) for one in learned.values()]
            score = sum(scores) / len(scores)
            about = {"method": method.name, "budget": budget}
            self.tries.append({**about, "knob": knob, "validation": score})
            if score > best:
                best = score
                self.knobs[method.name, budget] = knob
                for seed, one in learned.items():
                    self.ready[method.name, budget, seed] = one

    def run(self, method: Method, budget: int, seed: int, tuned: int) -> None:
        """One training, and everything that is asked of it."""
        knob = self.knobs.get((method.name, budget), self.knobs.get((method.name, tuned), 0.0))
        rows = self.task.sample_per_class(budget, seed)
        learned = self.ready.pop((method.name, budget, seed), None)
        learned = learned or method.learn(rows, knob, seed)
        own = rows.sample(min(OWN_TEXTS, len(rows)), random_state=seed)
        hits = correct(learned.predict(list(self.test.text)), self.test.label)
        self.right.setdefault((method.name, budget), []).append(hits)
        if learned.history is not None:
            self.histories.setdefault((method.name, budget), []).append(learned.history)
        self.runs.append(
            {
                "method": method.name,
                "budget": budget,
                "seed": seed,
                "knob": knob,
                "rows": len(rows),
                "train": _share_right(learned, own),
                "test": float(hits.mean()),
                "steps": learned.steps,
                "seconds": learned.seconds,
                **self.inspect(method.name, learned),
            }
        )
        self.advance(f"{method.name}, seed {seed}")


def _share_right(learned: Learned, rows: pd.DataFrame) -> float:
    return float(correct(learned.predict(list(rows.text)), rows.label).mean())


def labels_needed(budgets: Sequence[float], accuracies: Sequence[float], target: float) -> float:
    """How many labels bring a method to `target`, read off its curve, along the logarithm.

    The first budget if that is enough already (then it is an upper bound), `math.inf` if no budget
    is enough. A dip in the curve is bridged: what fewer labels reached, more reach as well.
    """
    best = np.maximum.accumulate(np.asarray(accuracies, dtype=float))
    if target <= best[0]:
        return float(budgets[0])
    if target > best[-1]:
        return math.inf
    place = int(np.argmax(best >= target))
    share = (target - best[place - 1]) / (best[place] - best[place - 1])
    low, high = math.log(budgets[place - 1]), math.log(budgets[place])
    return math.exp(low + share * (high - low))


def cost_until(history: pd.DataFrame, target: float, start: float, column: str) -> float:
    """What training took (`column`: "step" or "seconds") until validation accuracy was `target`.

    Linear between two looks, from `start`, the accuracy before the first step. If it was never
    reached, the cost of the whole run: at least that much.
    """
    seen = history.dropna(subset=["validation_metric"])
    levels = np.concatenate([[start], seen["validation_metric"]])
    costs = np.concatenate([[0.0], seen[column]])
    reached = levels >= target
    if not reached.any():
        return float(costs[-1])
    place = int(np.argmax(reached))
    if place == 0:
        return float(costs[1])  # nothing was needed: the first look is the least that was seen
    share = (target - levels[place - 1]) / (levels[place] - levels[place - 1])
    return float(costs[place - 1] + share * (costs[place] - costs[place - 1]))


def over_seeds(
    values: Sequence[float], *, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> Estimate:
    """The mean of one number a seed, with its interval (see `seeds_interval`). One seed shows no
    spread: its number could be anything, and the interval says so, whatever the bounds."""
    if len(values) > 1:
        return seeds_interval(values, bounds=bounds)
    return single(values[0])


def seed_ratio(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """How many times `second` is `first`, over paired seeds; `over_seeds` for ratios."""
    if len(first) > 1:
        return ratio_interval(first, second)
    return single(first[0] / second[0], 0.0)
