"""Comparisons of methods: fair tries, paired samples, curves read sideways; and two models."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate
from ftlab.evaluation.timing import time_side_by_side, weight_change
from ftlab.experiments import estimators
from ftlab.experiments.estimators import Learned, Method, Schooling
from ftlab.experiments.learning_curve import (
    FULL,
    cost_until,
    labels_needed,
    learning_curve,
    over_seeds,
    seed_ratio,
)
from ftlab.notebook.display import check, guessed, short

TINY = Schooling(passes=1, least_steps=2, most_steps=3, max_length=24, batch_size=8, looks=2)
Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def task(word_task: Callable[[], Any]) -> Any:
    return word_task()


def constant(name: str, tries: tuple[float, ...], seen: list[Any]) -> Method:
    """Says class 1 where its knob is 2, else class 0, and notes what it was given."""

    def learn(rows: pd.DataFrame, knob: float, seed: int) -> Learned:
        seen.append((len(rows), knob, seed, tuple(rows.text)))
        return Learned(lambda texts: np.full(len(texts), int(knob == 2)), 0.1)

    return Method(name, tries, learn)


def test_every_budget_and_seed_runs_with_the_try_that_validation_liked(task: Any) -> None:
    seen: list[Any] = []
    test = task.validation.assign(label=1)
    task_of_ones = load_like(task, label=1)
    curve = learning_curve(
        task_of_ones, test, [constant("a", (1.0, 2.0), seen)], [3, FULL], [5, 6], tune_at=[3]
    )
    assert set(curve.runs.knob) == {2.0}
    assert curve.right["a", 3].shape == (2, len(test))
    assert curve.accuracy("a", FULL).value == 1.0
    assert list(curve.tries.validation) == [0.0, 1.0]
    assert list(curve.column("seed", "a", 3)) == [5, 6]
    # Tuned with the first seed at the first budget; the winner is not trained a second time.
    assert [(n, knob, seed) for n, knob, seed, _ in seen] == [
        (6, 1.0, 5),
        (6, 2.0, 5),
        (6, 2.0, 6),
        (len(task.train), 2.0, 5),
        (len(task.train), 2.0, 6),
    ]


def test_a_knob_that_is_lucky_once_loses_over_several_seeds(task: Any) -> None:
    trained: list[Any] = []

    def learn(rows: pd.DataFrame, knob: float, seed: int) -> Learned:
        trained.append((knob, seed))
        right = knob == 2 if seed == 0 else knob == 1
        return Learned(lambda texts: np.full(len(texts), int(right)), 0.1)

    gambler = Method("a", (1.0, 2.0), learn)
    ones = load_like(task, label=1)
    for tuned_on, chosen in ((1, 2.0), (3, 1.0)):
        trained.clear()
        curve = learning_curve(
            ones, ones.validation, [gambler], [FULL], range(4), tune_at=[FULL], tuned_on=tuned_on
        )
        assert set(curve.runs.knob) == {chosen}
        assert len(set(trained)) == len(trained) == 4 + tuned_on  # nothing is trained twice
    assert list(curve.tries.validation) == pytest.approx([2 / 3, 1 / 3])


def load_like(task: Any, label: int) -> Any:
    """The task with every validation text of one label."""
    import dataclasses

    return dataclasses.replace(task, validation=task.validation.assign(label=label))


def test_methods_learn_from_the_same_texts(task: Any) -> None:
    seen: list[Any] = []
    both = [constant("a", (1.0,), seen), constant("b", (2.0,), seen)]
    learning_curve(task, task.validation, both, [4], [0, 1], tune_at=[4])
    texts = [texts for *_, texts in seen]
    assert texts[0] == texts[1] != texts[2] == texts[3]  # a and b take turns


def test_unequal_tries_are_refused(task: Any) -> None:
    unequal = [constant("a", (1.0,), []), constant("b", (1.0, 2.0), []), estimators.majority(task)]
    with pytest.raises(LabError, match=r"a 1, b 2"):
        learning_curve(task, task.validation, unequal, [4], [0], tune_at=[4])
    unequal[0] = replace(unequal[0], given=True)  # its one value was given: there was no search
    curve = learning_curve(task, task.validation, unequal, [4], [0], tune_at=[4])
    assert list(curve.column("knob", "a", 4)) == [1.0]


def test_counting_words_beats_the_majority_where_words_decide(task: Any) -> None:
    rivals = [estimators.word_counts((10.0,)), estimators.majority(task)]
    curve = learning_curve(task, task.read_test(), rivals, [FULL], [0, 1], tune_at=[FULL])
    assert curve.accuracy("TF-IDF + regression", FULL).value > 0.9
    assert 0.4 < curve.accuracy("majority", FULL).value < 0.6


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_networks_compete_frozen_or_not(task: Any, tiny_model_dir: Folder, family: str) -> None:
    base = str(tiny_model_dir(family))
    rivals = [
        estimators.fine_tuning("tuned", base, task, (1e-3,), TINY, watched=[8]),
        estimators.frozen_features("frozen", base, task, (1.0,), TINY, random_weights=True),
    ]
    curve = learning_curve(task, task.validation, rivals, [4, FULL], [0], tune_at=[4])
    assert list(curve.column("steps", "tuned", FULL)) == [TINY.most_steps]
    assert len(curve.histories["tuned", 4][0].dropna(subset=["validation_metric"])) == 2
    assert ("tuned", FULL) not in curve.histories
    assert len(curve.runs) == 4


def test_steps_stay_within_their_bounds() -> None:
    schooling = Schooling(passes=10, least_steps=60, most_steps=120)
    assert [schooling.steps(rows) for rows in (32, 128, 1000)] == [60, 80, 120]


def test_labels_needed_reads_a_curve_sideways() -> None:
    budgets, accuracies = [10, 100, 1000], [0.2, 0.4, 0.3]
    assert labels_needed(budgets, accuracies, 0.3) == pytest.approx(10**1.5)
    assert labels_needed(budgets, accuracies, 0.1) == 10
    assert labels_needed(budgets, accuracies, 0.4) == pytest.approx(100)
    assert labels_needed(budgets, accuracies, 0.5) == math.inf


def test_cost_until_a_level_is_interpolated_between_looks() -> None:
    history = pd.DataFrame(
        {"step": [1, 2, 3, 4], "validation_metric": [math.nan, 0.5, math.nan, 0.9]}
    )
    assert cost_until(history, 0.7, 0.1, "step") == pytest.approx(3)
    assert cost_until(history, 0.3, 0.1, "step") == pytest.approx(1)
    assert cost_until(history, 0.95, 0.1, "step") == 4  # never reached: the whole run


def test_one_seed_says_nothing_about_a_ratio() -> None:
    alone = seed_ratio([1.0], [4.0])
    assert alone.value == 0.25
    assert alone.low == 0
    assert alone.high > 1000
    assert seed_ratio([1.0, 1.0], [4.0, 4.0]).value == pytest.approx(0.25)


def test_one_seed_says_nothing_about_a_mean() -> None:
    alone = over_seeds([0.5])
    assert alone.value == 0.5
    assert -alone.low > 1000 < alone.high
    assert short(alone) == "0.50 (one seed: no interval)"
    assert over_seeds([0.92, 0.99, 1.0], bounds=(0.0, 1.0)).high == 1.0
    several = over_seeds([0.4, 0.6])
    assert several.low < 0.4 < 0.6 < several.high  # two seeds: Student's t is wide


def test_weight_change_is_told_layer_by_layer(tiny_model_dir: Folder) -> None:
    import torch

    from ftlab.models import load_classifier

    for family in ("llama", "gpt2", "bert", "distilbert"):
        trunk = load_classifier(str(tiny_model_dir(family)), ["a", "b"]).trunk
        before = {name: w.clone() for name, w in trunk.state_dict().items()}
        with torch.no_grad():
            for name, weight in trunk.named_parameters():
                if ".1." in name:  # the second block
                    weight.mul_(1.5)
        moved = weight_change(before, trunk.state_dict())
        assert list(moved)[:3] == ["embeddings", "block 1", "block 2"], family
        assert moved.pop("block 2") == pytest.approx(0.5)
        assert set(moved.values()) == {0.0}


def test_both_sides_are_timed_by_turns() -> None:
    calls: list[str] = []
    first, second = time_side_by_side(lambda: calls.append("a"), lambda: calls.append("b"), 4)
    assert first.shape == second.shape == (4,)
    assert (first > 0).all()
    assert calls.count("a") == calls.count("b")
    assert {"ab", "ba"} == {"".join(calls[i : i + 2]) for i in range(2, len(calls), 2)}


def test_a_check_answers_at_once_and_never_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda shown: said.append(shown.data))
    for answer in (..., 4, 5, "four"):
        check(answer, lambda given: given - 4 == 0, "Count again.")
    assert "Your turn" in said[0]
    assert said[1] == "✓ Right."
    assert said[2] == said[3] == "✗ Not yet. Count again."


def test_a_guess_is_compared_only_if_there_is_one() -> None:
    estimate = Estimate(0.5, 0.4, 0.6, 3)
    assert guessed(..., estimate) == ""
    assert "inside" in guessed(0.45, estimate)
    assert "outside" in guessed(1, estimate)
