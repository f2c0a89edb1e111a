"""The figure of a fair comparison: what is drawn of what was measured, and its legibility."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import refused

from ftlab import plots
from ftlab.data import Task
from ftlab.evaluation import Estimate
from ftlab.experiments import FULL, FairComparison, FittedModel, Trainings, fair_comparison

SURE, WIDE = Estimate(0.9, 0.9, 0.9, 3), Estimate(0.5, 0.3, 0.6, 3)
OPEN = Estimate(0.7, float("-inf"), float("inf"), 1)


@dataclass(frozen=True)
class Guess:
    """Right about so many of the first test texts as it has training texts, and one more with
    every seed."""

    name: str
    task: Task
    more: int = 0
    candidates: tuple[float, ...] = ()
    given: bool = False
    hyperparameter: str = ""
    memory: float | None = None

    def fit(self, rows: pd.DataFrame, value: float, seed: int) -> FittedModel:
        return FittedModel(partial(self.predict, len(rows) // 2 + seed + self.more), 0.1)

    def predict(self, right: int, texts: list[str]) -> np.ndarray:
        truth = self.task.read_test().set_index("text").label
        wanted = [int(truth.get(text, 0)) for text in texts]
        return np.array([t if i < right else 1 - t for i, t in enumerate(wanted)])

    def costs(self) -> dict[str, float]:
        return {} if self.memory is None else {"memory_bytes": self.memory}


def two(task: Task) -> list[Any]:
    return [Guess("low", task), Guess("high", task, 4, memory=2e6)]


@pytest.fixture(scope="module")
def comparison(
    word_task: Callable[[], Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., FairComparison]:
    task = word_task()
    tasks = [replace(task, name="near"), replace(task, name="far")]
    trainings = Trainings(tmp_path_factory.mktemp("trainings"))
    return lambda *budgets, seeds=(0, 1), of=2: fair_comparison(
        tasks[:of], two, seeds=seeds, budgets=budgets or (FULL,), trainings=trainings
    )


def curves(axes: Any) -> dict[str, list[float]]:
    return {line.get_label(): list(map(float, line.get_ydata())) for line in axes.get_lines()}


def texts(artists: Any) -> list[str]:
    return [text.get_text() for text in artists]


def test_over_training_sizes_every_method_is_a_curve_in_the_panel_of_each_task(
    comparison: Callable[..., FairComparison],
) -> None:
    done = comparison(2, 4, FULL)
    figure, caption = done.figure()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["near", "far"]
    for axes, task in zip(figure.axes, done.tasks, strict=True):
        expected = {
            name: [done.estimate(name, task=task, budget=b).value for b in done.budgets]
            for name in done.methods
        }
        assert curves(axes) == expected
        sizes = list(axes.get_lines()[0].get_xdata())
        assert sizes == [4, 8, len(done.runs[0].task.train)]  # of both labels, and all there are
        low, high = (axes.collections[0].get_paths()[0].vertices[:, 1].take(i) for i in (0, 1))
        assert low != high
        assert axes.get_xlabel() == "training texts (log scale)"
    assert figure.axes[0].get_ylabel() == "test accuracy"
    [legend] = figure.legends
    assert texts(legend.get_texts()) == ["low", "high"]
    assert "On 'far' with 4 texts high is highest" in caption
    assert "with 95% intervals over 2 seeds" in caption


def test_at_one_size_every_method_is_a_dot_with_its_interval(
    comparison: Callable[..., FairComparison],
) -> None:
    done = comparison(2, 4)
    figure, caption = done.figure(budget=4, tasks=["far"])
    [axes] = figure.axes
    assert texts(axes.get_yticklabels()) == ["low", "high"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first method on top
    for bar, name in zip(axes.containers, done.methods, strict=True):
        estimate = done.estimate(name, task="far", budget=4)
        assert bar.lines[0].get_xdata() == [estimate.value]
        [whisker] = bar.lines[2]
        assert whisker.get_segments()[0][:, 0] == pytest.approx([estimate.low, estimate.high])
        assert f"{estimate.value:.2f}" in texts(axes.texts)
    assert axes.get_xlabel() == "test accuracy"
    assert "training texts" not in caption
    assert not figure.legends


def test_what_was_not_measured_is_left_out_and_told(
    comparison: Callable[..., FairComparison],
) -> None:
    done = comparison(of=1)
    figure, caption = done.figure("memory_bytes")
    assert texts(figure.axes[0].get_yticklabels()) == ["high"]
    assert texts(figure.axes[0].texts) == ["2,000,000"]
    assert "Not measured of low." in caption
    assert "interval" not in caption  # it was counted
    refused(lambda: done.figure("forgotten"), "'forgotten' was not measured of any of low, high")
    refused(lambda: done.figure(methods=["lo"]), "No such methods: lo. There are low, high.")
    refused(lambda: done.figure(tasks=["fur"]), "No such tasks: fur. There are near.")


def test_one_seed_has_no_interval_and_the_caption_says_so(
    comparison: Callable[..., FairComparison], word_task: Callable[[], Any], tmp_path: Path
) -> None:
    def dealt(seed: int) -> Task:
        return word_task()  # type: ignore[no-any-return]

    done = fair_comparison(dealt, two, seeds=[0], trainings=Trainings(tmp_path))
    figure, caption = done.figure()
    for bar in figure.axes[0].containers:
        [whisker] = bar.lines[2]
        assert np.ptp(whisker.get_segments()[0][:, 0]) == 0
    assert "by method of one seed." in caption


def test_a_plot_is_shown_with_its_text(
    comparison: Callable[..., FairComparison], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    assert comparison(2, 4).plot(caption="More helps.") is None  # type: ignore[func-returns-value]
    image, below = shown
    assert image.alt.startswith("Test accuracy against the number of training texts")
    assert image.alt.endswith("More helps.")
    assert below.data == f"*{image.alt}*"


def test_a_method_looks_alike_whichever_others_are_drawn(
    comparison: Callable[..., FairComparison],
) -> None:
    done = comparison(2, 4)
    all_of, alone = (done.figure(methods=m)[0].axes[0].get_lines() for m in (None, ["high"]))
    assert (alone[0].get_color(), alone[0].get_marker()) == (
        all_of[1].get_color(), all_of[1].get_marker(),
    )  # fmt: skip


NAMES = ["full fine-tuning", "LoRA, rank 8, on all layers of the network", "TF-IDF + regression",
         "frozen features", "random weights", "majority"]  # fmt: skip


def boxes_of(artists: Any) -> list[Any]:
    return [artist.get_window_extent() for artist in artists if artist.get_text()]


@pytest.mark.parametrize("panels", [1, 3, 4])
def test_texts_of_a_figure_cover_neither_one_another_nor_its_edge(panels: int) -> None:
    sizes = [4, 8, 16, 32, 64, 90, 100, 128, 4096]
    tasks = [f"task {number}" for number in range(panels)]
    over = plots.method_curves(
        {task: {name: dict.fromkeys(sizes, WIDE) for name in NAMES} for task in tasks},
        x="training texts (log scale)", y="test accuracy", title="Test accuracy",
    )  # fmt: skip
    dots = plots.method_dots(
        {task: dict(zip(NAMES, [SURE, WIDE, OPEN] * 2, strict=True)) for task in tasks},
        x="test accuracy", title="Test accuracy",
    )  # fmt: skip
    for figure in (over, dots):
        figure.canvas.draw()
        all_texts = [figure._suptitle] if panels > 1 else []
        for axes in figure.axes:
            ticks = boxes_of(axes.get_xticklabels())
            assert len(ticks) >= 3
            assert all(a.x1 < b.x0 for a, b in pairwise(ticks))
            all_texts += [axes.xaxis.label, axes.yaxis.label, *axes.texts, axes._left_title]
            low, high = sorted(axes.get_ylim())
            names = [label for label in axes.get_yticklabels() if label.get_visible()]
            all_texts += [label for label in names if low <= label.get_position()[1] <= high]
        all_texts += [text for legend in figure.legends for text in legend.get_texts()]
        boxes = boxes_of(all_texts)
        assert not [(a, b) for a, b in combinations(boxes, 2) if a.overlaps(b)]
        width, height = figure.canvas.get_width_height()
        for box in boxes:
            assert 0 <= box.x0 < box.x1 <= width
            assert 0 <= box.y0 < box.y1 <= height


def test_more_curves_than_can_be_told_apart_are_refused() -> None:
    many = {f"method {number}": {1: WIDE, 2: WIDE} for number in range(7)}
    refused(
        lambda: plots.method_curves({"task": many}, x="x", y="y", title="t"),
        "6 methods, not of 7: name the ones to draw with methods=[...], out of method 0, ",
    )
    refused(lambda: plots.method_dots({}, x="x", title="t"), "at least one method")
