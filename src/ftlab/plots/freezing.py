"""Figures of the lesson on freezing: the drawn stack, and what is measured layer by layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftlab.evaluation import Estimate
from ftlab.plots.style import GREY, LOOKS, SIZE, STYLE, first_looks, heights, legend_below, new_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FROZEN, TRAINED = "#B8D4E8", "#E8853A"  # cold and warm; hatched and plain, too
TRACE = 0.005  # bits per character: less stands there, as a logarithmic axis has no zero


def stacks(layers: Mapping[str, int], methods: Mapping[str, Collection[str]]) -> Figure:
    """The network once for every method, drawn as a stack of its layers from the bottom up.

    `layers` are their numbers of parameters, `methods` the layers that each trains. Beside every
    stack an arrow shows how far down the backward pass has to go.
    """
    from matplotlib.patches import Patch, Rectangle

    figure, axes = new_axes("", "", "")
    figure.set_size_inches(SIZE[0], 0.62 * len(layers) + 1.1)
    names = list(layers)
    for place, (method, trained) in enumerate(methods.items()):
        for height, layer in enumerate(names):
            warm = layer in trained
            axes.add_patch(
                Rectangle(
                    (place, height), 0.72, 0.86, facecolor=TRAINED if warm else FROZEN,
                    hatch="" if warm else "///", edgecolor="white" if not warm else "#7A3B0C",
                )
            )  # fmt: skip
        axes.text(
            place + 0.36, len(names) + 0.12, method, ha="center", va="bottom", fontsize=11,
            fontweight="bold",
        )  # fmt: skip
        lowest = min((names.index(layer) for layer in trained), default=len(names) - 1)
        axes.annotate(
            "", (place + 0.82, lowest + 0.05), (place + 0.82, len(names) - 0.1),
            arrowprops={"arrowstyle": "-|>", "linewidth": 2.5, "color": "#222222"},
        )  # fmt: skip
    axes.set(xlim=(-0.1, len(methods)), ylim=(-0.15, len(names) + 0.75))
    labels = [f"{name}\n{_count(size)}" for name, size in layers.items()]
    axes.set_yticks([height + 0.43 for height in range(len(names))], labels)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    shown: list[Any] = [
        Patch(facecolor=TRAINED, edgecolor="#7A3B0C", label="trained"),
        Patch(facecolor=FROZEN, hatch="///", edgecolor="white", label="frozen"),
    ]
    arrow = axes.plot([], [], color="#222222", linewidth=2.5, label="backward pass")
    axes.legend(
        handles=[*shown, *arrow], loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3,
        frameon=False,
    )  # fmt: skip
    return figure


def stacked(parts: pd.DataFrame, *, x: str, title: str) -> Figure:
    """Bars side by side made of parts: one bar a row of the table, one part a column."""
    figure, axes = new_axes(x, "", title)
    figure.set_figheight(0.5 * len(parts) + 1.5)
    rows = range(len(parts))
    left = [0.0] * len(parts)
    for name, look in zip(parts.columns, first_looks(len(parts.columns)), strict=True):
        axes.barh(
            rows, parts[name], left=left, height=0.72, color=look.colour, hatch=look.hatch,
            edgecolor="white", label=name,
        )  # fmt: skip
        left = [begin + value for begin, value in zip(left, parts[name], strict=True)]
    for row, total in enumerate(left):
        axes.annotate(
            f"{total:.0f}", (total, row), xytext=(5, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(rows, list(parts.index))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.08)
    legend_below(axes, height=-0.9 / figure.get_figheight(), ncols=2)
    return figure


def over_depth(
    panels: Mapping[str, Mapping[str, Estimate]],
    *,
    x: str,
    title: str,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Panels one below the other over the same steps of depth: {what: {step: estimate}}; `levels`
    are heights to compare with in the first one."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(SIZE[0], 2.1 * len(panels) + 0.9), layout="constrained")
        FigureCanvasAgg(figure)
        rows: Any = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    for axes, (what, points), look in zip(rows, panels.items(), first_looks(3), strict=False):
        _dots(axes, points, look)
        axes.set_title(what, loc="left", fontsize=11)
        axes.margins(x=0.08, y=0.28)
    highest = max((levels or {"": 0.0}).values())
    for (name, level), look in zip((levels or {}).items(), LOOKS[1:], strict=False):
        rows[0].axhline(level, color=GREY, linewidth=1.3, linestyle=look.line, zorder=1)
        rows[0].annotate(
            name, (1.01, level), xycoords=("axes fraction", "data"), fontsize=9.5, color="#444444",
            va="bottom" if level == highest else "top", annotation_clip=False,
        )  # fmt: skip
    rows[-1].set_xlabel(x)
    return figure


def rows(values: Mapping[str, Estimate], *, x: str, title: str) -> Figure:
    """A bar for every row, the first at the top, with its interval and its number."""
    figure, axes = new_axes(x, "", title)
    figure.set_figheight(0.46 * len(values) + 1.2)
    for row, estimate in enumerate(values.values()):
        value, below, above = heights(estimate)
        axes.barh(row, value, height=0.66, color=LOOKS[0].colour)
        if below or above:
            axes.errorbar(
                value, row, xerr=[[below], [above]], color="#222222", capsize=4, linewidth=1.5
            )
        axes.annotate(
            f"{value:.2f}", (max(value + above, 0), row), xytext=(6, 0),
            textcoords="offset points", va="center",
        )  # fmt: skip
    axes.axvline(0, color="#444444", linewidth=1)
    axes.set_yticks(range(len(values)), list(values))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.1)
    return figure


def trade_off(curves: pd.DataFrame, measured: bool, levels: Mapping[str, float]) -> Figure:
    """A curve for every method through its learning rates (columns method, rate, learned,
    forgotten): learned against forgotten, or against the rate where nothing is `measured`."""
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    across = "forgetting (bits per character, log scale)" if measured else "learning rate"
    title = "Learned against forgotten" if measured else "Learned at each learning rate"
    figure, axes = new_axes(across, "accuracy on validation", title)
    figure.set_figheight(1.25 * SIZE[1])
    groups = list(curves.groupby("method", sort=False))
    for (name, part), look in zip(groups, first_looks(len(groups)), strict=True):
        xs = [max(x, TRACE) for x in part.forgotten] if measured else list(part.rate)
        axes.plot(
            xs, part.learned, color=look.colour, linestyle=look.line, marker=look.marker,
            markersize=8, label=name,
        )  # fmt: skip
        axes.annotate(
            f"{part.rate.iloc[-1]:g}", (xs[-1], part.learned.iloc[-1]), xytext=(9, -12),
            textcoords="offset points", fontsize=11, color=look.colour,
        )  # fmt: skip
    for (name, level), look in zip(levels.items(), LOOKS[1:], strict=False):
        axes.axhline(level, color=GREY, linewidth=1.3, linestyle=look.line, label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.1)
    legend_below(axes, height=-0.13, ncols=2)
    return figure


def _dots(axes: Axes, points: Mapping[str, Estimate], look: Any) -> None:
    places = range(len(points))
    spread = [heights(estimate) for estimate in points.values()]
    axes.plot(
        places, [value for value, _, _ in spread], color=look.colour, linestyle=look.line,
        marker=look.marker, markersize=8,
    )  # fmt: skip
    for place, (value, below, above) in zip(places, spread, strict=True):
        if below or above:
            axes.errorbar(
                place, value, yerr=[[below], [above]], color=look.colour, capsize=4, linewidth=1.8
            )
        axes.annotate(
            _number(value), (place, value + above), xytext=(0, 5), textcoords="offset points",
            ha="center", va="bottom", fontsize=10,
        )  # fmt: skip
    axes.set_xticks(places, list(points))


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2f}"


def _count(size: int) -> str:
    return (f"{size / 1e6:.2f} M" if size >= 1e5 else f"{size:,}") + " weights"


def in_order(names: Sequence[str]) -> dict[str, str]:
    """How the steps of depth are called below an axis: '0', '1', ... and 'all'."""
    short = {"head": "0\n(head)", "full": "all, and\nembeddings"}
    return {name: short.get(name, name.removeprefix("top ")) for name in names}
