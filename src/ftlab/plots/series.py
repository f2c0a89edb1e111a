"""Lines, bands and bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ftlab.evaluation import Estimate
from ftlab.plots.style import (
    GREY,
    SIZE,
    first_looks,
    heights,
    legend_below,
    legend_beside,
    named_levels,
    new_axes,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def lines(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x: str,
    y: str,
    title: str,
    levels: Mapping[str, float] | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
    shares: bool = False,
    diagonal: str = "",
    steps: bool = False,
) -> Figure:
    """A line through the points (xs, ys) of every series, nan left out.

    `levels` are named heights, drawn as thin grey lines to compare with; `marks` are named points,
    such as a chosen threshold on its curve. `shares` makes both axes go from 0 to 1 in a square,
    with all names beside it; `diagonal` names a line from corner to corner. `steps` keeps each
    height until the next point, as a curve of precision over recall needs it.
    """
    figure, axes = new_axes(x, y, title)
    if shares:
        # At the left, so that a legend has room beside the square.
        figure.set_figheight(1.15 * SIZE[1])
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", anchor="W")
    for (name, (xs, ys)), look in zip(series.items(), first_looks(len(series)), strict=True):
        across, up = np.asarray(xs, dtype=float), np.asarray(ys, dtype=float)
        finite = np.isfinite(up)
        few = finite.sum() <= 20 and not steps
        axes.plot(
            across[finite],
            up[finite],
            color=look.colour,
            linestyle=look.line,
            marker=look.marker if few else "",
            drawstyle="steps-post" if steps else "default",
            clip_on=not shares,  # what lies on the edge of the square is seen whole
            label=name,
        )
    if diagonal:
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (2, 2)), label=diagonal)
    if shares:  # curves end where a level's name would stand
        named_levels(axes.axhline, levels or {})
    else:
        for name, level in (levels or {}).items():
            axes.axhline(level, color=GREY, linewidth=1, linestyle=(0, (2, 2)))
            axes.annotate(
                name, (1.0, level), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                color="#444444",
            )  # fmt: skip
    marks = marks or {}
    for (name, point), look in zip(marks.items(), first_looks(max(1, len(marks))), strict=False):
        axes.plot(
            *point, color="#222222", marker=look.marker, markersize=11, markerfacecolor="none",
            markeredgewidth=1.8, linestyle="", clip_on=False, zorder=5, label=name,
        )  # fmt: skip
    if shares:
        legend_beside(axes)
    elif len(series) > 1 or marks:
        axes.legend(frameon=False)
    return figure


def bands(
    series: Mapping[str, Mapping[float, Estimate]],
    *,
    x: str,
    y: str,
    title: str,
    log_x: bool = False,
) -> Figure:
    """A line through the estimates {x: estimate} of every series, with its interval as a band."""
    figure, axes = new_axes(x, y, title)
    places = sorted({place for points in series.values() for place in points})
    for (name, points), look in zip(series.items(), first_looks(len(series)), strict=True):
        across = sorted(points)
        chosen = [points[place] for place in across]
        axes.plot(
            across,
            [e.value for e in chosen],
            color=look.colour,
            linestyle=look.line,
            marker=look.marker,
            label=name,
        )
        ends = np.array([(np.nan, np.nan) if e.open else (e.low, e.high) for e in chosen])
        axes.fill_between(across, *ends.T, color=look.colour, alpha=0.15, linewidth=0)
    if log_x:
        axes.set_xscale("log")
        axes.minorticks_off()
    ticks = _apart(places, log_x)
    axes.set_xticks(ticks, [f"{place:g}" for place in ticks])
    legend_below(axes, ncols=2)  # inside, it would cover some run's lines
    return figure


def bars(
    series: Mapping[str, Mapping[str, Estimate | float]],
    *,
    y: str,
    title: str,
    x: str = "",
    share: bool = False,
) -> Figure:
    """Bars for every category, one a series: {series: {category: estimate or plain number}}.

    An estimate that is not exact gets its interval as a whisker. `share` scales the axis to 0..1.
    """
    figure, axes = new_axes(x, y, title)
    categories = list(dict.fromkeys(name for points in series.values() for name in points))
    width = 0.8 / len(series)
    for place, ((name, points), look) in enumerate(
        zip(series.items(), first_looks(len(series)), strict=True)
    ):
        for category, point in points.items():
            value, below, above = heights(point)
            left = categories.index(category) - 0.4 + width * (place + 0.5)
            axes.bar(
                left,
                value,
                0.92 * width,
                color=look.colour,
                hatch=look.hatch,
                edgecolor="white",
                label=name if category == next(iter(points)) else None,
            )
            if below or above:
                ends = [[below], [above]]
                axes.errorbar(left, value, yerr=ends, color="#222222", capsize=3, linewidth=1.2)
            axes.annotate(
                _number(value),
                (left, max(value + above, 0)),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=9,
            )
    axes.set_xticks(range(len(categories)), categories)
    axes.grid(axis="x", visible=False)
    if share:
        axes.set_ylim(0, 1.08)
    if len(series) > 1:
        lines_below = bool(x) + max(name.count("\n") for name in categories)
        legend_below(axes, height=-0.1 - 0.06 * lines_below)
    return figure


def _apart(places: list[float], log: bool) -> list[float]:
    """Those of the sorted `places` whose numbers have room behind the one before."""
    at = np.log(places) if log else np.asarray(places, dtype=float)
    letter = 0.016 * (at[-1] - at[0])
    kept = [0]
    for number in range(1, len(places)):
        letters = len(f"{places[kept[-1]]:g}") / 2 + len(f"{places[number]:g}") / 2
        if at[number] - at[kept[-1]] > letter * letters:
            kept.append(number)
    return [places[number] for number in kept]


def _number(value: float) -> str:
    if value and abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
