"""What a fair comparison found: tidy rows, the answers to every item, and estimates of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate, mean_interval, paired_difference
from ftlab.experiments.drawing import drawn
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.learning_curve import over_seeds, seed_ratio
from ftlab.experiments.runs import COLUMNS, Run, summary
from ftlab.experiments.table import comparison_table
from ftlab.plots.style import show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABOVE_ZERO = ("seconds", "steps", "rows", "setting")
FULL = 0  # the label budget that means: all there are, as in Task.sample_per_class


@dataclass(frozen=True, eq=False)
class FairComparison:
    """What became of every method, task, label budget (labels a class; `FULL`: all) and seed.

    `rows` are tidy: method, task, seed, budget, split, metric, value, hyperparameter ("C" or
    "learning_rate", "" for none) and its setting, whether that was the one chosen, seconds and
    steps of its training. On validation there is a row for every try. Metrics are the accuracy on
    all three splits, rows (training texts), forgotten and recall (bits per character and share of
    answers: see `ForgettingProbe`), and what `evaluation.cost` counts of a step.

    Estimates are pooled over the tasks unless one is named, every task alike, and paired by seed
    (and by item). Of tasks that were dealt anew with each seed items are nested in
    seeds: the interval is Student's t over one number a seed. Of a task with one test set it
    covers other seeds and other items (see `evaluation.intervals`).
    """

    runs: Sequence[Run]
    rows: pd.DataFrame
    trainings: Trainings

    @classmethod
    def of(cls, runs: Sequence[Run], trainings: Trainings) -> FairComparison:
        """From what became of every search."""
        rows = pd.DataFrame([row for run in runs for row in run.rows()], columns=list(COLUMNS))
        return cls(runs, rows, trainings)

    @property
    def methods(self) -> list[str]:
        """Their names, in the order in which they were given."""
        return list(dict.fromkeys(run.method.name for run in self.runs))

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(run.task.name for run in self.runs))

    @property
    def budgets(self) -> list[int]:
        return list(dict.fromkeys(run.budget for run in self.runs))

    @property
    def seeds(self) -> list[int]:
        return list(dict.fromkeys(run.seed for run in self.runs))

    def chosen(
        self, method: str, *, task: str | None = None, budget: int | None = None
    ) -> list[Run]:
        """What became of a method, ordered by task and seed. LabError if it was not run on every
        task of these. Without a budget it is all labels, or the largest there is."""
        if budget is None:
            budget = FULL if FULL in self.budgets else max(self.budgets)
        found = []
        for name in self.tasks if task is None else [task]:
            own = [r for r in self.runs if (r.method.name, r.task.name) == (method, name)]
            at = [run for run in own if run.budget == budget]
            if not at:
                labels = f" with the label budget {budget}" if own else ""
                raise LabError(
                    f"{method!r} was not run on the task {name!r}{labels}: there are the methods "
                    f"{', '.join(self.methods)}, the tasks {', '.join(self.tasks)} and the budgets "
                    f"{', '.join(map(str, self.budgets))}."
                )
            found += at
        return found

    def correct(self, method: str, *, task: str, budget: int | None = None) -> list[np.ndarray]:
        """1.0 where a test text was labelled correctly: (items,) for each seed."""
        return [run.correct for run in self.chosen(method, task=task, budget=budget)]

    def per_seed(
        self,
        method: str,
        metric: str = "accuracy",
        *,
        split: str = "test",
        task: str | None = None,
        budget: int | None = None,
    ) -> np.ndarray:
        """One number for each seed, in the order of the seeds: a metric of `rows`, or its columns
        seconds, steps and setting; of several tasks the mean."""
        found: dict[int, list[float]] = {seed: [] for seed in self.seeds}
        for run in self.chosen(method, task=task, budget=budget):
            found[run.seed].append(run.number(metric, split))
        return np.array([np.mean(numbers) for numbers in found.values()])

    def estimate(self, method: str, metric: str = "accuracy", **where: Any) -> Estimate:
        """A metric of a method, with its interval. `where`: split, task, budget."""
        block = self._block(method, metric, **where)
        if block is not None:
            return mean_interval(block)
        numbers = self.per_seed(method, metric, **where)
        return over_seeds(list(_finite(numbers, method, metric)), **_bounds(metric, 0.0, 1.0))

    def difference(self, a: str, b: str, metric: str = "accuracy", **where: Any) -> Estimate:
        """A metric of `a` minus that of `b`, paired. `where`: split, task, budget."""
        blocks = [self._block(method, metric, **where) for method in (a, b)]
        if blocks[0] is not None and blocks[1] is not None:
            return paired_difference(blocks[0], blocks[1])
        first, second = (_finite(self.per_seed(m, metric, **where), m, metric) for m in (a, b))
        return over_seeds(list(first - second), **_bounds(metric, -1.0, 1.0))

    def ratio(self, a: str, b: str, metric: str, **where: Any) -> Estimate:
        """How many times `b` is `a` in a metric that is above zero, paired by seed."""
        first, second = (_finite(self.per_seed(m, metric, **where), m, metric) for m in (a, b))
        return seed_ratio(list(first), list(second))

    def best_on_validation(self, methods: Sequence[str] | None = None, **where: Any) -> str:
        """The method with the best mean accuracy on validation, all that a choice may rest on."""
        names = self.methods if methods is None else list(methods)
        return max(names, key=lambda name: self.per_seed(name, split="validation", **where).mean())

    def network(self, method: str, seed: int, *, task: str, budget: int | None = None) -> Any:
        """The trained network of a method that was to be kept, read from the disk."""
        runs = self.chosen(method, task=task, budget=budget)
        run = next((run for run in runs if run.seed == seed), None)
        if run is None or not self.trainings.has_network(run.key):
            raise LabError(f"The network of {method!r} with seed {seed} was not kept: name it.")
        prepared: Callable[[int], Any] = run.method.prepared  # type: ignore[attr-defined]
        model = prepared(seed)
        self.trainings.load_network(run.key, model)
        return model.eval()

    def row(self, method: str, task: str, budget: int | None = None) -> dict[str, Any]:
        """All that is known of a method on a task: see `comparison_table`."""
        where: dict[str, Any] = {"task": task, "budget": budget}
        return summary(self.chosen(method, **where), self.estimate(method, **where))

    def table(self, *, task: str | None = None, budget: int | None = None) -> pd.DataFrame:
        """What each method costs, reaches and forgets, and which settings were chosen out of which,
        one method and task a row."""
        there = dict.fromkeys((r.task.name, r.method.name) for r in self.runs)
        names = [(name, method) for name, method in there if task in (None, name)]
        rows = [self.row(method, name, budget) for name, method in names]
        table = comparison_table(rows)
        table.insert(0, "test accuracy", table.pop("test accuracy"))
        hyperparameters = {run.method.name: run.method.hyperparameter for run in self.runs}
        table.insert(1, "searched", [hyperparameters[method] or "-" for _, method in names])
        table.insert(2, "chosen (seeds), of those tried", [row["chosen"] for row in rows])
        return table.loc[:, (table != "-").any()]

    def plot(
        self,
        metric: str = "accuracy",
        *,
        split: str = "test",
        methods: Sequence[str] | None = None,
        tasks: Sequence[str] | None = None,
        budget: int | None = None,
        title: str = "",
        caption: str = "",
    ) -> None:
        """Show a metric of every method, one panel a task, with 95% intervals.

        Over several training sizes (label budgets) it is a curve for each method; with one, or at
        the `budget` named, a dot. `metric` is one of `rows`, or seconds, steps or setting; methods
        of which it was not measured are left out. `caption` is added to the text below the figure,
        which says what is drawn, and which method is highest and lowest.
        """
        figure, text = self.figure(
            metric, split=split, methods=methods, tasks=tasks, budget=budget, title=title
        )
        show(figure, f"{text} {caption}".strip())

    def figure(
        self,
        metric: str = "accuracy",
        *,
        split: str = "test",
        methods: Sequence[str] | None = None,
        tasks: Sequence[str] | None = None,
        budget: int | None = None,
        title: str = "",
    ) -> tuple[Figure, str]:
        """The figure that `plot` shows, to draw more into, and its caption."""
        more: dict[str, Any] = {"methods": methods, "tasks": tasks, "budget": budget}
        return drawn(self, metric, split, title=title, **more)

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told: name, value and keys of every number that was measured."""
        for run in self.runs:
            yield from run.metrics()

    def tries(self) -> pd.DataFrame:
        """All that was tried, one a row, with its accuracy on validation."""
        return pd.DataFrame(
            {
                "method": run.method.name,
                "task": run.task.name,
                "labels_per_class": run.budget,
                "seed": run.seed,
                run.method.hyperparameter: value,
                "validation": score,
                "chosen": value == run.value,
            }
            for run in self.runs
            if run.method.hyperparameter
            for value, score in run.scores.items()
        )

    def _block(
        self,
        method: str,
        metric: str,
        split: str = "test",
        task: str | None = None,
        budget: int | None = None,
    ) -> np.ndarray | None:
        """The answers (seeds, items) where test items are the same for all seeds; None where they
        are not, or where it is not about single items."""
        if (metric, split) != ("accuracy", "test"):
            return None
        runs = self.chosen(method, task=task, budget=budget)
        if len({run.dealt for run in runs}) > 1:
            raise LabError(
                "Some of the tasks were dealt anew with each seed and some were not, so they have "
                "no interval in common: name the task."
            )
        if runs[0].dealt:
            return None
        sizes = [len(run.labels) for run in runs if run.seed == self.seeds[0]]
        # Every task counts alike; where all have as many items, every item does too.
        weigh = len({*sizes}) > 1
        weights = [np.mean(sizes) / size if weigh else 1.0 for size in sizes]
        rows = []
        for seed in self.seeds:
            own = [run.correct for run in runs if run.seed == seed]
            rows.append(np.concatenate([w * part for w, part in zip(weights, own, strict=True)]))
        return np.stack(rows)


def _finite(numbers: np.ndarray, method: str, metric: str) -> np.ndarray:
    if not np.isfinite(numbers).all():
        raise LabError(f"{metric!r} was not measured of {method!r}, so there is no estimate of it.")
    return numbers


def _bounds(metric: str, low: float, high: float) -> dict[str, Any]:
    """The range of a share, or of a difference of shares; and a number that is never below zero is
    not, nor is its interval."""
    if metric in ("accuracy", "recall"):
        return {"bounds": (low, high)}
    return {"bounds": (0.0, math.inf)} if metric in ABOVE_ZERO and low == 0.0 else {}
