"""The figure of how many blocks are trained: accuracy, memory and forgetting, one below another."""

from __future__ import annotations

import math

from ftlab.evaluation import exact
from ftlab.experiments.baselines import FROZEN, TFIDF
from ftlab.experiments.results import FairComparison


def depth_plot(found: FairComparison) -> None:
    """Show what training the top 0, 1, 2, ... blocks of the first task's networks gives and costs.
    What was not measured (the forgetting of an encoder) has no panel."""
    from ftlab.plots import show
    from ftlab.plots.freezing import in_order, over_depth

    task = found.tasks[0]
    there = [run.method.name for run in found.runs if run.task.name == task]
    names = [n for n in dict.fromkeys(there) if n in ("head", "full") or n.startswith("top ")]
    panels = {"test accuracy": {n: found.estimate(n, task=task) for n in names}}
    panels["training memory (MB)"] = {
        n: exact(found.per_seed(n, "memory_bytes", task=task).mean() / 1e6) for n in names
    }
    if all(math.isfinite(found.per_seed(n, "forgotten", task=task).sum()) for n in names):
        panels["forgetting (bits per character)"] = {
            n: found.estimate(n, "forgotten", task=task) for n in names
        }
    levels = {n: found.estimate(n, task=task).value for n in (TFIDF, FROZEN)}
    shown = in_order(names)
    figure = over_depth(
        {what: {shown[n]: e for n, e in points.items()} for what, points in panels.items()},
        x="number of top blocks that are trained, beside the head",
        title=f"'{task}': how much of the network is trained",
        levels={"TF-IDF": levels[TFIDF], "frozen features": levels[FROZEN]},
    )
    told = ", ".join(f"{name} {e.value:.2f}" for name, e in panels["test accuracy"].items())
    size = panels["training memory (MB)"]
    text = f"Test accuracy: {told}; TF-IDF {levels[TFIDF]:.2f}. Memory of a step grows from "
    text += f"{size[names[0]].value:.0f} to {size[names[-1]].value:.0f} MB."
    for points in list(panels.values())[2:]:
        text += " Bits per character forgotten: "
        text += ", ".join(f"{name} {e.value:.2f}" for name, e in points.items()) + "."
    show(figure, text)
