"""One method, one task, one label budget, one seed: what was tried, chosen and measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ftlab.data import Task
from ftlab.evaluation import Estimate, correct, seeds_interval
from ftlab.experiments.estimators import Estimator
from ftlab.experiments.keeping import Training
from ftlab.experiments.learning_curve import cost_until

COLUMNS = (
    "method",
    "task",
    "seed",
    "budget",
    "split",
    "metric",
    "value",
    "hyperparameter",
    "setting",
    "chosen",
    "seconds",
    "steps",
)
# What is counted of a step, which chance does not enter.
COUNTED = ("trainable", "share", "optimizer_bytes", "memory_bytes", "stored_bytes")


@dataclass(frozen=True, eq=False)
class Run:
    """What became of a method with one task, label budget and seed.

    `value` is the setting of its hyperparameter that validation chose (nan without one), `scores`
    the validation accuracy of every setting tried, `tries` their trainings, `training` the one
    chosen and `key` what it is kept under. `dealt`: the task was dealt anew for this seed; `known`:
    there was no search, as a longer run had made it.
    """

    method: Estimator
    task: Task
    dealt: bool
    seed: int
    budget: int
    value: float
    scores: Mapping[float, float]
    at_the_end: bool
    training: Training
    tries: Mapping[float, Training]
    labels: np.ndarray
    key: str
    known: bool = False

    @property
    def correct(self) -> np.ndarray:
        """1.0 where a test text was labelled correctly, (items,)."""
        return correct(self.training.test, self.labels)

    def rows(self) -> Iterator[dict[str, Any]]:
        """All tries on validation, then what was measured of the chosen one."""
        for value, score in self.scores.items():
            yield self._row("validation", "accuracy", score, value, self.tries[value])
        yield self._row("test", "accuracy", float(self.correct.mean()))
        for name, number in self.training.measured.items():
            found = math.nan if number is None else float(number)
            if name == "train":
                yield self._row("train", "accuracy", found)
            elif name not in ("steps", "seconds"):
                yield self._row("", name, found)

    def _row(
        self,
        split: str,
        metric: str,
        found: float,
        value: float | None = None,
        of: Training | None = None,
    ) -> dict[str, Any]:
        of = of or self.training
        numbers = (of.measured.get(name) for name in ("seconds", "steps"))
        seconds, steps = (math.nan if n is None else float(n) for n in numbers)
        return dict(
            zip(
                COLUMNS,
                (
                    self.method.name,
                    self.task.name,
                    self.seed,
                    self.budget,
                    split,
                    metric,
                    found,
                    self.method.hyperparameter,
                    self.value if value is None else value,
                    of is self.training,
                    seconds,
                    steps,
                ),
                strict=True,
            )
        )

    def number(self, metric: str, split: str = "test") -> float:
        """A metric of the chosen training (see `FairComparison.rows`); nan if it has none."""
        if metric == "setting":
            return self.value
        if (metric, split) == ("accuracy", "test"):
            return float(self.correct.mean())
        if (metric, split) == ("accuracy", "validation"):
            return next(s for v, s in self.scores.items() if self.tries[v] is self.training)
        found = self.training.measured.get("train" if metric == "accuracy" else metric)
        return math.nan if found is None else float(found)

    def seconds_to(self, share: float) -> float | None:
        """Training seconds until `share` of the best validation accuracy; None if not followed."""
        history = self.training.history
        if history is None:
            return None
        target = share * history.validation_metric.max()
        return cost_until(history, target, 1 / len(self.task.label_names), "seconds")

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told, each with its name, value and keys."""
        keys = {"method": self.method.name, "task": self.task.name, "labels_per_class": self.budget}
        for split, items in (("test", len(self.labels)), ("validation", None), ("train", None)):
            found = self.number("accuracy", split)
            about = {"split": split, "seed": self.seed} | ({"n": items} if items else {})
            yield {"name": "accuracy", "value": _or_none(found), **keys, **about}
        if self.method.hyperparameter:
            name = self.method.hyperparameter
            yield {"name": name, "value": self.value, **keys, "seed": self.seed}
        for name, number in self.training.measured.items():
            if name in COUNTED:  # is the same for all seeds
                yield {"name": name, "value": number, **keys}
            elif name != "train":
                yield {"name": name, "value": number, **keys, "seed": self.seed}


def summary(runs: Sequence[Run], accuracy: Estimate) -> dict[str, Any]:
    """All that is known of a method on one task with one budget, for `comparison_table`: one run a
    seed. None where something was not measured, or cannot be."""

    def mean(numbers: Sequence[float | None]) -> float | None:
        known = [number for number in numbers if number is not None and math.isfinite(number)]
        return float(np.mean(known)) if known else None

    def over(metric: str) -> list[float]:
        return [run.number(metric) for run in runs]

    first = runs[0]
    row: dict[str, Any] = {
        "task": first.task.name,
        "method": first.method.name,
        "seeds": len(runs),
        "n": len(first.labels),
        "value": accuracy.value,
        "ci_low": accuracy.low,
        "ci_high": accuracy.high,
        **{name: first.training.measured.get(name) for name in COUNTED},
        "seconds_per_step": None,
        "seconds_to_95": mean([run.seconds_to(0.95) for run in runs]),
        "forgotten": mean(over("forgotten")),
        "forgotten_low": None,
        "forgotten_high": None,
        "recall": mean(over("recall")),
        "chosen": _settings(runs),
    }
    if row["trainable"]:
        row["seconds_per_step"] = mean(
            [run.number("seconds") / run.number("steps") for run in runs]
        )
    if row["forgotten"] is not None and len(runs) > 1:
        spread = seeds_interval(over("forgotten"))
        row["forgotten_low"], row["forgotten_high"] = _or_none(spread.low), _or_none(spread.high)
    return row


def _settings(runs: Sequence[Run]) -> str:
    """Which values were chosen how often, out of which: '0.002 (4), 0.004 (1) of 0.001 to 0.008'"""
    if not runs[0].method.hyperparameter:
        return "-"
    if runs[0].known:
        return f"{runs[0].value:g}, as the reference run"
    counts = Counter(run.value for run in runs)
    shown = ", ".join(f"{value:g} ({count})" for value, count in sorted(counts.items()))
    tried = [value for run in runs for value in run.scores]
    at_end = sum(run.at_the_end for run in runs)
    return (
        f"{shown} of {min(tried):g} to {max(tried):g}"
        if len({*tried}) > 1
        else f"{runs[0].value:g}, the only one tried"
    ) + (f"; at the end of the range in {at_end}" if at_end else "")


def _or_none(number: float) -> float | None:
    return number if math.isfinite(number) else None
