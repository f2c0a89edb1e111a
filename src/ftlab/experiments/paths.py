"""What watched trainings tell: where the held-out loss turns, and what it is when two networks have
learned their own texts equally well."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ftlab.evaluation import Estimate
from ftlab.experiments.baselines import RANDOM
from ftlab.experiments.learning_curve import over_seeds, seed_ratio
from ftlab.experiments.results import FairComparison
from ftlab.experiments.runs import Run
from ftlab.experiments.watching import NO_REMEDY, Watched

LEVEL = 0.003  # training loss, in nats: a label of its own text gets a probability of 99.7%
PATIENCE = 5  # evaluations without a lower validation loss, until early stopping stops
TOLD = ("train_loss", "validation_loss", "test_loss", "test_accuracy")


@dataclass(frozen=True, eq=False)
class LossPaths:
    """Watched trainings of one task: a remedy at one or several strengths, by `kind`, and with one
    or several label budgets (labels a class).

    A remedy's strength is chosen for each seed on validation: the one with the lowest validation
    loss when its own texts are learned (`matched`). Of early stopping, too, validation decides.
    All that is reported is then read from the test. Estimates are over seeds, paired by them.
    """

    found: FairComparison
    budget: int

    @property
    def settings(self) -> dict[str, Any]:
        """What `training.fit` was told of the first training without a remedy."""
        run = self.runs()[0]
        method: Any = run.method
        return dict(method.settings(run.value, run.seed))

    @property
    def budgets(self) -> list[int]:
        """Labels a class, the fewest first."""
        return sorted({run.budget for run in self.watched})

    @property
    def remedies(self) -> list[str]:
        """The kinds that are remedies."""
        return [kind for kind in self.kinds if kind not in (NO_REMEDY, RANDOM)]

    @property
    def kinds(self) -> list[str]:
        """The remedies, NO_REMEDY and what else was watched, in the order they were given."""
        return list(dict.fromkeys(run.method.kind for run in self.watched))  # type: ignore[attr-defined]

    @cached_property
    def watched(self) -> list[Run]:
        """All trainings of networks; the baselines are left out."""
        return [run for run in self.found.runs if isinstance(run.method, Watched)]

    def runs(self, kind: str = NO_REMEDY, budget: int | None = None) -> list[Run]:
        """One for each seed: that of the strength which validation chose."""
        own = [run for run in self.watched if run.method.kind == kind]  # type: ignore[attr-defined]
        own = [run for run in own if run.budget == (self.budget if budget is None else budget)]
        return [
            min((run for run in own if run.seed == seed), key=_validated)
            for seed in dict.fromkeys(run.seed for run in own)
        ]

    def at_turn(self, column: str, kind: str = NO_REMEDY, budget: int | None = None) -> np.ndarray:
        """A column of the histories where early stopping would have stopped and gone back to,
        (seeds,)."""
        return np.array([_at_stop(run, column) for run in self.runs(kind, budget)])

    def at_best(self, column: str, kind: str = NO_REMEDY, budget: int | None = None) -> np.ndarray:
        """A column of the histories where the validation accuracy is highest (the first such
        evaluation), (seeds,)."""
        paths = [_path(run) for run in self.runs(kind, budget)]
        return np.array([path[column].iloc[path.validation_accuracy.argmax()] for path in paths])

    def stopped_at(self, kind: str = NO_REMEDY, budget: int | None = None) -> np.ndarray:
        """The steps at which early stopping stops, (seeds,)."""
        paths = [_path(run).iloc[1:] for run in self.runs(kind, budget)]
        places = [stopping(list(path.validation_loss))[0] for path in paths]
        return np.array([path.step.iloc[place] for path, place in zip(paths, places, strict=True)])

    def at_end(self, column: str, kind: str = NO_REMEDY, budget: int | None = None) -> np.ndarray:
        """A column of the histories at the last step, (seeds,)."""
        return np.array([_path(run)[column].iloc[-1] for run in self.runs(kind, budget)])

    def matched(
        self, column: str, kind: str, rival: str = NO_REMEDY
    ) -> tuple[np.ndarray, np.ndarray]:
        """A column of the histories of `kind` and of `rival`, (seeds,) each, where the training
        loss of both is the same: at `LEVEL`, or at the lowest that both have reached."""
        pairs = []
        for one, other in zip(self.runs(kind), self.runs(rival), strict=True):
            level = max(LEVEL, _path(one).train_loss.min(), _path(other).train_loss.min())
            pairs.append([at_training_loss(_path(run), level, column) for run in (one, other)])
        first, second = np.array(pairs).T
        return first, second

    def loss_ratio(self, kind: str, rival: str = NO_REMEDY) -> Estimate:
        """Held-out loss at equal training loss: `kind` / `rival`."""
        return _ratio(*self.matched("test_loss", kind, rival))

    def accuracy_gain(self, kind: str, rival: str = NO_REMEDY) -> Estimate:
        """Held-out accuracy at equal training loss: `kind` less `rival`."""
        return _difference(*self.matched("test_accuracy", kind, rival))

    def risen(self, kind: str = NO_REMEDY, budget: int | None = None) -> Estimate:
        """Held-out loss at the end / where early stopping would have stopped."""
        at = [read("test_loss", kind, budget) for read in (self.at_end, self.at_turn)]
        return _ratio(*at)

    def gained_by_stopping(self, kind: str = NO_REMEDY, budget: int | None = None) -> Estimate:
        """Held-out accuracy where early stopping stops less that at the end."""
        at = [read("test_accuracy", kind, budget) for read in (self.at_turn, self.at_end)]
        return _difference(*at)

    def best_accuracy_gain(self, one: tuple[str, int], other: tuple[str, int]) -> Estimate:
        """Held-out accuracy of one (kind, label budget) less another's, both with the weights that
        validation accuracy likes best."""
        return _difference(*(self.at_best("test_accuracy", *which) for which in (one, other)))

    def gained_by_choosing(self, kind: str = NO_REMEDY, budget: int | None = None) -> Estimate:
        """Held-out accuracy where validation accuracy is highest less that at the end."""
        at = [read("test_accuracy", kind, budget) for read in (self.at_best, self.at_end)]
        return _difference(*at)

    def mean(self, column: str, kind: str = NO_REMEDY, budget: int | None = None) -> np.ndarray:
        """The mean over the seeds of a column at every evaluation, (evaluations,)."""
        return np.mean(self.curves(column, kind, budget), axis=0)

    def curves(
        self, column: str, kind: str = NO_REMEDY, budget: int | None = None
    ) -> list[np.ndarray]:
        """A column at every evaluation, one curve a seed."""
        return [_path(run)[column].to_numpy() for run in self.runs(kind, budget)]

    def over_training_loss(
        self, kind: str, levels: Iterable[float], column: str = "test_loss"
    ) -> tuple[list[float], list[float]]:
        """The mean over the seeds of a column at these training losses, as far as all have come:
        the levels that were reached, and the means."""
        paths = [_path(run) for run in self.runs(kind)]
        lowest = max(path.train_loss.min() for path in paths)
        shared = [float(level) for level in levels if level >= lowest] or [float(lowest)]
        means = [np.mean([at_training_loss(path, x, column) for path in paths]) for x in shared]
        return shared, [float(mean) for mean in means]

    def strengths(self, kind: str) -> str:
        """Which strengths were chosen, for how many seeds: "0.1 (2)"; "-" where there are none."""
        chosen = Counter(run.method.strength for run in self.runs(kind))  # type: ignore[attr-defined]
        told = ", ".join(f"{value:g} ({count})" for value, count in sorted(chosen.items()))
        return told if any(chosen) else "-"

    @property
    def baselines(self) -> list[str]:
        """The methods that train no network."""
        watched = {run.method.name for run in self.watched}
        return [name for name in self.found.methods if name not in watched]

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told: of each chosen training the losses and the accuracy, where early
        stopping stops and at the end."""
        for budget in dict.fromkeys(run.budget for run in self.watched):
            for kind in self.kinds:
                for run in self.runs(kind, budget):
                    keys = {"method": kind, "seed": run.seed, "labels_per_class": budget}
                    for name in TOLD:
                        end = float(_path(run)[name].iloc[-1])
                        yield {"name": name, "value": _at_stop(run, name), "at": "stop", **keys}
                        yield {"name": name, "value": end, "at": "end", **keys}

    def tries(self) -> pd.DataFrame:
        """All strengths that were tried, one a row, with the validation loss that chose."""
        return pd.DataFrame(
            {
                "method": kind,
                "task": run.task.name,
                "labels_per_class": run.budget,
                "seed": run.seed,
                "strength": run.method.strength,  # type: ignore[attr-defined]
                "validation": _validated(run)[1],
                "chosen": run in self.runs(kind),
            }
            for kind in self.kinds
            for run in self.watched
            if run.method.kind == kind and run.budget == self.budget  # type: ignore[attr-defined]
            and run.method.strength  # type: ignore[attr-defined]
        )  # fmt: skip


def at_training_loss(path: pd.DataFrame, level: float, column: str) -> float:
    """`column` of a history where its training loss first falls to `level`, linear in the logarithm
    of that loss between two evaluations; at its lowest training loss if it never does."""
    loss, values = path.train_loss.to_numpy(), path[column].to_numpy()
    reached = np.flatnonzero(loss <= level)
    if not len(reached) or reached[0] == 0:
        return float(values[loss.argmin() if not len(reached) else 0])
    after, before = reached[0], reached[0] - 1
    if loss[after] <= 0:  # nothing is left of it: its logarithm is no number
        return float(values[after])
    share = math.log(loss[before] / level) / math.log(loss[before] / loss[after])
    return float(values[before] + share * (values[after] - values[before]))


def stopping(validation: Sequence[float], patience: int = PATIENCE) -> tuple[int, int]:
    """Where early stopping stops, and where the weights are that it goes back to: two places in a
    list of validation losses, counted from 0. The last one for the first if it never stops."""
    best = waited = 0
    for place, loss in enumerate(validation):
        if loss < validation[best] or place == 0:
            best, waited = place, 0
        else:
            waited += 1
        if waited == patience:
            return place, best
    return len(validation) - 1, best


def _path(run: Run) -> pd.DataFrame:
    history = run.training.history
    assert history is not None  # a watched training always has one
    return history


def _at_stop(run: Run, column: str) -> float:
    path = _path(run).iloc[1:]  # `fit` does not look before its first step
    _, best = stopping(list(path.validation_loss))
    return float(path[column].iloc[best])


def _validated(run: Run) -> tuple[bool, float]:
    """How good a strength is, the lower the better: one that never learns its own texts is worse
    than all that do; of those, the validation loss when it has learned them."""
    path = _path(run)
    unlearned = bool(path.train_loss.min() > LEVEL)
    return unlearned, at_training_loss(path, LEVEL, "validation_loss")


def _ratio(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> Estimate:
    return seed_ratio([float(x) for x in first], [float(x) for x in second])


def _difference(first: np.ndarray, second: np.ndarray) -> Estimate:
    return over_seeds([float(x) for x in first - second], bounds=(-1.0, 1.0))
