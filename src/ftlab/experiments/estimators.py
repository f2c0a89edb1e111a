"""Methods that learn a task from labelled texts, as estimators: `fit`, then `predict`.

Each has a name, at most one hyperparameter and the values of it to choose from, so that methods
compare fairly. All are plain dataclasses, which `pickle` carries to another process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd

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

CUMULATIVE = ("step", "epoch", "seconds", "examples", "tokens")  # what goes on in the next stage
WATCHED_TEXTS = 80  # validation texts on which accuracy is followed during training
STOPPING_TEXTS = 300  # those on which it is, where it decides when to stop: a choice needs more


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
class OnBaseModel:
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
class FineTuning(OnBaseModel):
    """A pretrained network with a new head, trained as far as `tuning` makes it trainable.

    Validation accuracy is followed where there are as many training texts as `watched` names, and
    wherever the budget has a `patience`: then the weights with the best one are those that stay.
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
        `training.Diverged` if the loss leaves the numbers at this learning rate.
        """
        model = self.prepared(seed)
        patience = self.training_budget.patience
        train = self.features(model, rows.text, list(rows.label))
        validation = metric = None
        if patience is not None or len(rows) in self.watched:
            whole = self.task.validation
            most = WATCHED_TEXTS if patience is None else STOPPING_TEXTS
            some = whole.sample(min(most, len(whole)), random_state=seed)
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
                patience=patience,
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

    def followed(
        self,
        rows: pd.DataFrame,
        learning_rate: float,
        seed: int,
        *,
        validation: pd.DataFrame,
        watch: Callable[[Classifier, np.ndarray], dict[str, float]],
    ) -> FittedModel:
        """The network trained in one stage, without an early end, and followed on the way.

        `watch(model, logits)` says what to note beside accuracy wherever `validation` is evaluated,
        (texts, labels) logits at hand; the history has it in columns of these names.
        """
        model = self.prepared(seed)
        steps = self.training_budget.steps(len(rows))
        seen: list[dict[str, float]] = []

        def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
            seen.append(watch(model, logits))
            return _accuracy(logits, labels)

        run = training.fit(
            model,
            self.features(model, rows.text, list(rows.label)),
            pad_id=load_tokenizer(self.base_model).pad_token_id,
            learning_rate=learning_rate,
            validation=self.features(model, validation.text, list(validation.label)),
            metric=accuracy,
            eval_every=max(1, steps // self.training_budget.eval_points),
            max_steps=steps,
            batch_size=self.training_budget.batch_size,
            seed=seed,
            progress=False,
        )
        at = run.history.validation_metric.notna()
        noted = pd.DataFrame(seen, index=run.history.index[at])
        history = run.history.join(noted)
        return FittedModel(partial(self._predict, model), run.seconds, run.steps, history, model)

    def prepared(self, seed: int) -> Classifier:
        """The network as it is before its first step."""
        model = self.load(seed)
        self.tuning.prepare(model, seed)
        return model

    def costs(self) -> dict[str, float]:
        """What one training step takes, counted on the first batch: see `evaluation.cost`."""
        model = self.prepared(0)
        some = self.task.train[: self.training_budget.batch_size]
        features = self.features(model, some.text, list(some.label))
        with private_rng(0):
            return costs(model, collate(features, load_tokenizer(self.base_model).pad_token_id))

    def _predict(self, model: Classifier, texts: Sequence[str]) -> np.ndarray:
        labels: np.ndarray = self.outputs(model, texts).argmax(1)
        return labels


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
