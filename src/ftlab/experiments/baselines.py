"""What every comparison needs beside its fine-tuned networks: methods that train no network.

They are estimators like all others: see `estimators`.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from ftlab.data import Task
from ftlab.experiments.estimators import Estimator, FittedModel, OnBaseModel, fine_tunings
from ftlab.experiments.identity import base_sha256
from ftlab.training.budget import TrainingBudget
from ftlab.tuning.methods import FULL_FINE_TUNING

MAJORITY, TFIDF = "majority", "TF-IDF + regression"
FROZEN, RANDOM = "frozen features", "random weights"
FROZEN_C = (0.1, 0.01, 1.0)  # inverse strengths of regularisation, for regression on vectors
REGRESSION_C = (10.0, 1.0, 100.0)  # inverse strengths of regularisation, for regression on TF-IDF
MAX_ITERATIONS = 2000  # of a regression
NETWORKS = 4  # whose vectors a process keeps


@dataclass(frozen=True)
class Majority:
    """Predicts the most frequent label of the whole training part, whatever the text."""

    task: Task
    name: str = MAJORITY
    candidates: tuple[float, ...] = ()
    hyperparameter: ClassVar[str] = ""
    given: ClassVar[bool] = False

    def fit(self, rows: pd.DataFrame, value: float = math.nan, seed: int = 0) -> FittedModel:
        """Nothing that is given changes anything."""
        model = DummyClassifier().fit(self.task.train.text, self.task.train.label)
        return FittedModel(model.predict, 0.0)


@dataclass(frozen=True)
class TfidfRegression:
    """Logistic regression with strength C on TF-IDF of words and pairs of words."""

    candidates: tuple[float, ...] = REGRESSION_C
    name: str = TFIDF
    hyperparameter: ClassVar[str] = "C"
    given: ClassVar[bool] = False

    def fit(self, rows: pd.DataFrame, C: float, seed: int = 0) -> FittedModel:
        """`seed` changes nothing."""
        began = time.perf_counter()
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        model = make_pipeline(words, LogisticRegression(C=C, max_iter=MAX_ITERATIONS))
        model.fit(rows.text, rows.label)
        return FittedModel(model.predict, time.perf_counter() - began)


@dataclass(frozen=True)
class FrozenFeatures(OnBaseModel):
    """Logistic regression with strength C on the vectors of a network that stays as it is.

    A vector is what a fine-tuned classifier's head would get. It is computed once a text in a
    process, so the seconds of a fit do not include what an earlier one computed.
    """

    hyperparameter: ClassVar[str] = "C"
    given: ClassVar[bool] = False

    def fit(self, rows: pd.DataFrame, C: float, seed: int) -> FittedModel:
        """`seed` decides the network where its weights are random, and nothing else."""
        began = time.perf_counter()
        head = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=MAX_ITERATIONS))
        head.fit(self.vectors(rows.text, seed), rows.label)
        return FittedModel(partial(self._predict, head, seed), time.perf_counter() - began)

    def vectors(self, texts: Iterable[str], seed: int) -> np.ndarray:
        """(texts, width), from the network of this seed."""
        seed = seed if self.random_weights else 0  # pretrained weights are the same for every seed
        length = self.training_budget.max_length
        known = _known_vectors(base_sha256(self.base_model), self.random_weights, seed, length)
        texts = list(texts)
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        if fresh:
            model = self.load(seed)
            model.head = nn.Identity()  # type: ignore[assignment]
            known.update(zip(fresh, self.outputs(model, fresh), strict=True))
        return np.stack([known[text] for text in texts])

    def _predict(self, head: Any, seed: int, texts: Sequence[str]) -> np.ndarray:
        labels: np.ndarray = head.predict(self.vectors(texts, seed))
        return labels


def baselines(task: Task, candidates: int) -> list[Estimator]:
    """What every table needs beside its networks; `candidates` is how many values of C, at most
    three, the regression chooses from."""
    return [Majority(task), TfidfRegression(REGRESSION_C[:candidates])]


def all_baselines(
    base_model: str, task: Task, budget: TrainingBudget, candidates: int
) -> list[Estimator]:
    """Those, a regression on what the frozen network gives, and the same network fine-tuned from
    random weights; each with `candidates` values, at most three, to begin its search with."""
    [scratch] = fine_tunings(base_model, task, [FULL_FINE_TUNING], budget, candidates)
    return [
        *baselines(task, candidates),
        FrozenFeatures(FROZEN, base_model, task, budget, FROZEN_C[:candidates]),
        replace(scratch, name=RANDOM, random_weights=True),
    ]


@functools.lru_cache(maxsize=NETWORKS)
def _known_vectors(
    base: str, random_weights: bool, seed: int, max_length: int
) -> dict[str, np.ndarray]:
    """The vectors that this process has computed with a network so far, by their text."""
    return {}
