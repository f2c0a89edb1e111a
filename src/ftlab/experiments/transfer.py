"""What pretraining gives: label-budget curves on texts like and unlike the base model's reading.

How many labels does pretraining save, on the letters of the town's shops, whose sentences the lab's
model has read, and on a task of the reader's?
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ftlab.data import Task, load_task
from ftlab.evaluation import Estimate, exact, unpaired_difference
from ftlab.experiments.baselines import FROZEN, MAJORITY, RANDOM, TFIDF, all_baselines
from ftlab.experiments.effort import Effort
from ftlab.experiments.estimators import Estimator, fine_tunings
from ftlab.experiments.fair import fair_comparison
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.learning_curve import cost_until, seed_ratio
from ftlab.experiments.results import FULL, FairComparison
from ftlab.notebook.display import short
from ftlab.plots import panels
from ftlab.training.budget import TrainingBudget
from ftlab.tuning.methods import FULL_FINE_TUNING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIKE = "letters"  # the task whose sentences the lab's base model has read
FINE_TUNED = "fine-tuned"
SHOWN = (FINE_TUNED, FROZEN, RANDOM, TFIDF, MAJORITY)
BUDGETS = (4, 12, 36)  # labels a class
WHOLE = 256  # tokens: no text of the lab's is longer
CHOICES, TESTS = 80, 240  # texts for choices and for the test, at most


def compared(
    task_data: str,
    *,
    text_column: str = "",
    label_column: str = "",
    labels: int = 0,
    seed: int = 0,
) -> dict[str, Task]:
    """The letters and the reader's task by their names, the letters first; see `load_task`."""
    columns = {"text_column": text_column, "label_column": label_column}
    own = load_task(task_data, **columns, labels=labels, seed=seed)
    if task_data == LIKE:
        return {LIKE: letters(seed)}
    if own.name == LIKE:
        own = replace(own, name=f"own {LIKE}")
    return {LIKE: letters(seed), own.name: trimmed(own)}


def letters(seed: int, most: int = 0) -> Task:
    """The letters as they are dealt for a seed; `most` texts for choices and for the test."""
    return trimmed(load_task(LIKE, seed=seed), most)


def fewest(curves: FairComparison) -> int:
    """The label budget of the claims: with more of them easy tasks are learned without any
    pretraining, and there is nothing left that it could add."""
    return curves.budgets[0]


def label_budgets(
    tasks: Mapping[str, Task],
    base_model: str,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings | None = None,
) -> FairComparison:
    """Fine-tuning against the same network from random weights, frozen features, TF-IDF and the
    majority, for a few numbers of labels a class; in a full run also for all there are.

    Letters are dealt anew with each seed; of other tasks there is one test.
    """
    few = least(effort)
    sources = [
        partial(letters, most=few) if name == LIKE else trimmed(task, few)
        for name, task in tasks.items()
    ]
    wanted = effort.pick(smoke=BUDGETS[:1], quick=BUDGETS[:2], full=(*BUDGETS, FULL))
    budgets = [n for n in wanted if n == FULL or all(n < _per_class(t) for t in tasks.values())]
    return fair_comparison(
        sources,
        partial(methods, base_model, effort),
        seeds=seeds,
        budgets=budgets or [FULL],
        trainings=trainings,
    )


def labels_shown(curves: FairComparison, task: str, budget: int) -> int:
    """Labels a class at a budget, also where that is all there are."""
    run = curves.chosen(MAJORITY, task=task, budget=budget)[0]
    return budget or round(_per_class(run.task))


def curves_figure(curves: FairComparison, budget: int) -> tuple[Figure, str]:
    """Test accuracies over labels a class, a panel a task, and what stands there at a budget."""
    drawn = {
        task: {
            method: {
                float(labels_shown(curves, task, n)): curves.estimate(method, task=task, budget=n)
                for n in curves.budgets
            }
            for method in SHOWN
        }
        for task in curves.tasks
    }
    figure = panels(drawn, x="labels per class (log scale)", y="test accuracy", floor=MAJORITY)
    told = []
    for task in curves.tasks:
        found = {m: curves.estimate(m, task=task, budget=budget).value for m in SHOWN}
        told.append(f"{task}: " + ", ".join(f"{m} {value:.2f}" for m, value in found.items()))
    labels = labels_shown(curves, curves.tasks[0], budget)
    return figure, f"Test accuracy over labels per class. With {labels}, {'; '.join(told)}."


def gains(curves: FairComparison, task: str) -> str:
    """What fine-tuning reaches at each budget and by how much more than the others."""
    sentences = []
    for budget in curves.budgets:
        where: dict[str, Any] = {"task": task, "budget": budget}
        leads = ", ".join(
            f"{other} {short(curves.difference(FINE_TUNED, other, **where))}"
            for other in (RANDOM, FROZEN, TFIDF)
        )
        sentences.append(
            f"With {labels_shown(curves, task, budget)} labels per class fine-tuning reaches "
            f"{short(curves.estimate(FINE_TUNED, **where))}. Its lead over {leads}."
        )
    return " ".join(sentences)


def counted(before_and_after: Sequence[int]) -> Estimate:
    """How many weights there are after for one before: no chance enters."""
    before, after = before_and_after
    return exact(after / before)


def more_where_alike(curves: FairComparison, like: str, unlike: str) -> Estimate:
    """How much more pretraining adds to accuracy on one task than on the other, as the mean over
    all label budgets: at a single one a floor or a ceiling can decide."""
    added = []
    for task in (like, unlike):
        leads = [
            np.stack(curves.correct(FINE_TUNED, task=task, budget=n))
            - np.stack(curves.correct(RANDOM, task=task, budget=n))
            for n in curves.budgets
        ]
        added.append(np.mean(leads, axis=0))
    return unpaired_difference(*added)


def told(more: Estimate, like: str, unlike: str) -> str:
    """That difference in a sentence."""
    amount = "neither clearly more nor clearly less"
    if more.low > 0 or more.high < 0:
        amount = "more" if more.low > 0 else "less"
    return (
        f"On '{like}', which is more like the reading, pretraining adds {amount} than on "
        f"'{unlike}': {short(more)} is the difference of its leads over random weights, a mean "
        "over all numbers of labels."
    )


@dataclass(frozen=True)
class TimeToLevel:
    """Training steps until a level of validation accuracy: `ratio` (pretrained / random weights),
    `steps` (one row a seed), and in how many seeds the random weights never `reached` it: then
    their steps are those of their whole training, so the ratio is at most what is told."""

    ratio: Estimate
    steps: pd.DataFrame
    reached: int

    def told(self) -> str:
        """All of that in a sentence or two."""
        mean, seeds = self.steps[[FINE_TUNED, RANDOM]].mean(), len(self.steps)
        text = f"From pretrained weights {mean[FINE_TUNED]:.0f} steps, from random ones "
        if self.reached == seeds:
            return text + f"{mean[RANDOM]:.0f}."
        return text + (
            f"more than {mean[RANDOM]:.0f}: they got there with {self.reached} of {seeds} seeds, "
            "and the others are counted with the steps of their whole training."
        )


def time_to_level(
    curves: FairComparison, task: str, share: float = 0.9, budget: int | None = None
) -> TimeToLevel:
    """Steps until `share` of the best validation accuracy of the pretrained network."""
    rows = []
    pairs = [curves.chosen(name, task=task, budget=budget) for name in (FINE_TUNED, RANDOM)]
    for tuned, scratch in zip(*pairs, strict=True):
        first, second = (run.training.history for run in (tuned, scratch))
        if first is None or second is None:  # nothing was followed
            rows.append(
                (tuned.seed, math.nan, tuned.number("steps"), scratch.number("steps"), False)
            )
            continue
        level, start = share * first.validation_metric.max(), 1 / len(tuned.task.label_names)
        steps = [cost_until(history, level, start, "step") for history in (first, second)]
        rows.append((tuned.seed, level, *steps, bool(second.validation_metric.max() >= level)))
    frame = pd.DataFrame(rows, columns=["seed", "level", FINE_TUNED, RANDOM, "reached"])
    ratio = seed_ratio(list(frame[FINE_TUNED]), list(frame[RANDOM]))
    return TimeToLevel(ratio, frame, int(frame.reached.sum()))


def methods(base_model: str, effort: Effort, task: Task) -> list[Estimator]:
    """All that are compared, the baselines first."""
    budget = _whole(effort)
    [tuned] = fine_tunings(base_model, task, [FULL_FINE_TUNING], budget, effort.candidates)
    return [
        *all_baselines(base_model, task, budget, effort.candidates),
        replace(tuned, name=FINE_TUNED),
    ]


def _whole(effort: Effort) -> TrainingBudget:
    """Networks see texts whole, as TF-IDF does, unless nothing is to be shown but that everything
    runs. A short run looks at validation less often."""
    usual = effort.training_budget
    whole = replace(usual, max_length=WHOLE)
    return effort.pick(smoke=usual, quick=replace(whole, eval_points=6), full=whole)


def trimmed(task: Task, most: int = 0) -> Task:
    """With fewer texts for choices and for the test: every training reads them all."""

    def some(part: pd.DataFrame, size: int) -> pd.DataFrame:
        size = min(most or size, len(part))
        return part.sample(size, random_state=0).reset_index(drop=True)

    return replace(task, validation=some(task.validation, CHOICES), _test=some(task._test, TESTS))


def least(effort: Effort) -> int:
    """Very few texts where nothing is to be shown but that everything runs; else 0, the usual."""
    return effort.pick(smoke=24, quick=0, full=0)


def _per_class(task: Task) -> float:
    return len(task.train) / len(task.label_names)
