"""A network as a picture: from the text to what comes out, for language and for labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ftlab.plots.style import LOOKS, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BODY, SHARED, NEW = "#e8e8e8", "#cfe3f1", "#f7d9c4"
EDGE = "#444444"


def two_heads(
    *, blocks: int, width: int, body: int, head: int, vocabulary: int, labels: Sequence[str]
) -> Figure:
    """The same body under two heads: one tells the next token, the other a label.

    `body` and `head` are numbers of parameters, `width` the numbers in a token's vector.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 3.7), layout="constrained")
        FigureCanvasAgg(figure)
        axes: Any = figure.subplots()
    axes.set(xlim=(0, 100), ylim=(0, 46))
    axes.axis("off")
    _box(axes, 1, 16, 14, 14, "text,\nas tokens", BODY)
    _box(axes, 20, 16, 17, 14, f"token vectors\n{width} numbers\neach", SHARED)
    for number in range(blocks if blocks <= 6 else 4):
        wide = 20 / (blocks if blocks <= 6 else 4)
        _box(axes, 42 + number * wide, 14, wide - 0.8, 18, "", SHARED)
    axes.text(52, 34.5, f"{blocks} blocks", ha="center", fontsize=12)
    asked = f"language-model head\n{vocabulary:,} tokens:\nwhich comes next?"
    _box(axes, 70, 29, 29, 14, asked, SHARED)
    _box(axes, 70, 3, 29, 14, f"new head, {head:,}\n{len(labels)} labels:\nwhich is it?", NEW)
    for start, end in (((15, 23), (20, 23)), ((37, 23), (42, 23))):
        _arrow(axes, start, end)
    _arrow(axes, (62, 25), (70, 34))
    _arrow(axes, (62, 21), (70, 12))
    axes.text(41, 10, f"body: {body:,} parameters", ha="center", fontsize=13, color=LOOKS[0].colour)
    axes.text(68, 40, "pretraining", ha="right", va="top", fontsize=13, color=LOOKS[0].colour)
    axes.text(68, 5, "fine-tuning", ha="right", va="bottom", fontsize=13, color=LOOKS[1].colour)
    return figure


def _box(axes: Any, x: float, y: float, wide: float, high: float, text: str, colour: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0,rounding_size=1"
    axes.add_patch(FancyBboxPatch((x, y), wide, high, style, facecolor=colour, edgecolor=EDGE))
    axes.text(x + wide / 2, y + high / 2, text, ha="center", va="center", fontsize=12)


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "color": EDGE, "lw": 1.6}
    axes.annotate("", end, start, arrowprops=style)
