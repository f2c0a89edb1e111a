"""Figures show what they are given, in looks that can be told apart without colour."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from ftlab import plots
from ftlab.errors import LabError
from ftlab.evaluation import Estimate
from ftlab.experiments import over_seeds
from ftlab.plots.claims import VERDICT_LOOKS
from ftlab.verdicts import RATIO, SHARES, Judgement

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
    figure = plots.lines(
        {"a": ([1, 2, 3], [0.5, nan, 0.7])}, x="step", y="loss", title="t", levels={"goal": 0.6}
    )
    line = axes_of(figure).lines[0]
    assert list(line.get_xdata()) == [1, 3]
    assert [text.get_text() for text in axes_of(figure).texts] == ["goal"]


def legend_of(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_curve_of_shares_fills_a_square_and_names_all_that_is_drawn() -> None:
    figure = plots.lines(
        {"model": ([0, 0, 1], [0, 0.8, 1])}, x="alarms", y="found", title="t", shares=True,
        diagonal="by chance", marks={"threshold 0.4": (0.0, 0.8)}, levels={"goal": 0.9},
    )  # fmt: skip
    axes = axes_of(figure)
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (0, 1))
    assert {*legend_of(axes)} == {"model", "by chance", "goal", "threshold 0.4"}
    drawn = {line.get_label(): line for line in axes.lines}
    assert [*drawn["by chance"].get_xdata()] == [*drawn["by chance"].get_ydata()] == [0, 1]
    mark = drawn["threshold 0.4"]
    assert (*mark.get_xdata(), *mark.get_ydata()) == (0.0, 0.8)
    figure.canvas.draw()
    box, names = axes.get_window_extent(), axes.get_legend().get_window_extent()
    assert box.width == pytest.approx(box.height)
    assert box.x1 < names.x0 < names.x1 < figure.bbox.x1  # beside it, and not cut off


def test_steps_keep_a_height_until_the_next_point() -> None:
    series = {"model": ([1.0, 0.5, 0.0], [0.2, 0.5, 1.0])}
    figure = plots.lines(series, x="recall", y="precision", title="t", steps=True)
    assert axes_of(figure).lines[0].get_drawstyle() == "steps-post"


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


def test_a_pareto_front_holds_what_nothing_cheaper_beats() -> None:
    def at(value: float) -> Estimate:
        return Estimate(value, value - 0.1, value + 0.1, 3)

    points = {"cheap": (10.0, at(0.3)), "worse": (20.0, at(0.2)), "dear": (100.0, at(0.6))}
    figure = plots.pareto(points, x="cost", y="gain", title="t", levels={"chance": 0.1})
    axes = axes_of(figure)
    assert {text.get_text() for text in axes.texts} == {*points, "chance"}
    bold = {text.get_text() for text in axes.texts if text.get_fontweight() == "bold"}
    assert bold == {"cheap", "dear"}
    steps = next(line for line in axes.lines if line.get_drawstyle() == "steps-post")
    assert list(steps.get_xdata()) == [10.0, 100.0]
    figure.canvas.draw()
    heights = [t.get_window_extent().y0 for t in axes.texts if t.get_text() in points]
    assert min(abs(a - b) for a in heights for b in heights if a != b) > 10  # none overlap


def test_a_border_parts_what_is_better_above_from_below() -> None:
    figure = plots.borders(
        {"money": ([1, 10], [20.0, 200.0]), "seconds": ([1, 10], [3.0, 30.0])},
        x="changes", y="requests", title="t", above="train", below="look up",
    )  # fmt: skip
    axes = axes_of(figure)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    low, high = axes.get_ylim()
    assert low < 3
    assert high > 200
    places = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert places["train"] > 0.5 > places["look up"]


def test_a_heat_map_shows_every_number_and_leaves_gaps_empty() -> None:
    figure = plots.heat(
        {"near": {"head": 0.3, "full": 0.71}, "far": {"head": 0.29}}, x="task", y="part", title="t"
    )
    axes = axes_of(figure)
    assert sorted(text.get_text() for text in axes.texts) == ["0.29", "0.30", "0.71"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["head", "full"]


def test_a_ladder_is_drawn_by_size_and_by_forgetting() -> None:
    def row(method: str, trainable: int | None, forgotten: float | None) -> dict[str, Any]:
        about = {"task": "near", "method": method, "seeds": 3}
        return {
            **about, "value": 0.5, "ci_low": 0.4, "ci_high": 0.6,
            "trainable": trainable, "forgotten": forgotten,
        }  # fmt: skip

    rows = [row("majority", None, None), row("head", 100, 0.0), row("soft prompt", 200, None)]
    rows += [row("full", 9000, 1.5), {**row("elsewhere", 7, 7.0), "task": "far"}]
    sizes = axes_of(plots.gain_by_size(rows, "near"))
    assert {text.get_text() for text in sizes.texts} == {"majority", "head", "soft prompt", "full"}
    losses = axes_of(plots.gain_by_forgetting(rows, "near", "Reference run"))
    assert losses.get_title(loc="left").startswith("Reference run, 'near'")
    assert {text.get_text() for text in losses.texts} == {"head", "full"}
    assert {0.01, 1.5} <= {float(x) for line in losses.lines for x in line.get_xdata()}


def test_a_single_seed_is_drawn_without_a_whisker() -> None:
    figure = plots.bars({"a": {"x": over_seeds([0.5])}}, y="y", title="t")
    assert axes_of(figure).get_ylim()[1] < 1


def judgement(name: str, verdict: str, estimate: Estimate, **changes: Any) -> Judgement:
    about = {
        "notebook": "03_lora", "statement": "A statement that goes on and on " * 5, "run": "r",
        "metric": "test accuracy: a - b", "rule": "above 0.02", "source": "kept record",
        "profile": "full", "cpu": "A", "precision": "fp32", "model": "m", **changes,
    }  # fmt: skip
    return Judgement(claim=name, verdict=verdict, estimate=estimate, **about)


def test_a_forest_has_a_row_and_a_whisker_for_each_claim_and_a_panel_for_each_unit() -> None:
    exactly = Estimate(0.4, 0.4, 0.4, 1)
    ratio = {"metric": "bytes: a / b", "rule": "below 0.5"}
    rows = [
        judgement("A-01", "supported", Estimate(0.1, 0.05, 0.15, 5)),
        judgement("A-02", "refuted", Estimate(-0.1, -0.15, -0.05, 5), profile="quick"),
        judgement("B-01", "supported", exactly, **ratio),
        judgement("A-03", "inconclusive", over_seeds([0.1]), rule=""),  # it could be anything
        judgement("A-04", "supported", Estimate(0.0, 0.0, 0.0, 1), rule="within ±0.01"),
    ]
    figure = plots.forest(rows, title="t")
    shares, ratios = figure.axes
    assert (shares.get_xlabel(), ratios.get_xlabel()) == (SHARES, RATIO)
    assert (shares.get_xscale(), ratios.get_xscale()) == ("linear", "log")
    names = [[tick.get_text() for tick in axes.get_yticklabels()] for axes in figure.axes]
    assert names == [["A-01", "A-02 (quick)", "A-03", "A-04"], ["B-01"]]
    whiskers = [tuple(w.get_xdata()) for w in shares.lines if w.get_label() == "whisker"]
    assert whiskers[:2] == [(0.05, 0.15), (-0.15, -0.05)]
    assert whiskers[2] == shares.get_xlim()  # from edge to edge
    assert len(whiskers) == 3
    assert not [w for w in ratios.lines if w.get_label() == "whisker"]  # exact
    points = {w.get_label(): w for w in shares.lines if w.get_marker() not in ("", "None")}
    assert set(points) == set(VERDICT_LOOKS)
    for trait in ("color", "marker"):
        assert len({getattr(point, f"get_{trait}")() for point in points.values()}) == 3
    assert points["inconclusive"].get_markerfacecolor() == "white"
    marks = [w.get_xdata()[0] for w in shares.lines if w.get_color() == "#222222"]
    assert marks == [0.02, 0.02, -0.01, 0.01]


def test_a_forest_grows_with_its_claims_and_needs_one() -> None:
    def tall(count: int) -> Any:
        rows = [judgement(f"A-{i:02}", "refuted", WIDE) for i in range(count)]
        return plots.forest(rows, title="t")

    few, many = tall(20), tall(60)
    assert many.get_figheight() - few.get_figheight() == pytest.approx(40 * 0.40)
    many.canvas.draw()
    ticks = [tick.get_window_extent() for tick in many.axes[0].get_yticklabels()]
    assert all(a.y0 > b.y1 for a, b in pairwise(ticks))
    texts = [text.get_window_extent() for text in many.axes[0].texts]
    assert max(text.x1 for text in texts) < many.bbox.x1
    assert all(a.y0 > b.y1 for a, b in pairwise(texts))
    with pytest.raises(LabError, match="at least one claim"):
        plots.forest([], title="t")


def test_a_ratio_of_zero_is_drawn_on_a_plain_axis() -> None:
    row = judgement("A-01", "supported", Estimate(0.0, 0.0, 0.0, 1), metric="bytes: a / b")
    assert plots.forest([row], title="t").axes[0].get_xscale() == "linear"
