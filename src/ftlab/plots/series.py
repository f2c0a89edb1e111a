"""Lines, bands and bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ftlab.evaluation import Estimate
from ftlab.plots.style import (
    first_looks,
    heights,
    legend_below,
    new_axes,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def lines(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]], *, x: str, y: str, title: str
) -> Figure:
    """A line through the points (xs, ys) of every series, nan left out."""
    figure, axes = new_axes(x, y, title)
    for (name, (xs, ys)), look in zip(series.items(), first_looks(len(series)), strict=True):
        across, up = np.asarray(xs, dtype=float), np.asarray(ys, dtype=float)
        finite = np.isfinite(up)
        axes.plot(
            across[finite],
            up[finite],
            color=look.colour,
            linestyle=look.line,
            marker=look.marker if finite.sum() <= 20 else "",
            label=name,
        )
    if len(series) > 1:
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
