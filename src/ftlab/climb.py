"""The ladder climbed: every rung learns the same task under the same rules, and what it cost.

Each rung has its own learning rate, chosen on validation out of the same number of tries; the
test is predicted, never looked at for a choice. What the base model still knows is measured on
the untouched model before anything is put into it, and again after each training.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ftlab.data import Task, collate, encode
from ftlab.errors import LabError
from ftlab.evaluation import Estimate, matches, paired_difference, seeds_interval
from ftlab.experiments import FULL, LearningCurve, cost_until, learning_curve
from ftlab.ladder import Rung, as_language_model, costs
from ftlab.methods import Learned, Schooling, fine_tuning, majority, word_counts
from ftlab.models import (
    bits_per_character,
    is_causal_lm,
    load_causal_lm,
    load_classifier,
    load_tokenizer,
    starting_rate,
)
from ftlab.models.loading import BASE_MODEL
from ftlab.pretraining.corpus import biography
from ftlab.skills import answers_to, recall_items
from ftlab.world import build_world, letters, web

FACTORS = (1.0, 2.0, 0.5)  # times a rung's start: the learning rates tried, in this order
STRENGTHS = (10.0, 1.0, 100.0)  # tried by the regression on word counts
COUNTED = ("trainable", "share", "optimizer_bytes", "memory_bytes", "stored_bytes")


class Memory:
    """What a base model knows before it is tuned, and how much of it is left afterwards.

    `bits`: what it needs for a character of held-out pages of the town. `recall`: its share of
    right answers to questions about the town's facts, in words not seen for that fact; None for
    another base model, which has never heard of them.
    """

    def __init__(self, base_model: str, pages: int, questions: int, seed: int = 0) -> None:
        rng = random.Random(f"memory/{seed}")
        self.base_model, self.tokenizer = base_model, load_tokenizer(base_model)
        known = build_world().known
        self.pages = [
            rng.choice([biography(rng.choice(known), rng), web.page(rng), letters.letter(rng)])
            for _ in range(pages)
        ]
        self.pairs = recall_items(questions, seed) if base_model == BASE_MODEL else []
        self.bits, self.recall = self._measure(load_causal_lm(base_model))

    def _measure(self, model: Any) -> tuple[float, float | None]:
        bits = bits_per_character(model, self.tokenizer, self.pages)
        if not self.pairs:
            return bits, None
        said = answers_to(model, self.tokenizer, self.pairs)
        return bits, float(matches(said, [right for _, right in self.pairs]).mean())

    def after(self, learned: Learned) -> dict[str, float | None]:
        """`forgotten` bits a character and the `recall` left, with the tuned trunk in the place of
        the base's. None where there is no network, or where a prompt of its own stands before it.
        """
        try:
            model = as_language_model(self.base_model, learned.model) if learned.model else None
        except LabError:  # behind a soft prompt: without it the base is what it was
            model = None
        if model is None:
            return {"forgotten": None, "recall": None}
        bits, recall = self._measure(model)
        return {"forgotten": bits - self.bits, "recall": recall}


@dataclass
class Climb:
    """What became of every rung on one task.

    `rungs` are their names in the order of the ladder; `counted[rung]` what `costs` counted;
    `memory` that of the base, if it is a language model. `test` is the test part, read once;
    `models[rung]` are the trained networks, one a seed, of the rungs that were to be kept.
    """

    task: Task
    test: pd.DataFrame
    curve: LearningCurve
    rungs: list[str]
    counted: dict[str, dict[str, float]]
    memory: Memory | None
    models: dict[str, list[Any]]

    def accuracy(self, rung: str) -> Estimate:
        """Test accuracy with its interval over seeds and test texts."""
        return self.curve.accuracy(rung, FULL)

    def right(self, rung: str) -> np.ndarray:
        """1.0 where a test text was labelled rightly, (seeds, items)."""
        return self.curve.right[rung, FULL]

    def gain(self, rung: str, other: str) -> Estimate:
        """Test accuracy of `rung` minus that of `other`, paired by seed and text."""
        return paired_difference(self.right(rung), self.right(other))

    def validation(self, rung: str) -> float:
        """The best validation accuracy of the rung's tries: all that a choice may rest on."""
        return float(self.curve.tries.query("method == @rung").validation.max())

    def column(self, name: str, rung: str) -> np.ndarray:
        """A column of `curve.runs`, one number a seed; `forgotten` and `recall` are such."""
        return self.curve.column(name, rung, FULL)

    def row(self, rung: str) -> dict[str, Any]:
        """All columns of the ladder for one rung, ready for the record."""
        accuracy, counted = self.accuracy(rung), self.counted.get(rung, {})
        row: dict[str, Any] = {
            "task": self.task.name,
            "method": rung,
            "seeds": accuracy.seeds,
            "n": self.right(rung).shape[1],
            "value": accuracy.value,
            "ci_low": accuracy.low,
            "ci_high": accuracy.high,
            "knob": self.column("knob", rung)[0],
            **{name: counted.get(name) for name in COUNTED},
            "seconds_per_step": None,
            "seconds_to_95": None,
            "forgotten": None,
            "forgotten_low": None,
            "forgotten_high": None,
            "recall": None,
        }
        if counted:
            seconds = self.column("seconds", rung)
            row["seconds_per_step"] = float((seconds / self.column("steps", rung)).mean())
            row["seconds_to_95"] = self._seconds_to(0.95, rung)
            lost, recall = self.column("forgotten", rung), self.column("recall", rung)
            if np.isfinite(lost).all():
                row["forgotten"] = float(lost.mean())
                if len(lost) > 1:
                    spread = seeds_interval(lost)
                    row["forgotten_low"], row["forgotten_high"] = spread.low, spread.high
            if np.isfinite(recall).all():
                row["recall"] = float(recall.mean())
        return row

    def _seconds_to(self, share: float, rung: str) -> float:
        """Training seconds until `share` of the best validation accuracy, averaged over seeds."""
        chance = 1 / len(self.task.label_names)
        histories = self.curve.histories[rung, FULL]
        best = [share * h.validation_metric.max() for h in histories]
        pairs = zip(histories, best, strict=True)
        return float(np.mean([cost_until(h, aim, chance, "seconds") for h, aim in pairs]))


def climb(
    task: Task,
    base_model: str,
    rungs: Sequence[Rung],
    seeds: Sequence[int],
    schooling: Schooling,
    *,
    tries: int = 1,
    memory: Memory | None = None,
    test: pd.DataFrame | None = None,
    keep: Collection[str] = (),
) -> Climb:
    """Train every rung on the whole of `task` with every seed; the test is read once, or not at
    all where `test` is what `task.read_test()` gave before.

    The baselines that need no network (majority, regression on word counts) come with them. Each
    method chooses among `tries` values of its knob, at most three. The networks of the rungs in
    `keep` are kept.
    """
    fresh = load_classifier(base_model, task.label_names)
    rate = starting_rate(fresh)
    methods = [majority(task), word_counts(STRENGTHS[:tries])]
    counted = {}
    some = encode(
        load_tokenizer(base_model),
        list(task.train.text[: schooling.batch_size]),
        list(task.train.label[: schooling.batch_size]),
        max_length=schooling.max_length,
    )
    batch = collate(some, load_tokenizer(base_model).pad_token_id)
    for rung in rungs:
        model = load_classifier(base_model, task.label_names)
        rung.prepare(model, 0)
        counted[rung.name] = costs(model, batch)
        methods.append(
            fine_tuning(
                rung.name,
                base_model,
                task,
                tuple(rate * rung.start * factor for factor in FACTORS[:tries]),
                schooling,
                rung=rung,
                watched=[len(task.train)],
            )
        )
    models: dict[str, list[Any]] = {}

    def inspect(name: str, learned: Learned) -> dict[str, Any]:
        if name in keep:
            models.setdefault(name, []).append(learned.model)
        return memory.after(learned) if memory else {"forgotten": None, "recall": None}

    test = task.read_test() if test is None else test
    curve = learning_curve(task, test, methods, [FULL], seeds, tune_at=[FULL], inspect=inspect)
    names = [method.name for method in methods]
    return Climb(task, test, curve, names, counted, memory, models)


def base_memory(base_model: str, pages: int, questions: int) -> Memory | None:
    """The memory of a language model; None for an encoder, which cannot tell what it knows."""
    return Memory(base_model, pages, questions) if is_causal_lm(base_model) else None


def ladder_frame(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Rows of the ladder, from a run or from its record, as one table a reader can take in."""
    frame = pd.DataFrame(rows)
    table = pd.DataFrame(
        {
            "trained": [_count(n) for n in frame.trainable],
            "share": [_share(x) for x in frame.share],
            "optimizer": [_bytes(n) for n in frame.optimizer_bytes],
            "memory": [_bytes(n) for n in frame.memory_bytes],
            "ms a step": [_number(1000 * x) for x in frame.seconds_per_step.astype(float)],
            "s to 95%": [_number(x, 1) for x in frame.seconds_to_95.astype(float)],
            "stored": [_bytes(n) for n in frame.stored_bytes],
            "test accuracy": [
                f"{r.value:.2f} [{r.ci_low:.2f}, {r.ci_high:.2f}]" for r in frame.itertuples()
            ],
            "bits forgotten": [_number(x, 2) for x in frame.forgotten.astype(float)],
            "recall left": [_number(x, 2) for x in frame.recall.astype(float)],
        }
    )
    table.index = pd.MultiIndex.from_frame(frame[["task", "method"]], names=["task", "rung"])
    return table


NOTHING = "-"


def _number(value: float, digits: int = 0) -> str:
    return NOTHING if np.isnan(value) else f"{value:.{digits}f}"


def _count(value: float | None) -> str:
    return NOTHING if value is None or np.isnan(value) else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return NOTHING if value is None or np.isnan(value) else f"{value:.2%}"


def _bytes(value: float | None) -> str:
    if value is None or np.isnan(value):
        return NOTHING
    return f"{value / 1e6:.2f} MB" if value >= 1e5 else f"{value / 1e3:.1f} kB"
