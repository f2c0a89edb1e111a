"""Curves of several tasks side by side, with one scale, so that they can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ftlab.evaluation import Estimate
from ftlab.plots.style import GREY, SIZE, STYLE, first_looks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curves = Mapping[str, Mapping[float, Estimate]]

APART = 1.03  # times: how far whiskers of neighbouring methods stand from one another


def panels(
    tasks: Mapping[str, Curves],
    *,
    x: str,
    y: str,
    titles: Mapping[str, str] | None = None,
    floor: str = "",
) -> Figure:
    """A panel for each task: {task: {method: {x: estimate}}}, over a logarithmic x.

    All share the scale of accuracies, 0 to 1. `floor` names a method that is drawn as a thin grey
    line, such as the majority class. Whiskers are intervals, set
    slightly apart so that none hides another.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for curves in tasks.values() for name in curves))
    looks = dict(zip([n for n in names if n != floor], first_looks(len(names)), strict=False))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(SIZE[0] * 1.15, SIZE[1]), layout="constrained")
        FigureCanvasAgg(figure)
        grid: Any = figure.subplots(1, len(tasks), sharey=True, squeeze=False)
        for axes, (task, curves) in zip(grid[0], tasks.items(), strict=True):
            _panel(axes, curves, looks, floor)
            axes.set_title((titles or {}).get(task, task), loc="left", fontsize=12)
            axes.set_xlabel(x)
        grid[0][0].set(ylabel=y, ylim=(0, 1.02))
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=11
        )
    return figure


def _panel(axes: Any, curves: Curves, looks: Mapping[str, Any], floor: str) -> None:
    places = sorted({place for points in curves.values() for place in points})
    for number, (name, points) in enumerate(curves.items()):
        across = sorted(points)
        values = [points[place].value for place in across]
        if name == floor:
            axes.plot(across, values, color=GREY, linewidth=1.2, linestyle=(0, (2, 2)), label=name)
            continue
        look = looks[name]
        apart = [place * APART ** (number - len(curves) / 2) for place in across]
        axes.plot(
            apart, values, color=look.colour, linestyle=look.line, marker=look.marker, label=name
        )
        ends = [(e.low, e.high) for e in (points[place] for place in across)]
        low, high = np.array([(np.nan, np.nan) if np.isinf(b).any() else b for b in ends]).T
        axes.vlines(apart, low, high, color=look.colour, linewidth=1.6, alpha=0.8)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(places, [f"{place:g}" for place in places])
