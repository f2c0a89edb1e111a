"""Lesson 01 measures: the match with the reading, labels and time saved, words never labelled."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ftlab import plots
from ftlab.evaluation import Estimate
from ftlab.experiments import live, transfer, unlabelled
from ftlab.models import load_classifier, load_tokenizer


def runs_of(**methods: Any) -> Any:
    """Comparisons that know nothing but the runs of each method, or of each method and task."""
    return SimpleNamespace(
        chosen=lambda name, task, budget=None: methods[name.replace(" ", "_").replace("-", "_")],
        correct=lambda name, task, budget=None: methods[name.replace(" ", "_").replace("-", "_")][
            task
        ],
    )


def trained(seed: int, accuracies: list[float] | None) -> Any:
    """A run that was looked at every ten steps."""
    history = None
    if accuracies is not None:
        steps = [10 * (place + 1) for place in range(len(accuracies))]
        history = pd.DataFrame({"step": steps, "validation_metric": accuracies})
    task = SimpleNamespace(label_names=list("abcdefgh"))
    number = {"steps": 10.0 * len(accuracies or [1, 1, 1])}.get
    return SimpleNamespace(
        seed=seed, task=task, training=SimpleNamespace(history=history), number=number
    )


def test_the_letters_are_more_like_what_the_labs_model_has_read_than_the_tickets() -> None:
    tasks = transfer.compared("tickets")
    assert list(tasks) == ["letters", "tickets"]
    table = live.match("lab", tasks, texts=12)
    bits = table["bits per character"].astype(float)
    assert bits["letters"] < 0.7 * bits["tickets"]
    cut = table["tokens per word"].astype(float)
    assert 1 <= cut["letters"] < cut["tickets"]
    assert table["a text, token by token"].str.contains("/").all()


def test_an_own_file_named_as_the_labs_letters_keeps_its_texts(tmp_path: Path) -> None:
    rows = [f"{word} number {i},{word}" for i in range(20) for word in ("good", "bad")]
    (tmp_path / "letters.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    tasks = transfer.compared(str(tmp_path / "letters.csv"))
    assert list(tasks) == ["letters", "own letters"]
    assert tasks["own letters"].label_names == ["bad", "good"]
    assert len(tasks["letters"].label_names) == 8


@pytest.mark.parametrize("seed", [0, 1])
def test_no_thing_that_is_asked_for_stands_in_a_labelled_text(seed: int) -> None:
    task = unlabelled.unseen(seed)
    things = {thing for sort in unlabelled.SORTS.values() for thing in sort}

    def named(texts: Any) -> set[str]:
        low = [f" {re.sub('[.,]', ' ', text.lower())} " for text in texts]
        return {thing for thing in things if any(f" {thing.lower()} " in text for text in low)}

    learned, asked = named(task.train.text), named(task.read_test().text)
    assert len(learned) > 20
    assert len(asked) > 15
    assert not learned & asked


def test_words_of_a_sort_lie_together_after_pretraining_and_not_before() -> None:
    table, shares = unlabelled.neighbours("lab")
    assert set(table) == {"thing", "sort", "pretrained", "random weights"}
    assert (table.thing != table.pretrained).all()
    assert shares["pretrained"] > shares["random weights"] + 0.2


def test_what_pretraining_adds_to_one_task_more_than_to_another() -> None:
    right, wrong = [np.ones(40)] * 3, [np.zeros(40)] * 3
    curves = runs_of(
        fine_tuned={"like": right, "unlike": right}, random_weights={"like": wrong, "unlike": right}
    )
    curves.budgets = [4, 12]
    found = transfer.more_where_alike(curves, "like", "unlike")
    assert found.value == 1.0
    assert transfer.more_where_alike(curves, "unlike", "like").value == -1.0


def test_time_until_a_level_and_those_who_never_reach_it() -> None:
    fast = [trained(0, [0.5, 0.9, 1.0]), trained(1, [0.5, 0.9, 1.0])]
    slow = [trained(0, [0.1, 0.2, 0.9]), trained(1, [0.1, 0.1, 0.2, 0.2])]
    found = transfer.time_to_level(runs_of(fine_tuned=fast, random_weights=slow), "letters")
    assert list(found.steps["fine-tuned"]) == [20, 20]
    assert list(found.steps["random weights"]) == [30, 40]
    assert found.reached == 1
    assert found.ratio.value == pytest.approx((20 / 30 * 20 / 40) ** 0.5)
    assert "more than 35" in found.told()
    assert "1 of 2 seeds" in found.told()


def test_time_is_that_of_the_whole_training_where_nothing_was_followed() -> None:
    none = [trained(0, None)]
    found = transfer.time_to_level(runs_of(fine_tuned=none, random_weights=none), "letters")
    assert (found.ratio.value, found.reached) == (1.0, 0)


def test_curves_stand_side_by_side_on_one_scale() -> None:
    point = Estimate(0.5, 0.3, 0.6, 3)
    curves = {"fine-tuned": {4.0: point, 12.0: point}, "majority": {4.0: point, 12.0: point}}
    figure = plots.panels({"a": curves, "b": curves}, x="labels", y="accuracy", floor="majority")
    one, other = figure.axes
    assert one.get_ylim() == other.get_ylim()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["fine-tuned", "majority"]
    assert [tick.get_text() for tick in one.get_xticklabels()] == ["4", "12"]
    assert len(one.collections) == 1  # a band for what was measured, none for the floor


def test_the_picture_of_the_network_has_its_numbers() -> None:
    classifier = load_classifier("lab", ["a", "b", "c"])
    figure, told = live.network_figure(classifier, len(load_tokenizer()))
    texts = " ".join(text.get_text() for text in figure.axes[0].texts)
    head = 3 * (classifier.width + 1)
    assert f"new head, {head:,}" in texts
    assert f"{classifier.config.num_hidden_layers} blocks" in texts
    assert f"{head:,} parameters" in told


CARD = "# A model\n\n## How it was made\n\n1. Read.\n2. Copied.\n\n## Skills\n\nNone.\n"


@pytest.mark.parametrize(
    ("card", "told"),
    [
        (CARD, "1. Read.\n2. Copied."),
        ("- **Read**: much\n- **Made by**: us,\n  here.\n\n## Skills", "**Made by**: us,\n  here."),
        (None, "This base model brings no card"),
    ],
)
def test_a_card_tells_how_the_model_was_made(
    card: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "model_folder", lambda name: tmp_path)
    if card is not None:
        (tmp_path / "MODEL_CARD.md").write_text(card)
    assert told in live.how_it_was_made("own")
    assert "Skills" not in live.how_it_was_made("own")
    assert live.log_figure("own") is None


def test_the_labs_log_is_drawn_to_its_end() -> None:
    drawn = live.log_figure("lab")
    assert drawn is not None
    figure, told = drawn
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert "English prose" in names
    assert all(name in told for name in names)


@pytest.mark.slow
def test_a_small_network_learns_from_the_first_steps() -> None:
    found = live.pretrained(6, (0.5, 1.0), seed=0)
    assert next(iter(found.curve.tokens)) == 0
    assert found.curve.bits.iloc[-1] < found.curve.bits.iloc[0] - 0.1
    assert next(iter(found.samples.columns)) == "random weights"
    assert found.samples.shape == (len(live.OPENINGS), 3)
    assert {row["name"] for row in found.metrics()} == {"bits_per_character"}
