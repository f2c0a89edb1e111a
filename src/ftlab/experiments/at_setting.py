"""A fine-tuning at a setting of several hyperparameters, and the space such settings lie in.

The space is one for all who search in it (see `searching_ways`). Its ranges are those in which a
practitioner would look who knows the model's usual learning rate, and not much more.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ftlab import training
from ftlab.data import Task
from ftlab.evaluation import correct
from ftlab.experiments.effort import Effort
from ftlab.experiments.estimators import FineTuning, FittedModel
from ftlab.experiments.identity import about_method, code_sha256, here, key_of, task_sha256
from ftlab.experiments.jobs import Job, run_job
from ftlab.experiments.keeping import Training, Trainings
from ftlab.experiments.sources import TaskSource, sizes_for
from ftlab.models import load_classifier, load_tokenizer, starting_rate
from ftlab.training.budget import TrainingBudget

RATE, BATCH, EPOCHS, DECAY = "learning rate", "batch size", "epochs", "weight decay"
RATE_RANGE = 10.0  # times the model's usual learning rate, and as many times less
EPOCHS_RANGE, BATCHES, DECAYS = (2, 8), (8, 16, 32), (0.001, 0.1)
USUAL = {BATCH: 16, EPOCHS: 6, DECAY: 0.01}  # where only the learning rate is looked at
WHOLE_TEXT = 128  # tokens: no text of the lab's is cut
APART = 100_000  # between the random seeds of two searches with the same texts
NO_CAP = 100_000  # steps: a training ends with its epochs
Setting = Mapping[str, Any]
Space = dict[str, BaseDistribution]


@dataclass(frozen=True)
class AtSetting(FineTuning):
    """Full fine-tuning to its last step; batch size and epochs are those of the budget. The
    history has the loss of every step."""

    weight_decay: float = 0.01

    def fit(self, rows: pd.DataFrame, learning_rate: float, seed: int) -> FittedModel:
        """As for `FineTuning`, without an early end."""
        model = self.prepared(seed)
        run = training.fit(
            model,
            self.features(model, rows.text, list(rows.label)),
            pad_id=load_tokenizer(self.base_model).pad_token_id,
            learning_rate=learning_rate,
            weight_decay=self.weight_decay,
            max_steps=self.training_budget.steps(len(rows)),
            batch_size=self.training_budget.batch_size,
            warmup=self.tuning.warmup,
            seed=seed,
            progress=False,
        )
        predict = functools.partial(self._predict, model)
        return FittedModel(predict, run.seconds, run.steps, run.history, model)

    def costs(self) -> dict[str, float]:
        """What a step takes is the same at every learning rate, and not asked here."""
        return {}


def budget_at(setting: Setting, effort: Effort) -> TrainingBudget:
    """How long a network is trained at a setting; a run that only shows that all runs cuts it."""
    least = effort.pick(smoke=2, quick=NO_CAP, full=NO_CAP)
    return TrainingBudget(setting[EPOCHS], 1, least, WHOLE_TEXT, setting[BATCH])


def search_space(start: float) -> Space:
    """Four hyperparameters with their ranges, for a model whose usual learning rate is `start`."""
    low, high = (float(f"{start * factor:.3g}") for factor in (1 / RATE_RANGE, RATE_RANGE))
    return {
        RATE: FloatDistribution(low, high, log=True),
        BATCH: CategoricalDistribution(BATCHES),
        EPOCHS: IntDistribution(*EPOCHS_RANGE, log=True),
        DECAY: FloatDistribution(*DECAYS, log=True),
    }


@dataclass(frozen=True, eq=False)
class Tuner:
    """Fine-tunes `base_model` on a task as it was dealt for one seed, at any setting.

    Every finished training is kept and never made twice. `draw` tells searches of one seed apart:
    they have the same texts, and other random numbers. Who searches sees `validation` alone.
    """

    base_model: str
    task: Task
    test: pd.DataFrame
    seed: int
    draw: int
    effort: Effort
    trainings: Trainings

    @classmethod
    def of(
        cls,
        source: TaskSource,
        base_model: str,
        seed: int,
        effort: Effort,
        trainings: Trainings,
        draw: int = 0,
    ) -> Tuner:
        """On the task of this seed, with as many texts for choices as the effort is worth."""
        task = source.task(seed, sizes_for(effort))
        own = replace(trainings, modules=(__name__,))  # who searches changes no training
        return cls(base_model, task, task.read_test(), seed, draw, effort, own)

    @functools.cached_property
    def space(self) -> Space:
        """What can be set, and within which ranges."""
        return search_space(starting_rate(load_classifier(self.base_model, self.task.label_names)))

    @property
    def random_seed(self) -> int:
        """What all random numbers of this search begin with."""
        return self.seed + APART * self.draw

    @functools.cached_property
    def about(self) -> dict[str, Any]:
        """What all its trainings are known by."""
        return {
            "code": code_sha256(self.trainings.modules),
            "data": task_sha256(self.task, self.test),
            "seed": self.random_seed,
            **here(),
        }

    def ranges(self) -> pd.DataFrame:
        """The space as a table: one hyperparameter a row."""
        rows = {}
        for name, side in self.space.items():
            if isinstance(side, CategoricalDistribution):
                rows[name] = {"values": ", ".join(map(str, side.choices)), "scale": ""}
            else:
                ends = f"{side.low:g} to {side.high:g}"  # type: ignore[attr-defined]
                rows[name] = {"values": ends, "scale": "logarithmic"}
        return pd.DataFrame(rows).T

    def job(self, setting: Setting) -> Job:
        """The training at one setting."""
        budget = budget_at(setting, self.effort)
        method = AtSetting(
            "at a setting", self.base_model, self.task, budget, weight_decay=setting[DECAY]
        )
        rate = float(setting[RATE])
        known_by = {**self.about, "method": about_method(method), "value": rate}
        choices, asked = self.task.validation, self.test
        return Job(
            method,
            self.task.train,
            list(choices.text),
            list(asked.text),
            self.random_seed,
            rate,
            None,
            key_of(known_by),
            known_by,
        )

    def training(self, setting: Setting) -> Training:
        """What the training at this setting gave: read where it was kept, else made."""
        job = self.job(setting)
        return self.trainings.load(job.key) or run_job(job, self.trainings)

    def validation(self, setting: Setting) -> float:
        """Accuracy on the validation texts; 0 for a training that diverged."""
        return float(correct(self.training(setting).validation, self.task.validation.label).mean())

    def tested(self, setting: Setting) -> float:
        """Accuracy on the test texts: for whoever judges a search that has ended."""
        return float(correct(self.training(setting).test, self.test.label).mean())

    def metrics(self) -> Iterator[dict[str, Any]]:
        """Nothing is measured until somebody searches."""
        return iter(())


def tuner(
    source: TaskSource,
    base_model: str,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings,
) -> Tuner:
    """The tuner of the first seed, to search by hand."""
    return Tuner.of(source, base_model, seeds[0], effort, trainings)
