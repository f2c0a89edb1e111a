"""Figures of the lesson on evaluation: seeds and items, intervals beside the truth, thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ftlab.plots.style import GREY, LOOKS, SIZE, STYLE, new_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RIGHT, WRONG = "#B8D4E8", "#B3441E"
FEWEST = 10  # items of a bin that is drawn


def seeds_by_items(hits: ArrayLike, seeds: Sequence[int], *, title: str) -> Figure:
    """The scores that an interval is made of: a row for each seed, a column for each test item.

    `hits` is (seeds, items), 1 where the answer was right. Items are sorted from those that all
    trainings have right to those that none has. At the right stands the accuracy of each seed,
    below the share of the seeds that have an item right: the two means that vary.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    scores = np.asarray(hits, dtype=float)
    order = np.lexsort((*scores[::-1], -scores.mean(axis=0)))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(SIZE[0], 0.55 * len(scores) + 2.4), layout="constrained")
        FigureCanvasAgg(figure)
        grid: Any = figure.subplots(
            2, 2, sharex="col", sharey="row",
            gridspec_kw={"width_ratios": [5, 1.3], "height_ratios": [0.55 * len(scores), 1.0]},
        )  # fmt: skip
        (cells, per_seed), (per_item, none) = grid
        cells.imshow(
            scores[:, order], aspect="auto", cmap=ListedColormap([WRONG, RIGHT]), vmin=0, vmax=1,
            interpolation="nearest", extent=(0, scores.shape[1], len(scores) - 0.5, -0.5),
        )  # fmt: skip
        cells.set_yticks(range(len(scores)), [f"seed {seed}" for seed in seeds])
        cells.tick_params(length=0)
        for row in range(1, len(scores)):
            cells.axhline(row - 0.5, color="white", linewidth=3)
        per_seed.plot(scores.mean(axis=1), range(len(scores)), "o", color=LOOKS[0].colour)
        per_seed.set_title("mean of a row", fontsize=11)
        lowest = scores.mean(axis=1).min()
        per_seed.set_xlim(lowest - 0.06, min(1.02, scores.mean(axis=1).max() + 0.06))
        per_seed.tick_params(axis="x", labelbottom=True)
        per_item.fill_between(
            np.arange(scores.shape[1]) + 0.5, scores.mean(axis=0)[order], step="mid",
            color=LOOKS[0].colour, alpha=0.8, linewidth=0,
        )  # fmt: skip
        per_item.set(xlabel="test texts, sorted from easy to hard", ylim=(0, 1.05), yticks=[0, 1])
        per_item.set_ylabel("mean of\na column")
        for axes in (cells, per_item):
            axes.grid(visible=False)
        none.set_axis_off()
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


def intervals(
    ends: Mapping[str, np.ndarray], truth: float, notes: Mapping[str, str] | None = None
) -> Figure:
    """Many intervals beside the truth, a panel for each kind: {name: (trials, 2)}.

    Those that miss the truth are dark, thick and have a cross. `notes` stand behind the names.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(SIZE[0], 2.6 * len(ends)), 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        panels: Any = figure.subplots(1, len(ends), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (name, pairs) in zip(panels, ends.items(), strict=True):
            for row, (low, high) in enumerate(pairs):
                holds = low <= truth <= high
                axes.plot(
                    [low, high], [row, row], color=LOOKS[0].colour if holds else WRONG,
                    linewidth=1.4 if holds else 3, alpha=0.7 if holds else 1,
                )  # fmt: skip
                if not holds:
                    axes.plot((low + high) / 2, row, "x", color="#222222", markersize=6)
            axes.axvline(truth, color="#222222", linewidth=1.5)
            note = (notes or {}).get(name, "")
            axes.set_title(f"{name}\n{note} hold it" if note else name, loc="left", fontsize=11)
            axes.set(xlabel="accuracy", yticks=[])
            axes.grid(axis="y", visible=False)
        panels[0].set_ylabel("made-up experiments")
    return figure


def steps_apart(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    between: tuple[str, str],
    mark: tuple[float, str],
    x: str,
    y: str,
    title: str,
) -> Figure:
    """Curves over training steps with the gap `between` two of them shaded, and one step marked
    (its place, and what to call it)."""
    figure, axes = new_axes(x, y, title)
    for (name, (across, up)), look in zip(curves.items(), LOOKS, strict=False):
        axes.plot(
            across, up, color=look.colour, linestyle=look.line, marker=look.marker, label=name
        )
    (across, upper), (_, lower) = curves[between[0]], curves[between[1]]
    axes.fill_between(
        np.asarray(across), np.asarray(lower), np.asarray(upper), color=GREY, alpha=0.18,
        linewidth=0,
    )  # fmt: skip
    axes.axvline(mark[0], color="#222222", linewidth=1.2, linestyle=(0, (2, 2)), label=mark[1])
    axes.legend(frameon=False)
    return figure


def roc_and_precision(
    roc: Mapping[str, tuple[ArrayLike, ArrayLike]],
    precise: Mapping[str, tuple[ArrayLike, ArrayLike]],
) -> Figure:
    """The ROC curve and the precision-recall curve of one detector side by side, a line for each
    share of positives: {name: (xs, ys)}."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.2 * SIZE[0], 4.7), layout="constrained")
        FigureCanvasAgg(figure)
        panels: Any = figure.subplots(1, 2)
        for axes, curves, words in (
            (panels[0], roc, ("false positive rate", "recall", "ROC: all four are one")),
            (panels[1], precise, ("recall", "precision", "Precision and recall")),
        ):
            for place, ((name, (across, up)), look) in enumerate(
                zip(curves.items(), LOOKS, strict=False)
            ):
                axes.plot(
                    across, up, color=look.colour, linestyle=look.line, label=name,
                    linewidth=6.5 - 1.5 * place if axes is panels[0] else 2, alpha=0.8,
                )  # fmt: skip
            axes.set(xlim=(-0.02, 1.02), ylim=(0, 1.02), xlabel=words[0], ylabel=words[1])
            axes.set_title(words[2], loc="left", fontsize=12)
        panels[0].plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (2, 2)))
        handles, labels = panels[1].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=4, frameon=False, title="positives"
        )
    return figure


def calibration(curves: Mapping[str, Any], sure: Mapping[str, np.ndarray]) -> Figure:
    """Accuracy by confidence, and below how often each confidence occurs.

    `curves` are tables of `evaluation.reliability`, `sure` the confidence of every item. Bins with
    few items are left out: their height says nothing.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(SIZE[0], 5.4), layout="constrained")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
        above.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle=(0, (2, 2)),
                   label="as sure as right")  # fmt: skip
        for (name, table), look in zip(curves.items(), LOOKS, strict=False):
            many = table[table["items"] >= FEWEST]
            above.plot(
                many.confidence, many.accuracy, color=look.colour, linestyle=look.line,
                marker=look.marker, label=name,
            )  # fmt: skip
            below.hist(
                sure[name], bins=np.linspace(0, 1, 21), color=look.colour, alpha=0.55,
                hatch=look.hatch, edgecolor="white", linewidth=0.5,
            )  # fmt: skip
        above.set(xlim=(0.1, 1.01), ylim=(0, 1.02), ylabel="accuracy")
        above.set_title("As sure as right?", loc="left", fontsize=12)
        above.legend(frameon=False, loc="upper left")
        below.set(xlabel="confidence", ylabel="answers")
    return figure
