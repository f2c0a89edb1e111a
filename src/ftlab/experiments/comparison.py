"""The ladder climbed: every rung learns the same task under the same rules, and what it cost.

Each rung has its own learning rate, chosen on validation out of the same number of tries; the
test is predicted, never looked at for a choice. A rate is chosen once for all seeds, so intervals
hold it fixed: other seeds may choose another one, which can change much of what is forgotten.

What the base model still knows is measured on the untouched model before anything is put into it,
and again after each training.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ftlab.common.parallel import in_parallel, pays
from ftlab.data import Task, collate, encode
from ftlab.evaluation import Estimate, paired_difference, seeds_interval
from ftlab.evaluation.cost import costs
from ftlab.evaluation.forgetting import Memory
from ftlab.experiments.estimators import Learned, Schooling, fine_tuning, majority, word_counts
from ftlab.experiments.learning_curve import FULL, LearningCurve, cost_until, learning_curve
from ftlab.models import load_classifier, load_tokenizer, starting_rate
from ftlab.tuning.methods import Rung

FACTORS = (1.0, 2.0, 0.5)  # times a rung's start: the learning rates tried, in this order
TUNED_ON = 3  # seeds, at most, over which the validation accuracy of a rate is averaged
STRENGTHS = (10.0, 1.0, 100.0)  # tried by the regression on word counts
WORTH_PROCESSES = 300  # training steps from which other processes pay
COUNTED = ("trainable", "share", "optimizer_bytes", "memory_bytes", "stored_bytes")


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

    def by_seed(self, name: str, rung: str, method: str) -> list[dict[str, Any]]:
        """A column of `curve.runs` as keys of a metric, one a seed. `method` is what the rung is
        called in all runs, whatever setting is in its name: so their points make one line."""
        seeds = self.column("seed", rung).astype(int)
        return [
            {"value": float(value), "method": method, "task": self.task.name, "seed": int(seed)}
            for value, seed in zip(self.column(name, rung), seeds, strict=True)
        ]

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
    `keep` are kept. On a CPU the rungs of a longer climb are spread over its cores.
    """
    test = task.read_test() if test is None else test
    shared: dict[str, Any] = {
        "task": task,
        "base_model": base_model,
        "seeds": seeds,
        "schooling": schooling,
        "tries": tries,
        "memory": memory,
        "test": test,
        "keep": keep,
    }
    steps = len(rungs) * len(seeds) * schooling.steps(len(task.train))
    # In one process the rungs stay together, as there they take turns (see `learning_curve`).
    groups = [[rung] for rung in rungs] if pays(steps, WORTH_PROCESSES) else [list(rungs)]
    jobs = [{**shared, "rungs": group, "first": group is groups[0]} for group in groups]
    # The dearest rungs stand last: they go first, so that no core waits for them at the end.
    parts = in_parallel(_climb_some, jobs[::-1], task.name)[::-1]
    curves = [part.curve for part in parts]
    return Climb(
        task,
        test,
        LearningCurve(
            pd.concat([curve.runs for curve in curves], ignore_index=True),
            pd.concat([curve.tries for curve in curves], ignore_index=True),
            {key: hits for curve in curves for key, hits in curve.right.items()},
            {key: seen for curve in curves for key, seen in curve.histories.items()},
        ),
        [name for part in parts for name in part.rungs],
        {name: found for part in parts for name, found in part.counted.items()},
        memory,
        {name: found for part in parts for name, found in part.models.items()},
    )


def _climb_some(
    task: Task,
    base_model: str,
    rungs: Sequence[Rung],
    seeds: Sequence[int],
    schooling: Schooling,
    tries: int,
    memory: Memory | None,
    test: pd.DataFrame,
    keep: Collection[str],
    first: bool,
) -> Climb:
    """Some rungs of a ladder, in this process; the `first` bring the baselines along."""
    tokenizer = load_tokenizer(base_model)
    methods = [majority(task), word_counts(STRENGTHS[:tries])] if first else []
    counted = {}
    some = task.train[: schooling.batch_size]
    features = encode(tokenizer, list(some.text), list(some.label), max_length=schooling.max_length)
    batch = collate(features, tokenizer.pad_token_id)
    for rung in rungs:
        model = load_classifier(base_model, task.label_names)
        rate = rung.start * starting_rate(model)
        rung.prepare(model, 0)
        counted[rung.name] = costs(model, batch)
        methods.append(
            fine_tuning(
                rung.name,
                base_model,
                task,
                tuple(rate * factor for factor in FACTORS[:tries]),
                schooling,
                rung=rung,
                watched=[len(task.train)],
            )
        )
    models: dict[str, list[Any]] = {}

    def inspect(name: str, learned: Learned) -> dict[str, Any]:
        if name in keep:
            models.setdefault(name, []).append(learned.model)
        return memory.after(learned.model) if memory else {"forgotten": None, "recall": None}

    curve = learning_curve(
        task, test, methods, [FULL], seeds, tune_at=[FULL], tuned_on=TUNED_ON, inspect=inspect
    )
    names = [method.name for method in methods]
    return Climb(task, test, curve, names, counted, memory, models)


def ladder_frame(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Rows of the ladder, from a run or from its record, as one table a reader can take in."""
    frame = pd.DataFrame(rows)
    table = pd.DataFrame(
        {
            "trained": _told(frame.trainable, "{:,.0f}".format),
            "share": _told(frame.share, "{:.2%}".format),
            "optimizer": _told(frame.optimizer_bytes, _size),
            "memory": _told(frame.memory_bytes, _size),
            "ms a step": _told(1000 * frame.seconds_per_step.astype(float), "{:.0f}".format),
            "s to 95%": _told(frame.seconds_to_95, "{:.1f}".format),
            "stored": _told(frame.stored_bytes, _size),
            "test accuracy": [
                f"{r.value:.2f} [{r.ci_low:.2f}, {r.ci_high:.2f}]" for r in frame.itertuples()
            ],
            "bits forgotten": _told(frame.forgotten, "{:.2f}".format),
            "recall left": _told(frame.recall, "{:.2f}".format),
        }
    )
    table.index = pd.MultiIndex.from_frame(frame[["task", "method"]], names=["task", "rung"])
    return table


def _told(column: pd.Series, form: Callable[[float], str]) -> list[str]:
    """Each number in words, a dash where there is none."""
    return ["-" if pd.isna(value) else form(value) for value in column]


def _size(count: float) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
