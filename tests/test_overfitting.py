"""The lesson on overfitting: what is watched, what is read off it, and what a remedy does."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import LATE, ORDERS

from ftlab import training
from ftlab.data import Task, encode
from ftlab.experiments import (
    EFFORTS,
    FairComparison,
    TaskSource,
    Training,
    Trainings,
    overfitting,
    paths,
    watching,
)
from ftlab.experiments import overfitting_labels as labelled
from ftlab.experiments import overfitting_reading as reading
from ftlab.experiments.runs import Run
from ftlab.models import load_classifier, load_tokenizer
from ftlab.training.budget import TrainingBudget
from ftlab.tuning import FULL_FINE_TUNING

ModelDir = Callable[[str], Path]
LETTERS = TaskSource("letters")


def path(*points: tuple[float, float]) -> pd.DataFrame:
    """A history that was evaluated at these (training loss, held-out loss)."""
    frame = pd.DataFrame(points, columns=["train_loss", "test_loss"])
    return frame.assign(step=range(len(frame)))


def test_early_stopping_goes_back_to_the_best_of_what_it_has_seen() -> None:
    # The lowest loss of all comes after it has stopped.
    assert paths.stopping([2.0, 1.0, 1.1, 1.2, 0.5], patience=2) == (3, 1)
    assert paths.stopping([2.0, 1.0, 1.1, 0.9, 1.2], patience=2) == (4, 3)  # never stopped
    assert paths.stopping([1.0, 1.0, 1.0], patience=2) == (2, 0)  # equal is no better


def test_held_out_loss_is_read_where_the_own_texts_are_learned_equally_well() -> None:
    learned = path((1.0, 2.0), (0.1, 1.0), (0.001, 3.0))
    read = paths.at_training_loss
    assert read(learned, 0.1, "test_loss") == pytest.approx(1.0)
    assert read(learned, 0.01, "test_loss") == pytest.approx(2.0)  # half way, as a logarithm
    assert read(learned, 0.0001, "test_loss") == 3.0  # never: at its lowest
    assert read(learned, 5.0, "test_loss") == 2.0  # from the beginning
    back = path((1.0, 2.0), (0.01, 1.0), (0.5, 9.0), (0.001, 5.0))
    assert read(back, 0.1, "test_loss") == pytest.approx(1.5)  # where it first is


def test_losses_are_those_of_torch_and_do_not_overflow() -> None:
    logits, labels = np.array([[800.0, 0.0, -800.0], [0.1, 0.2, 0.3]]), np.array([1, 2])
    wanted = torch.nn.functional.cross_entropy(
        torch.tensor(logits), torch.tensor(labels), reduction="none"
    )
    assert watching.losses(logits, labels) == pytest.approx(wanted.numpy())


def test_only_marked_labels_become_wrong_and_as_many_as_asked() -> None:
    labels, among = np.arange(40) % 4, np.arange(40) >= 20
    rng = np.random.default_rng(0)
    given, wrong = watching.mislabelled(labels, among, 0.5, 4, rng)
    assert wrong.sum() == 10
    assert not wrong[:20].any()
    assert (given != labels).tolist() == wrong.tolist()
    assert {*given} == {0, 1, 2, 3}


def test_leaving_words_out_keeps_their_order_and_never_takes_all() -> None:
    text = "one two three four five six seven eight"
    shorter = watching.without_words(text, 0.5, random.Random(1)).split()
    assert 0 < len(shorter) < 8
    assert shorter == [word for word in text.split() if word in shorter]
    assert watching.without_words("alone", 0.99, random.Random(0)) == "alone"


def watched_run(
    seed: int, losses: list[float], right: list[float], *, kind: str = "no remedy",
    strength: float = 0.0, own: tuple[float, ...] = (1.0, 0.1, paths.LEVEL, 0.001),
) -> Run:  # fmt: skip
    """A training that was looked at before it began and three times after."""
    task = small_task()
    history = pd.DataFrame({"step": [0, 10, 20, 30], "train_loss": own, "test_loss": losses})
    history = history.assign(validation_loss=losses, test_accuracy=right)
    method = watching.Watched(
        f"{kind} {strength:g}", "x", task, TrainingBudget(1, 30, 30, eval_points=3), (1e-3,),
        kind=kind, strength=strength,
    )  # fmt: skip
    none = np.zeros(0)
    training_of = Training(none, none, {"rows": 12.0}, history)
    scores = {1e-3: 0.0}
    return Run(method, task, True, seed, 4, 1e-3, scores, False, training_of, {}, none, "")


def of(*runs: Run) -> paths.LossPaths:
    return paths.LossPaths(FairComparison(runs, pd.DataFrame(), Trainings()), 4)


TURNED = [2.0, 1.0, 1.5, 2.0]


@pytest.mark.parametrize(
    ("losses", "right", "words"),
    [
        (TURNED, [0.2, 0.5, 0.5, 0.51], ["turns at step 10", "**2.00", "hardly moves"]),
        (TURNED, [0.2, 0.5, 0.5, 0.7], ["goes on rising"]),
        (TURNED, [0.2, 0.5, 0.5, 0.3], ["accuracy falls"]),
        ([2.0, 1.5, 1.2, 1.0], [0.2, 0.5, 0.6, 0.7], ["does not turn"]),
    ],
)
def test_what_is_said_of_the_turn_is_what_was_measured(
    losses: list[float], right: list[float], words: list[str]
) -> None:
    seeds = [watched_run(seed, losses, [*right[:-1], right[-1] - seed / 100]) for seed in (0, 1)]
    told = reading.tell_turn(of(*seeds))
    assert [word for word in words if word not in told] == []


def test_a_change_on_which_the_seeds_disagree_is_not_told_as_one() -> None:
    up, down = [0.2, 0.5, 0.6, 0.9], [0.2, 0.5, 0.5, 0.4]
    found = of(watched_run(0, TURNED, up), watched_run(1, TURNED, down))
    assert "tell a direction" in reading.tell_turn(found)


def test_wrong_labels_learned_later_are_told_with_both_shares() -> None:
    runs = [
        watched_run(seed, TURNED, [0.2, 0.5, 0.4, 0.3], kind=overfitting.MISLABELLED)
        for seed in (0, 1)
    ]
    for run, share in zip(runs, (0.8, 0.9), strict=True):
        history: Any = run.training.history
        history["learned_right"] = [0.2, share, 1.0, 1.0]
        history["learned_wrong"] = [0.2, share - 0.6 - share / 100, 0.7, 1.0]
        history["validation_accuracy"] = history.test_accuracy
    plain = [watched_run(seed, TURNED, [0.2, 0.5, 0.5, 0.5]) for seed in (0, 1)]
    told = labelled.tell_wrong_labels(of(*plain, *runs))
    assert "clearly come first" in told
    assert [word for word in ("by step 10", "85%", "24%") if word not in told] == []


def test_a_stronger_remedy_that_learns_nothing_is_not_chosen() -> None:
    flat = [0.5] * 4
    low = watched_run(0, [2.0, 1.2, 1.0, 1.1], flat, kind="dropout", strength=0.1)
    lower = watched_run(0, [2.0, 0.9, 0.8, 0.9], flat, kind="dropout", strength=0.2)
    idle = watched_run(
        0, [2.0, 0.1, 0.1, 0.1], flat, kind="dropout", strength=0.9, own=(1.0, 0.9, 0.9, 0.9)
    )
    found = of(watched_run(0, TURNED, flat), low, lower, idle)
    assert found.strengths("dropout") == "0.2 (1)"
    assert found.loss_ratio("dropout").value == pytest.approx(0.8 / 1.5)
    assert found.tries().set_index("strength").chosen.to_dict() == {
        0.1: False,
        0.2: True,
        0.9: False,
    }
    drawn = found.over_training_loss("dropout", [1.0, 0.1, 1e-9])[1]
    assert drawn == pytest.approx([2.0, 0.9])


def test_equal_training_loss_is_the_lowest_that_both_have_reached() -> None:
    slow = watched_run(0, [2.0, 1.8, 1.4, 1.2], [0.5] * 4, kind="LoRA", own=(1.0, 0.8, 0.3, 0.1))
    found = of(watched_run(0, TURNED, [0.5] * 4), slow)
    first, second = found.matched("test_loss", "LoRA")
    assert (first.item(), second.item()) == pytest.approx((1.2, 1.0))


def small_task(**more: Any) -> Task:
    rows = pd.DataFrame({"text": ORDERS, "label": LATE})
    return Task("orders", "made up", ["fine", "late"], rows, rows[:6], [], rows[6:], **more)


def a_watched(folder: str, remedy: watching.Remedy, steps: int = 6) -> watching.Watched:
    task = small_task()
    budget = TrainingBudget(1, steps, steps, 16, 4, 3)
    return watching.Watched(
        "x", folder, task, budget, (1e-3,), tuning=FULL_FINE_TUNING, remedy=remedy,
        held_out=task.read_test(),
    )  # fmt: skip


def test_a_watched_training_is_the_plain_one_seen_from_outside(tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir("llama"))
    method = a_watched(folder, watching.Remedy())
    rows = method.task.train
    found = method.fit(rows, 1e-3, 0)
    plain = method.prepared(0)
    train = method.features(plain, rows.text, list(rows.label))
    pad_id = load_tokenizer(folder).pad_token_id
    training.fit(plain, train, pad_id=pad_id, **method.settings(1e-3, 0))
    for one, other in zip(plain.parameters(), found.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    history = found.history
    assert history is not None
    assert list(history.step) == [0, 2, 4, 6]
    logits = training.predict(found.model, train, pad_id)
    last = watching.losses(logits, rows.label.to_numpy()).mean()
    assert history.train_loss.iloc[-1] == pytest.approx(last, abs=0.02)  # fit may compute in bf16
    assert history.learned_wrong.isna().all()


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_dropout_acts_in_training_alone(family: str, tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir(family))
    model, plain = (load_classifier(folder, ["a", "b"], dropout=0.0) for _ in range(2))
    watching.drop_out(model, 0.5)
    tokenizer = load_tokenizer(folder)
    features = encode(tokenizer, ORDERS[:2])
    given = {
        "input_ids": torch.tensor([features[0]["input_ids"]]),
        "attention_mask": torch.ones(1, len(features[0]["input_ids"]), dtype=torch.long),
    }
    with torch.no_grad():
        torch.testing.assert_close(model(**given).logits, plain(**given).logits)
        model.train()
        plain.trunk.eval()
        first, second = model(**given).logits, model(**given).logits
    assert not torch.allclose(first, second)


def test_strong_pulls_lead_to_zero_and_to_the_start(tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir("llama"))
    rows = small_task().train
    start = load_classifier(folder, ["fine", "late"], dropout=0.0).trunk.state_dict()
    moved = {}
    for to_start in (False, True):
        remedy = watching.Remedy(weight_decay=200.0, to_start=to_start)
        model: Any = a_watched(folder, remedy, steps=30).fit(rows, 1e-3, 0).model
        weight = model.trunk.get_input_embeddings().weight
        name = next(name for name in start if "embed_tokens" in name)
        weight = weight.detach()
        moved[to_start] = float((weight - start[name]).norm() / start[name].norm())
    assert moved[True] < 0.1 < 0.5 < moved[False]


@pytest.mark.slow
def test_strengths_are_chosen_for_each_seed_by_the_loss_on_validation(
    tiny_model_dir: ModelDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overfitting, "STRENGTHS", {"weight decay": (0.01, 1.0)})
    searching = EFFORTS["smoke"].__class__(EFFORTS["smoke"].training_budget, candidates=2)
    where: dict[str, Any] = {"effort": searching, "trainings": Trainings(tmp_path)}
    folder = str(tiny_model_dir("llama"))
    found = overfitting.remedies(folder, LETTERS, 2, seeds=[0, 1], **where)
    assert found.remedies == ["weight decay"]
    assert found.baselines == ["majority", "TF-IDF + regression", "frozen features"]
    tried = found.tries()
    assert len(tried) == 4
    for _, own in tried.groupby("seed"):
        assert own.chosen.sum() == 1
        assert own.validation[own.chosen].item() == own.validation.min()
    assert found.loss_ratio("no remedy").value == pytest.approx(1.0)
    again = overfitting.past_the_turn(folder, LETTERS, 2, seeds=[0, 1], **where)
    assert again.at_end("test_loss") == pytest.approx(found.at_end("test_loss"))


@pytest.mark.slow
def test_wrong_labels_are_among_the_added_texts_alone(
    tiny_model_dir: ModelDir, tmp_path: Path
) -> None:
    folder = str(tiny_model_dir("llama"))
    where: dict[str, Any] = {"effort": EFFORTS["smoke"], "trainings": Trainings(tmp_path)}
    found = overfitting.more_texts(folder, LETTERS, 2, seeds=[3], **where)
    assert found.budgets == [2, 4, 16]
    [run] = found.runs(overfitting.MISLABELLED, 16)
    method: Any = run.method
    rows = run.task.sample_per_class(16, 3)
    labels, wrong = method._labels(rows, 3)
    clean = {*run.task.sample_per_class(2, 3).text}
    assert wrong.sum() == 56  # half of the fourteen that each of eight labels got
    assert not any(text in clean for text in rows.text[wrong])
    assert (labels != rows.label)[wrong].all()
