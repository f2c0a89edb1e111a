"""Three ways to search for hyperparameters, in one space and with as many tries each.

A grid; random search (Bergstra, Bengio 2012, JMLR 13); Bayesian search with a tree of Parzen
estimators (Bergstra et al. 2011, NeurIPS), as Optuna has it. A try is a whole fine-tuning that is
judged on validation. Every finished training is kept, and a Bayesian search is written to a
journal: one that was killed goes on where it was, and ends with the same numbers.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from ftlab.common.parallel import in_parallel, worth_processes
from ftlab.common.paths import results_dir
from ftlab.evaluation import Estimate
from ftlab.experiments.at_setting import RATE, Setting, Space, Tuner
from ftlab.experiments.effort import Effort
from ftlab.experiments.identity import key_of
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.sources import TaskSource
from ftlab.notebook import short

GRID, RANDOM, BAYESIAN = "grid", "random", "Bayesian"
TRIES, FEW = 16, 8  # of each search; FEW where it is only to be shown that it runs
PER_SIDE = 2  # values of each of four hyperparameters in the grid: 16 tries
RANDOM_FIRST = 5  # tries of a Bayesian search that nothing has been learned for yet
ORDERS = 200  # in which the tries of a grid may be made
WORTH = 100  # training steps from which other processes pay
optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would tell of every try


def grid_values(side: BaseDistribution, count: int = PER_SIDE) -> list[Any]:
    """`count` values of one hyperparameter: the middles of as many equal parts of its range."""
    middles = [(part + 0.5) / count for part in range(count)]
    if isinstance(side, CategoricalDistribution):
        return [side.choices[int(middle * len(side.choices))] for middle in middles]
    low, high = side.low, side.high  # type: ignore[attr-defined]
    if side.log:  # type: ignore[attr-defined]
        values = [low * (high / low) ** middle for middle in middles]
    else:
        values = [low + (high - low) * middle for middle in middles]
    whole = isinstance(side, IntDistribution)
    return [round(value) if whole else float(f"{value:.3g}") for value in values]


def grid(space: Space, count: int = PER_SIDE) -> list[Setting]:
    """All combinations of `count` values of every hyperparameter."""
    sides = [grid_values(side, count) for side in space.values()]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*sides)]


def sampler(way: str, seed: int, number: int) -> BaseSampler:
    """Who proposes the setting of try `number`, from 0. It has a seed of its own for every try, so
    that a search goes on after a stop as if there had been none."""
    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    if way == RANDOM or number < RANDOM_FIRST:
        return RandomSampler(seed=own)
    return TPESampler(n_startup_trials=0, constant_liar=False, seed=own)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The tries that have a result."""
    return study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])


def propose(study: optuna.Study, space: Space, way: str, seed: int) -> Trial:
    """The next try of a search: its setting is in `params`, its result goes to `study.tell`."""
    study.sampler = sampler(way, seed, len(finished(study)))
    return study.ask(space)


def random_settings(space: Space, count: int, seed: int) -> list[Setting]:
    """Settings drawn at random, each on its own."""
    study = optuna.create_study()
    settings: list[Setting] = []
    for number in range(count):
        study.sampler = sampler(RANDOM, seed, number)
        settings.append(study.ask(space).params)
    return settings


def opened(path: Path, name: str = "search") -> optuna.Study:
    """The study that is written to the journal at `path`, begun or gone on with. A last line that
    was cut off is dropped, and a try that was under way when its process ended counts as failed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.read_bytes() if path.exists() else b""
    if written and not written.endswith(b"\n"):
        os.truncate(path, written.rfind(b"\n") + 1)
    lock = JournalFileOpenLock(str(path))
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    if name in optuna.get_all_study_names(storage):  # `create_study` would write it once more
        study = optuna.load_study(study_name=name, storage=storage)
    else:
        study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def bayesian_search(tuner: Tuner, path: Path, tries: int = TRIES) -> list[Setting]:
    """The settings of a Bayesian search, in the order of the tries, made as far as they lack."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.one", is_singleton=False):  # two runs would make each try twice
        study = opened(path)
        while len(finished(study)) < tries:
            trial = propose(study, tuner.space, BAYESIAN, tuner.random_seed)
            study.tell(trial, tuner.validation(trial.params))
        return [trial.params for trial in finished(study)[:tries]]


@dataclass(frozen=True)
class Searches:
    """What three searches found: `rows` has way, seed, draw, number (of the try, from 0), the
    hyperparameters, and the accuracy on validation and on the test, one try a row. The searches
    themselves have seen validation alone; the test was read when they had ended."""

    rows: pd.DataFrame
    hyperparameters: tuple[str, ...]
    task: str

    @property
    def seeds(self) -> list[int]:
        return sorted({*self.rows.seed})

    def reached(self, way: str, tries: int = TRIES, column: str = "test") -> list[float]:
        """What the try that is first on validation after so many tries has on the test, or in
        another `column`: one number a seed, the mean over its searches. A grid has no order of its
        own: it is the mean over many. The other two begin with the same tries."""
        own = self.rows[self.rows.way == way]
        return [
            float(np.mean([_first(one, way, tries, column) for _, one in part.groupby("draw")]))
            for _, part in own.groupby("seed")
        ]

    def estimate(self, way: str, tries: int = TRIES) -> Estimate:
        """Test accuracy of the setting that a search chooses."""
        return over_seeds(self.reached(way, tries), bounds=(0.0, 1.0))

    def difference(self, a: str, b: str, tries: int = TRIES) -> Estimate:
        """That of `a` minus that of `b`, paired by seed."""
        gaps = np.subtract(self.reached(a, tries), self.reached(b, tries))
        return over_seeds(list(gaps), bounds=(-1.0, 1.0))

    def optimism(self) -> Estimate:
        """By how much the accuracy on validation of the chosen settings exceeds that on the test,
        the mean of the three ways."""
        gaps = [
            np.subtract(self.reached(way, column="validation"), self.reached(way))
            for way in dict.fromkeys(self.rows.way)
        ]
        return over_seeds(list(np.mean(gaps, axis=0)), bounds=(-1.0, 1.0))

    def told(self) -> str:
        """The differences between the ways, and how far validation flatters, in words."""
        optimism = self.optimism()
        text = (
            f"Random minus grid: {short(self.difference(RANDOM, GRID))}; Bayesian minus random: "
            f"{short(self.difference(BAYESIAN, RANDOM))}. Validation says of the chosen settings "
            f"{short(optimism)} more than the test. "
        )
        if optimism.low > 0:
            return text + "The best of many tries was also a lucky one: trust the test alone."
        text += "On average the best of many tries is also a lucky one, so trust the test alone; "
        return text + "this run has too few texts and seeds to show how lucky."

    def curves(self) -> dict[str, dict[float, Estimate]]:
        """Test accuracy of what is chosen after so many tries: {way: {tries: estimate}}."""
        counts = [2**power for power in range(TRIES.bit_length())]
        return {
            way: {float(count): self.estimate(way, count) for count in counts}
            for way in dict.fromkeys(self.rows.way)
        }

    def table(self) -> pd.DataFrame:
        """One search of each way, with how many learning rates it has seen."""
        table = {}
        for way in dict.fromkeys(self.rows.way):
            own = self.rows[(self.rows.way == way) & (self.rows.draw == 0)]
            one = own[own.seed == self.seeds[0]].head(TRIES)
            table[way] = {
                "tries": len(one),
                "learning rates": one[RATE].nunique(),
                "training steps": int(one.steps.sum()),
                "validation, chosen": np.mean(self.reached(way, column="validation")),
                "test, chosen": np.mean(self.reached(way)),
            }
        return pd.DataFrame(table).T.astype({"tries": int, "learning rates": int}).round(3)

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for way, curve in self.curves().items():
            for tries in curve:
                numbers = self.reached(way, int(tries))
                for seed, value in zip(self.seeds, numbers, strict=True):
                    told = {"name": "accuracy", "split": "test", "value": value, "seed": seed}
                    yield {**told, "method": way, "task": self.task, "tries": int(tries)}

    def tries(self) -> pd.DataFrame:
        """Every try, with its accuracy on validation."""
        wanted = ["way", "seed", "draw", "number", *self.hyperparameters, "validation"]
        return self.rows[wanted]


def searches(
    source: TaskSource,
    base_model: str,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings,
) -> Searches:
    """Search for a setting in three ways with every seed, which deals the texts.

    A run that judges makes three random and three Bayesian searches a seed; any other one of each,
    with one seed. The first tries of both are the same.
    """
    seeds = seeds if effort.candidates > 1 else seeds[:1]
    draws, tries = effort.pick(smoke=(1, FEW), quick=(1, TRIES), full=(3, TRIES))
    tuners = [
        Tuner.of(source, base_model, seed, effort, trainings, draw)
        for seed in seeds
        for draw in range(draws)
    ]
    plans: list[tuple[str, Tuner, Sequence[Setting]]] = []
    for tuner in tuners:
        if tuner.draw == 0:
            plans.append((GRID, tuner, grid(tuner.space)[:tries]))
        plans.append((RANDOM, tuner, random_settings(tuner.space, tries, tuner.random_seed)))
    # What takes longest begins first. It makes the first random tries, so these come last.
    jobs: list[dict[str, Any]] = [{"tuner": tuner, "todo": tries} for tuner in tuners]
    ordered = sorted(plans, key=lambda plan: plan[0] == RANDOM)
    jobs += [{"tuner": t, "todo": one} for _, t, plan in ordered for one in reversed(plan)]
    found = _spread(_made, jobs, "a Bayesian search, then single tries", effort)
    plans += [(BAYESIAN, tuner, plan) for tuner, plan in zip(tuners, found, strict=False)]
    rows = [row for way, tuner, plan in plans for row in _rows(way, tuner, plan)]
    return Searches(pd.DataFrame(rows), tuple(tuners[0].space), tuners[0].task.name)


def journal_of(tuner: Tuner) -> Path:
    """Where the Bayesian search of a tuner is written."""
    about = {**tuner.about, "space": {n: repr(s) for n, s in tuner.space.items()}}
    about["method"] = tuner.job(grid(tuner.space, 1)[0]).about["method"]
    return results_dir() / "searches" / f"{key_of(about)}.log"


def _made(tuner: Tuner, todo: int | Setting) -> list[Setting]:
    """A Bayesian search with `todo` tries, or the one try `todo`."""
    if isinstance(todo, int):
        return bayesian_search(tuner, journal_of(tuner), todo)
    tuner.training(todo)
    return [todo]


def _spread(function: Any, jobs: Sequence[Mapping[str, Any]], what: str, effort: Effort) -> Any:
    steps = effort.pick(smoke=0, quick=WORTH, full=WORTH)
    if worth_processes(steps, WORTH):
        return in_parallel(function, [dict(job) for job in jobs], what)
    return [function(**job) for job in jobs]


def _rows(way: str, tuner: Tuner, plan: Sequence[Setting]) -> Iterator[dict[str, Any]]:
    for number, setting in enumerate(plan):
        yield {
            "way": way,
            "seed": tuner.seed,
            "draw": tuner.draw,
            "number": number,
            **setting,
            "validation": tuner.validation(setting),
            "test": tuner.tested(setting),
            "steps": tuner.training(setting).measured.get("steps") or 0,
        }


def _first(search: pd.DataFrame, way: str, tries: int, column: str) -> float:
    """A column of the try with the best accuracy on validation among the first `tries`."""
    ordered = search.sort_values("number")
    scores, values = ordered.validation.to_numpy(), ordered[column].to_numpy()
    orders = [np.arange(len(scores))]
    if way == GRID and tries < len(scores):
        orders = [np.random.default_rng(one).permutation(len(scores)) for one in range(ORDERS)]
    seen = [order[:tries] for order in orders]
    return float(np.mean([values[some[int(np.argmax(scores[some]))]] for some in seen]))
