"""Figures of a ladder: what its rungs give for what they move, and for what they forget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ftlab.evaluation import Estimate
from ftlab.plots.tradeoffs import pareto

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRACE = 0.01  # bits: what forgets less stands there, as a logarithmic axis has no zero
Rows = Iterable[dict[str, Any]]  # as `Climb.row` makes them, or a record keeps them


def gain_by_size(rows: Rows, task: str, run: str = "") -> Figure:
    """Test accuracy of all networks on `task` over the number of their trainable parameters;
    baselines without a network are levels. `run` names a run other than the present one."""
    mine = [row for row in rows if row["task"] == task]
    return pareto(
        {
            row["method"]: (row["trainable"], _accuracy(row))
            for row in mine
            if row["trainable"] is not None
        },
        x="trainable parameters (log scale)",
        y="test accuracy",
        title=_title(run, task, "accuracy by trainable parameters"),
        levels={row["method"]: row["value"] for row in mine if row["trainable"] is None},
    )


def gain_by_forgetting(rows: Rows, task: str, run: str = "") -> Figure:
    """Test accuracy on `task` over the bits per character forgotten, where that was measured."""
    return pareto(
        {
            row["method"]: (max(row["forgotten"], TRACE), _accuracy(row))
            for row in rows
            if row["task"] == task and row["forgotten"] is not None
        },
        x=f"bits per character forgotten (log scale; {TRACE} and less at the left end)",
        y="test accuracy",
        title=_title(run, task, "accuracy by forgetting"),
    )


def _accuracy(row: dict[str, Any]) -> Estimate:
    return Estimate(row["value"], row["ci_low"], row["ci_high"], row["seeds"])


def _title(run: str, task: str, shown: str) -> str:
    return f"{run}, '{task}': {shown}" if run else f"'{task}': {shown}"
