"""One hyperparameter at a time: full fine-tuning at many learning rates, with all else as usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ftlab.data import Task
from ftlab.evaluation import Estimate, correct
from ftlab.experiments.at_setting import DECAY, RATE, USUAL, AtSetting, budget_at
from ftlab.experiments.effort import Effort
from ftlab.experiments.fair import fair_comparison
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.results import FairComparison
from ftlab.experiments.runs import Run
from ftlab.experiments.searching import Choices
from ftlab.experiments.sources import TaskSource
from ftlab.models import load_classifier, starting_rate

METHOD = "full fine-tuning"
FINE = tuple(2.0**power for power in range(-4, 5))  # times the model's usual rate
COARSE = tuple(4.0**power for power in range(-2, 3))


def learning_rates(
    source: TaskSource,
    base_model: str,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings,
) -> FairComparison:
    """Full fine-tuning at many learning rates around the model's usual one, each to its last step.

    The grid is finer in a run that searches, and of one seed in any other. All else is `USUAL`.
    """
    factors = effort.pick(smoke=(1.0,), quick=COARSE, full=FINE)

    def methods(dealt: Task) -> list[AtSetting]:
        start = starting_rate(load_classifier(base_model, dealt.label_names))
        rates = tuple(float(f"{start * factor:.3g}") for factor in factors)
        budget = budget_at({RATE: start, **USUAL}, effort)
        decay = USUAL[DECAY]
        return [AtSetting(METHOD, base_model, dealt, budget, rates, weight_decay=decay)]

    seeds = seeds if effort.candidates > 1 else seeds[:1]
    modules = (*trainings.modules, AtSetting.__module__)
    own = replace(trainings, choices=Choices(), modules=modules)  # this is the search
    task = source.for_comparison(effort, seeds[0])
    return fair_comparison(task, methods, seeds=seeds, trainings=own)


def accuracy_by_rate(found: FairComparison) -> dict[str, dict[float, Estimate]]:
    """Accuracy on validation and on the training texts at each rate that all seeds tried:
    {which texts: {rate: estimate}}."""
    runs = found.chosen(METHOD)
    shared = sorted(set.intersection(*({*run.scores} for run in runs)))
    of = {
        "validation texts": lambda run, rate: max(run.scores[rate], 0.0),
        "training texts": lambda run, rate: run.tries[rate].measured.get("train") or 0.0,
    }
    return {
        name: {
            rate: over_seeds([float(number(run, rate)) for run in runs], bounds=(0.0, 1.0))
            for rate in shared
        }
        for name, number in of.items()
    }


def chosen_rate(found: FairComparison) -> float:
    """The learning rate that validation chose: the geometric mean over the seeds, three digits."""
    return float(f"{np.exp(np.log(found.per_seed(METHOD, 'setting')).mean()):.3g}")


def lost_at(found: FairComparison, rate: float) -> float:
    """Test accuracy at the rate that each seed's validation chose, less that at `rate`: the mean
    over the seeds."""
    runs = found.chosen(METHOD)
    return float(np.mean([_tested(run, run.value) - _tested(run, rate) for run in runs]))


def losses(found: FairComparison) -> dict[float, pd.Series]:
    """The training loss at every step, of the first seed: at the lowest rate, the chosen one and
    the highest that came to its end."""
    run = found.chosen(METHOD)[0]
    there = {rate: run.tries[rate].history for rate in sorted(run.scores)}
    known = {rate: history for rate, history in there.items() if history is not None}
    wanted = sorted({min(known), run.value, max(known)})
    return {rate: known[rate].set_index("step").loss for rate in wanted}


def told(found: FairComparison) -> str:
    """What the trainings at all rates show, in words."""
    runs = found.chosen(METHOD)
    broken = sum(bool(one.diverged) for run in runs for one in run.tries.values())
    count = sum(len(run.tries) for run in runs)
    best = float(np.mean([run.scores[run.value] for run in runs]))
    text = f"Validation chose {chosen_rate(found):g}, with an accuracy of {best:.2f} there. "
    tried = set.intersection(*({*run.scores} for run in runs))
    for name, rate in (("lowest", min(tried)), ("highest", max(tried))):
        lost = lost_at(found, rate)
        change = f"{abs(lost):.2f} {'lower' if lost > 0 else 'higher'}"
        text += f"At the {name} rate tried, {rate:g}, accuracy on the test is "
        text += (change if round(abs(lost), 2) else "the same") + ". "
    stopped = "none" if not broken else f"{broken}"
    return text + f"Of {count} trainings {stopped} reported an error."


def _tested(run: Run, rate: float) -> float:
    return float(correct(run.tries[rate].test, run.labels).mean())
