"""Figures of the lesson on search: where the tries lie, what they find, what a setting is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ftlab.plots.style import (
    GREY,
    LOOKS,
    SIZE,
    STYLE,
    first_looks,
    legend_below,
    new_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHORT = 20  # times as much from end to end: a short logarithmic axis
Points = tuple[Sequence[float], Sequence[float]]
Range = tuple[float, float]


def where_tried(
    panels: Mapping[str, Points], *, x: str, y: str, title: str, limits: tuple[Range, Range]
) -> Figure:
    """The tries of each way as points, with a mark on the axis for every value of x among them.

    {way: (xs, ys)}; `limits` are the ends of both ranges. Both axes are logarithmic.
    """
    figure, all_axes = _beside(len(panels), title)
    for axes, (way, (xs, ys)), look in zip(
        all_axes, panels.items(), first_looks(len(panels)), strict=True
    ):
        (low, high), (down, up) = limits
        floor = down * (down / up) ** 0.18
        axes.plot(
            xs, ys, color=look.colour, marker=look.marker, linestyle="", markersize=9, clip_on=False
        )
        axes.vlines(sorted({*xs}), floor, floor * (up / down) ** 0.1, color="#222222", linewidth=2)
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(floor, up), xlabel=x)
        axes.set_title(f"{way}: {len(xs)} tries,\n{len({*xs})} {x}s", fontsize=12)
        _plain(axes)
    all_axes[0].set_ylabel(y)
    return figure


def best_so_far(
    curves: Mapping[str, Mapping[int, Sequence[float]]], *, y: str, title: str
) -> Figure:
    """A strong line through the means over seeds, a thin one for every seed: {way: {tries: one
    number a seed}}."""
    figure, axes = new_axes("tries (log scale)", y, title)
    for (way, at), look in zip(curves.items(), first_looks(len(curves)), strict=True):
        counts = sorted(at)
        per_seed = np.array([at[count] for count in counts])
        axes.plot(
            counts, per_seed.mean(1), color=look.colour, linestyle=look.line, marker=look.marker,
            markersize=8, linewidth=2.6, zorder=3,
            label=f"{way} (mean)" if per_seed.shape[1] > 1 else way,
        )  # fmt: skip
        if per_seed.shape[1] > 1:
            axes.plot(counts, per_seed, color=look.colour, linestyle=look.line, linewidth=0.9,
                      alpha=0.5)  # fmt: skip
    counts = sorted({count for at in curves.values() for count in at})
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(counts, [str(count) for count in counts])
    legend_below(axes)
    return figure


def by_number(panels: Mapping[str, Sequence[float]], *, x: str, y: str, title: str) -> Figure:
    """A value of each try over its number, a panel a way, on one logarithmic scale."""
    figure, all_axes = _beside(len(panels), title, sharey=True)
    for axes, (way, values), look in zip(
        all_axes, panels.items(), first_looks(len(panels)), strict=True
    ):
        axes.plot(
            range(1, len(values) + 1), values, color=look.colour, linestyle=look.line,
            marker=look.marker, markersize=8, linewidth=1,
        )  # fmt: skip
        axes.set(yscale="log", xlabel=x)
        axes.set_xticks(sorted({1, *range(4, len(values) + 1, 4)}))
        axes.set_title(way, fontsize=12)
    all_axes[0].set_ylabel(y)
    _plain(all_axes[0])
    return figure


def accuracy_by_setting(
    points: Mapping[str, Points], *, y: str, title: str, logarithmic: Sequence[str]
) -> Figure:
    """Accuracy over each hyperparameter, one panel each, two in a row: {name: (values, scores)}."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = (len(points) + 1) // 2
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(SIZE[0], 2.3 * rows + 0.5), layout="constrained")
        FigureCanvasAgg(figure)
        grid: Any = figure.subplots(rows, 2, sharey=True, squeeze=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    for axes, (name, (values, scores)) in zip(grid.ravel(), points.items(), strict=False):
        axes.plot(values, scores, color=LOOKS[0].colour, marker="o", linestyle="", alpha=0.6)
        if name in logarithmic:
            axes.set_xscale("log")
        if len({*values}) <= 4:
            axes.set_xticks(sorted({*values}), [f"{value:g}" for value in sorted({*values})])
            axes.minorticks_off()
        else:
            _plain(axes)
        axes.set_xlabel(name)
    for row in grid:
        row[0].set_ylabel(y)
    return figure


def shares(
    series: Mapping[str, Mapping[str, Sequence[float]]], *, x: str, title: str, chance: float
) -> Figure:
    """Bars side by side with the mean of each row, and a dot for every seed: {series: {row: one
    number a seed}}. A line shows what `chance` reaches."""
    figure, axes = new_axes(x, "", title)
    names = list(next(iter(series.values())))
    figure.set_figheight(0.42 * len(names) * len(series) + 1.5)
    height = 0.8 / len(series)
    for place, ((label, rows), look) in enumerate(
        zip(series.items(), first_looks(len(series)), strict=True)
    ):
        for row, name in enumerate(names):
            at = row - 0.4 + height * (place + 0.5)
            axes.barh(
                at, np.mean(rows[name]), 0.9 * height, color=look.colour, hatch=look.hatch,
                edgecolor="white", label=label if row == 0 else None,
            )  # fmt: skip
            axes.plot(
                rows[name], [at] * len(rows[name]), color="#222222", marker="o", markersize=5,
                linestyle="", markerfacecolor="white",
                label="a seed" if row == place == 0 else None,
            )  # fmt: skip
    axes.axvline(0, color="#444444", linewidth=1)
    axes.axvline(chance, color="#222222", linewidth=2, linestyle="--", label="shuffled reach this")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    legend_below(axes, height=-0.75 / figure.get_figheight())
    return figure


def folds_diagram(count: int) -> Figure:
    """One split, and `count` folds, as rows of the same texts: what learns, what judges."""
    from matplotlib.patches import Patch, Rectangle

    figure, axes = new_axes("", "", "")
    figure.set_figheight(0.5 * (count + 1) + 1.0)
    learns, judges = "#B8D4E8", LOOKS[1].colour
    for row in range(count + 1):
        height = -row - (0.5 if row else 0)
        for part in range(count):
            held = part == max(row - 1, 0)
            axes.add_patch(
                Rectangle(
                    (part, height), 0.94, 0.8, facecolor=judges if held else learns,
                    hatch="//" if held else "", edgecolor="white",
                )
            )  # fmt: skip
        name = "one split" if row == 0 else f"fold {row}"
        axes.text(-0.15, height + 0.4, name, ha="right", va="center", fontsize=12)
    axes.set(xlim=(-1.2, count), ylim=(-count - 0.7, 1))
    axes.axis("off")
    shown = [
        Patch(facecolor=learns, edgecolor="white", label="learned from"),
        Patch(facecolor=judges, hatch="//", edgecolor="white", label="judged on"),
    ]
    axes.legend(
        handles=shown, loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=2, frameon=False,
        fontsize=12,
    )  # fmt: skip
    return figure


def strips(values: Mapping[str, Sequence[float]], *, x: str, title: str) -> Figure:
    """Every value as a dot, one row a name, around a line at zero."""
    figure, axes = new_axes(x, "", title)
    figure.set_figheight(0.9 * len(values) + 1.2)
    for row, (numbers, look) in enumerate(
        zip(values.values(), first_looks(len(values)), strict=True)
    ):
        apart = np.random.default_rng(row).uniform(-0.25, 0.25, len(numbers))
        axes.plot(
            numbers, row + apart, color=look.colour, marker=look.marker, linestyle="", alpha=0.7
        )
    axes.axvline(0, color=GREY, linewidth=1.5)
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    return figure


def _beside(count: int, title: str, *, sharey: bool = False) -> tuple[Figure, Sequence[Axes]]:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        FigureCanvasAgg(figure)
        grid: Any = figure.subplots(1, count, sharey=sharey, squeeze=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure, list(grid[0])


def _plain(axes: Axes) -> None:
    """Plain numbers on logarithmic axes, few enough to be read: powers of ten, or of two where the
    axis is short."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
        if scale == "log":
            low, high = sorted(axis.get_view_interval())
            axis.set_major_locator(LogLocator(base=10 if high > SHORT * low else 2))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())
