"""What a classifier confuses with what."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ftlab.common.errors import LabError
from ftlab.plots.style import SIZE, new_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL = 0.4  # inches, of a side: two lines of a name fit beside it
SMALL = 9
LETTERS, LETTER = 28, 0.075  # of a line of a label's name; inches of one, at this size


def confusion(
    labels: ArrayLike,
    predictions: ArrayLike,
    label_names: Sequence[str],
    *,
    title: str,
    most: int = 12,
) -> Figure:
    """Confusion matrix: labels in rows, predictions in columns; zeros are left blank.

    The shade is the share of the row. At the right stands how much of the row was correct, and its
    items, also those predicted to have a label that is not shown. `labels` and `predictions` are
    class numbers, (items,). Of more than `most` labels, only those of the most frequent confusions
    are shown, the worst first, and the title says so. LabError if the arguments do not fit.
    """
    from sklearn.metrics import ConfusionMatrixDisplay

    counts = _counts(labels, predictions, len(label_names))
    if most < 2:
        raise LabError(f"A confusion matrix needs at least 2 labels, not {most}.")
    shown = list(range(len(counts)))
    if len(counts) > most:
        shown = _confused(counts, most)
        which = "those confused most" if shown else "none are confused"
        shown = shown or list(range(most))
        title = f"{title}\n{len(shown)} of {len(counts)} labels, {which}"
    names = [_readable(label_names[label]) for label in shown]
    letters = max(len(line) for name in names for line in name.split("\n"))
    figure, axes = new_axes("", "", "")
    items = counts.sum(axis=1)
    cells = counts[np.ix_(shown, shown)]
    display = ConfusionMatrixDisplay(
        cells / np.maximum(items[shown], 1)[:, None], display_labels=names
    ).plot(
        ax=axes,
        cmap="Blues",
        colorbar=False,
        xticks_rotation="vertical" if letters * LETTER > CELL else "horizontal",
        im_kw={"vmin": 0, "vmax": 1.6},  # black on the darkest is easy to read
        text_kw={"fontsize": SMALL, "color": "black"},
    )
    for cell, count in np.ndenumerate(cells):
        if count:
            display.text_[cell].set_text(str(count))
        else:
            display.text_[cell].remove()
    axes.set(xlabel="predicted", ylabel="label")
    beside = len(shown) - 0.35
    axes.text(beside, -0.6, "correct", va="bottom", fontsize=SMALL)
    for row, label in enumerate(shown):
        correct = f"{cells[row, row] / max(items[label], 1):.0%} of {items[label]}"
        axes.text(beside, row, correct if items[label] else "no items", va="center", fontsize=SMALL)
    axes.grid(visible=False)
    for ticks in (axes.set_xticks, axes.set_yticks):  # the eye follows a long name to its cells
        ticks(np.arange(len(shown) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="#dddddd", linewidth=0.6)
    axes.tick_params(which="both", length=0, labelsize=SMALL)
    axes.set_axisbelow(False)
    axes.set_anchor("W")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    square, beside_it = CELL * len(shown), LETTER * letters
    figure.set_size_inches(max(SIZE[0], square + beside_it + 1.7), square + beside_it + 1.0)
    return figure


def _counts(labels: ArrayLike, predictions: ArrayLike, classes: int) -> np.ndarray:
    """(label, predicted) -> items."""
    from sklearn.metrics import confusion_matrix

    truth, predicted = np.asarray(labels), np.asarray(predictions)
    if truth.ndim != 1 or truth.shape != predicted.shape or not truth.size:
        raise LabError(
            f"Labels {truth.shape} and predictions {predicted.shape} must have one value per item."
        )
    both = np.stack([truth, predicted])
    if both.dtype.kind not in "iu" or both.min() < 0 or both.max() >= classes:
        raise LabError(f"Labels and predictions must be whole numbers from 0 to {classes - 1}.")
    return np.asarray(confusion_matrix(truth, predicted, labels=range(classes)))


def _confused(counts: np.ndarray, most: int) -> list[int]:
    """Up to `most` labels, by pairs that are taken for one another, the most frequent first."""
    pairs = np.triu(counts + counts.T, k=1)
    chosen: list[int] = []
    for place in np.argsort(-pairs, axis=None, kind="stable"):
        pair = divmod(int(place), len(counts))
        new = [label for label in pair if label not in chosen]
        if not pairs[pair] or len(chosen) == most:
            break
        if len(chosen) + len(new) <= most:
            chosen += new
    return chosen


def _readable(name: str) -> str:
    return textwrap.fill(name.replace("_", " "), LETTERS, max_lines=2, placeholder=" …")
