"""Ways to learn a task from labelled texts, each with one knob, so that they compare fairly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ftlab.data import Task, encode
from ftlab.evaluation import correct
from ftlab.tuning.freezing import train_only
from ftlab.tuning.methods import EVERYTHING, Rung

COUNTED = ("step", "epoch", "seconds", "examples", "tokens")  # what goes on in the next stage
WATCHED = 80  # validation texts that are looked at while a network learns


@dataclass(frozen=True)
class Learned:
    """A method after training: `predict(texts)` gives class indices (texts,).

    `history` is that of `fit()`, for methods that were watched while they learned; `model` is the
    trained network, where there is one.
    """

    predict: Callable[[Sequence[str]], np.ndarray]
    seconds: float
    steps: int = 0
    history: pd.DataFrame | None = None
    model: Any = None


@dataclass(frozen=True)
class Method:
    """A way to learn a task: `learn(rows, knob, seed)`, rows with columns text and label.

    `tries` are the values of its knob (a learning rate, say) that it may choose from; `given` says
    that there is one because somebody gave it, so that no search was to be fair.
    """

    name: str
    tries: tuple[float, ...]
    learn: Callable[[pd.DataFrame, float, int], Learned]
    given: bool = False


@dataclass(frozen=True)
class Schooling:
    """How long a network learns: `passes` over its texts, but within the bounds on steps.

    Without the lower bound a network would see eight texts a label too rarely to learn anything;
    without the upper one the whole of a task would take too long. `looks` is how many times the
    networks of `watched` budgets are evaluated on validation texts while they learn.
    """

    passes: int
    least_steps: int
    most_steps: int
    max_length: int = 128
    batch_size: int = 16
    looks: int = 8

    def steps(self, rows: int) -> int:
        """Steps for so many training texts."""
        wanted = self.passes * math.ceil(rows / self.batch_size)
        return max(self.least_steps, min(wanted, self.most_steps))


def majority(task: Task) -> Method:
    """Says the most frequent label of the whole training part, whatever the text."""
    label = int(task.train.label.mode()[0])
    return Method(
        "majority", (), lambda rows, knob, seed: Learned(lambda t: np.full(len(t), label), 0.0)
    )


def word_counts(tries: tuple[float, ...]) -> Method:
    """TF-IDF of words and pairs of words, with logistic regression of strength C (the knob)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    def learn(rows: pd.DataFrame, knob: float, seed: int) -> Learned:
        began = time.perf_counter()
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        model = make_pipeline(words, _regression(knob)).fit(rows.text, rows.label)
        return Learned(model.predict, time.perf_counter() - began)

    return Method("TF-IDF + regression", tries, learn)


def frozen_features(
    name: str,
    base_model: str,
    task: Task,
    tries: tuple[float, ...],
    schooling: Schooling,
    *,
    random_weights: bool = False,
) -> Method:
    """The trunk stays as it is; a linear head (logistic regression, strength C) learns alone.

    The head gets the mean token vector that the fine-tuned classifier's head would get. Vectors
    are computed once a text, so the seconds of a run do not include what an earlier one computed.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from torch import nn

    from ftlab.models import load_classifier, load_tokenizer, max_length
    from ftlab.training import predict

    tokenizer = load_tokenizer(base_model)
    trunks: dict[int, tuple[Any, dict[str, np.ndarray]]] = {}

    def vectors(texts: Sequence[str], seed: int) -> np.ndarray:
        draw = seed if random_weights else 0  # a pretrained trunk is the same for every seed
        if draw not in trunks:
            trunk = load_classifier(
                base_model, task.label_names, random_weights=random_weights, seed=draw
            )
            trunk.head = nn.Identity()  # type: ignore[assignment]
            trunks[draw] = (trunk, {})
        trunk, known = trunks[draw]
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        if fresh:
            length = max_length(trunk, schooling.max_length)
            features = encode(tokenizer, fresh, max_length=length)
            known.update(zip(fresh, predict(trunk, features, tokenizer.pad_token_id), strict=True))
        return np.stack([known[text] for text in texts])

    def learn(rows: pd.DataFrame, knob: float, seed: int) -> Learned:
        began = time.perf_counter()
        model = make_pipeline(StandardScaler(), _regression(knob))
        model.fit(vectors(list(rows.text), seed), rows.label)
        return Learned(
            lambda texts: model.predict(vectors(list(texts), seed)), time.perf_counter() - began
        )

    return Method(name, tries, learn)


def fine_tuning(
    name: str,
    base_model: str,
    task: Task,
    tries: tuple[float, ...],
    schooling: Schooling,
    *,
    random_weights: bool = False,
    watched: Sequence[int] = (),
    rung: Rung = EVERYTHING,
) -> Method:
    """Trunk and head learn, or what `rung` lets move of them; the knob is the learning rate, and
    one that the rung brings takes the place of `tries`.

    Stages share the steps evenly, and each warms up anew. `watched` are numbers of training texts
    at which validation accuracy is followed.
    """
    from ftlab.models import load_classifier, load_tokenizer, max_length
    from ftlab.training import fit, predict

    tokenizer = load_tokenizer(base_model)
    pad_id = tokenizer.pad_token_id

    def learn(rows: pd.DataFrame, knob: float, seed: int) -> Learned:
        model = load_classifier(
            base_model, task.label_names, random_weights=random_weights, seed=seed
        )
        length = max_length(model, schooling.max_length)
        rung.prepare(model, seed)

        def features(texts: Sequence[str], labels: Sequence[int] | None = None) -> list[Any]:
            return encode(tokenizer, list(texts), labels, max_length=length)

        def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
            return float(correct(logits.argmax(1), labels).mean())

        steps = schooling.steps(len(rows))
        looks: dict[str, Any] = {}
        if len(rows) in watched:
            some = task.validation.sample(min(WATCHED, len(task.validation)), random_state=seed)
            looks = {
                "validation": features(some.text, list(some.label)),
                "metric": accuracy,
                "eval_every": max(1, steps // schooling.looks),
            }
        if rung.warmup is not None:
            looks["warmup"] = rung.warmup
        stages = rung.stages(model) if rung.stages else [None]
        histories = []
        for number, stage in enumerate(stages):
            if stage is not None:
                train_only(model, stage)
            run = fit(
                model,
                features(rows.text, list(rows.label)),
                pad_id=pad_id,
                learning_rate=knob,
                max_steps=max(1, steps // len(stages)),
                batch_size=schooling.batch_size,
                seed=seed + 1000 * number,  # each stage meets the texts in its own order
                rate_factors=rung.rate_factors(model) if rung.rate_factors else None,
                progress=False,
                **looks,
            )
            histories.append(run.history)
        history = _joined(histories)
        return Learned(
            lambda texts: predict(model, features(texts), pad_id).argmax(1),
            float(history["seconds"].iloc[-1]),
            len(history),
            history if len(rows) in watched else None,
            model,
        )

    if rung.rate is not None:
        return Method(name, (rung.rate,), learn, given=True)
    return Method(name, tries, learn)


def _joined(histories: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One history of stages that followed one another."""
    rest = [histories[0]]
    for history in histories[1:]:
        last = rest[-1].iloc[-1]
        rest.append(history.assign(**{name: history[name] + last[name] for name in COUNTED}))
    return pd.concat(rest, ignore_index=True)


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=2000)
