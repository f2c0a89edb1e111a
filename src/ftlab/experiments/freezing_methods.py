"""Methods of the lesson on freezing that need more than a choice of layers: as estimators."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from ftlab.data import encode
from ftlab.data.features import Feature
from ftlab.experiments.baselines import FROZEN_C, FrozenFeatures
from ftlab.experiments.estimators import FineTuning, FittedModel
from ftlab.models import Classifier, load_tokenizer, max_length
from ftlab.tuning import TuningMethod

OFTEN = 3  # a word gets a token of its own if it occurs so many times in the training texts


@dataclass(frozen=True)
class HeadFirst(FineTuning):
    """First the head alone, until it has converged, then all weights (LP-FT, Kumar et al. 2022).

    The head is a logistic regression on what the frozen network gives. Fine-tuning then starts
    with a head that already points the right way, instead of a random one.
    """

    def fit(self, rows: pd.DataFrame, learning_rate: float, seed: int) -> FittedModel:
        """See `FineTuning.fit`; the seconds are those of the fine-tuning."""
        frozen = FrozenFeatures("", self.base_model, self.task, self.training_budget)
        weight, bias = linear_probe(frozen.vectors(rows.text, seed), rows.label.to_numpy())
        start = partial(_set_head, prepare=self.tuning.prepare, weight=weight, bias=bias)
        plain = FineTuning(
            **{**_fields(self), "tuning": replace(self.tuning, prepare=start)},
        )
        return plain.fit(rows, learning_rate, seed)


def linear_probe(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight (labels, width) and bias (labels,) of a converged logistic regression on `vectors`."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = vectors.mean(0), vectors.std(0) + 1e-6
    model = LogisticRegression(C=FROZEN_C[0], max_iter=2000).fit((vectors - mean) / spread, labels)
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:  # of two labels scikit-learn keeps the difference
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / spread
    return weight, bias - weight @ mean


def _set_head(
    model: Classifier, seed: int, *, prepare: Any, weight: np.ndarray, bias: np.ndarray
) -> None:
    prepare(model, seed)
    with torch.no_grad():
        model.head.weight.copy_(torch.as_tensor(weight))
        model.head.bias.copy_(torch.as_tensor(bias))


@dataclass(frozen=True)
class OwnTokens(FineTuning):
    """Fine-tuning with a token of its own for every frequent word that the tokenizer cuts.

    The words are those of the task's training texts. Each gets a new row in the embedding matrix,
    which starts as the mean of the rows of its pieces.
    """

    def load(self, seed: int) -> Classifier:
        """The network with the wider embedding matrix and a new head."""
        model = super().load(seed)
        plain, wider = load_tokenizer(self.base_model), self.tokenizer
        model.trunk.resize_token_embeddings(len(wider), mean_resizing=False)
        table: Any = model.trunk.get_input_embeddings().weight
        with torch.no_grad():
            for word in cut_words(plain, self.task.train.text):
                pieces = plain(f" {word}", add_special_tokens=False)["input_ids"]
                table[wider.convert_tokens_to_ids(word)] = table[pieces].mean(0)
        return model

    @property
    def tokenizer(self) -> Any:
        """The base model's, with the words of the task added."""
        return _wider_tokenizer(self.base_model, tuple(self.task.train.text))

    def features(
        self, model: Classifier, texts: Iterable[str], labels: list[int] | None = None
    ) -> list[Feature]:
        """What `training.fit` takes, cut by the wider tokenizer."""
        length = max_length(model, self.training_budget.max_length)
        return encode(self.tokenizer, list(texts), labels, max_length=length)


def cut_words(tokenizer: Any, texts: Iterable[str]) -> list[str]:
    """The words that occur at least three times in `texts` and that `tokenizer` cuts to pieces."""
    counts = Counter(word for text in texts for word in re.findall(r"\w+", text))
    return [w for w, n in counts.items() if n >= OFTEN and len(tokenizer.tokenize(f" {w}")) > 1]


def with_own_tokens(base_model: str, words: Sequence[str]) -> Any:
    """The tokenizer of `base_model` with a token of its own for each of `words`."""
    from tokenizers import AddedToken

    tokenizer = load_tokenizer(base_model)
    added = [AddedToken(w, lstrip=True, single_word=True, normalized=False) for w in words]
    tokenizer.add_tokens(added)
    return tokenizer


@functools.lru_cache(maxsize=8)
def _wider_tokenizer(base_model: str, texts: tuple[str, ...]) -> Any:
    return with_own_tokens(base_model, cut_words(load_tokenizer(base_model), texts))


def as_estimator(kind: type[FineTuning], plain: FineTuning, name: str) -> FineTuning:
    """`plain` as a method of another kind, under another name."""
    return kind(**{**_fields(plain), "name": name})


def _fields(method: FineTuning) -> dict[str, Any]:
    return {one.name: getattr(method, one.name) for one in dataclasses.fields(method)}


def patient(method: FineTuning, times: int) -> FineTuning:
    """The same method with so many times the steps: cheap where the network below is frozen."""
    budget = method.training_budget
    more = replace(
        budget,
        epochs=times * budget.epochs,
        min_steps=times * budget.min_steps,
        max_steps=times * budget.max_steps,
    )
    return replace(method, training_budget=more)


def with_rates(method: FineTuning, start: float, factors: Sequence[float]) -> FineTuning:
    """The same method with other learning rates to begin its search with: `factors` times where
    the search for its own begins."""
    tuning: TuningMethod = method.tuning
    first = tuning.learning_rate_factor * start
    return replace(method, candidates=tuple(first * factor for factor in factors))
