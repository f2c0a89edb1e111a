"""The lab's figures, one look for all of them.

Colours are those of Okabe and Ito, which people with the usual colour blindnesses can tell apart;
line styles, markers and hatches vary with them, so that nothing rests on colour alone. Series take
their look by their order: keep it the same from figure to figure. Bands and whiskers are 95%
intervals.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ftlab.errors import LabError
from ftlab.evaluation import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (7.0, 4.0)  # inches; at this resolution as wide as a notebook's column
DOTS_PER_INCH = 110
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "lines.linewidth": 2.0,
    "lines.markersize": 6.0,
    "hatch.linewidth": 0.6,
}


@dataclass(frozen=True)
class Look:
    """How one series is drawn."""

    colour: str
    line: str
    marker: str
    hatch: str


LOOKS = (
    Look("#0072B2", "-", "o", ""),
    Look("#D55E00", "--", "s", "//"),
    Look("#009E73", "-.", "^", ".."),
    Look("#E69F00", ":", "D", "\\\\"),
    Look("#CC79A7", (0, (5, 1, 1, 1, 1, 1)), "v", "xx"),  # type: ignore[arg-type]
    Look("#56B4E9", (0, (8, 2)), "P", "--"),  # type: ignore[arg-type]
)


def lines(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x: str,
    y: str,
    title: str,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """A line through the points (xs, ys) of every series, nan left out.

    `levels` are named heights, drawn as thin grey lines to compare with.
    """
    figure, axes = _axes(x, y, title)
    for (name, (xs, ys)), look in zip(series.items(), _looks(len(series)), strict=True):
        across, up = np.asarray(xs, dtype=float), np.asarray(ys, dtype=float)
        there = np.isfinite(up)
        few = there.sum() <= 20
        axes.plot(
            across[there],
            up[there],
            color=look.colour,
            linestyle=look.line,
            marker=look.marker if few else "",
            label=name,
        )
    for name, level in (levels or {}).items():
        axes.axhline(level, color="#666666", linewidth=1, linestyle=(0, (2, 2)))
        axes.annotate(
            name, (1.0, level), xycoords=("axes fraction", "data"), ha="right", va="bottom",
            color="#444444",
        )  # fmt: skip
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
    figure, axes = _axes(x, y, title)
    places = sorted({place for points in series.values() for place in points})
    for (name, points), look in zip(series.items(), _looks(len(series)), strict=True):
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
        low, high = [e.low for e in chosen], [e.high for e in chosen]
        axes.fill_between(across, low, high, color=look.colour, alpha=0.15, linewidth=0)
    if log_x:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(places, [f"{place:g}" for place in places])
    # Beside the axes: wherever it stood inside, it would cover some run's lines.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
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
    figure, axes = _axes(x, y, title)
    categories = list(dict.fromkeys(name for points in series.values() for name in points))
    width = 0.8 / len(series)
    for place, ((name, points), look) in enumerate(
        zip(series.items(), _looks(len(series)), strict=True)
    ):
        for category, point in points.items():
            value, below, above = _heights(point)
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
        height = -0.16 if x or any("\n" in name for name in categories) else -0.1
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, height), ncols=3, frameon=False)
    return figure


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
    figure, axes = _axes(x, y, title)
    figure.set_figheight(max(SIZE[1], 0.24 * (len(points) + 5)))
    axes.set_xscale("log")
    best, front = -np.inf, []
    for name in sorted(points, key=lambda name: (points[name][0], -points[name][1].value)):
        if points[name][1].value > best:
            best = points[name][1].value
            front.append(name)
    cheap, dear = LOOKS[0], LOOKS[1]
    for name, (cost, estimate) in points.items():
        value, below, above = _heights(estimate)
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
        axes.axhline(level, color="#666666", linewidth=1, linestyle=(0, (2, 2)))
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


def heat(
    values: Mapping[str, Mapping[str, float]], *, x: str, y: str, title: str, digits: int = 2
) -> Figure:
    """A number for every column and row: {column: {row: value}}, rows from the top down.

    The number stands in its cell; the shade tells where it lies between the least and the most of
    its column, so that columns of different height can be read beside one another.
    """
    figure, axes = _axes(x, y, title)
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
    axes.set_xticks(range(len(values)), list(values))
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(visible=False)
    return figure


def show(figure: Figure, caption: str) -> None:
    """Display a figure in the notebook, with `caption` below it and as its text for those who
    cannot see it: what is drawn, against what, and what strikes the eye."""
    from IPython.display import Image, Markdown, display

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    # Plainly as data: the figure itself would be drawn twice where a notebook shows figures alone.
    display(Image(data=buffer.getvalue(), format="png", alt=caption))
    display(Markdown(f"*{caption}*"))


def _axes(x: str, y: str, title: str) -> tuple[Figure, Axes]:
    """Made without pyplot, which keeps every figure it ever made."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        FigureCanvasAgg(figure)
        axes: Any = figure.subplots()
        axes.set(xlabel=x, ylabel=y)
        axes.set_title(title, loc="left", fontsize=12)
    return figure, axes


def _looks(count: int) -> Sequence[Look]:
    if not 1 <= count <= len(LOOKS):
        raise LabError(f"A figure shows 1 to {len(LOOKS)} series, not {count}.")
    return LOOKS[:count]


def _number(value: float) -> str:
    if value and abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"


def _heights(point: Estimate | float) -> tuple[float, float, float]:
    """Height, and how far the whisker reaches below and above it."""
    if isinstance(point, Estimate):
        return point.value, point.value - point.low, point.high - point.value
    return float(point), 0.0, 0.0
