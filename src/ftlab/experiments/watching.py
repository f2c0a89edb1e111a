"""Fine-tuning that is watched to its last step: losses on its own texts and on held-out ones."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import nn

from ftlab import training
from ftlab.experiments.estimators import FineTuning, FittedModel
from ftlab.models import Classifier, blocks, load_classifier, load_tokenizer
from ftlab.tuning import anchor

NO_REMEDY = "no remedy"
WATCHED_OWN = 128  # of its own texts, at most, are looked at on the way
COPIES = 8  # of each text with words left out, beside the text itself


@dataclass(frozen=True)
class Remedy:
    """What is done against overfitting, each thing by its strength; by default nothing.

    `dropout` is the share of numbers that are dropped from token vectors, from what every block
    adds, and before the head. `weight_decay` is AdamW's, towards zero or (`to_start`, L2-SP)
    towards the pretrained weights. `left_out` is the share of words that the copies of a text lack.
    `added_wrong` is no remedy: of all texts but the first `clean` of each label, which are what
    a smaller sample would be, this share gets a wrong label.
    """

    dropout: float = 0.0
    weight_decay: float = 0.0
    to_start: bool = False
    left_out: float = 0.0
    added_wrong: float = 0.0
    clean: int = 0


@dataclass(frozen=True)
class Watched(FineTuning):
    """Fine-tuning at a constant learning rate that nothing stops, and that is watched.

    Its history has a row for the untrained network and for every evaluation: step, and of the
    texts it learns from (`train`), of validation and of the test the `_loss` (mean cross-entropy
    in nats, dropout off) and the `_accuracy`; of the test also `right_loss` and `wrong_loss` (of
    the texts labelled correctly and wrongly) and `confidence` (mean probability of the predicted
    label); `learned_right` and `learned_wrong`, the share of its own texts with a right and with a
    wrong label for which it predicts the given one (nan without such texts).

    What it is told of the test (`held_out`, columns text and label) is written down, and used for
    nothing. `kind` and `strength` say which remedy this is; they change nothing either.
    """

    remedy: Remedy = Remedy()
    kind: str = field(default=NO_REMEDY, compare=False)
    strength: float = field(default=0.0, compare=False)
    held_out: Any = field(default=None, compare=False, repr=False)
    given: ClassVar[bool] = True  # type: ignore[misc]  # one learning rate for all: no search

    def load(self, seed: int) -> Classifier:
        """The network with a new head, and with dropout if that is the remedy."""
        names, dropout = self.task.label_names, self.remedy.dropout
        model = load_classifier(
            self.base_model, names, random_weights=self.random_weights, seed=seed, dropout=dropout
        )
        if dropout:
            drop_out(model, dropout)
        return model

    def prepared(self, seed: int) -> Classifier:
        """The network as it is before its first step."""
        model = super().prepared(seed)
        if self.remedy.to_start:
            anchor(model.trunk)
        return model

    def costs(self) -> dict[str, float]:
        """Nothing is counted: this is not about costs."""
        return {}

    def fit(self, rows: pd.DataFrame, learning_rate: float, seed: int) -> FittedModel:
        """Train to the last step. `training.Diverged` if the loss leaves the numbers."""
        remedy = self.remedy
        labels, wrong = self._labels(rows, seed)
        texts, targets = list(rows.text), list(labels)
        if remedy.left_out:
            rng = random.Random(seed)
            texts += [without_words(t, remedy.left_out, rng) for _ in range(COPIES) for t in texts]
            targets *= COPIES + 1
        some = np.random.default_rng(seed).permutation(len(rows))[:WATCHED_OWN]
        own = pd.DataFrame({"text": list(rows.text), "label": labels}).iloc[some]
        parts = {"train": own, "validation": self.task.validation, "test": self.held_out}
        watch = Watch(parts, wrong[some])
        model = self.prepared(seed)
        watched = self.features(model, watch.texts, [*watch.labels])
        pad_id = load_tokenizer(self.base_model).pad_token_id
        watch(training.predict(model, watched, pad_id), watch.labels)
        run = training.fit(
            model,
            self.features(model, texts, targets),
            pad_id=pad_id,
            validation=watched,
            metric=watch,
            **self.settings(learning_rate, seed),
        )
        seen = run.history[run.history.validation_metric.notna()]
        history = pd.DataFrame(watch.rows)
        history.insert(0, "step", [0, *seen.step])
        history["seconds"] = [0.0, *seen.seconds]
        history["validation_metric"] = history.validation_accuracy
        return FittedModel(partial(self._predict, model), run.seconds, run.steps, history, model)

    def settings(self, learning_rate: float, seed: int) -> dict[str, Any]:
        """What `training.fit` is told beside model and texts."""
        budget = self.training_budget
        return {
            "learning_rate": learning_rate,
            "max_steps": budget.max_steps,
            "eval_every": max(1, budget.max_steps // budget.eval_points),
            "batch_size": budget.batch_size,
            "schedule": "constant",
            "weight_decay": self.remedy.weight_decay,
            "seed": seed,
            "progress": False,
        }

    def _labels(self, rows: pd.DataFrame, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The labels it is given, and which of them are wrong: (texts,) each."""
        labels = rows.label.to_numpy()
        if not self.remedy.added_wrong:
            return labels, np.zeros(len(labels), bool)
        clean = set(self.task.sample_per_class(self.remedy.clean, seed).text)
        added = np.array([text not in clean for text in rows.text])
        rng = np.random.default_rng([seed, 23])
        return mislabelled(labels, added, self.remedy.added_wrong, len(self.task.label_names), rng)


@dataclass(eq=False)
class Watch:
    """Is called by `fit` with the logits of all watched texts, and writes down what they tell."""

    parts: dict[str, pd.DataFrame]
    wrong: np.ndarray
    rows: list[dict[str, float]] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The texts of all parts, one after the other."""
        return [text for part in self.parts.values() for text in part.text]

    @property
    def labels(self) -> np.ndarray:
        """Their labels."""
        return np.concatenate([part.label.to_numpy() for part in self.parts.values()])

    def __call__(self, logits: np.ndarray, labels: np.ndarray) -> float:
        """Minus the validation loss: more is better, as `fit` wants it of a metric."""
        row: dict[str, float] = {}
        ends = np.cumsum([len(part) for part in self.parts.values()])[:-1]
        pieces = zip(np.split(logits, ends), np.split(labels, ends), strict=True)
        for name, (given, wanted) in zip(self.parts, pieces, strict=True):
            loss, hit = losses(given, wanted), given.argmax(1) == wanted
            row |= {f"{name}_loss": loss.mean(), f"{name}_accuracy": hit.mean()}
            if name == "train":
                row["learned_right"] = _mean(hit[~self.wrong])
                row["learned_wrong"] = _mean(hit[self.wrong])
            if name == "test":
                row |= {"right_loss": _mean(loss[hit]), "wrong_loss": _mean(loss[~hit])}
                row["confidence"] = np.exp(-losses(given, given.argmax(1))).mean()
        self.rows.append({key: float(value) for key, value in row.items()})
        return -float(row["validation_loss"])


def losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The cross-entropy of every text in nats, (texts,): minus the logarithm of the probability
    that the logits (texts, labels) give to its label."""
    logits = np.asarray(logits, dtype=float)
    logits = logits - logits.max(1, keepdims=True)
    found: np.ndarray = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(labels)), labels]
    return found


def without_words(text: str, share: float, rng: random.Random) -> str:
    """`text` with about this share of its words left out, but never with nothing."""
    kept = [word for word in text.split() if rng.random() >= share]
    return " ".join(kept) or text


def mislabelled(
    labels: np.ndarray, among: np.ndarray, share: float, classes: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`labels` (texts,) with another one for a `share` of those that `among` marks, drawn evenly
    from the other classes; and a mark on those that are wrong now."""
    places = np.flatnonzero(among)
    chosen = rng.permutation(places)[: round(share * len(places))]
    wrong = np.zeros(len(labels), bool)
    wrong[chosen] = True
    shift = rng.integers(1, classes, len(labels))
    return np.where(wrong, (labels + shift) % classes, labels), wrong


def drop_out(model: Classifier, share: float) -> None:
    """From now on, in training, `share` of the numbers is dropped from the token vectors and from
    what each block adds to them; what is left is scaled up."""
    embeddings: Any = model.get_input_embeddings()
    embeddings.register_forward_hook(
        lambda module, given, out: nn.functional.dropout(out, share, model.training)
    )
    for block in blocks(model):
        block.register_forward_hook(partial(_drop_added, model, share), with_kwargs=True)


def _drop_added(
    model: Classifier, share: float, block: Any, given: Any, named: dict[str, Any], out: Any
) -> Any:
    came = given[0] if given else named["hidden_states"]
    went = out[0] if isinstance(out, tuple) else out
    kept: torch.Tensor = came + nn.functional.dropout(went - came, share, model.training)
    return (kept, *out[1:]) if isinstance(out, tuple) else kept


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
