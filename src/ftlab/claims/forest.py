"""A forest of claims: estimate, interval and the place where each claim says that it lies."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ftlab.claims.claim import RATIO, UNITS
from ftlab.claims.verdicts import SHARES, Judgement
from ftlab.common.errors import LabError
from ftlab.plots.style import GREY, LOOKS, STYLE, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 9.0  # inches
ROW, AROUND, TOP = 0.40, 0.72, 0.82  # inches: of a claim, of a panel's axis, of the legend
LETTERS = 50  # of a line of a statement
# Colour and marker of a verdict; an open marker decides nothing.
NO_VERDICT = "counted, or so by construction"
VERDICT_LOOKS: dict[str, Look] = {
    "supported": LOOKS[2],
    "contrary": LOOKS[1],
    "no effect that matters": LOOKS[4],
    "undecided": LOOKS[0],
    NO_VERDICT: Look(GREY, "-", "P", ""),
}
LABELS = {
    SHARES: "difference of shares (of test items, of answers)",
    RATIO: "ratio (1: equal)",
    "bits per character": "difference in bits per character",
    "share": "share, or another number from 0 to 1",
}


def forest(judgements: Sequence[Judgement], *, title: str) -> Figure:
    """One row a claim: a point, a whisker for its 95% interval (none if it is exact), and a mark at
    the smallest effect that matters, shaded towards the side on which the claim says it lies.

    A whisker all within its shade is a supported claim; one outside of it is the contrary or shows
    no effect that matters, by how it lies to the line of no effect. Every unit has a panel and an
    axis of its own, as a ratio and a difference cannot be compared. Claims that do not come from a
    `full` run have their profile beside their name. LabError without claims.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not judgements:
        raise LabError("A forest needs at least one claim.")
    order = [*UNITS]
    units = sorted(
        dict.fromkeys(j.unit for j in judgements),
        key=lambda unit: order.index(unit) if unit in order else len(order),
    )
    panels = [[j for j in judgements if j.unit == unit] for unit in units]
    inches = [AROUND + ROW * len(panel) for panel in panels]
    with matplotlib.rc_context({**STYLE, "font.size": 9, "lines.markersize": 7.0}):
        figure = Figure(figsize=(WIDTH, sum(inches) + TOP))
        FigureCanvasAgg(figure)
        top = figure.get_figheight() - TOP
        for unit, panel, height in zip(units, panels, inches, strict=True):
            # Placed by hand: rows are equally high in all panels, and the text on both sides has
            # the same room in all figures.
            bottom = top - height + AROUND
            whole = figure.get_figheight()
            axes: Any = figure.add_axes((0.15, bottom / whole, 0.42, ROW * len(panel) / whole))
            _panel(axes, panel, unit)
            top -= height
        _legend(figure, title)
    return figure


def _panel(axes: Axes, rows: Sequence[Judgement], unit: str) -> None:
    from matplotlib.ticker import LogLocator

    low, high, log = _range(rows, unit)
    if log:
        axes.set_xscale("log")
        # Over many decades there is room for the powers of ten alone.
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    axes.set_xlim(low, high)
    axes.set_ylim(len(rows) - 0.5, -0.5)  # the first claim on top
    axes.set_xlabel(LABELS.get(unit, unit))
    axes.grid(axis="y", visible=False)
    equal = UNITS.get(unit)
    if equal is not None and low < equal < high:
        axes.axvline(equal, color="#999999", linewidth=1, zorder=1)
    names = []
    for place, j in enumerate(rows):
        _row(axes, place, j, (low, high))
        names.append(j.claim + ("" if j.profile == "full" else f" ({j.profile})"))
        lines = textwrap.wrap(j.statement, LETTERS, max_lines=2, placeholder=" …")
        axes.annotate(
            "\n".join([*lines]), (1.02, place), xycoords=("axes fraction", "data"),
            va="center", fontsize=8, color="#333333", annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), names)
    axes.tick_params(axis="y", length=0)


def _row(axes: Axes, place: int, j: Judgement, ends: tuple[float, float]) -> None:
    look = VERDICT_LOOKS.get(j.outcome, VERDICT_LOOKS[NO_VERDICT])
    if j.limit:
        side, effect = j.limit
        start = {"above": effect, "below": ends[0], "within": -effect}[side]
        stop = {"above": ends[1], "below": effect, "within": effect}[side]
        axes.fill_betweenx([place - 0.4, place + 0.4], start, stop, color="#e6e6e6", zorder=0)
        for mark in (-effect, effect) if side == "within" else (effect,):
            axes.plot(
                [mark, mark], [place - 0.4, place + 0.4], color="#222222", linewidth=1.6, zorder=2
            )
    estimate = j.estimate
    if estimate.low < estimate.high:  # a single seed could be anything: from edge to edge
        axes.plot(
            [max(estimate.low, ends[0]), min(estimate.high, ends[1])], [place, place],
            color=look.colour, linewidth=1.8, solid_capstyle="butt", zorder=3, label="whisker",
        )  # fmt: skip
    axes.plot(
        [estimate.value], [place], color=look.colour, marker=look.marker, linestyle="", zorder=4,
        markerfacecolor="white" if j.outcome == "undecided" else look.colour, clip_on=False,
        label=j.outcome,
    )  # fmt: skip


def _range(rows: Sequence[Judgement], unit: str) -> tuple[float, float, bool]:
    """Both ends of a panel's axis, and whether it is logarithmic."""
    told = [j.estimate.value for j in rows]
    told += [end for j in rows for end in (j.estimate.low, j.estimate.high) if math.isfinite(end)]
    told += [sign * j.limit[1] for j in rows if j.limit for sign in (1, -1)[: _marks(j)]]
    low, high = min(told), max(told)
    if unit == RATIO and low > 0:
        low, high = min(low, 1.0), max(high, 1.0)
        return low / 1.3, high * 1.3, True
    room = 0.06 * (high - low) or 1.0  # all at one point, as in a panel of exact zeros
    return low - room, high + room, False


def _marks(j: Judgement) -> int:
    return 2 if j.limit and j.limit[0] == "within" else 1


def _legend(figure: Figure, title: str) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D(
            [], [], color=look.colour, marker=look.marker, label=verdict,
            markerfacecolor="white" if verdict == "undecided" else look.colour,
        )
        for verdict, look in VERDICT_LOOKS.items()
    ]  # fmt: skip
    handles.append(Line2D([], [], color="#222222", marker="|", linestyle="", markersize=11,
                          markeredgewidth=1.6, label="smallest effect that matters"))  # fmt: skip
    handles.append(Patch(color="#e6e6e6", label="where the claim says it lies"))
    whole = figure.get_figheight()
    figure.text(0.02, 1 - 0.12 / whole, title, va="top", fontsize=12)
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.01, 1 - 0.3 / whole), ncols=4,
        frameon=False, fontsize=9, columnspacing=1.4,
    )  # fmt: skip
