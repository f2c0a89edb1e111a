"""What `fit()` is told to do, and a look at everything it is given before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftlab.common.errors import LabError
from ftlab.data.features import IGNORED, Feature
from ftlab.models import max_length

SCHEDULES = ("linear", "cosine", "constant")


@dataclass(frozen=True)
class Settings:
    """The settings that decide a run's numbers; `fit()` says what each means."""

    epochs: int
    max_steps: int | None
    batch_size: int
    learning_rate: float
    warmup: float
    schedule: str
    weight_decay: float
    accumulate: int
    clip: float | None
    eval_every: int | str
    patience: int | None
    seed: int
    precision: str
    device: str
    rate_factors: Mapping[str, float] | None = None

    def check(self) -> None:
        """LabError names the first setting that is out of its range."""
        counts = ("epochs", "batch_size", "accumulate")
        for name in (*counts, "max_steps", "patience"):
            value = getattr(self, name)
            optional = name not in counts and value is None
            self._require(name, optional or _whole(value, 1), "a whole number, 1 or more")
        every, rate = self.eval_every, self.learning_rate
        self._require("eval_every", every == "epoch" or _whole(every, 1), "'epoch' or steps")
        self._require("learning_rate", 0 < rate < math.inf, "a number above 0")
        self._require("warmup", 0 <= self.warmup < 1, "a share of the steps, from 0 to below 1")
        self._require("schedule", self.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}")
        self._require("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more")
        self._require("clip", self.clip is None or self.clip > 0, "above 0, or None")
        factors = (self.rate_factors or {}).values()
        self._require(
            "rate_factors", all(0 < f < math.inf for f in factors), "numbers above 0 by layer"
        )
        self._require("seed", _whole(self.seed, 0), "a whole number, 0 or more")

    def _require(self, name: str, holds: bool, allowed: str) -> None:
        if not holds:
            raise LabError(f"fit: {name} must be {allowed}, not {getattr(self, name)!r}.")


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def check_features(which: str, features: Sequence[Feature], model: Any) -> None:
    """LabError names the first example that the model cannot take, and why."""
    if not features:
        raise LabError(f"fit: there are no {which} examples.")
    vocabulary = model.get_input_embeddings().num_embeddings
    names = getattr(model, "label_names", None)
    longest = max_length(model, 10**9)
    for number, feature in enumerate(features):
        problem = _token_problem(feature["input_ids"], vocabulary, longest) or (
            _class_problem(feature.get("labels"), len(names))
            if names
            else _token_label_problem(feature.get("labels"), len(feature["input_ids"]))
        )
        if problem:
            raise LabError(f"fit: {which} example {number} {problem}.")


def _token_problem(ids: Sequence[int], vocabulary: int, longest: int) -> str:
    if not ids:
        return "has no tokens"
    if max(ids) >= vocabulary or min(ids) < 0:
        return (
            f"has the token id {max(ids)}, but the model knows {vocabulary} tokens: tokenizer and "
            "model do not belong together"
        )
    if len(ids) > longest:
        return f"has {len(ids)} tokens, the model takes {longest}: encode with that max_length"
    return ""


def _class_problem(label: Any, classes: int) -> str:
    if isinstance(label, list):
        return "has a label for each token, but the model is a classifier"
    if label is None:
        return "has no label"
    if not 0 <= label < classes:
        return f"has the label {label}, but the model's labels go from 0 to {classes - 1}"
    return ""


def _token_label_problem(labels: Any, length: int) -> str:
    if not isinstance(labels, list):
        return (
            "has no label for each token: for a language model, labels are the input_ids, with "
            f"{IGNORED} where nothing is to be learned"
        )
    if len(labels) != length:
        return f"has {length} tokens but {len(labels)} labels"
    if all(label == IGNORED for label in labels[1:]):
        return "has nothing to learn: no token after its first has a label"
    return ""
