"""Methods side by side, one panel a task: curves over a size, or a dot with its interval each."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate
from ftlab.plots.style import LOOKS, STYLE, first_looks, heights

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTERS = 24  # of a line of a method's name
BESIDE = 3  # panels, at most, in one row
PANEL, HEIGHT, ROW = 3.5, 3.6, 0.5  # inches: width of a panel; height of one with curves; of a row


def method_curves(
    panels: Mapping[str, Mapping[str, Mapping[float, Estimate]]],
    *,
    x: str,
    y: str,
    title: str,
    order: Sequence[str] = (),
    log_x: bool = True,
    log_y: bool = False,
) -> Figure:
    """Curves of methods over a size, with intervals as bands: {panel: {method: {size: estimate}}}.

    All panels have the same axes, and one legend below them. `order` names methods in the order in
    which they take their looks, also some that are not drawn, so that a method looks alike in all
    figures. LabError for more methods than can be told apart.
    """
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    looks = dict(zip(names, _looks(names, order), strict=True))
    width, height = _grid(len(panels))
    figure, all_axes = _new_panels(panels, (PANEL * width, HEIGHT * height + 0.4), x, y, title)
    for axes, curves in zip(all_axes, panels.values(), strict=True):
        for name, points in curves.items():
            sizes = sorted(points)
            chosen = [points[size] for size in sizes]
            look = looks[name]
            axes.plot(
                sizes, [e.value for e in chosen],
                color=look.colour, linestyle=look.line, marker=look.marker, label=name,
            )  # fmt: skip
            ends = np.array([(np.nan, np.nan) if e.open else (e.low, e.high) for e in chosen])
            axes.fill_between(sizes, *ends.T, color=look.colour, alpha=0.15, linewidth=0)
        if log_x:
            axes.set_xscale("log")
        if log_y:
            axes.set_yscale("log")
        axes.minorticks_off()
        places = sorted({size for points in curves.values() for size in points})
        ticks = _spaced(places, log_x)
        axes.set_xticks(ticks, [f"{place:,g}" for place in ticks])
    handles = {
        label: handle
        for axes in all_axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        [handles[name] for name in names],
        [_wrapped(name) for name in names],
        loc="outside lower center",
        ncols=min(len(names), 3 if width > 1 else 2),
        frameon=False,
    )
    return figure


def method_dots(
    panels: Mapping[str, Mapping[str, Estimate]], *, x: str, title: str, log_x: bool = False
) -> Figure:
    """A dot for every method with its interval as a whisker: {panel: {method: estimate}}.

    Methods are rows, the first on top, panels stand side by side with one axis for all; the number
    stands above its dot. An estimate that is exact, or that could be anything, has no whisker.
    """
    rows = list(dict.fromkeys(name for points in panels.values() for name in points))
    width, height = _grid(len(panels))
    size = (max(7.0, 1.8 + 2.8 * width), (ROW * len(rows) + 1.1) * height + 0.3)
    figure, all_axes = _new_panels(panels, size, x, "", title)
    look = LOOKS[0]
    for axes, points in zip(all_axes, panels.values(), strict=True):
        for name, estimate in points.items():
            value, below, above = heights(estimate)
            row = rows.index(name)
            axes.errorbar(
                value, row, xerr=[[below], [above]], color=look.colour, marker=look.marker,
                markersize=8, elinewidth=2.5, capsize=4,
            )  # fmt: skip
            axes.annotate(
                _number(value), (value, row), xytext=(0, 6), textcoords="offset points",
                ha="center", va="bottom", fontsize=10,
            )  # fmt: skip
        if log_x:
            axes.set_xscale("log")
        axes.set_yticks(range(len(rows)), [_wrapped(name) for name in rows])
        axes.set_ylim(len(rows) - 0.6, -0.75)
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.12)
    return figure


def _new_panels(
    panels: Mapping[str, Any], size: tuple[float, float], x: str, y: str, title: str
) -> tuple[Figure, list[Axes]]:
    """Axes in rows, with the same scales; made without pyplot, which keeps every figure."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = _grid(len(panels))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(7.0, size[0]), size[1]), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(height, width, sharey=True, sharex=not y, squeeze=False)
        flat: list[Axes] = list(grid.flat)
        for place, (axes, name) in enumerate(zip(flat, panels, strict=False)):
            axes.set_title(name if len(panels) > 1 else title, loc="left", fontsize=12)
            axes.set_xlabel(x)
            axes.tick_params(axis="x", labelbottom=True)  # in all rows
            if place % width == 0:
                axes.set_ylabel(y)
        for axes in flat[len(panels) :]:
            axes.remove()
        if len(panels) > 1:
            figure.suptitle(title, x=0.01, ha="left", fontsize=13)
    return figure, flat[: len(panels)]


def _grid(count: int) -> tuple[int, int]:
    """Panels in a row, and rows."""
    if not count:
        raise LabError("A figure of methods needs at least one method.")
    width = 2 if count == 4 else min(count, BESIDE)
    return width, -(-count // width)


def _looks(names: Sequence[str], order: Sequence[str]) -> Sequence[Any]:
    """A look for every name: by its place in `order`, if there are looks for all of that."""
    if {*names} <= {*order} and len(order) <= len(LOOKS):
        return [LOOKS[list(order).index(name)] for name in names]
    if len(names) > len(LOOKS):
        raise LabError(
            f"A figure can show the curves of {len(LOOKS)} methods, not of {len(names)}: name the "
            f"ones to draw with methods=[...], out of {', '.join(names)}."
        )
    return first_looks(len(names))


def _spaced(places: Sequence[float], log: bool) -> list[float]:
    """Those of the sorted sizes whose numbers have room on a panel's axis; both ends stay."""
    at = np.log(places) if log else np.asarray(places, dtype=float)
    letter = 0.034 * (at[-1] - at[0])
    lengths = [len(f"{place:,g}") for place in places]
    kept = [0]
    last = len(places) - 1
    for number in range(1, len(places)):
        room_before = letter * (lengths[kept[-1]] + lengths[number]) / 2
        room_behind = letter * (lengths[last] + lengths[number]) / 2
        fits = at[number] - at[kept[-1]] > room_before
        if number == last or (fits and at[last] - at[number] > room_behind):
            kept.append(number)
    return [places[number] for number in kept]


def _wrapped(name: str) -> str:
    return textwrap.fill(name, LETTERS)


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if 0.1 <= abs(value) < 10 or not value else f"{value:.3g}"
