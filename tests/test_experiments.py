"""Comparisons of methods: fair tries, paired samples, curves read sideways; and two models."""

from __future__ import annotations

import inspect
import math
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch

import ftlab
from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate
from ftlab.evaluation.timing import time_side_by_side, weight_change
from ftlab.experiments import (
    FULL,
    FineTuning,
    FittedModel,
    FrozenFeatures,
    Majority,
    TfidfRegression,
    TrainingBudget,
    compare,
)
from ftlab.experiments.estimators import Estimator
from ftlab.experiments.learning_curve import (
    cost_until,
    labels_needed,
    over_seeds,
    seed_ratio,
)
from ftlab.notebook.display import guessed, short
from ftlab.tuning.methods import with_lora

TINY = TrainingBudget(
    epochs=1, min_steps=2, max_steps=3, max_length=24, batch_size=8, eval_points=2
)
Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def task(word_task: Callable[[], Any]) -> Any:
    return word_task()


@dataclass(frozen=True)
class Constant:
    """Predicts class 1 where `says_one(C, seed)`, else class 0, and notes what it was given."""

    name: str
    candidates: tuple[float, ...]
    says_one: Callable[[float, int], bool] = lambda C, seed: C == 2
    given: bool = False
    hyperparameter: str = "C"
    seen: list[Any] = field(default_factory=list)

    def fit(self, rows: pd.DataFrame, C: float, seed: int) -> FittedModel:
        self.seen.append((len(rows), C, seed, tuple(rows.text)))
        label = int(self.says_one(C, seed))
        return FittedModel(lambda texts: np.full(len(texts), label), 0.1)


def all_of(task: Any, label: int) -> Any:
    """The task with every validation text of one label."""
    return replace(task, validation=task.validation.assign(label=label))


def test_every_budget_and_seed_runs_with_the_candidate_that_validation_liked(task: Any) -> None:
    method = Constant("a", (1.0, 2.0))
    test = task.validation.assign(label=1)
    done = compare(
        all_of(task, 1), [method], [5, 6], budgets=[3, FULL], tune_at=[3], tuning_seeds=1, test=test
    )
    assert set(done.runs.C) == {2.0}
    assert done.correct("a", 3).shape == (2, len(test))
    assert done.accuracy("a").value == 1.0
    assert list(done.tried.C) == [1.0, 2.0]
    assert list(done.tried.validation) == [0.0, 1.0]
    assert done.validation("a", 3) == 1.0
    assert list(done.column("seed", "a", 3)) == [5, 6]
    # Tuned with the first seed at the first budget; the winner is not trained a second time.
    assert [(n, C, seed) for n, C, seed, _ in method.seen] == [
        (6, 1.0, 5),
        (6, 2.0, 5),
        (6, 2.0, 6),
        (len(task.train), 2.0, 5),
        (len(task.train), 2.0, 6),
    ]


def test_each_budget_is_tuned_on_its_own_unless_told_otherwise(task: Any) -> None:
    done = compare(task, [Constant("a", (1.0, 2.0))], [0], budgets=[3, 4, FULL])
    assert [len(own) for _, own in done.tried.groupby("budget")] == [2, 2, 2]


def test_a_candidate_that_is_lucky_once_loses_over_several_seeds(task: Any) -> None:
    ones = all_of(task, 1)
    for tuning_seeds, chosen in ((1, 2.0), (3, 1.0)):
        gambler = Constant("a", (1.0, 2.0), lambda C, seed: (2 if seed == 0 else 1) == C)
        done = compare(ones, [gambler], range(4), tuning_seeds=tuning_seeds, test=ones.validation)
        assert set(done.runs.C) == {chosen}
        trained = [(C, seed) for _, C, seed, _ in gambler.seen]
        assert len(set(trained)) == len(trained) == 4 + tuning_seeds  # nothing is trained twice
    assert list(done.tried.validation) == pytest.approx([2 / 3, 1 / 3])


def test_methods_learn_from_the_same_texts(task: Any) -> None:
    seen: list[Any] = []
    both = [Constant("a", (1.0,), seen=seen), Constant("b", (2.0,), seen=seen)]
    compare(task, both, [0, 1], budgets=[4], tuning_seeds=1, test=task.validation)
    texts = [texts for *_, texts in seen]
    assert texts[0] == texts[1] != texts[2] == texts[3]  # a and b take turns


def test_unequal_numbers_of_candidates_are_refused(task: Any) -> None:
    unequal: list[Any] = [Constant("a", (1.0,)), Constant("b", (1.0, 2.0)), Majority(task)]
    with pytest.raises(LabError, match=r"a 1, b 2"):
        compare(task, unequal, [0], budgets=[4], test=task.validation)
    unequal[0] = replace(unequal[0], given=True)  # its one value was given: there was no search
    done = compare(task, unequal, [0], budgets=[4], test=task.validation)
    assert list(done.column("C", "a", 4)) == [1.0]


def test_a_method_without_candidates_is_refused_unless_it_has_nothing_to_choose(task: Any) -> None:
    with pytest.raises(LabError, match="'a' has no candidates"):
        compare(task, [Constant("a", ())], [0], test=task.validation)
    done = compare(task, [Majority(task)], [0], test=task.validation)
    assert done.runs[["learning_rate", "C"]].isna().all(axis=None)
    assert done.tried.empty


@pytest.mark.parametrize("tune_at", [[5], [3, 5], []])
def test_tuning_at_a_budget_that_is_not_run_is_refused(task: Any, tune_at: list[int]) -> None:
    """Else methods would run at a value that nobody chose."""
    method = Constant("a", (1.0, 2.0))
    with pytest.raises(LabError, match=r"tune_at must name some of .*\[3, 0\]"):
        compare(task, [method], [0], budgets=[3, FULL], tune_at=tune_at, test=task.validation)
    assert not method.seen


def test_a_regression_on_words_beats_the_majority_where_words_decide(task: Any) -> None:
    rivals = [TfidfRegression((10.0,)), Majority(task)]
    done = compare(task, rivals, [0, 1])
    assert done.accuracy("TF-IDF + regression").value > 0.9
    assert 0.4 < done.accuracy("majority").value < 0.6


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_networks_compete_frozen_or_not(task: Any, tiny_model_dir: Folder, family: str) -> None:
    base = str(tiny_model_dir(family))
    rivals = [
        FineTuning("tuned", base, task, TINY, (1e-3,), watched=(8,)),
        FrozenFeatures("frozen", base, task, TINY, (1.0,), random_weights=True),
    ]
    done = compare(
        task, rivals, [0], budgets=[4, FULL], tune_at=[4], test=task.validation, take_turns=True
    )
    assert list(done.column("steps", "tuned")) == [TINY.max_steps]
    assert len(done.histories["tuned", 4][0].dropna(subset=["validation_metric"])) == 2
    assert ("tuned", FULL) not in done.histories
    assert len(done.runs) == 4


@pytest.mark.parametrize("learning_rate", [3e-4, 0.0123])
@pytest.mark.parametrize("candidates", [1, 3])
def test_the_learning_rate_that_is_reported_is_the_one_at_which_the_optimizer_ran(
    task: Any,
    tiny_model_dir: Folder,
    learning_rate: float,
    candidates: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_optimizer: list[float] = []
    step = torch.optim.AdamW.step

    def watched(self: Any, *arguments: Any) -> Any:
        in_optimizer.append(max(group["lr"] for group in self.param_groups))
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    rates = tuple(learning_rate * factor for factor in (1.0, 0.5, 2.0)[:candidates])
    method = FineTuning(
        "tuned", str(tiny_model_dir("llama")), task, TINY, rates, watched=(len(task.train),)
    )
    done = compare(task, [method], [3, 4], tuning_seeds=1, test=task.validation)
    assert set(done.tried.learning_rate) == set(rates)
    assert {max(in_optimizer[i : i + 3]) for i in range(0, 3 * candidates, 3)} == set(rates)
    reported = done.column("learning_rate", "tuned")
    assert set(reported) == {done.row("tuned")["learning_rate"]} <= set(rates)
    peaks = [history.learning_rate.max() for history in done.histories["tuned", FULL]]
    assert peaks == list(reported)
    assert max(in_optimizer[-3:]) == reported[-1]  # the last training is that of the last seed


def test_five_calls_lead_from_the_learning_rate_of_a_comparison_to_the_optimizer(
    task: Any, tiny_model_dir: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    package = Path(ftlab.__file__).parent
    step = torch.optim.AdamW.step

    def watched(self: Any, *arguments: Any) -> Any:
        own = [frame for frame in inspect.stack() if package in Path(frame.filename).parents]
        calls.append([frame.function for frame in own])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    base = str(tiny_model_dir("llama"))
    method = FineTuning("tuned", base, task, TINY, (1e-3,))
    compare(task, [method], [0], test=task.validation)
    for chain in calls:
        assert chain[-3:] == ["fit", "fit", "compare"]
        assert len(chain) <= 5
    assert len(calls) == TINY.max_steps


def estimators_of(task: Any, base: str) -> dict[str, Estimator]:
    lora = FineTuning("LoRA", base, task, TINY, (1e-3,), with_lora(2))
    return {
        "majority": Majority(task),
        "words": TfidfRegression((1.0,)),
        "frozen": FrozenFeatures("frozen", base, task, TINY, (1.0,)),
        "full": FineTuning("full", base, task, TINY, (1e-3,)),
        "LoRA": lora,
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["majority", "words", "frozen", "full", "LoRA"])
def test_an_estimator_fits_in_another_process_as_it_does_here(
    name: str, task: Any, tiny_model_dir: Folder
) -> None:
    method = estimators_of(task, str(tiny_model_dir("llama")))[name]
    again = pickle.loads(pickle.dumps(method))
    texts = list(task.validation.text)
    job = joblib.delayed(predictions)(again, task.train, texts)
    here = method.fit(task.train, 1e-2, 0)
    for process, labels in joblib.Parallel(n_jobs=2)([job, job]):
        assert process != os.getpid()
        assert labels == list(here.predict(texts))
    # What was fitted can be carried over as well.
    assert list(pickle.loads(pickle.dumps(here)).predict(texts)) == list(here.predict(texts))


def predictions(method: Any, rows: pd.DataFrame, texts: list[str]) -> tuple[int, list[int]]:
    return os.getpid(), list(method.fit(rows, 1e-2, 0).predict(texts))


def test_steps_stay_within_their_bounds() -> None:
    budget = TrainingBudget(epochs=10, min_steps=60, max_steps=120)
    assert [budget.steps(rows) for rows in (32, 128, 1000)] == [60, 80, 120]


def test_labels_needed_reads_a_curve_sideways() -> None:
    budgets, accuracies = [10, 100, 1000], [0.2, 0.4, 0.3]
    assert labels_needed(budgets, accuracies, 0.3) == pytest.approx(10**1.5)
    assert labels_needed(budgets, accuracies, 0.1) == 10
    assert labels_needed(budgets, accuracies, 0.4) == pytest.approx(100)
    assert labels_needed(budgets, accuracies, 0.5) == math.inf


def test_cost_until_a_level_is_interpolated_between_evaluations() -> None:
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


def test_a_guess_is_compared_only_if_there_is_one() -> None:
    estimate = Estimate(0.5, 0.4, 0.6, 3)
    assert guessed(..., estimate) == ""
    assert "inside" in guessed(0.45, estimate)
    assert "outside" in guessed(1, estimate)
