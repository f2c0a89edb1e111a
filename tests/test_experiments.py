"""Comparisons of methods: fair tries, paired samples, curves read sideways; and two models."""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch

from ftlab.evaluation.timing import time_side_by_side, weight_change
from ftlab.experiments import (
    FULL,
    FineTuning,
    FittedModel,
    FrozenFeatures,
    Majority,
    TfidfRegression,
    TrainingBudget,
    Trainings,
    fair_comparison,
)
from ftlab.experiments.estimators import Estimator
from ftlab.experiments.learning_curve import (
    cost_until,
    over_seeds,
    seed_ratio,
)
from ftlab.notebook.display import short
from ftlab.tuning.methods import with_lora

TINY = TrainingBudget(
    epochs=1, min_steps=2, max_steps=3, max_length=24, batch_size=8, eval_points=2
)
Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def task(word_task: Callable[[], Any]) -> Any:
    return word_task()


@pytest.fixture
def trainings(tmp_path: Path) -> Trainings:
    return Trainings(tmp_path / "trainings")


@dataclass(frozen=True)
class Constant:
    """Predicts class 1, and notes what it was given."""

    name: str
    candidates: tuple[float, ...]
    seen: list[Any] = field(compare=False)
    given: bool = False
    hyperparameter: str = "C"

    def fit(self, rows: pd.DataFrame, C: float, seed: int) -> FittedModel:
        self.seen.append((seed, tuple(rows.text)))
        return FittedModel(lambda texts: np.ones(len(texts), int), 0.1)


def test_methods_learn_from_the_same_texts(task: Any, trainings: Trainings) -> None:
    seen: list[Any] = []
    both = [Constant("a", (1.0,), seen), Constant("b", (2.0,), seen)]
    fair_comparison(task, lambda task: both, seeds=[0, 1], budgets=[4], trainings=trainings)
    texts = {seed: [own for of, own in seen if of == seed] for seed in (0, 1)}
    assert texts[0][0] == texts[0][1] != texts[1][0] == texts[1][1]


def test_a_regression_on_words_beats_the_majority_where_words_decide(
    task: Any, trainings: Trainings
) -> None:
    rivals = [TfidfRegression((10.0,)), Majority(task)]
    done = fair_comparison(task, lambda task: rivals, seeds=[0, 1], trainings=trainings)
    assert done.estimate("TF-IDF + regression").value > 0.9
    assert 0.4 < done.estimate("majority").value < 0.6


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_networks_compete_frozen_or_not(
    task: Any, tiny_model_dir: Folder, family: str, trainings: Trainings
) -> None:
    base = str(tiny_model_dir(family))
    rivals = [
        FineTuning("tuned", base, task, TINY, (1e-3,), watched=(8,)),
        FrozenFeatures("frozen", base, task, TINY, (1.0,), random_weights=True),
    ]
    done = fair_comparison(
        task, lambda task: rivals, seeds=[0], budgets=[4, FULL], trainings=trainings
    )
    assert list(done.per_seed("tuned", "steps")) == [TINY.max_steps]
    few, every = (done.chosen("tuned", budget=size)[0].training.history for size in (4, FULL))
    assert few is not None
    assert len(few.dropna(subset=["validation_metric"])) == 2
    assert every is None
    assert len(done.runs) == 4


@pytest.mark.parametrize("learning_rate", [3e-4, 0.0123])
@pytest.mark.parametrize("candidates", [1, 3])
def test_the_learning_rate_that_is_reported_is_the_one_at_which_the_optimizer_ran(
    task: Any,
    tiny_model_dir: Folder,
    learning_rate: float,
    candidates: int,
    trainings: Trainings,
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
    done = fair_comparison(task, lambda task: [method], seeds=[3, 4], trainings=trainings)
    tried = done.tries().learning_rate
    assert {*tried} >= {*rates}
    steps = range(0, len(in_optimizer), TINY.max_steps)
    peaks = [max(in_optimizer[i : i + TINY.max_steps]) for i in steps]
    assert sorted(peaks) == sorted(tried)
    for run, reported in zip(done.chosen("tuned"), done.per_seed("tuned", "setting"), strict=True):
        assert run.training.history is not None
        assert run.training.history.learning_rate.max() == reported == run.value


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
