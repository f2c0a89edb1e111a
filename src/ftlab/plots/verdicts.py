"""Statements with their intervals, each on a strip whose zones are the verdicts."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftlab.common.errors import LabError
from ftlab.plots.style import GREY, LOOKS, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 8.2  # inches: a notebook's column
STRIP = 4.6  # inches: of the scale; what was found stands at its right
LINE, HEIGHT, APART = 0.205, 0.50, 0.19  # inches: of a line of text, of a strip, between rows
HEAD, FOOT = 0.80, 0.62  # inches: of title and legend, of the axis
LETTERS = 94  # of a line of a statement
END = 4.0  # of the scale: what lies beyond is drawn there, with an arrow
BORDER = "#222222"
# Colour of a zone and hatch, colour of what is written, and marker.
ZONES = {
    "contrary": ("#f8d9c3", "//", "#a84300", "s"),
    "no effect that matters": ("#e3e3e3", "", "#444444", "D"),
    "supported": ("#c6e8dc", "", "#00694d", "^"),
}
UNDECIDED = ("", "", LOOKS[0].colour, "o")
NOT_JUDGED = ("", "", GREY, "o")


@dataclass(frozen=True)
class Strip:
    """A statement and what was found: `zones` are (from, to, verdict) on the common scale, on which
    the interval lies as well. Without zones only the text is shown. `beside` stands at the right of
    the strip, a line each, the first one bold; `outcome` gives the look."""

    statement: str
    outcome: str
    beside: tuple[str, ...]
    value: float = 0.0
    low: float = 0.0
    high: float = 0.0
    zones: tuple[tuple[float, float, str], ...] = ()

    @property
    def lines(self) -> list[str]:
        """The statement, broken where a line ends."""
        return textwrap.wrap(self.statement, LETTERS) or [""]


def verdict_strips(strips: Sequence[Strip], *, title: str) -> Figure:
    """One strip a statement, all on one scale: 0 is no effect, 1 the smallest effect that matters
    on the side that is claimed. An interval beyond the end of the scale has an arrow and says how
    far. LabError without strips.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not strips:
        raise LabError("A figure of verdicts needs at least one statement.")
    inches = sum(_height(strip) for strip in strips)
    whole = inches + HEAD + FOOT
    with matplotlib.rc_context({**STYLE, "hatch.linewidth": 0.4}):
        figure = Figure(figsize=(WIDTH, whole))
        FigureCanvasAgg(figure)
        axes: Any = figure.add_axes((0.015, FOOT / whole, STRIP / WIDTH, inches / whole))
        axes.set(xlim=(-END, END), ylim=(inches, 0.0))  # downwards, in inches
        top = 0.0
        for strip in strips:
            _draw(axes, strip, top)
            top += _height(strip)
        if any(strip.zones for strip in strips):
            _axis(axes)
            _legend(figure, whole)
        else:
            axes.set_axis_off()
        figure.text(0.015, 1 - 0.10 / whole, title, va="top", fontsize=13, fontweight="bold")
    return figure


def _height(strip: Strip) -> float:
    return len(strip.lines) * LINE + (HEIGHT if strip.zones else LINE) + APART


def _draw(axes: Axes, strip: Strip, top: float) -> None:
    """A statement's lines from `top` down, its strip below them."""
    axes.annotate(
        "\n".join(strip.lines), (0.0, top + 0.02), xycoords=("axes fraction", "data"), va="top",
        fontsize=11, color="#111111", annotation_clip=False, linespacing=1.25,
    )  # fmt: skip
    up = top + len(strip.lines) * LINE + 0.04
    down = up + HEIGHT - 0.06
    middle = (up + down) / 2
    for low, high, verdict in strip.zones:
        colour, hatch, *_ = ZONES[verdict]
        ends = [max(low, -END), min(high, END)]
        axes.fill_between(
            ends, up, down, facecolor=colour, hatch=hatch, edgecolor="#d9a27e", linewidth=0,
            zorder=0, label=verdict,
        )  # fmt: skip
        if math.isfinite(low):
            axes.plot([low, low], [up, down], color=BORDER, linewidth=1.4, zorder=2)
    if strip.zones:
        if _has_a_zero(strip):
            axes.plot([0, 0], [up, down], color="#777777", linewidth=1.0, linestyle=":", zorder=2)
        _interval(axes, strip, middle)
    _beside(axes, strip, up if not strip.zones else middle)


def _beside(axes: Axes, strip: Strip, height: float) -> None:
    """What was found and what is known: beside a strip, or below a statement that has none."""
    for number, text in enumerate(strip.beside):
        first = number == 0
        if strip.zones:
            place = (1.025, height + 0.172 * (number - (len(strip.beside) - 1) / 2))
        else:
            place = (number * 1.025 / max(1, len(strip.beside) - 1), height + 0.07)
        axes.annotate(
            text, place, xycoords=("axes fraction", "data"), annotation_clip=False, va="center",
            fontsize=10.5, fontweight="bold" if first else "normal",
            color=_look(strip.outcome)[2] if first else "#111111",
        )  # fmt: skip


def _interval(axes: Axes, strip: Strip, middle: float) -> None:
    _, _, colour, marker = _look(strip.outcome)
    low, high, value = (max(-END, min(END, end)) for end in (strip.low, strip.high, strip.value))
    axes.plot(
        [low, high], [middle, middle], color=colour, linewidth=2.6, solid_capstyle="butt",
        zorder=3, label="interval",
    )  # fmt: skip
    for beyond, end, arrow in ((strip.low < -END, -END, "<"), (strip.high > END, END, ">")):
        if beyond:
            axes.plot(
                [end], [middle], color=colour, marker=arrow, markersize=9, zorder=5,
                clip_on=False, label="beyond",
            )  # fmt: skip
    if abs(strip.value) > END and math.isfinite(strip.value):
        side = 1 if strip.value > 0 else -1
        inner = min(side * (low if side > 0 else high), END - 0.1)  # where the line begins
        axes.text(
            side * (inner - 0.15), middle, f"{strip.value:,.0f} steps", va="center", fontsize=10.5,
            ha="right" if side > 0 else "left", color=colour, zorder=5,
        )  # fmt: skip
        return
    open_one = strip.outcome not in ZONES
    axes.plot(
        [value], [middle], color=colour, marker=marker, markersize=8.5, linestyle="", zorder=4,
        markerfacecolor="white" if open_one else colour, markeredgewidth=1.8, clip_on=False,
        label=strip.outcome,
    )  # fmt: skip


def _has_a_zero(strip: Strip) -> bool:
    """A claim about a level has no 'no effect': its strip has one border, at 1."""
    return [low for low, *_ in strip.zones if math.isfinite(low)] != [1.0]


def _look(outcome: str) -> tuple[str, str, str, str]:
    return ZONES.get(outcome, UNDECIDED if outcome == "undecided" else NOT_JUDGED)


def _axis(axes: Axes) -> None:
    axes.grid(visible=False)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    marks = range(-int(END) + 1, int(END))
    axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
    axes.set_xlabel(
        "steps of the smallest effect that matters;  0: no effect,  right: as claimed",
        fontsize=10.5, loc="left",
    )  # fmt: skip


def _legend(figure: Figure, whole: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=colour, hatch=hatch, edgecolor="#d9a27e", linewidth=0, label=verdict)
        for verdict, (colour, hatch, *_) in ZONES.items()
    ]
    open_one: dict[str, Any] = {"marker": "o", "markerfacecolor": "white", "markeredgewidth": 1.8}
    words = "undecided: crosses a border"
    handles.append(Line2D([], [], color=UNDECIDED[2], label=words, **open_one))
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.0, 1 - 0.36 / whole), ncols=4,
        frameon=False, fontsize=10.5, columnspacing=1.3, handletextpad=0.5, borderaxespad=0.2,
    )  # fmt: skip
