"""Overfitting: training past the turn, remedies at their tuned strength, more texts, wrong labels.

All networks begin with the same pretrained weights, learn at one constant learning rate for the
same number of steps, and are watched: see `watching`. What is read off the paths stands in `paths`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ftlab.data import Task
from ftlab.experiments.baselines import FROZEN, FROZEN_C, RANDOM, FrozenFeatures, baselines
from ftlab.experiments.effort import Effort
from ftlab.experiments.estimators import Estimator
from ftlab.experiments.fair import fair_comparison
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.paths import LossPaths
from ftlab.experiments.results import FairComparison
from ftlab.experiments.searching import Choices
from ftlab.experiments.sources import TaskSource
from ftlab.experiments.watching import NO_REMEDY, Remedy, Watched
from ftlab.models import blocks, load_classifier, starting_rate
from ftlab.training.budget import TrainingBudget
from ftlab.tuning import FULL_FINE_TUNING, TuningMethod, top_blocks, with_lora

OWN = "ftlab.experiments.watching"  # the module whose code decides what such a training gives
DROPOUT, DECAY, L2SP = "dropout", "weight decay", "L2-SP"
AUGMENTED, LORA, FREEZING = "words left out", "LoRA", "blocks frozen"
# Strengths that are tried. A run that searches for nothing takes what the reference run chose, or
# else the first. Of LoRA it is the rank; of freezing, the number of blocks: see `_strengths`.
STRENGTHS = {
    DROPOUT: (0.1, 0.05, 0.2, 0.4),
    DECAY: (0.01, 0.1, 1.0),
    L2SP: (10.0, 1.0, 0.1),
    AUGMENTED: (0.2, 0.1, 0.4),
    LORA: (4.0, 1.0, 16.0),
    FREEZING: (),
}
# Looking costs more than training: little moves after forty steps, and every look is at all texts.
STEPS = {"smoke": 6, "quick": 40, "full": 120}
POINTS = {"smoke": 3, "quick": 10, "full": 30}  # evaluations: patience means as many steps in both
SIZES = {"smoke": (16, 16), "quick": (80, 160), "full": (200, 600)}  # validation, test, at most
MORE = (2, 8)  # times the texts
WRONG = 0.5  # of the texts that are added
MISLABELLED = "half of the added labels wrong"
BATCH = 16
Networks = Callable[[Task], list[Estimator]]


def past_the_turn(
    base_model: str,
    source: TaskSource,
    texts_per_label: int,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings,
) -> LossPaths:
    """All weights fine-tuned on few texts, without any remedy, far past the best moment."""
    few = few_of(source, texts_per_label, seeds[0])

    def networks(task: Task) -> list[Estimator]:
        return [watched(base_model, task, effort)]

    found = _compared(source, networks, [few], seeds, effort, trainings)
    return LossPaths(found, few)


def remedies(
    base_model: str,
    source: TaskSource,
    texts_per_label: int,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings,
) -> LossPaths:
    """Every remedy at every strength beside no remedy, the same network from random weights, and
    baselines that train no network. Without a search each has one strength."""
    few = few_of(source, texts_per_label, seeds[0])
    count = effort.candidates

    def networks(task: Task) -> list[Estimator]:
        _, depth = _known(base_model, len(task.label_names))
        pairs = [
            (kind, strength)
            for kind in STRENGTHS
            for strength in _strengths(kind, depth, task, few, effort, trainings.choices)
        ]
        budget, plain = _budget(effort), watched(base_model, task, effort)
        return [
            *baselines(task, count),
            FrozenFeatures(FROZEN, base_model, task, budget, FROZEN_C[:count]),
            replace(plain, name=RANDOM, kind=RANDOM, random_weights=True),
            plain,
            *(watched(base_model, task, effort, kind, depth, one) for kind, one in pairs),
        ]

    return LossPaths(_compared(source, networks, [few], seeds, effort, trainings), few)


def more_texts(
    base_model: str,
    source: TaskSource,
    texts_per_label: int,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings,
) -> LossPaths:
    """No remedy but more texts: twice and eight times as many; and eight times as many where half
    of the labels that were added are wrong."""
    few = few_of(source, texts_per_label, seeds[0])
    sizes = [few, *(few * times for times in MORE)]
    spoiled = Remedy(added_wrong=WRONG, clean=few)

    def clean(task: Task) -> list[Estimator]:
        return [watched(base_model, task, effort)]

    def wrong(task: Task) -> list[Estimator]:
        return [replace(watched(base_model, task, effort), name=MISLABELLED, kind=MISLABELLED,
                        remedy=spoiled)]  # fmt: skip

    parts = [
        _compared(source, networks, budgets, seeds, effort, trainings)
        for networks, budgets in ((clean, sizes), (wrong, sizes[-1:]))
    ]
    runs = [run for part in parts for run in part.runs]
    return LossPaths(FairComparison.of(runs, trainings), few)


def watched(
    base_model: str,
    task: Task,
    effort: Effort,
    kind: str = NO_REMEDY,
    depth: int = 0,
    strength: float = 0.0,
) -> Watched:
    """A training with a remedy of this strength; `depth` are the blocks of the base model."""
    tuning = _tuning(kind, depth, strength)
    start, _ = _known(base_model, len(task.label_names))
    return Watched(
        name=f"{kind} {strength:g}" if strength else kind,
        base_model=base_model,
        task=task,
        training_budget=_budget(effort),
        candidates=(float(f"{tuning.learning_rate_factor * start:.6g}"),),
        tuning=tuning,
        remedy=_remedy(kind, strength),
        kind=kind,
        strength=strength,
        held_out=task.read_test(),
    )


def few_of(source: TaskSource, texts_per_label: int, seed: int) -> int:
    """So many texts of each label; for 0 an eighth of what the rarest label has."""
    if texts_per_label:
        return texts_per_label
    return max(1, int(source.task(seed).train.label.value_counts().min()) // MORE[-1])


def _compared(
    source: TaskSource,
    networks: Networks,
    budgets: Sequence[int],
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings,
) -> FairComparison:
    sizes = effort.pick(**SIZES)
    return fair_comparison(
        partial(source.task, sizes=sizes) if source.dealt else source.task(seeds[0], sizes),
        networks,
        seeds=seeds,
        budgets=budgets,
        trainings=replace(trainings, modules=(OWN,), choices=Choices()),
    )


@functools.lru_cache
def _known(base_model: str, labels: int) -> tuple[float, int]:
    """The learning rate at which a search begins, and the number of blocks."""
    model = load_classifier(base_model, [str(label) for label in range(labels)])
    return starting_rate(model), len(blocks(model))


def _budget(effort: Effort) -> TrainingBudget:
    steps, points = effort.pick(**STEPS), effort.pick(**POINTS)
    length = effort.training_budget.max_length
    return TrainingBudget(1, steps, steps, length, BATCH, points)


def _strengths(
    kind: str, depth: int, task: Task, few: int, effort: Effort, choices: Choices
) -> tuple[float, ...]:
    """The strengths of a remedy that are tried on a model of so many blocks."""
    frozen = dict.fromkeys((float(max(1, depth // 2)), 1.0, float(depth)))
    every = STRENGTHS[kind] or tuple(frozen)
    if effort.candidates > 1:
        return every
    known = choices.value(kind, "strength", task.name, few)
    return every[:1] if known is None else (known,)


def _remedy(kind: str, strength: float) -> Remedy:
    return {
        DROPOUT: partial(Remedy, dropout=strength),
        DECAY: partial(Remedy, weight_decay=strength),
        L2SP: partial(Remedy, weight_decay=strength, to_start=True),
        AUGMENTED: partial(Remedy, left_out=strength),
    }.get(kind, Remedy)()


def _tuning(kind: str, depth: int, strength: float) -> TuningMethod:
    if kind == LORA:
        return with_lora(int(strength))
    return top_blocks(depth - int(strength)) if kind == FREEZING else FULL_FINE_TUNING
