"""The figures of the comparison of prompting, retrieval and fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ftlab.plots.style import GREY, LOOKS, SIZE, STYLE, first_looks, legend_below, new_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P", "o")  # the last one, of the router, is a ring
COLOURS = ("#666666", "#0072B2", "#009E73", "#56B4E9", "#E69F00", "#D55E00", "#CC79A7")


def form_and_fact(panels: Mapping[str, Mapping[str, tuple[float, float]]], title: str) -> Figure:
    """A point for every way: fact right across, form right upwards, one panel a group of needs:
    {panel: {way: (form, fact)}}. The corners are named, and one legend stands below."""
    figure, all_axes = _squares(len(panels), title)
    names = list(dict.fromkeys(way for points in panels.values() for way in points))
    corners = (
        (0.03, 0.94, "well put,\nwrong", "left", "top"),
        (0.97, 0.06, "right,\nbadly put", "right", "bottom"),
        (0.03, 0.06, "of no use", "left", "bottom"),
    )
    for axes, (panel, points) in zip(all_axes, panels.items(), strict=True):
        axes.set_title(panel, loc="left", fontsize=12)
        for across, up, words, ha, va in corners:
            axes.text(across, up, words, ha=ha, va=va, color=GREY, fontsize=11, style="italic")
        for name, (form, fact) in points.items():
            place = names.index(name)
            ring = place == len(MARKERS) - 1  # around the way that it goes
            axes.plot(
                fact, form, marker=MARKERS[place], color=COLOURS[place],
                markersize=19 if ring else 11, markerfacecolor="none" if ring else COLOURS[place],
                markeredgecolor=COLOURS[place] if ring else "white",
                markeredgewidth=2.0 if ring else 1.0, linestyle="", label=name, clip_on=False,
                zorder=3,
            )  # fmt: skip
        axes.set(
            xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), aspect="equal",
            xlabel="share with the right fact",
        )  # fmt: skip
    all_axes[0].set_ylabel("share in the right form")
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def grid(shares: Mapping[str, Mapping[str, tuple[float, float, float]]], title: str) -> Figure:
    """{need: {way: (both, form, fact)}}: large what is right in form and fact, which is also the
    shade, and small below it form and fact apart."""
    needs, ways = list(shares), list(dict.fromkeys(w for row in shares.values() for w in row))
    figure, axes = new_axes("", "", title)
    figure.set_size_inches(SIZE[0] + 1.4, 0.62 * len(needs) + 1.6)
    values = np.array([[shares[need][way][0] for way in ways] for need in needs])
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    for row, need in enumerate(needs):
        for column, way in enumerate(ways):
            both, form, fact = shares[need][way]
            ink = "white" if both > 0.7 else "#111111"
            axes.text(
                column, row - 0.1, f"{both:.0%}", ha="center", va="center", color=ink, fontsize=14
            )
            apart = f"{100 * form:.0f} | {100 * fact:.0f}"
            axes.text(column, row + 0.27, apart, ha="center", va="center", color=ink, fontsize=11)
    axes.set_xticks(range(len(ways)), [way.replace(" + ", "\n+ ") for way in ways])
    axes.set_yticks(range(len(needs)), needs)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_title(title, loc="left", fontsize=12, pad=14)
    axes.set_xlabel("large: form and fact right; small, in per cent: form | fact")
    return figure


def latency(parts: Mapping[str, Mapping[int, float]], new: int) -> Figure:
    """Milliseconds over the length of a prompt, the parts stacked: {part: {tokens: ms}}."""
    figure, axes = new_axes(
        "tokens of the prompt", "milliseconds", f"One request, an answer of {new} tokens"
    )
    lengths = list(next(iter(parts.values())))
    base = np.zeros(len(lengths))
    for (part, at), look in zip(parts.items(), first_looks(len(parts)), strict=True):
        heights = np.array([at[n] for n in lengths])
        words = {"decode": "decode: write the answer", "prefill": "prefill: read the prompt"}
        axes.bar(
            range(len(lengths)), heights, 0.7, base, color=look.colour, hatch=look.hatch,
            edgecolor="white", label=words.get(part, part),
        )  # fmt: skip
        base = base + heights
    axes.set_xticks(range(len(lengths)), [f"{n:,}" for n in lengths])
    axes.grid(axis="x", visible=False)
    legend_below(axes, ncols=2)
    return figure


def break_even(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], levels: Mapping[str, float]
) -> Figure:
    """Break-even price ratios over the length of a prompt, and published ratios as levels."""
    figure, axes = new_axes(
        "tokens of the prompt without training (log scale)",
        "price of a tuned token,\ntimes the base's",
        "Below its curve training saves money, above it costs more",
    )
    for (name, (across, up)), look in zip(curves.items(), LOOKS, strict=False):
        axes.plot(across, up, color=look.colour, linestyle=look.line, label=name)
    most = 1.3 * max(levels.values())
    for name, level in levels.items():
        axes.axhline(level, color=GREY, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
        right = level <= 2  # where no curve runs
        axes.annotate(
            name, (float(right), level), xycoords=("axes fraction", "data"),
            xytext=(-4 if right else 4, 1), textcoords="offset points",
            ha="right" if right else "left", va="bottom", fontsize=10, color="#444444",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.85, most)
    axes.minorticks_off()
    axes.set_xticks([30, 100, 300, 1000, 3000], ["30", "100", "300", "1,000", "3,000"])
    axes.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    legend_below(axes, ncols=2)
    return figure


def _squares(count: int, title: str) -> tuple[Figure, list[Any]]:
    """Axes side by side with one scale, made without pyplot, which keeps every figure."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.1 * count + 0.4, 5.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, count, sharey=True, squeeze=False)
        figure.suptitle(title, x=0.01, ha="left", fontsize=13)
    return figure, list(axes.flat)
