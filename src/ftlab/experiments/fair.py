"""Fair comparisons of methods: the same texts, a search for each seed, one look at the test.

What makes a comparison fair stands here and nowhere else:

* every method chooses its hyperparameter anew with every seed, on validation, out of a grid that
  is widened until the best value lies inside; all methods begin with as many candidates;
* tasks given as a function of the seed are dealt anew with it: words, texts, validation and test;
* within a seed all methods learn from the same texts, and a small sample is part of every larger
  one;
* no label of the test is known to what trains: it is read once, and compared with the predictions
  when all choices have been made.

Every finished training is kept (`keeping`): a comparison that was killed goes on where it was,
more seeds cost only the new ones, and a comparison that was made before is read from the disk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ftlab.common.errors import LabError
from ftlab.common.parallel import in_parallel, worth_processes
from ftlab.common.progress import progress_bar
from ftlab.data import Task
from ftlab.evaluation import correct
from ftlab.evaluation.forgetting import ForgettingProbe
from ftlab.experiments.estimators import Estimator
from ftlab.experiments.identity import (
    about_method,
    code_sha256,
    here,
    key_of,
    probe_sha256,
    task_sha256,
)
from ftlab.experiments.jobs import Job, run_job
from ftlab.experiments.keeping import Training, Trainings
from ftlab.experiments.results import FULL, FairComparison
from ftlab.experiments.runs import Run
from ftlab.experiments.searching import DIVERGED, FACTORS, at_the_end, choice, wider

WORTH_PROCESSES = 300  # training steps from which other processes pay
Dealer = Callable[[int], Task]
Methods = Callable[[Task], Sequence[Estimator]]


def fair_comparison(
    tasks: Task | Dealer | Sequence[Task | Dealer],
    methods: Methods,
    *,
    seeds: Sequence[int],
    budgets: Sequence[int] = (FULL,),
    forgetting: ForgettingProbe | None = None,
    keep: Collection[str] = (),
    trainings: Trainings | None = None,
) -> FairComparison:
    """Train what `methods(task)` gives on every task and budget with every seed.

    A task is a `Task`, of which there is one test set, or a function of the seed that deals one
    (`lambda seed: load_task("near", seed=seed)`). Budgets are labels a class; `FULL`: all there
    are. `forgetting` is asked of every trained network. The networks of the methods in `keep` are
    kept on the disk. `trainings` is the folder of finished trainings (results/trainings); where it
    holds what a longer run chose, that is taken instead of a search, except for values given.

    On a CPU a longer comparison is spread over the cores, a training each, the longest first.

    LabError if methods begin with different numbers of candidates, or with none, if no training
    of a search gives a network, and if two tasks have one name.
    """
    trainings = trainings or Trainings()
    searches = _searches(_listed(tasks), methods, seeds, budgets, forgetting, trainings)
    for search in searches:
        search.keep_network = search.method.name in keep
    while jobs := [job for search in searches for job in search.open_jobs()]:
        found = _done(jobs, trainings)
        for search in searches:
            search.take(found)
    runs = [search.run() for search in searches]
    missing = [s.job(s.chosen) for s in searches if s.lacks_network(trainings)]
    _train(missing, trainings)
    for search in searches:
        search.drop_networks(trainings)
    return FairComparison.of(runs, trainings)


@dataclass(eq=False)
class _Dealt:
    """A task as it was dealt for one seed, or for all, with its test part, read once."""

    task: Task
    test: pd.DataFrame
    methods: Sequence[Estimator]
    anew: bool

    @classmethod
    def of(cls, task: Task, methods: Methods, anew: bool) -> _Dealt:
        found = methods(task)
        _check(found)
        return cls(task, task.read_test(), found, anew)


@dataclass(eq=False)
class _Search:
    """A method's search for the value of its hyperparameter, for one task, budget and seed."""

    method: Estimator
    dealt: _Dealt
    seed: int
    budget: int
    rows: pd.DataFrame
    probe: ForgettingProbe | None
    about: dict[str, Any]
    known: float | None = None  # the value that a longer run chose
    keep_network: bool = False
    tries: dict[float, Training] = field(default_factory=dict)

    @property
    def start(self) -> tuple[float, ...]:
        """The values to begin with; nan for a method that has no hyperparameter."""
        if self.known is not None:
            return (self.known,)
        return tuple(self.method.candidates) if self.method.hyperparameter else (math.nan,)

    def open_jobs(self) -> list[Job]:
        """The trainings that the search wants next; none if it has ended."""
        if not self.tries:
            return [self.job(value) for value in self.start]
        factor = FACTORS.get(self.method.hyperparameter, 2.0)
        beyond = wider(self.start, self.scores, factor)
        return [] if beyond is None else [self.job(beyond)]

    def job(self, value: float) -> Job:
        """The training at one value."""
        known_by = {**self.about, "value": None if math.isnan(value) else value}
        return Job(
            self.method,
            self.rows,
            list(self.dealt.task.validation.text),
            list(self.dealt.test.text),
            self.seed,
            value,
            self.probe,
            key_of(known_by),
            known_by,
            self.keep_network,
        )

    def take(self, found: dict[str, Training]) -> None:
        """Take over those of the finished trainings that this search had wanted."""
        for job in self.open_jobs():
            self.tries[job.value] = found[job.key]

    @property
    def scores(self) -> dict[float, float]:
        """The validation accuracy at every value tried."""
        labels = self.dealt.task.validation.label
        return {
            value: DIVERGED if one.diverged else float(correct(one.validation, labels).mean())
            for value, one in self.tries.items()
        }

    @property
    def chosen(self) -> float:
        return choice(self.scores) if self.method.hyperparameter else math.nan

    def run(self) -> Run:
        """What became of it. LabError if every training diverged."""
        scores, value = self.scores, self.chosen
        training = next(iter(self.tries.values())) if math.isnan(value) else self.tries[value]
        if training.diverged:
            raise LabError(
                f"{self.method.name!r} learned nothing on {self.dealt.task.name!r} with seed "
                f"{self.seed}: {training.diverged}"
            )
        return Run(
            method=self.method,
            task=self.dealt.task,
            dealt=self.dealt.anew,
            seed=self.seed,
            budget=self.budget,
            value=value,
            scores=scores,
            at_the_end=at_the_end(self.start, scores),
            known=self.known is not None,
            training=training,
            tries=self.tries,
            labels=np.asarray(self.dealt.test.label),
            key=self.job(value).key,
        )

    def lacks_network(self, trainings: Trainings) -> bool:
        """Whether a network was to be kept and is not there (it was trained before, without)."""
        wanted = self.keep_network and hasattr(self.method, "prepared")
        return wanted and not trainings.has_network(self.job(self.chosen).key)

    def drop_networks(self, trainings: Trainings) -> None:
        """Delete the networks of the tries that were not chosen."""
        for value in self.tries if self.keep_network else ():
            if value != self.chosen:
                trainings.drop_network(self.job(value).key)


def _listed(tasks: Any) -> list[Task | Dealer]:
    return [tasks] if isinstance(tasks, Task) or callable(tasks) else list(tasks)


def _searches(
    tasks: Sequence[Task | Dealer],
    methods: Methods,
    seeds: Sequence[int],
    budgets: Sequence[int],
    probe: ForgettingProbe | None,
    trainings: Trainings,
) -> list[_Search]:
    shared = {"code": code_sha256(trainings.modules), "probe": probe_sha256(probe), **here()}
    searches: list[_Search] = []
    names: list[str] = []
    for source in tasks:
        dealt = _Dealt.of(source, methods, False) if isinstance(source, Task) else None
        for seed in seeds:
            part = dealt or _Dealt.of(source(seed), methods, True)  # type: ignore[operator]
            data = {"task": part.task.name, "data": task_sha256(part.task, part.test)}
            known_by = {one.name: about_method(one) for one in part.methods}
            for budget in budgets:
                rows = part.task.sample_per_class(budget, seed)
                for method in part.methods:
                    about = {"method": known_by[method.name], "seed": seed, "budget": budget}
                    about = {**shared, **data, **about}
                    known = _known(method, part.task, budget, trainings)
                    searches.append(_Search(method, part, seed, budget, rows, probe, about, known))
        names.append(part.task.name)
    if len({*names}) < len(names):
        raise LabError(f"Two tasks of a comparison have one name: {', '.join(sorted(names))}.")
    return searches


def _known(method: Estimator, task: Task, budget: int, trainings: Trainings) -> float | None:
    """The value of its hyperparameter that a longer run chose, unless the user gave one."""
    if method.given or not method.hyperparameter:
        return None
    return trainings.choices.value(method.name, method.hyperparameter, task.name, budget)


def _done(jobs: Sequence[Job], trainings: Trainings) -> dict[str, Training]:
    """What became of these jobs, by their keys: read where it was kept, else trained."""
    kept = {job.key: trainings.load(job.key) for job in jobs}
    fresh = _train([job for job in jobs if kept[job.key] is None], trainings)
    return {key: one for key, one in kept.items() if one is not None} | fresh


def _train(jobs: Sequence[Job], trainings: Trainings) -> dict[str, Training]:
    unique = {job.key: job for job in reversed(jobs)}.values()
    run = partial(run_job, trainings=trainings)
    # The longest first, so that no core waits for one at the end; of equals those that stand last,
    # as methods are listed with the dearest at the end.
    order = sorted(unique, key=lambda job: -job.steps)
    if worth_processes(sum(job.steps for job in order), WORTH_PROCESSES):
        done = in_parallel(run, [{"job": job} for job in order], "trainings")
    else:
        done = []
        with progress_bar(len(order), 0, bool(order)) as advance:
            for job in order:
                done.append(run(job))
                advance(f"{job.method.name}, seed {job.seed}")
    return {job.key: one for job, one in zip(order, done, strict=True)}


def _check(methods: Sequence[Estimator]) -> None:
    """LabError unless all methods begin their search with as many candidates, at least one."""
    searching = [one for one in methods if one.hyperparameter and not one.given]
    counts = {one.name: len(one.candidates) for one in searching}
    if len({*counts.values()}) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise LabError(f"Methods need as many candidates each to be compared fairly: {told}.")
    if 0 in counts.values():
        raise LabError(
            f"{searching[0].name!r} has no candidates: give it at least one "
            f"{searching[0].hyperparameter}."
        )
    if len({one.name for one in methods}) < len(methods):
        raise LabError("Two methods of a comparison have one name: rename one of them.")
