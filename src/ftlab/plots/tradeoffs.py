"""Figures to choose by: what a way costs and gives, and a number for every row and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ftlab.evaluation import Estimate
from ftlab.plots.style import GREY, LOOKS, SIZE, first_looks, heights, legend_below, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def pareto(
    points: Mapping[str, tuple[float, Estimate]],
    *,
    x: str,
    y: str,
    title: str,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """What each way costs against what it gives: {name: (cost above zero, estimate)}.

    Full points joined by steps are the front: nothing else gives as much for as little. Names
    stand in a column on the right, in the order of the heights, each tied to its point. `levels`
    are named heights to compare with.
    """
    figure, axes = new_axes(x, y, title)
    figure.set_figheight(max(SIZE[1], 0.24 * (len(points) + 5)))
    axes.set_xscale("log")
    best, front = -np.inf, []
    for name in sorted(points, key=lambda name: (points[name][0], -points[name][1].value)):
        if points[name][1].value > best:
            best = points[name][1].value
            front.append(name)
    cheap, dear = LOOKS[0], LOOKS[1]
    for name, (cost, estimate) in points.items():
        value, below, above = heights(estimate)
        axes.errorbar(
            cost,
            value,
            yerr=[[below], [above]],
            color=cheap.colour if name in front else dear.colour,
            marker=cheap.marker if name in front else dear.marker,
            markerfacecolor=cheap.colour if name in front else "white",
            elinewidth=0.8,
            zorder=3,
        )
    on_front = [points[name] for name in front]
    across, up = [cost for cost, _ in on_front], [estimate.value for _, estimate in on_front]
    axes.plot(across, up, color=cheap.colour, linewidth=1.2, drawstyle="steps-post")
    _names_beside(axes, {name: (cost, e.value) for name, (cost, e) in points.items()}, front)
    for name, level in (levels or {}).items():
        axes.axhline(level, color=GREY, linewidth=1, linestyle=(0, (2, 2)))
        axes.annotate(
            name, (0.0, level), xycoords=("axes fraction", "data"), ha="left", va="bottom",
            xytext=(4, 1), textcoords="offset points", color="#444444", fontsize=9,
        )  # fmt: skip
    return figure


def _names_beside(
    axes: Axes, points: Mapping[str, tuple[float, float]], strong: Sequence[str]
) -> None:
    """Names in a column right of the axes, evenly spread, each with a thin line to its point."""
    order = sorted(points, key=lambda name: points[name][1])
    for place, name in enumerate(order):
        axes.annotate(
            name,
            points[name],
            xytext=(1.03, (place + 0.5) / len(order)),
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            fontweight="bold" if name in strong else "normal",
            arrowprops={
                "arrowstyle": "-",
                "color": "#aaaaaa",
                "linewidth": 0.6,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
        )


def borders(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x: str,
    y: str,
    title: str,
    above: str,
    below: str,
) -> Figure:
    """Lines (xs, ys) on logarithmic axes between what is the better choice `above` and `below`."""
    from matplotlib.ticker import StrMethodFormatter

    figure, axes = new_axes(x, y, title)
    axes.set_xscale("log")
    axes.set_yscale("log")
    highest = 10 * max(float(np.max(np.asarray(ys))) for _, ys in series.values())
    lowest = min(float(np.min(np.asarray(ys))) for _, ys in series.values()) / 10
    for (name, (xs, ys)), look in zip(series.items(), first_looks(len(series)), strict=True):
        axes.plot(
            xs, ys, color=look.colour, linestyle=look.line, marker=look.marker, label=name
        )  # fmt: skip
        axes.fill_between(xs, ys, highest, color=look.colour, alpha=0.08, linewidth=0)
    axes.set_ylim(lowest, highest)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    strong: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 13, "fontweight": "bold"}
    axes.text(0.03, 0.95, above, ha="left", va="top", **strong)
    axes.text(0.97, 0.05, below, ha="right", va="bottom", **strong)
    legend_below(axes)
    return figure


def heat(
    values: Mapping[str, Mapping[str, float]], *, x: str, y: str, title: str, digits: int = 2
) -> Figure:
    """A number for every column and row: {column: {row: value}}, rows from the top down.

    The number stands in its cell; the shade tells where it lies between the least and the most of
    its column, so that columns of different height can be read beside one another.
    """
    figure, axes = new_axes(x, y, title)
    rows = list(dict.fromkeys(name for column in values.values() for name in column))
    figure.set_figheight(1.2 + 0.34 * len(rows))
    table = np.array([[column.get(row, np.nan) for column in values.values()] for row in rows])
    low, high = np.nanmin(table, axis=0), np.nanmax(table, axis=0)
    shade = (table - low) / np.where(high > low, high - low, 1.0)
    axes.imshow(shade, cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        if np.isfinite(value):
            dark = shade[row, column] > 0.75
            axes.text(
                column, row, f"{value:.{digits}f}", ha="center", va="center",
                color="white" if dark else "black",
            )  # fmt: skip
    axes.set_xticks(range(len(values)), list(values), fontsize=11 if len(values) < 7 else 9)
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(visible=False)
    return figure
