"""How the lab's figures look, and how they are shown."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (7.0, 4.0)  # inches; at this resolution as wide as a notebook's column
DOTS_PER_INCH = 110
GREY = "#666666"  # of what is there to compare with
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


def show(figure: Figure, caption: str) -> None:
    """Display a figure in the notebook, with `caption` below it and as its text for those who
    cannot see it: what is drawn, against what, and what strikes the eye."""
    from IPython.display import Image, Markdown, display

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    # Plainly as data: the figure itself would be drawn twice where a notebook shows figures alone.
    display(Image(data=buffer.getvalue(), format="png", alt=caption))
    display(Markdown(f"*{caption}*"))


def new_axes(x: str, y: str, title: str) -> tuple[Figure, Axes]:
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


def first_looks(count: int) -> Sequence[Look]:
    if not 1 <= count <= len(LOOKS):
        raise LabError(f"A figure can show 1 to {len(LOOKS)} series, not {count}.")
    return LOOKS[:count]


def legend_below(axes: Axes, *, height: float = -0.16, ncols: int = 3) -> None:
    """A legend under the axes, where it covers nothing; `height` is its top, in axes heights."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, height), ncols=ncols, frameon=False)


def heights(point: Estimate | float) -> tuple[float, float, float]:
    """Height, and how far the whisker reaches below and above it; none if it could be anything."""
    if isinstance(point, Estimate) and not point.open:
        return point.value, point.value - point.low, point.high - point.value
    return float(point.value if isinstance(point, Estimate) else point), 0.0, 0.0
