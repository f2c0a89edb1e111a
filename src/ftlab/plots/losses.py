"""Figures of the lesson on overfitting: losses past the turn, remedies, and wrong labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ftlab.plots.style import GREY, LOOKS, STYLE, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OWN, HELD_OUT = LOOKS[0], LOOKS[1]
LETTERING = 12
Curve = tuple[Sequence[float], Sequence[float]]  # over x, one number each


def past_the_turn(
    steps: ArrayLike,
    losses: Mapping[str, Sequence[ArrayLike]],
    accuracies: Mapping[str, Sequence[ArrayLike]],
    turns: Sequence[float] | np.ndarray,
    title: str,
    guess: float,
) -> Figure:
    """Losses above, accuracies below, over the steps: {"own texts": one curve a seed, "held-out
    texts": ...}. Seeds are thin, their mean is thick; the mean of their `turns` is marked, and the
    loss of a `guess` that finds all labels equally likely."""
    figure, (above, below) = _grid(2, 1, (7.0, 6.0), sharex=True)
    for axes, curves in ((above, losses), (below, accuracies)):
        for (name, own), look in zip(curves.items(), (OWN, HELD_OUT), strict=True):
            _seeds(axes, steps, own, look, name)
        axes.axvline(float(np.mean(turns)), color=GREY, linewidth=1.5, linestyle=(0, (2, 2)))
    above.set_ylabel("loss (nats)", fontsize=LETTERING)
    above.set_ylim(bottom=0)
    above.axhline(guess, color=GREY, linewidth=1.2)
    above.annotate(
        "even guess ", (1.0, guess), xycoords=("axes fraction", "data"), va="bottom", ha="right",
        fontsize=LETTERING, color="#333333",
    )  # fmt: skip
    above.annotate(
        " the turn", (float(np.mean(turns)), 1.0), xycoords=("data", "axes fraction"), va="top",
        fontsize=LETTERING, color="#333333",
    )  # fmt: skip
    below.set_ylabel("accuracy", fontsize=LETTERING)
    below.set_ylim(0, 1.04)
    below.set_xlabel("training steps", fontsize=LETTERING)
    above.set_title(title, loc="left", fontsize=13)
    figure.legend(
        *above.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False,
        fontsize=LETTERING,
    )  # fmt: skip
    return figure


def remedy_panels(
    plain: Curve, remedies: Mapping[str, Curve], *, x: str, y: str, title: str
) -> Figure:
    """For each remedy a panel with its curve, and the curve without a remedy in grey: held-out loss
    over training loss, which falls to the right. Where the curve lies lower the remedy helps."""
    across = min(3, len(remedies))
    down = -(-len(remedies) // across)
    figure, grid = _grid(down, across, (2.7 * across + 0.6, 2.6 * down + 0.8), True, True)
    flat = [*np.asarray(grid).flat]
    for place, (axes, (name, curve)) in enumerate(zip(flat, remedies.items(), strict=False)):
        axes.plot(*plain, color=GREY, linestyle=(0, (4, 2)), label="no remedy")
        axes.plot(*curve, color=OWN.colour, linewidth=2.6, label="with the remedy")
        axes.set_title(name, loc="left", fontsize=LETTERING, fontweight="bold")
        axes.set_xscale("log")
        axes.minorticks_off()
        if place % across == 0:
            axes.set_ylabel(y, fontsize=LETTERING)
        if place + across >= len(remedies):
            axes.set_xlabel(x, fontsize=LETTERING)
            axes.tick_params(axis="x", labelbottom=True)
    flat[0].invert_xaxis()
    for axes in flat[len(remedies) :]:
        axes.remove()
    figure.suptitle(title, x=0.01, ha="left", fontsize=13)
    figure.legend(
        *flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False,
        fontsize=LETTERING,
    )  # fmt: skip
    return figure


def by_step(
    steps: ArrayLike, curves: Mapping[str, Sequence[ArrayLike]], *, y: str, title: str
) -> Figure:
    """One thick curve over the steps for each name, the mean of its thin ones, one a seed."""
    figure, axes = _grid(1, 1, (7.0, 4.2))
    for (name, own), look in zip(curves.items(), LOOKS, strict=False):
        _seeds(axes, steps, own, look, name)
    axes.set_xlabel("training steps", fontsize=LETTERING)
    axes.set_ylabel(y, fontsize=LETTERING)
    axes.set_ylim(bottom=0)
    axes.set_title(title, loc="left", fontsize=13)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=LETTERING)
    return figure


def _seeds(
    axes: Axes, steps: ArrayLike, curves: Sequence[ArrayLike], look: Look, name: str
) -> None:
    for curve in curves if len(curves) > 1 else ():
        axes.plot(steps, curve, color=look.colour, linewidth=0.9, alpha=0.4)
    mean = np.mean(np.asarray(curves, dtype=float), axis=0)
    axes.plot(steps, mean, color=look.colour, linestyle=look.line, linewidth=3.0, label=name)


def _grid(
    rows: int, columns: int, size: tuple[float, float], sharex: bool = False, sharey: bool = False
) -> tuple[Figure, Any]:
    """Axes in a grid; made without pyplot, which keeps every figure it ever made."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots(rows, columns, sharex=sharex, sharey=sharey)
