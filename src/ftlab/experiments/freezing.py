"""Freezing compared: how many blocks are trained, how gently, which of them, and new words.

Every function is one fair comparison; those that ask the same of a network share its training.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

from ftlab.data import Task
from ftlab.evaluation import Estimate
from ftlab.evaluation.forgetting import ForgettingProbe, forgetting_probe
from ftlab.experiments.baselines import RANDOM, all_baselines
from ftlab.experiments.effort import Effort
from ftlab.experiments.estimators import Estimator, fine_tunings
from ftlab.experiments.fair import fair_comparison
from ftlab.experiments.freezing_methods import (
    HeadFirst,
    OwnTokens,
    as_estimator,
    patient,
    with_rates,
)
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.results import FairComparison
from ftlab.experiments.sources import TaskSource
from ftlab.experiments.trading import LearnedForgotten
from ftlab.models import blocks, load_classifier, starting_rate
from ftlab.tuning import (
    FULL_FINE_TUNING,
    HEAD_ONLY,
    bottom_blocks,
    schedule_methods,
    top_blocks,
)

OWN = "ftlab.experiments.freezing_methods"  # a further module that decides what a training gives
MORE_TASKS = ("near", "dialect")  # on which a search is worth its time as well
HEAD_FIRST, OWN_TOKENS = "head, then all", "own tokens"
HEAD_TIMES = 8  # as many steps for a head alone: it learns slowly, and they cost next to nothing
RATES, FEW_RATES = (0.5, 1.0, 0.25, 2.0, 0.125), (0.25, 1.0, 4.0)  # times the usual one
FEW_TEXTS = 40  # without a search: texts a label of the dialect
# Pages and questions of the forgetting probe: with a search, and without one.
MUCH, LITTLE, NEXT_TO_NOTHING = (48, 64), (8, 16), (4, 8)


def depth(
    base_model: str,
    source: TaskSource,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings | None = None,
) -> FairComparison:
    """The head alone, the top 1, 2, ... blocks, and everything: accuracy, memory, forgetting.

    With a search, the head, both halves and everything are compared on two more of the town's
    tasks as well, if the first is one of them. The networks of "full" are kept.
    """
    count = blocks_of(base_model)
    tasks = [source]
    if source.dealt and effort.candidates > 1:
        tasks += [source.of(name) for name in MORE_TASKS if name != source.task_data]

    def methods(task: Task) -> list[Estimator]:
        names = depths(count, effort) if task.name == source_name else [0, count // 2]
        budget, candidates = effort.training_budget, effort.candidates
        lower = [bottom_blocks(count // 2)] if candidates > 1 else []
        chosen = [*map(top_blocks, names), *lower, FULL_FINE_TUNING]
        tuned = fine_tunings(base_model, task, chosen, budget, candidates)
        tuned = [patient(one, HEAD_TIMES) if one.tuning is HEAD_ONLY else one for one in tuned]
        return [*_baselines(base_model, task, effort), *tuned]

    source_name = source.task(seeds[0]).name
    return fair_comparison(
        [one.for_comparison(effort, seeds[0]) for one in tasks],
        methods,
        seeds=seeds,
        forgetting=probe(base_model, effort),
        keep={FULL_FINE_TUNING.name},
        trainings=_own(trainings),
    )


def learned_and_forgotten(
    base_model: str,
    source: TaskSource,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings | None = None,
) -> LearnedForgotten:
    """Methods that all train much of the network, each at several learning rates: what it has
    learned and what it has forgotten at every one of them. Without a search: one seed, and no
    rates by depth."""
    gradual, by_depth, _ = schedule_methods()
    half = top_blocks(blocks_of(base_model) // 2)
    searching = effort.candidates > 1
    rates: Sequence[float] = RATES if searching else FEW_RATES
    if effort.training_budget.patience is None:
        rates = rates[:1]  # one is no search, and is not widened

    def methods(task: Task) -> list[Estimator]:
        chosen = [FULL_FINE_TUNING, half, gradual, *([by_depth] if searching else [])]
        tuned = fine_tunings(base_model, task, chosen, effort.training_budget, 1)
        full = tuned[0]
        start = starting_rate(load_classifier(base_model, task.label_names))
        tuned.insert(1, as_estimator(HeadFirst, full, HEAD_FIRST))
        return [with_rates(one, start, rates) for one in tuned]

    found = fair_comparison(
        source.for_comparison(effort, seeds[0]),
        methods,
        seeds=seeds if searching else seeds[:1],
        forgetting=probe(base_model, effort),
        trainings=_own(trainings, searching=True),
    )
    return LearnedForgotten(found)


def new_words(
    base_model: str,
    source: TaskSource,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings | None = None,
) -> FairComparison:
    """The town's dialect, whose words the tokenizer cuts to pieces: the embeddings frozen, all
    trained, and all trained with a token of its own for every frequent word. Without a search:
    fewer texts."""
    frozen = replace(top_blocks(blocks_of(base_model)), name="embeddings frozen")
    searching = effort.candidates > 1
    dialect = replace(source.of("dialect"), texts_per_label=0 if searching else FEW_TEXTS)

    def methods(task: Task) -> list[Estimator]:
        budget, candidates = effort.training_budget, effort.candidates
        tuned = fine_tunings(base_model, task, [frozen, FULL_FINE_TUNING], budget, candidates)
        own = as_estimator(OwnTokens, tuned[1], OWN_TOKENS)
        return [*_baselines(base_model, task, effort), *tuned, own]

    return fair_comparison(
        dialect.for_comparison(effort, seeds[0]),
        methods,
        seeds=seeds,
        trainings=_own(trainings),
    )


def upper_minus_lower_half(found: FairComparison) -> Estimate | None:
    """Test accuracy: the upper half of the blocks trained less the lower half trained. None where
    the lower half was not (`depth` without a search)."""
    lower = [name for name in found.methods if name.startswith("bottom ")]
    half = lower[0].replace("bottom", "top") if lower else ""
    return found.difference(half, lower[0]) if lower else None


def _baselines(base_model: str, task: Task, effort: Effort) -> list[Estimator]:
    """All of them; without a search not the random weights, whose training takes longest."""
    found = all_baselines(base_model, task, effort.training_budget, effort.candidates)
    return [one for one in found if one.name != RANDOM or effort.candidates > 1]


def depths(count: int, effort: Effort) -> list[int]:
    """How many top blocks are trained: each number, or of more than six blocks the quarters; none,
    half and all without a search."""
    every = range(count + 1)
    if effort.candidates == 1:
        return sorted({0, count // 2, count})
    return [*every] if count <= 6 else sorted({0, 1, *(round(count * i / 4) for i in range(1, 5))})


@functools.lru_cache
def blocks_of(base_model: str) -> int:
    """How many blocks the base model has."""
    return len(blocks(load_classifier(base_model, ["a", "b"])))


def probe(base_model: str, effort: Effort) -> ForgettingProbe | None:
    """What every network is asked about what the base model knew; None for an encoder."""
    quickly = NEXT_TO_NOTHING if effort.training_budget.patience is None else LITTLE
    return _probe(base_model, *(MUCH if effort.candidates > 1 else quickly))


@functools.lru_cache
def _probe(base_model: str, pages: int, questions: int) -> ForgettingProbe | None:
    return forgetting_probe(base_model, pages, questions)


def _own(trainings: Trainings | None, *, searching: bool = False) -> Trainings:
    """With the code of this lesson's methods; for what draws every try, `searching`, without the
    choices of an earlier run, which would take the place of a search."""
    trainings = trainings or Trainings()
    modules = (*trainings.modules, OWN)
    return (
        Trainings(trainings.folder, modules) if searching else replace(trainings, modules=modules)
    )
