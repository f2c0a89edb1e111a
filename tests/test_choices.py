"""A quick run takes what the reference run chose, and so trains once where that one searched."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import full_record

from ftlab.claims import Record, reference
from ftlab.data import Task
from ftlab.experiments import Choices, FairComparison, FittedModel, Trainings, fair_comparison
from ftlab.lab import Lab
from ftlab.notebook.parameters import NOTEBOOKS

NAME = "01_pretraining_vs_finetuning"
SEEDS = [0, 1, 2, 3, 4]
SEEN: list[tuple[int, float, int]] = []  # training texts, C and seed of all trainings


@dataclass(frozen=True)
class BestAt:
    """The better, the nearer C is to ten times the number of training texts, by powers of ten."""

    task: Task
    candidates: tuple[float, ...] = (1.0, 10.0, 100.0)
    name: str = "a"
    given: bool = False
    hyperparameter: str = "C"

    def fit(self, rows: pd.DataFrame, C: float, seed: int) -> FittedModel:
        SEEN.append((len(rows), C, seed))
        best = 100.0 if len(rows) < 10 else 10.0
        return FittedModel(partial(self.predict, round(abs(math.log10(C / best)))), 0.1)

    def predict(self, missed: int, texts: list[str]) -> np.ndarray:
        truth = dict(zip(self.task.validation.text, self.task.validation.label, strict=True))
        right = [truth.get(text, 0) for text in texts]
        return np.array([1 - label if i < missed else label for i, label in enumerate(right)])


def experiment(task: Task, seeds: list[int], trainings: Trainings, **more: Any) -> FairComparison:
    return fair_comparison(
        task, lambda t: [BestAt(t, **more)], seeds=seeds, budgets=[2, 8], trainings=trainings
    )


@pytest.fixture
def task(word_task: Callable[[], Any]) -> Any:
    return word_task()


@pytest.fixture
def lab(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Lab]:
    """Opens a lab in a folder of its own, with nothing trained yet."""
    (root / "README.md").write_text("<!-- findings: begin -->\n\n<!-- findings: end -->\n")

    count = itertools.count()

    def opened(profile: str, seeds: list[int], **given: Any) -> Lab:
        monkeypatch.setenv("FTLAB_RESULTS", str(root / f"results-{next(count)}"))
        SEEN.clear()
        values = {**NOTEBOOKS[NAME], "profile": profile, **given}
        return Lab(profile, seeds, Record(NAME, profile, 0, values, {}, "run"))

    return opened


def keep(root: Path, run: Lab) -> None:
    """Make what a run tried that of the reference record."""
    kept = root / "data" / "reference" / f"{NAME}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    candidates = run.record.as_dict()["candidates"]
    kept.write_text(json.dumps({**full_record(NAME), "candidates": candidates}))


def test_a_quick_run_trains_once_at_what_the_reference_run_chose(
    root: Path, lab: Callable[..., Lab], task: Any
) -> None:
    first = lab("full", SEEDS)
    first.run(experiment, task)
    assert len(SEEN) > 2 * 3 * len(SEEDS)
    keep(root, first)
    done = lab("quick", [7, 8]).run(experiment, task)
    assert sorted(SEEN) == [(4, 100.0, 7), (4, 100.0, 8), (16, 10.0, 7), (16, 10.0, 8)]
    assert "10, as the reference run" in done.table().to_string()
    assert list(done.tries().chosen) == [True] * 4
    # A full run searches, whatever was chosen before.
    lab("full", [7]).run(experiment, task)
    assert len(SEEN) > 6


def test_without_a_reference_that_knows_it_a_quick_run_searches(
    root: Path, lab: Callable[..., Lab], task: Any
) -> None:
    lab("quick", [7]).run(experiment, task)
    searched = len(SEEN)
    assert searched >= 6
    first = lab("full", SEEDS)
    first.run(experiment, task)
    keep(root, first)
    for given, more in (
        ({"task_data": "other"}, {}),  # the reference is about other data
        ({}, {"name": "another experiment"}),
    ):
        lab("quick", [7], **given).run(experiment, task, **more)
        assert len(SEEN) == searched
    lab("quick", [7]).run(experiment, replace(task, name="other"))
    assert len(SEEN) == searched


def test_a_value_that_was_given_is_the_one_that_is_taken(
    root: Path, lab: Callable[..., Lab], task: Any
) -> None:
    first = lab("full", SEEDS)
    first.run(experiment, task)
    keep(root, first)
    done = lab("quick", [7]).run(experiment, task, candidates=(3.0,), given=True)
    assert {C for _, C, _ in SEEN} == {3.0}
    assert "3, the only one tried" in done.table().to_string()


def test_of_several_seeds_the_middle_value_is_taken_and_of_other_sizes_the_nearest() -> None:
    def row(value: float, size: int, chosen: bool = True, **more: Any) -> dict[str, Any]:
        row = {"method": "a", "task": "t", "labels_per_class": size, "learning_rate": value}
        return {**row, "chosen": chosen, "validation": 0.5, **more}

    known = Choices.of(
        [
            *(row(value, 8) for value in (1e-3, 4e-3, 2e-3, 2e-3, 8e-3)),
            row(9.0, 8, chosen=False),
            *(row(value, 64) for value in (1e-4, 2e-4)),
            row(5e-5, 0),
            {"family": "a row of another search", "chosen": True, "C": 3.0},
        ]
    )
    sizes = {8: 2e-3, 4: 2e-3, 16: 2e-3, 32: 1e-4, 64: 1e-4, 512: 1e-4, 0: 5e-5}
    assert {size: known.value("a", "learning_rate", "t", size) for size in sizes} == sizes
    assert known.value("a", "C", "t", 8) is None
    assert known.value("b", "learning_rate", "t", 8) is None
    assert known.value("a", "learning_rate", "other", 8) is None
    assert Choices.of([row(2e-3, 8)]).value("a", "learning_rate", "t", 0) == 2e-3


def test_what_the_kept_records_tried_can_be_read() -> None:
    for notebook, own in NOTEBOOKS.items():
        run = Record(notebook, "quick", 0, dict(own), {}, "run")
        assert isinstance(reference.tries(run, "label_budgets"), list)
