"""Figures show what they are given, in looks that can be told apart without colour."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from ftlab import plots
from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate
from ftlab.experiments.learning_curve import over_seeds

SURE, WIDE = Estimate(0.9, 0.9, 0.9, 3), Estimate(0.5, 0.3, 0.6, 3)


def axes_of(figure: Any) -> Any:
    return figure.axes[0]


def test_a_band_spans_the_interval_and_ticks_are_the_budgets() -> None:
    figure = plots.bands(
        {"a": {8: WIDE, 86: SURE}, "b": {8: SURE, 86: SURE}},
        x="labels",
        y="accuracy",
        title="t",
        log_x=True,
    )
    axes = axes_of(figure)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["8", "86"]
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.3, 0.9)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]


def test_bars_have_whiskers_only_where_something_is_uncertain() -> None:
    figure = plots.bars({"a": {"x": WIDE, "y": SURE}, "b": {"x": 0.25}}, y="share", title="t")
    axes = axes_of(figure)
    assert sorted(bar.get_height() for bar in axes.patches) == [0.25, 0.5, 0.9]
    assert sum(type(c).__name__ == "ErrorbarContainer" for c in axes.containers) == 1
    assert {"0.50", "0.90", "0.25"} <= {text.get_text() for text in axes.texts}


def test_a_line_leaves_out_what_was_not_measured() -> None:
    nan = float("nan")
    figure = plots.lines({"a": ([1, 2, 3], [0.5, nan, 0.7])}, x="step", y="loss", title="t")
    line = axes_of(figure).lines[0]
    assert list(line.get_xdata()) == [1, 3]


def test_no_two_looks_share_more_than_one_trait() -> None:
    for trait in ("colour", "line", "marker", "hatch"):
        counts = Counter(getattr(look, trait) for look in plots.LOOKS)
        assert max(counts.values()) == 1, trait


def test_too_many_series_are_refused_in_words() -> None:
    many = {str(i): {1.0: SURE} for i in range(7)}
    with pytest.raises(LabError, match="1 to 6 series, not 7"):
        plots.bands(many, x="x", y="y", title="t")


def test_a_shown_figure_is_a_picture_with_its_caption_as_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    plots.show(plots.bars({"a": {"x": SURE}}, y="y", title="t"), "What it shows.")
    picture, caption = shown
    assert picture.data.startswith(b"\x89PNG")
    assert picture.alt == "What it shows."
    assert "What it shows." in caption.data


def test_a_single_seed_is_drawn_without_a_whisker() -> None:
    figure = plots.bars({"a": {"x": over_seeds([0.5])}}, y="y", title="t")
    assert axes_of(figure).get_ylim()[1] < 1


def cells_of(axes: Any) -> dict[tuple[str, str], str]:
    """What stands in each cell, by (label, predicted)."""
    rows, columns = (
        [tick.get_text().replace("\n", " ") for tick in ticks]
        for ticks in (axes.get_yticklabels(), axes.get_xticklabels())
    )
    places = [(text.get_position(), text.get_text()) for text in axes.texts]
    return {(rows[int(y)], columns[int(x)]): text for (x, y), text in places if x % 1 == 0}


def test_a_confusion_matrix_counts_labels_by_predictions() -> None:
    figure = plots.confusion(
        [0, 0, 0, 1, 1], [0, 0, 1, 1, 1], ["cat", "big_dog", "bird"], title="t"
    )
    axes = axes_of(figure)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("label", "predicted")
    assert cells_of(axes) == {
        ("cat", "cat"): "2", ("cat", "big dog"): "1", ("big dog", "big dog"): "2",
    }  # fmt: skip
    assert [t.get_text() for t in axes.texts[-3:]] == ["67% of 3", "100% of 2", "no items"]
    assert axes.images[0].get_array()[0].tolist() == pytest.approx([2 / 3, 1 / 3, 0])


def test_of_many_labels_a_confusion_shows_those_confused_most() -> None:
    wanted = [*range(77), 40, 40, 40, 8, 8, 8, 40, 3]
    said = [*range(77), 8, 8, 8, 40, 70, 70, 70, 5]
    names = [f"label_{i}" for i in range(77)]
    four = plots.confusion(wanted, said, names, title="t", most=4)
    cells = cells_of(axes_of(four))
    # 8 and 40 are taken for one another 4 times, 70 is said 3 times for them; one place is left,
    # and 3 and 5 need two.
    assert {row for row, _ in cells} == {"label 8", "label 40", "label 70"}
    assert cells["label 40", "label 8"] == "3"
    assert [text.get_text() for text in four.texts] == ["t\n3 of 77 labels, those confused most"]
    row = [tick.get_text() for tick in axes_of(four).get_yticklabels()].index("label 8")
    assert axes_of(four).texts[-3:][row].get_text() == "25% of 4"
    all_right = plots.confusion(range(77), range(77), names, title="t")
    assert "12 of 77 labels, none are confused" in all_right.texts[0].get_text()
    assert len(cells_of(axes_of(all_right))) == 12


def test_long_names_of_labels_fit_and_do_not_overlap() -> None:
    long = "balance_not_updated_after_cheque_or_cash_deposit"
    names = [f"{long[: 20 + 2 * i]}_{i}" for i in range(12)]
    figure = plots.confusion(range(12), range(12), names, title="A title of some length " * 3)
    figure.canvas.draw()
    axes = axes_of(figure)
    rows = [tick.get_window_extent() for tick in axes.get_yticklabels()]
    columns = [tick.get_window_extent() for tick in axes.get_xticklabels()]
    assert all(a.y0 >= b.y1 for a, b in pairwise(rows))
    assert all(a.x1 <= b.x0 for a, b in pairwise(columns))
    written = [*axes.texts, *figure.texts, axes.xaxis.label, axes.yaxis.label]
    for box in [*rows, *columns, *(text.get_window_extent() for text in written)]:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


@pytest.mark.parametrize(
    ("labels", "predictions", "most", "message"),
    [
        ([0, 1], [0], 12, "must have one value per item"),
        ([], [], 12, "must have one value per item"),
        ([0, 2], [0, 1], 12, "whole numbers from 0 to 1"),
        ([0, 1], [0.5, 1], 12, "whole numbers from 0 to 1"),
        ([0, 1], [0, 1], 1, "at least 2 labels"),
    ],
)
def test_a_confusion_that_does_not_fit_is_refused(
    labels: list[int], predictions: list[Any], most: int, message: str
) -> None:
    with pytest.raises(LabError, match=message):
        plots.confusion(labels, predictions, ["a", "b"], title="t", most=most)


def test_numbers_of_a_crowded_axis_do_not_cover_one_another() -> None:
    places = [2e-5, 8e-5, 1e-4, 2e-4, 8e-4, 1e-3, 2e-3, 8e-3, 1e-2]
    points = {place: Estimate(0.5, 0.4, 0.6, seeds=3) for place in places}
    figure = plots.bands({"full": points}, x="x", y="y", title="t", log_x=True)
    figure.canvas.draw()
    boxes = [tick.get_window_extent() for tick in figure.axes[0].get_xticklabels()]
    assert 4 <= len(boxes) < len(places)
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))
