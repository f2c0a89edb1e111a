"""Figures of retrieval: meanings on a map, scores and their threshold, attacks and defences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ftlab.plots.style import GREY, SIZE, STYLE, first_looks, legend_below, new_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# {group: (passages (n, 2), questions (n, 2))}
Points = Mapping[str, tuple[np.ndarray, np.ndarray]]


def meaning_map(panels: Mapping[str, Points]) -> Figure:
    """Passages (small, filled) and questions (large, open) on a plane, a panel for each encoder."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(SIZE[0] * 1.2, SIZE[1] * 1.1), layout="constrained")
        FigureCanvasAgg(figure)
        grid: Any = figure.subplots(1, len(panels), squeeze=False)
        for axes, (title, points) in zip(grid[0], panels.items(), strict=True):
            for (name, (texts, asked)), look in zip(
                points.items(), first_looks(len(points)), strict=True
            ):
                shape = {"color": look.colour, "marker": look.marker, "linestyle": ""}
                axes.plot(*texts.T, **shape, markersize=4, alpha=0.55, label=f"{name}: passage")
                axes.plot(
                    *asked.T, **shape, markersize=9, fillstyle="none", markeredgewidth=1.8,
                    label=f"{name}: question",
                )  # fmt: skip
            axes.set_title(title, loc="left", fontsize=12)
            axes.set(xticks=[], yticks=[])
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def scores(values: Mapping[str, np.ndarray], threshold: float) -> Figure:
    """The share of questions whose best score lies below each value, a rising line for each kind
    of question, and the threshold: where it crosses a line, it catches that share."""
    title = "Can the score tell what is not told?"
    figure, axes = new_axes("cosine of the best passage", "share of questions below", title)
    everything = np.concatenate(list(values.values()))
    ends = [everything.min() - 0.01, everything.max() + 0.01]
    for (name, some), look in zip(values.items(), first_looks(len(values)), strict=True):
        places = np.concatenate([ends[:1], np.sort(some), ends[1:]])
        shares = np.concatenate([[0.0], np.arange(1, len(some) + 1) / max(1, len(some)), [1.0]])
        axes.plot(places, shares, drawstyle="steps-post", color=look.colour, linestyle=look.line,
                  linewidth=2.6, label=name)  # fmt: skip
    if np.isfinite(threshold):
        axes.axvline(threshold, color=GREY, linewidth=1.6, linestyle=(0, (2, 2)), label="threshold")
    axes.set_ylim(0, 1.02)
    legend_below(axes, ncols=4)
    return figure


def attacks(grid: Mapping[str, Mapping[str, float]], *, title: str) -> Figure:
    """{defence: {attack: share}} as a table of shaded cells with their numbers, white to dark."""
    columns = list(grid)
    rows = list(next(iter(grid.values())))
    cells = np.array([[grid[column][row] for column in columns] for row in rows])
    figure, axes = new_axes("", "", title)
    axes.imshow(cells, cmap="Oranges", vmin=0, vmax=1.4, aspect="auto")
    for (row, column), value in np.ndenumerate(cells):
        axes.text(column, row, f"{value:.0%}", ha="center", va="center", fontsize=13)
    axes.set_xticks(range(len(columns)), [name.replace(" ", "\n", 1) for name in columns])
    axes.set_yticks(range(len(rows)), [name.replace(" in ", "\nin ") for name in rows])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    return figure
