"""Figures of the lesson on LoRA: what it is, how it learns and forgets, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ftlab.evaluation import Estimate
from ftlab.plots.style import GREY, LOOKS, first_looks, heights, legend_below, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FROZEN, TRAINED = "#d9d9d9", LOOKS[1].colour
Path = tuple[Any, Any]  # two arrays: forgotten, learned, at each evaluation


def lora_diagram(inputs: int, outputs: int, rank: int) -> Figure:
    """A frozen matrix, and beside it the two thin ones that are trained."""
    from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

    figure, axes = new_axes("", "", "")
    axes.set(xlim=(0, 14), ylim=(0, 8))
    axes.axis("off")

    def words(x: float, y: float, text: str, **more: Any) -> None:
        axes.text(x, y, text, ha="center", va="center", **{"fontsize": 13, **more})

    def arrow(*ends: tuple[float, float]) -> None:
        axes.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=18, color="#222222"))

    axes.add_patch(Rectangle((1.6, 2.1), 4.2, 3.8, facecolor=FROZEN, edgecolor="#222222"))
    words(3.7, 4.35, "W", fontsize=26)
    words(3.7, 3.3, f"{outputs} x {inputs}")
    words(3.7, 2.6, "frozen", color="#444444")
    for corners, name, size, y in (
        ([(8, 2.1), (12.4, 2.1), (10.6, 3.8), (9.8, 3.8)], "A", f"{rank} x {inputs}", 2.75),
        ([(9.8, 4.2), (10.6, 4.2), (12.4, 5.9), (8, 5.9)], "B", f"{outputs} x {rank}", 5.2),
    ):
        axes.add_patch(Polygon(corners, facecolor=TRAINED, edgecolor="#222222"))
        words(10.2, y, name, fontsize=22, color="white", fontweight="bold")
        words(13.1, y, size)
    words(7.2, 4.0, f"only {rank}\nnumbers\npass", color="#444444", fontsize=12)
    words(7.0, 0.4, f"input x ({inputs} numbers)")
    words(7.0, 7.6, f"output ({outputs} numbers)")
    words(7.0, 6.6, "+", fontsize=22)
    arrow((5.6, 0.8), (3.7, 2.0))
    arrow((8.4, 0.8), (10.2, 2.0))
    arrow((3.7, 6.0), (6.6, 6.55))
    arrow((10.2, 6.0), (7.4, 6.55))
    arrow((7.0, 6.85), (7.0, 7.3))
    words(11.2, 6.6, "times alpha / r", fontsize=12, color="#444444")
    return figure


def learn_and_forget(
    paths: Mapping[str, Mapping[float, Path]], best: Mapping[str, float]
) -> Figure:
    """How training goes at each learning rate: up what is learned, to the right what is forgotten.

    {method: {learning rate: path}}; the path at the method's `best` rate is drawn strongly.
    """
    figure, axes = new_axes(
        "forgotten (bits per character)",
        "validation accuracy",
        "What is learned, and what is forgotten on the way",
    )
    for (method, at), look in zip(paths.items(), first_looks(len(paths)), strict=True):
        chosen = min(at, key=lambda rate: abs(np.log(rate / best[method])))
        for rate, (across, up) in at.items():
            strong = rate == chosen
            axes.plot(
                across, up, color=look.colour, linestyle=look.line,
                marker=look.marker if strong else "", alpha=1.0 if strong else 0.45,
                linewidth=2.6 if strong else 1.2, zorder=3 if strong else 2,
                label=f"{method}, learning rate {rate:g}" if strong else None,
            )  # fmt: skip
        axes.plot([], [], color=look.colour, linestyle=look.line, linewidth=1.2, alpha=0.45,
                  label=f"{method}, other rates")  # fmt: skip
    axes.set_xscale("symlog", linthresh=0.02)
    axes.set_xlim(left=0)
    _plain_numbers(axes)
    legend_below(axes, ncols=2)
    return figure


def step_time_by_width(ratios: Mapping[int, Estimate], counted: float) -> Figure:
    """Seconds of a step with LoRA over those of full fine-tuning, by the width of the network;
    `counted` is what the number of operations promises."""
    figure, axes = new_axes(
        "width of the network (log scale)", "step time: LoRA / full", "Does LoRA save time?"
    )
    look = LOOKS[0]
    points = [heights(ratio) for ratio in ratios.values()]
    axes.errorbar(
        list(ratios), [value for value, _, _ in points],
        yerr=np.array([(below, above) for _, below, above in points]).T,
        color=look.colour, marker=look.marker, markersize=8, capsize=4, label="measured",
    )  # fmt: skip
    axes.axhline(1.0, color=GREY, linewidth=1.2, label="as long as full fine-tuning")
    axes.axhline(counted, color=GREY, linewidth=1.5, linestyle="--", label="operations counted")
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(list(ratios), [f"{width:,}" for width in ratios])
    axes.set_ylim(0, 1.15 * max(1.0, *(value + above for value, _, above in points)))
    legend_below(axes)
    return figure


def memory_bars(gigabytes: Mapping[str, Mapping[str, float]], cards: Sequence[int]) -> Figure:
    """Gigabytes on a logarithmic axis: {method: {model: GB}}, with the memory of graphics cards as
    lines."""
    figure, axes = new_axes("", "gigabytes (log scale)", "Memory to train, texts not included")
    models = list(dict.fromkeys(name for sizes in gigabytes.values() for name in sizes))
    width = 0.8 / len(gigabytes)
    looks = first_looks(len(gigabytes))
    for place, ((method, sizes), look) in enumerate(zip(gigabytes.items(), looks, strict=True)):
        at = [models.index(name) - 0.4 + width * (place + 0.5) for name in sizes]
        drawn = axes.bar(
            at, list(sizes.values()), 0.92 * width, color=look.colour, hatch=look.hatch,
            edgecolor="white", label=method,
        )  # fmt: skip
        numbers = [f"{size:,.0f}" if size >= 10 else f"{size:.1f}" for size in sizes.values()]
        axes.bar_label(
            drawn, numbers, padding=3, fontsize=11, zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip
    for card in cards:
        axes.axhline(card, color="#222222", linewidth=1.5, linestyle=(0, (5, 2)))
        axes.annotate(
            f"{card} GB\ncard", (1.01, card), xycoords=("axes fraction", "data"), va="center",
            ha="left", fontsize=11,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(top=2.5 * max(size for sizes in gigabytes.values() for size in sizes.values()))
    _plain_numbers(axes, "y")
    axes.set_xticks(range(len(models)), models)
    axes.grid(axis="x", visible=False)
    legend_below(axes, height=-0.1)
    return figure


def adapter_grid(shares: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """A share for every adapter (row) and task (column): {adapter: {task: share}}. The shade goes
    from 0 to 1, the same for all."""
    tasks = list(dict.fromkeys(task for row in shares.values() for task in row))
    table = np.array([[row.get(task, np.nan) for task in tasks] for row in shares.values()])
    figure, axes = new_axes("asked to do", "with the adapter", title)
    figure.set_figheight(1.3 + 0.6 * len(shares))
    axes.imshow(table, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    for (row, column), share in np.ndenumerate(table):
        if np.isfinite(share):
            axes.text(
                column, row, f"{share:.0%}", ha="center", va="center", fontsize=14,
                color="white" if share > 0.7 else "black",
            )  # fmt: skip
    axes.set_xticks(range(len(tasks)), tasks)
    axes.set_yticks(range(len(shares)), list(shares))
    axes.grid(visible=False)
    return figure


def _plain_numbers(axes: Axes, axis: str = "x") -> None:
    """No powers of ten beside a logarithmic axis."""
    from matplotlib.ticker import FuncFormatter

    chosen = axes.xaxis if axis == "x" else axes.yaxis
    chosen.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
