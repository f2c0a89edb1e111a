"""The figure of a fair comparison, and its text for those who cannot see it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate
from ftlab.experiments.runs import Run
from ftlab.plots.methods import method_curves, method_dots

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

SIZES = "training texts"
# What a metric of the rows is called on an axis; any other one by its own name.
AXES = {
    "forgotten": "forgetting (bits per character)",
    "recall": "recall of known facts (share correct)",
    "seconds": "training time (seconds)",
    "steps": "training steps",
    "rows": SIZES,
    "trainable": "trainable parameters",
    "share": "share of parameters that is trainable",
    "optimizer_bytes": "optimizer state (bytes)",
    "memory_bytes": "training memory (bytes)",
    "stored_bytes": "checkpoint size (bytes)",
    "setting": "chosen value of the hyperparameter",
}
MANY = 50  # times as much: over such a range an axis is logarithmic
Points = Mapping[str, Any]  # {method: estimate, or {size: estimate}}


class Found(Protocol):
    """What is drawn: a `FairComparison`."""

    @property
    def runs(self) -> Sequence[Run]: ...
    @property
    def methods(self) -> list[str]: ...
    @property
    def tasks(self) -> list[str]: ...
    @property
    def budgets(self) -> list[int]: ...
    @property
    def seeds(self) -> list[int]: ...
    def per_seed(
        self, method: str, metric: str, *, split: str, task: str | None, budget: int | None
    ) -> np.ndarray: ...
    def estimate(self, method: str, metric: str, **where: Any) -> Estimate: ...


def drawn(
    found: Found,
    metric: str,
    split: str,
    *,
    methods: Sequence[str] | None,
    tasks: Sequence[str] | None,
    budget: int | None,
    title: str,
) -> tuple[Figure, str]:
    """The figure that `FairComparison.plot` shows, and its caption. LabError if no method of
    these was measured in that metric, or if there are no such methods or tasks."""
    names = _known(methods, found.methods, "methods")
    panels = _known(tasks, found.tasks, "tasks")
    axis = f"{split} {metric}" if metric == "accuracy" else AXES.get(metric, metric)
    over = len(found.budgets) > 1 and budget is None
    points = {task: _points(found, metric, split, names, task, budget, over) for task in panels}
    points = {task: measured for task, measured in points.items() if measured}
    if not points:
        raise LabError(f"{metric!r} was not measured of any of {', '.join(names)}.")
    where = f" on {panels[0]!r}" if len(panels) == 1 else ""
    title = title or axis[0].upper() + axis[1:] + where + f" by number of {SIZES}" * over
    log = metric not in ("accuracy", "recall", "forgotten") and _wide(points, over)
    if over:
        figure = method_curves(
            points, x=f"{SIZES} (log scale)", y=axis + " (log scale)" * log, title=title,
            order=found.methods, log_y=log,
        )  # fmt: skip
    else:
        figure = method_dots(points, x=axis + " (log scale)" * log, title=title, log_x=log)
    return figure, " ".join(_caption(found, axis, names, points, over))


def _points(
    found: Found,
    metric: str,
    split: str,
    methods: Sequence[str],
    task: str,
    budget: int | None,
    over: bool,
) -> Points:
    """What is drawn of a task; methods of which this was not measured are left out."""
    points: dict[str, Any] = {}
    for name in methods:
        own = {run.budget for run in found.runs if (run.method.name, run.task.name) == (name, task)}
        at = [one for one in found.budgets if one in own] if over else [budget]
        curve: dict[float, Estimate] = {}
        for one in at if own else []:
            where: dict[str, Any] = {"split": split, "task": task, "budget": one}
            if all(map(math.isfinite, found.per_seed(name, metric, **where))):
                size = round(found.per_seed(name, "rows", **where).mean())
                curve[size] = found.estimate(name, metric, **where)
        if curve:
            points[name] = curve if over else next(iter(curve.values()))
    return points


def _estimates(points: Points, over: bool) -> list[Estimate]:
    return [e for one in points.values() for e in (one.values() if over else [one])]


def _wide(panels: Mapping[str, Points], over: bool) -> bool:
    values = [e.value for points in panels.values() for e in _estimates(points, over)]
    return min(values) > 0 and max(values) > MANY * min(values)


def _caption(
    found: Found, axis: str, names: Sequence[str], panels: Mapping[str, Points], over: bool
) -> Iterator[str]:
    """What is drawn, against what, and which method is highest and lowest where."""
    estimates = [e for points in panels.values() for e in _estimates(points, over)]
    seeds = len(found.seeds)
    how = f" over {seeds} seeds" if seeds > 1 else " of one seed"
    exact = all(e.low == e.high for e in estimates)
    spread = "" if all(e.open for e in estimates) or exact else " with 95% intervals"
    against = f"against the number of {SIZES}, one curve for each method" if over else "by method"
    yield f"{axis[0].upper()}{axis[1:]} {against}{spread}{how}."
    for task, points in panels.items():
        sizes = sorted({size for one in points.values() for size in one}) if over else [None]
        told = []
        for size in dict.fromkeys((sizes[0], sizes[-1])):
            at = {n: one if size is None else one.get(size) for n, one in points.items()}
            text = _ends({name: e for name, e in at.items() if e is not None})
            told.append(text if size is None else f"with {size:,} texts {text}")
        yield f"On {task!r} {'; '.join(told)}."
    absent = [name for name in names if not any(name in points for points in panels.values())]
    if absent:
        yield f"Not measured of {', '.join(absent)}."


def _ends(at: Mapping[str, Estimate]) -> str:
    high, low = (pick(at, key=lambda name: at[name].value) for pick in (max, min))
    if high == low:
        return f"{high} reaches {_short(at[high].value)}"
    return f"{high} is highest ({_short(at[high].value)}), {low} lowest ({_short(at[low].value)})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}" if value else "0"


def _known(given: Sequence[str] | None, there: Sequence[str], what: str) -> list[str]:
    odd = [name for name in given or () if name not in there]
    if odd:
        raise LabError(f"No such {what}: {', '.join(odd)}. There are {', '.join(there)}.")
    return list(there) if given is None else list(given)
