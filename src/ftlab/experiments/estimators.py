"""Methods that learn a task from labelled texts, as estimators: `fit`, then `predict`.

Each has a name, at most one hyperparameter and the values of it to choose from, so that methods
compare fairly. All are plain dataclasses, which `pickle` carries to another process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from ftlab import training
from ftlab.data import Task, collate, encode
from ftlab.data.features import Feature
from ftlab.evaluation import correct
from ftlab.evaluation.cost import costs
from ftlab.models import (
    Classifier,
    load_classifier,
    load_tokenizer,
    max_length,
    private_rng,
    starting_rate,
)
from ftlab.training.budget import TrainingBudget
from ftlab.tuning.freezing import train_only
from ftlab.tuning.methods import FULL_FINE_TUNING, TuningMethod

REGRESSION_C = (10.0, 1.0, 100.0)  # inverse strengths of regularisation, for regression on TF-IDF
CUMULATIVE = ("step", "epoch", "seconds", "examples", "tokens")  # what goes on in the next stage
MAX_ITERATIONS = 2000  # of a regression
WATCHED_TEXTS = 80  # validation texts on which accuracy is followed during training


@dataclass(frozen=True)
class FittedModel:
    """A method after training: `predict(texts)` gives class indices (texts,).

    `history` is that of `training.fit`, where validation accuracy was followed; `model` is the
    trained network, where there is one.
    """

    predict: Callable[[Sequence[str]], np.ndarray]
    seconds: float
    steps: int = 0
    history: pd.DataFrame | None = None
    model: Any = None


class Estimator(Protocol):
    """What `compare` asks of a method.

    `fit(rows, value, seed)` learns from rows with columns text and label (int), at one of the
    `candidates`, the values that the `hyperparameter` ("learning_rate", "C", "" for none) may
    take. `given` says that the user gave the only one, so that no search has to be fair.
    """

    @property
    def name(self) -> str: ...
    @property
    def hyperparameter(self) -> str: ...
    @property
    def candidates(self) -> tuple[float, ...]: ...
    @property
    def given(self) -> bool: ...
    def fit(self, rows: pd.DataFrame, value: float, seed: int, /) -> FittedModel: ...


@dataclass(frozen=True)
class Majority:
    """Predicts the most frequent label of the whole training part, whatever the text."""

    task: Task
    name: str = "majority"
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
    name: str = "TF-IDF + regression"
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
class _OnBaseModel:
    """What methods share that put a head on a base model; `candidates` are for that method."""

    name: str
    base_model: str
    task: Task
    training_budget: TrainingBudget
    candidates: tuple[float, ...] = ()
    random_weights: bool = False

    def load(self, seed: int) -> Classifier:
        """The network with a new head, as yet untrained."""
        names, random = self.task.label_names, self.random_weights
        return load_classifier(self.base_model, names, random_weights=random, seed=seed)

    def features(
        self, model: Classifier, texts: Iterable[str], labels: list[int] | None = None
    ) -> list[Feature]:
        """What `training.fit` takes."""
        length = max_length(model, self.training_budget.max_length)
        return encode(load_tokenizer(self.base_model), list(texts), labels, max_length=length)

    def outputs(self, model: Classifier, texts: Iterable[str]) -> np.ndarray:
        """What the head gives: logits (texts, labels)."""
        pad_id = load_tokenizer(self.base_model).pad_token_id
        return training.predict(model, self.features(model, texts), pad_id)


@dataclass(frozen=True)
class FrozenFeatures(_OnBaseModel):
    """Logistic regression with strength C on the vectors of a network that stays as it is.

    A vector is what a fine-tuned classifier's head would get. It is computed once a text, so the
    seconds of a fit do not include what an earlier one computed.
    """

    hyperparameter: ClassVar[str] = "C"
    given: ClassVar[bool] = False
    _networks: dict[int, tuple[Classifier, dict[str, np.ndarray]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def fit(self, rows: pd.DataFrame, C: float, seed: int) -> FittedModel:
        """`seed` decides the network where its weights are random, and nothing else."""
        began = time.perf_counter()
        head = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=MAX_ITERATIONS))
        head.fit(self.vectors(rows.text, seed), rows.label)
        return FittedModel(partial(self._predict, head, seed), time.perf_counter() - began)

    def vectors(self, texts: Iterable[str], seed: int) -> np.ndarray:
        """(texts, width), from the network of this seed."""
        seed = seed if self.random_weights else 0  # pretrained weights are the same for every seed
        if seed not in self._networks:
            model = self.load(seed)
            model.head = nn.Identity()  # type: ignore[assignment]
            self._networks[seed] = (model, {})
        model, known = self._networks[seed]
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        if fresh:
            known.update(zip(fresh, self.outputs(model, fresh), strict=True))
        return np.stack([known[text] for text in texts])

    def _predict(self, head: Any, seed: int, texts: Sequence[str]) -> np.ndarray:
        labels: np.ndarray = head.predict(self.vectors(texts, seed))
        return labels


@dataclass(frozen=True)
class FineTuning(_OnBaseModel):
    """A pretrained network with a new head, trained as far as `tuning` makes it trainable.

    Validation accuracy is followed where there are as many training texts as `watched` names.
    """

    tuning: TuningMethod = FULL_FINE_TUNING
    watched: tuple[int, ...] = ()
    hyperparameter: ClassVar[str] = "learning_rate"

    @property
    def given(self) -> bool:
        return self.candidates == (self.tuning.learning_rate,)

    def fit(self, rows: pd.DataFrame, learning_rate: float, seed: int) -> FittedModel:
        """Train with AdamW; the learning rate rises to `learning_rate` and falls to 0.

        The stages of a tuning method share the steps evenly, and each warms up anew.
        """
        model = self.load(seed)
        self.tuning.prepare(model, seed)
        train = self.features(model, rows.text, list(rows.label))
        validation = metric = None
        if len(rows) in self.watched:
            whole = self.task.validation
            some = whole.sample(min(WATCHED_TEXTS, len(whole)), random_state=seed)
            validation, metric = self.features(model, some.text, list(some.label)), _accuracy
        steps = self.training_budget.steps(len(rows))
        stages = self.tuning.stages(model) if self.tuning.stages else [None]
        histories = []
        for number, layers in enumerate(stages):
            if layers is not None:
                train_only(model, layers)
            run = training.fit(
                model,
                train,
                pad_id=load_tokenizer(self.base_model).pad_token_id,
                learning_rate=learning_rate,
                validation=validation,
                metric=metric,
                eval_every=max(1, steps // self.training_budget.eval_points),
                max_steps=max(1, steps // len(stages)),
                batch_size=self.training_budget.batch_size,
                seed=seed + 1000 * number,  # each stage meets the texts in its own order
                warmup=self.tuning.warmup,
                rate_factors=self.tuning.rate_factors(model) if self.tuning.rate_factors else None,
                progress=False,
            )
            histories.append(run.history)
        history = _joined(histories)
        return FittedModel(
            partial(self._predict, model),
            float(history["seconds"].iloc[-1]),
            len(history),
            None if validation is None else history,
            model,
        )

    def costs(self) -> dict[str, float]:
        """What one training step takes, counted on the first batch: see `evaluation.cost`."""
        model = self.load(0)
        self.tuning.prepare(model, 0)
        some = self.task.train[: self.training_budget.batch_size]
        features = self.features(model, some.text, list(some.label))
        with private_rng(0):
            return costs(model, collate(features, load_tokenizer(self.base_model).pad_token_id))

    def _predict(self, model: Classifier, texts: Sequence[str]) -> np.ndarray:
        labels: np.ndarray = self.outputs(model, texts).argmax(1)
        return labels


def baselines(task: Task, candidates: int) -> list[Estimator]:
    """What every table needs beside its networks; `candidates` is how many values of C, at most
    three, the regression chooses from."""
    return [Majority(task), TfidfRegression(REGRESSION_C[:candidates])]


def fine_tunings(
    base_model: str,
    task: Task,
    tuning_methods: Sequence[TuningMethod],
    budget: TrainingBudget,
    candidates: int,
) -> list[FineTuning]:
    """An estimator for each tuning method, watched where it learns from the whole of `task`.

    `candidates` is how many learning rates, at most three, each chooses from.
    """
    start = starting_rate(load_classifier(base_model, task.label_names))
    return [
        FineTuning(
            name=method.name,
            base_model=base_model,
            task=task,
            training_budget=budget,
            candidates=method.learning_rates(start, candidates),
            tuning=method,
            watched=(len(task.train),),
        )
        for method in tuning_methods
    ]


def _accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(correct(logits.argmax(1), labels).mean())


def _joined(histories: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One history of stages that followed one another."""
    joined = histories[0]
    for history in histories[1:]:
        later = {name: history[name] + joined[name].iloc[-1] for name in CUMULATIVE}
        joined = pd.concat([joined, history.assign(**later)], ignore_index=True)
    return joined
