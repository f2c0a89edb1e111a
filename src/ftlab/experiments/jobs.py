"""One training of a comparison, from the texts to what is kept of it, in whichever process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from ftlab.evaluation import correct
from ftlab.evaluation.forgetting import ForgettingProbe
from ftlab.experiments.estimators import Estimator, FittedModel
from ftlab.experiments.keeping import WRONG, Training, Trainings
from ftlab.training import Diverged

TRAIN_TEXTS = 100  # how many of its training texts a method is asked again, at most


@dataclass(frozen=True, eq=False)
class Job:
    """What a training needs: `method` learns from `rows` (text, label) at `value` of its
    hyperparameter, and predicts the texts of `validation` and `test`, whose labels it is not told.
    `about` is what it is known by, `key` the digest of that."""

    method: Estimator
    rows: pd.DataFrame
    validation: Sequence[str]
    test: Sequence[str]
    seed: int
    value: float
    probe: ForgettingProbe | None
    key: str
    about: dict[str, Any]
    keep_network: bool = False

    @property
    def steps(self) -> int:
        """How many steps of training it takes at most; 0 without a network."""
        budget = getattr(self.method, "training_budget", None)
        trains = self.method.hyperparameter == "learning_rate"
        return budget.steps(len(self.rows)) if budget and trains else 0


def run_job(job: Job, trainings: Trainings) -> Training:
    """Train, measure, and keep what came out before it is handed back."""
    with _one_thread():
        training = _trained(job, trainings)
    trainings.store(job.key, training, {"about": job.about})
    return training


def _trained(job: Job, trainings: Trainings) -> Training:
    try:
        fitted = job.method.fit(job.rows, job.value, job.seed)
    except Diverged as error:
        return Training(
            np.full(len(job.validation), WRONG),
            np.full(len(job.test), WRONG),
            {"rows": len(job.rows)},
            diverged=str(error),
        )
    if job.keep_network and fitted.model is not None:
        trainings.store_network(job.key, fitted.model)
    return Training(
        np.asarray(fitted.predict(job.validation)),
        np.asarray(fitted.predict(job.test)),
        _measured(job, fitted),
        fitted.history,
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """As many threads as a process of its own has: sums of more threads differ in their last
    digits, and a comparison that goes on elsewhere must end with the same numbers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _measured(job: Job, fitted: FittedModel) -> dict[str, float | None]:
    some = job.rows.sample(min(TRAIN_TEXTS, len(job.rows)), random_state=job.seed)
    right = correct(fitted.predict(list(some.text)), some.label)
    costs = getattr(job.method, "costs", dict)
    # Random weights have read nothing that they could forget.
    asked = job.probe if not getattr(job.method, "random_weights", False) else None
    return {
        "rows": len(job.rows),
        "train": float(right.mean()),
        "steps": fitted.steps,
        "seconds": fitted.seconds,
        **(asked.after(fitted.model) if asked else {}),
        **costs(),
    }
