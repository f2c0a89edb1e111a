"""LoRA against full fine-tuning: accuracy, learning rates, what is learned and forgotten."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ftlab.data import Task, load_task, load_tasks
from ftlab.data.tasks import LETTERS
from ftlab.evaluation import Estimate
from ftlab.evaluation.forgetting import ForgettingProbe
from ftlab.experiments.baselines import RANDOM, all_baselines, baselines
from ftlab.experiments.effort import Effort
from ftlab.experiments.estimators import FineTuning, FittedModel, fine_tunings
from ftlab.experiments.fair import fair_comparison
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.learning_curve import cost_until, over_seeds
from ftlab.experiments.results import FairComparison
from ftlab.experiments.searching import Choices
from ftlab.models import Classifier, load_classifier, starting_rate
from ftlab.tuning.lora import add_lora
from ftlab.tuning.methods import FULL_FINE_TUNING, TuningMethod, peft_methods, with_lora
from ftlab.world.corrections import DISTANCES

LORA, FULL = "LoRA", FULL_FINE_TUNING.name
PER_LABEL = {LETTERS: 16}  # texts of a label to learn from, where the lab could make any number
TEST_TEXTS, CHOICES = 300, 200  # of each seed: tasks are dealt anew, so the seeds bring others
FEWEST = 3  # seeds: with fewer in a quick run, random weights are left out
FEW = 16  # texts of a label where the learning rate is looked at
WHOLE_TEXT = 128  # tokens: no text of the lab's is cut
WATCHED = 96  # validation texts on which a path is followed
PAGES = 12  # held-out pages that tell what is forgotten
LEARNED = 0.95  # of what both methods reach: there their forgetting is compared
DealtTask = Task | Callable[[int], Task]


def dealt_task(
    task_data: str, *, texts_per_label: int = 0, seed: int = 0, **columns: Any
) -> DealtTask:
    """What a fair comparison takes: a task that is dealt anew with each seed, if the lab makes it
    ("letters", "near", "far", "dialect"); for all other data one task, split by `seed`.

    `texts_per_label` are learned from, 0 all (of letters 16). `columns`: text_column, label_column
    and labels, as for `load_tasks`.
    """
    if task_data in (LETTERS, *DISTANCES):
        load_task(task_data, **columns)  # refuses columns, of which there are none
        return functools.partial(_dealt, task_data, texts_per_label)
    [task] = load_tasks(task_data, texts_per_label=texts_per_label, seed=seed, **columns).values()
    return task


def example(task: DealtTask, seed: int) -> Task:
    """The task as it is dealt for one seed, to look at."""
    return task if isinstance(task, Task) else task(seed)


def first_texts(task: Task, count: int = 3) -> pd.DataFrame:
    """The first texts to learn from, with their labels in words."""
    some = task.train.head(count)
    return pd.DataFrame({"text": some.text, "label": [task.label_names[i] for i in some.label]})


def check_rank(model: Any, rank: int) -> None:
    """LabError if LoRA of this rank cannot stand beside the model, which stays as it is."""
    add_lora(copy.deepcopy(model), rank)


def this_lora(rank: int, learning_rate: float = 0.0) -> TuningMethod:
    """The LoRA that stands trial; 0: its learning rate is searched for."""
    return replace(with_lora(rank), name=LORA, learning_rate=learning_rate or None)


def against_full(
    task: DealtTask,
    base_model: str,
    rank: int,
    learning_rate: float = 0.0,
    *,
    quick_seeds: int = 3,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings,
) -> FairComparison:
    """LoRA and full fine-tuning on one task, beside four baselines: the majority, TF-IDF, frozen
    features, and the same network from random weights. A run that searches for nothing takes at
    most `quick_seeds`; if these are very few, without the random weights."""
    seeds = _some(seeds, effort, quick_seeds)
    budget = replace(effort.training_budget, max_length=WHOLE_TEXT)
    rivals = [this_lora(rank, learning_rate), FULL_FINE_TUNING]

    few = effort.candidates == 1 and quick_seeds < FEWEST

    def methods(dealt: Task) -> list[Any]:
        levels = all_baselines(base_model, dealt, budget, effort.candidates)
        return [
            *(one for one in levels if one.name != RANDOM or not few),
            *fine_tunings(base_model, dealt, rivals, budget, effort.candidates),
        ]

    return fair_comparison(task, methods, seeds=seeds, trainings=trainings)


def family(
    task: DealtTask,
    base_model: str,
    rank: int,
    learning_rate: float = 0.0,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings,
) -> FairComparison:
    """LoRA's relatives: soft prompt, prefix, IA3, and norms and biases alone (BitFit), beside LoRA
    and full fine-tuning; of one seed in a run that searches for nothing."""
    seeds = _some(seeds, effort, 1)
    budget = replace(effort.training_budget, max_length=WHOLE_TEXT)
    rivals = [*peft_methods(), this_lora(rank, learning_rate), FULL_FINE_TUNING]

    def methods(dealt: Task) -> list[Any]:
        return [
            *baselines(dealt, effort.candidates),
            *fine_tunings(base_model, dealt, rivals, budget, effort.candidates),
        ]

    return fair_comparison(task, methods, seeds=seeds, trainings=trainings)


SMALL_PARTS = tuple(method.name for method in peft_methods())


@dataclass(frozen=True)
class Followed(FineTuning):
    """Fine-tuning without an early end, followed on the way: its history also has `forgotten`, in
    bits per character of `pages` held-out pages, wherever validation was evaluated."""

    pages: int = PAGES

    def fit(self, rows: pd.DataFrame, learning_rate: float, seed: int) -> FittedModel:
        """As for `FineTuning`, at one learning rate and to the last step."""
        whole = self.task.validation
        some = whole.sample(min(WATCHED, len(whole)), random_state=seed)

        def lost(model: Classifier, logits: np.ndarray) -> dict[str, float]:
            return {
                "forgotten": _probe(self.base_model, self.pages).after(model)["forgotten"] or 0.0
            }

        return self.followed(rows, learning_rate, seed, validation=some, watch=lost)


def learning_rates(
    task: DealtTask,
    base_model: str,
    rank: int,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings,
) -> FairComparison:
    """LoRA and full fine-tuning at the same learning rates, each followed to its end.

    The grid begins below the rate at which a search for full fine-tuning does; it is finer in a run
    that searches, and of one seed in any other. Every try is kept: see `paths`.
    """
    most = effort.pick(smoke=2, quick=120, full=500)
    budget = replace(effort.training_budget, max_length=WHOLE_TEXT, patience=None, max_steps=most)
    fine, coarse = [2.0**k for k in range(-3, 6)], [4.0**k for k in range(-1, 3)]
    factors = fine if effort.candidates > 1 else coarse if most > 4 else [1.0]

    def methods(dealt: Task) -> list[Any]:
        start = starting_rate(load_classifier(base_model, dealt.label_names))
        found = []
        rates = tuple(float(f"{start * factor:.6g}") for factor in factors)
        for tuning in (this_lora(rank), FULL_FINE_TUNING):
            found.append(Followed(tuning.name, base_model, dealt, budget, rates, tuning=tuning))
        return found

    seeds = _some(seeds, effort, 1)
    own = replace(trainings, choices=Choices())  # nothing is taken over: this is the search
    return fair_comparison(task, methods, seeds=seeds, budgets=[FEW], trainings=own)


def paths(found: FairComparison) -> dict[str, dict[float, tuple[np.ndarray, np.ndarray]]]:
    """What was forgotten and learned at each evaluation, means over the seeds that tried the rate
    to its end: {method: {rate: (bits per character, validation accuracy)}}."""
    drawn: dict[str, dict[float, tuple[np.ndarray, np.ndarray]]] = {}
    for method in found.methods:
        runs = found.chosen(method)
        for rate in sorted(set.intersection(*({*run.scores} for run in runs))):
            followed = [_followed(run.tries[rate].history) for run in runs]
            if all(part is not None for part in followed):
                mean = np.mean([np.stack(part) for part in followed if part], axis=0)
                drawn.setdefault(method, {})[rate] = (mean[0], mean[1])
    return drawn


def chosen_rates(found: FairComparison) -> dict[str, float]:
    """The learning rate that validation chose, the geometric mean over the seeds, by method."""
    return {
        method: float(np.exp(np.log(found.per_seed(method, "setting")).mean()))
        for method in found.methods
    }


def nearest(rates: Iterable[float], rate: float) -> float:
    """The one of `rates` that is nearest to `rate`, as a factor."""
    return min(rates, key=lambda one: abs(math.log(one / rate)))


def forgotten_when_learned(found: FairComparison) -> Estimate:
    """Bits per character that LoRA has forgotten, minus full fine-tuning, when both have learned
    as much: `LEARNED` times what both reach, each at the rate that forgets least on the way."""
    differences = []
    for runs in zip(found.chosen(LORA), found.chosen(FULL), strict=True):
        both = [[t.history for t in run.tries.values() if t.history is not None] for run in runs]
        reached = [[float(h.validation_metric.max()) for h in histories] for histories in both]
        target = LEARNED * min(map(max, reached))
        chance = 1 / len(runs[0].task.label_names)
        lost = [
            min(
                cost_until(history, target, chance, "forgotten")
                for history, most in zip(histories, best, strict=True)
                if most >= target
            )
            for histories, best in zip(both, reached, strict=True)
        ]
        differences.append(lost[0] - lost[1])
    return over_seeds(differences)


def in_brief(found: FairComparison) -> pd.DataFrame:
    """The table of a comparison without its times: trainings that ran side by side, on a computer
    with other work, took what they took."""
    kept = ["test accuracy", "chosen (seeds), of those tried", "trainable parameters"]
    kept += ["training memory", "checkpoint size"]
    table = found.table()
    return table[[name for name in kept if name in table]]


def _followed(history: pd.DataFrame | None) -> tuple[np.ndarray, np.ndarray] | None:
    """What was forgotten and learned at each evaluation; None for a training that diverged."""
    if history is None:
        return None
    at = history[history.validation_metric.notna()]
    return at.forgotten.to_numpy(), at.validation_metric.to_numpy()


def _some(seeds: Sequence[int], effort: Effort, most: int) -> Sequence[int]:
    """All seeds in a run that searches, in any other `most` of them."""
    return seeds if effort.candidates > 1 else seeds[:most]


@functools.lru_cache(maxsize=1)
def _probe(base_model: str, pages: int) -> ForgettingProbe:
    return ForgettingProbe(base_model, pages, questions=0)


def _dealt(name: str, texts_per_label: int, seed: int) -> Task:
    task = load_task(name, seed=seed)
    wanted = texts_per_label or PER_LABEL.get(name, 0)
    task = replace(task, train=task.sample_per_class(wanted, seed))
    return task.at_most(CHOICES, TEST_TEXTS, seed=seed)
