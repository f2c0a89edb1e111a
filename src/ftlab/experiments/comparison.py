"""Methods compared: every one learns the same task under the same rules, and what that costs.

Each method chooses its hyperparameter on validation, out of the same number of candidates. Samples
are paired by seed: with one seed all methods learn from the same texts, and a small sample is part
of every larger one. The test part is only predicted, never looked at for a choice.

A value is chosen once for all seeds, so intervals hold it fixed: other seeds may choose another
one, which can change much of what is forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ftlab.common.errors import LabError
from ftlab.common.parallel import in_parallel, worth_processes
from ftlab.common.progress import progress_bar
from ftlab.data import Task
from ftlab.evaluation import Estimate, correct, mean_interval, paired_difference, seeds_interval
from ftlab.evaluation.forgetting import ForgettingProbe
from ftlab.experiments.estimators import Estimator, FineTuning, FittedModel
from ftlab.experiments.jobs import TRAIN_TEXTS
from ftlab.experiments.learning_curve import cost_until
from ftlab.experiments.results import FULL
from ftlab.experiments.runs import COUNTED

TUNING_SEEDS = 3  # seeds, at most, over which the validation accuracy of a candidate is averaged
WORTH_PROCESSES = 300  # training steps from which other processes pay
HYPERPARAMETERS = ("learning_rate", "C")
NOT_ASKED = {"forgotten": math.nan, "recall": math.nan}


@dataclass(frozen=True, eq=False)
class Comparison:
    """What became of every method, label budget (labels a class; `FULL`: all) and seed.

    `runs` has one row for each: method, budget, seed, learning_rate or C, rows (training texts),
    train (accuracy on at most `TRAIN_TEXTS` of its own training texts), test (accuracy), steps,
    seconds, and forgotten and recall, if that was asked. `tried` has the validation accuracy of
    every candidate, averaged over the seeds that tried it. `outcomes[method, budget]` is 1.0 where
    a test text was labelled correctly, (seeds, items). `histories` are those of the trainings that
    were watched, `costs[method]` what is counted of a step, `models[method]` the networks that
    were to be kept, one a seed. `test` is the test part, read once.
    """

    task: Task
    test: pd.DataFrame
    runs: pd.DataFrame
    tried: pd.DataFrame
    outcomes: dict[tuple[str, int], np.ndarray]
    histories: dict[tuple[str, int], list[pd.DataFrame]]
    costs: dict[str, dict[str, float]]
    models: dict[str, list[Any]]

    @classmethod
    def merge(cls, parts: Sequence[Comparison]) -> Comparison:
        """Comparisons of other methods on the same task, made in several processes, as one."""

        def joined(name: str) -> dict[Any, Any]:
            return {key: item for part in parts for key, item in getattr(part, name).items()}

        return cls(
            parts[0].task,
            parts[0].test,
            pd.concat([part.runs for part in parts], ignore_index=True),
            pd.concat([part.tried for part in parts], ignore_index=True),
            *(joined(name) for name in ("outcomes", "histories", "costs", "models")),
        )

    @property
    def methods(self) -> list[str]:
        """Their names, in the order in which they were given."""
        return list(dict.fromkeys(self.runs.method))

    def correct(self, method: str, budget: int = FULL) -> np.ndarray:
        """1.0 where a test text was labelled correctly, (seeds, items)."""
        return self.outcomes[method, budget]

    def accuracy(self, method: str, budget: int = FULL) -> Estimate:
        """Test accuracy with its interval over seeds and test texts."""
        return mean_interval(self.correct(method, budget))

    def difference(self, method: str, other: str, budget: int = FULL) -> Estimate:
        """Test accuracy of `method` minus that of `other`, paired by seed and text."""
        return paired_difference(self.correct(method, budget), self.correct(other, budget))

    def validation(self, method: str, budget: int = FULL) -> float:
        """The best validation accuracy of the candidates: all that a choice may rest on."""
        mine = (self.tried.method == method) & (self.tried.budget == budget)
        return float(self.tried[mine].validation.max())

    def column(self, name: str, method: str, budget: int = FULL) -> np.ndarray:
        """A column of `runs`, one number a seed, in the order of the seeds."""
        mine = (self.runs.method == method) & (self.runs.budget == budget)
        return self.runs[mine][name].to_numpy(dtype=float)

    def by_seed(self, name: str, method: str, called: str) -> list[dict[str, Any]]:
        """A column of `runs` as keys of a metric, one a seed. `called` is the method's name in all
        runs, whatever setting is in the present one: so their points make one line."""
        seeds = self.column("seed", method).astype(int)
        return [
            {"value": float(value), "method": called, "task": self.task.name, "seed": int(seed)}
            for value, seed in zip(self.column(name, method), seeds, strict=True)
        ]

    def row(self, method: str) -> dict[str, Any]:
        """All that is known of a method with all labels, ready for the record: see
        `comparison_table`. None where something was not measured, or cannot be."""
        accuracy, costs = self.accuracy(method), self.costs.get(method, {})
        row: dict[str, Any] = {
            "task": self.task.name,
            "method": method,
            "seeds": accuracy.seeds,
            "n": self.correct(method).shape[1],
            "value": accuracy.value,
            "ci_low": accuracy.low,
            "ci_high": accuracy.high,
            **{name: _finite(self.column(name, method)[0]) for name in HYPERPARAMETERS},
            **{name: costs.get(name) for name in COUNTED},
            "seconds_per_step": None,
            "seconds_to_95": None,
            "forgotten": _finite(self.column("forgotten", method).mean()),
            "forgotten_low": None,
            "forgotten_high": None,
            "recall": _finite(self.column("recall", method).mean()),
        }
        if costs:
            seconds = self.column("seconds", method)
            row["seconds_per_step"] = float((seconds / self.column("steps", method)).mean())
            row["seconds_to_95"] = self._seconds_to(0.95, method)
        if row["forgotten"] is not None and accuracy.seeds > 1:
            spread = seeds_interval(self.column("forgotten", method))
            row["forgotten_low"], row["forgotten_high"] = map(_finite, (spread.low, spread.high))
        return row

    def _seconds_to(self, share: float, method: str) -> float:
        """Training seconds until `share` of the best validation accuracy, averaged over seeds."""
        chance = 1 / len(self.task.label_names)
        histories = self.histories[method, FULL]
        targets = [share * h.validation_metric.max() for h in histories]
        pairs = zip(histories, targets, strict=True)
        return float(np.mean([cost_until(h, target, chance, "seconds") for h, target in pairs]))


def compare(
    task: Task,
    methods: Sequence[Estimator],
    seeds: Sequence[int],
    *,
    budgets: Sequence[int] = (FULL,),
    tune_at: Sequence[int] | None = None,
    tuning_seeds: int = TUNING_SEEDS,
    test: pd.DataFrame | None = None,
    forgetting: ForgettingProbe | None = None,
    keep: Collection[str] = (),
    take_turns: bool = False,
) -> Comparison:
    """Train every method on every budget (labels a class; `FULL`: all) with every seed.

    A hyperparameter is chosen by its mean validation accuracy with the first `tuning_seeds` seeds,
    at each budget of `tune_at` (all, unless given); the other budgets take the choice made at the
    first of these. The test is read once, or not at all where `test` is what `task.read_test()`
    gave before. `forgetting` says what each network still knows of what the base model knew. The
    networks of the methods in `keep` are kept.

    On a CPU a longer comparison is spread over the cores, a method each, unless methods are to
    `take_turns` in this process: then a slow quarter of an hour of the computer does not fall on
    one of them alone, and their seconds compare.

    LabError if methods have different numbers of candidates, as the comparison would not be fair,
    or none at all, and if `tune_at` names a budget that is not among `budgets`.
    """
    tune_at = budgets if tune_at is None else tune_at
    _check(methods, budgets, tune_at)
    test = task.read_test() if test is None else test
    networks = [method for method in methods if isinstance(method, FineTuning)]
    steps = len(seeds) * sum(one.training_budget.steps(len(task.train)) for one in networks)
    if not take_turns and worth_processes(steps, WORTH_PROCESSES):
        alone = partial(
            compare,
            task,
            seeds=seeds,
            budgets=budgets,
            tune_at=tune_at,
            tuning_seeds=tuning_seeds,
            test=test,
            forgetting=forgetting,
            keep=keep,
            take_turns=True,
        )
        jobs = [{"methods": [method]} for method in methods]
        # The dearest methods stand last: they go first, so that no core waits for them at the end.
        return Comparison.merge(in_parallel(alone, jobs[::-1], task.name)[::-1])

    runs: list[dict[str, Any]] = []
    tried: list[dict[str, Any]] = []
    outcomes: dict[tuple[str, int], list[np.ndarray]] = {}
    histories: dict[tuple[str, int], list[pd.DataFrame]] = {}
    models: dict[str, list[Any]] = {}
    chosen: dict[tuple[str, int], float] = {}
    trainings = len(budgets) * len(seeds) * len(methods)
    trainings += len(tune_at) * tuning_seeds * sum(len(method.candidates) for method in methods)
    with progress_bar(trainings, 0, True) as advance:
        # Tuned budgets come first: the others take over what was chosen there.
        for budget in sorted(budgets, key=lambda budget: budget not in tune_at):
            samples = {seed: task.sample_per_class(budget, seed) for seed in seeds}
            ready: dict[tuple[str, int], FittedModel] = {}  # trained while its value was chosen
            for method in methods if budget in tune_at else ():
                best = -1.0
                for value in method.candidates:
                    fitted = {}
                    for seed in seeds[:tuning_seeds]:
                        fitted[seed] = method.fit(samples[seed], value, seed)
                        advance(f"{method.name}, {method.hyperparameter} {value:g}")
                    scores = [_accuracy(model, task.validation) for model in fitted.values()]
                    score = sum(scores) / len(scores)
                    tried.append(_named(method, budget, value) | {"validation": score})
                    if score > best:
                        best, chosen[method.name, budget] = score, value
                        ready |= {(method.name, seed): model for seed, model in fitted.items()}
            for seed in seeds:
                for method in methods:
                    key = method.name, budget
                    value = chosen.get(key, chosen.get((method.name, tune_at[0]), math.nan))
                    model = ready.pop((method.name, seed), None)
                    model = model or method.fit(samples[seed], value, seed)
                    outcome = correct(model.predict(list(test.text)), test.label)
                    outcomes.setdefault(key, []).append(outcome)
                    if model.history is not None:
                        histories.setdefault(key, []).append(model.history)
                    if method.name in keep:
                        models.setdefault(method.name, []).append(model.model)
                    runs.append(
                        _named(method, budget, value)
                        | {"seed": seed, "test": float(outcome.mean())}
                        | _measured(model, samples[seed], seed)
                        | (forgetting.after(model.model) if forgetting else NOT_ASKED)
                    )
                    advance(f"{method.name}, seed {seed}")
    return Comparison(
        task,
        test,
        pd.DataFrame(runs).astype(dict.fromkeys(NOT_ASKED, float)),
        pd.DataFrame(tried, columns=["method", "budget", *HYPERPARAMETERS, "validation"]),
        {key: np.stack(rows) for key, rows in outcomes.items()},
        histories,
        {method.name: method.costs() for method in networks},
        models,
    )


def _check(methods: Sequence[Estimator], budgets: Sequence[int], tune_at: Sequence[int]) -> None:
    searching = [method for method in methods if method.hyperparameter and not method.given]
    if len({len(method.candidates) for method in searching}) > 1:
        counts = ", ".join(f"{method.name} {len(method.candidates)}" for method in searching)
        raise LabError(
            f"Methods need the same number of candidates to be compared fairly: {counts}."
        )
    if searching and not searching[0].candidates:
        raise LabError(
            f"{searching[0].name!r} has no candidates: give it at least one "
            f"{searching[0].hyperparameter}."
        )
    outside = [budget for budget in tune_at if budget not in budgets]
    if outside or not tune_at:
        raise LabError(
            f"tune_at must name some of the label budgets {list(budgets)}, not {list(tune_at)}: "
            "what is chosen there is used for the others."
        )


def _named(method: Estimator, budget: int, value: float) -> dict[str, Any]:
    at = {name: value if name == method.hyperparameter else math.nan for name in HYPERPARAMETERS}
    return {"method": method.name, "budget": budget, **at}


def _measured(model: FittedModel, rows: pd.DataFrame, seed: int) -> dict[str, Any]:
    some = rows.sample(min(TRAIN_TEXTS, len(rows)), random_state=seed)
    return {
        "rows": len(rows),
        "train": _accuracy(model, some),
        "steps": model.steps,
        "seconds": model.seconds,
    }


def _accuracy(model: FittedModel, rows: pd.DataFrame) -> float:
    return float(correct(model.predict(list(rows.text)), rows.label).mean())


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
