"""What `fit()` is told to do: the settings, each within its range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ftlab.common.errors import LabError

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
