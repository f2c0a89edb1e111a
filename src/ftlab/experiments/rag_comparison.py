"""Prompt, retrieve, fine-tune, or combine: the same requests for all, judged by form and fact.

What makes it fair: all ways answer the same items, dealt anew with each seed; prompts are chosen
among candidates, and learning rates among a grid that is widened until the best lies inside, both
on validation items that are asked nowhere else; the fine-tuned models have the same examples that
prompts may show; the reader that is fine-tuned on notes sees the same pairs as the one without.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ftlab.experiments.effort import Effort
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.rag_answers import Answered, Job, answers
from ftlab.experiments.rag_case import Case, case
from ftlab.experiments.rag_dealt import NOTED, Dealt
from ftlab.experiments.rag_decision import contradictions, decided
from ftlab.experiments.rag_decision import told as decisions_told
from ftlab.experiments.rag_needs import Amounts, judged
from ftlab.experiments.rag_prompts import Style, styles_for
from ftlab.experiments.rag_requests import (
    TUNED_PRICES,
    break_even_price,
    price_figure,
    request_times,
)
from ftlab.experiments.rag_result import (
    ASK,
    BOTH,
    GUIDED,
    PROMPT,
    RETRIEVE,
    ROUTER,
    SINGLE,
    TAUGHT,
    TUNE,
    WAYS,
    Compared,
    with_router,
)
from ftlab.experiments.rag_updates import one_fact_changes
from ftlab.experiments.rag_wordings import wordings_read
from ftlab.experiments.searching import choice, wider

__all__ = [
    "ASK",
    "BOTH",
    "GUIDED",
    "PROMPT",
    "RETRIEVE",
    "ROUTER",
    "SINGLE",
    "TAUGHT",
    "TUNE",
    "TUNED_PRICES",
    "Case",
    "break_even_price",
    "case",
    "compared",
    "contradictions",
    "decided",
    "decisions_told",
    "one_fact_changes",
    "price_figure",
    "request_times",
    "wordings_read",
]

TUNED = (TUNE, BOTH)
FACTORS = (0.25, 0.5, 1.0)  # times the rate at which a search for full fine-tuning would start
TASK = "all needs"  # what a learning rate is chosen for


def compared(
    which: Case, *, seeds: Sequence[int], effort: Effort, trainings: Trainings | None = None
) -> Compared:
    """Answer all needs in every way, with every seed.

    A run that searches for nothing takes the learning rates of a longer one, if there is one, and
    chooses prompts for the first seed alone. Answers that were given before are read from the disk.
    """
    amounts = effort.pick(
        smoke=Amounts(2, 2, 4, 6, 4),
        quick=Amounts(12, 8, 40, 60, 30),
        full=Amounts(40, 20, 240, 336, 120),
    )
    steps = effort.pick(smoke=2, quick=64, full=300)
    from ftlab.models import load_causal_lm, starting_rate

    searching = effort.candidates > 1
    retriever = which.retriever()
    dealt = [Dealt.of(which, retriever, seed, amounts) for seed in seeds]
    chosen, tried = _chosen_styles(which, dealt if searching else dealt[:1])
    base = answers([one.base_job(which, chosen) for one in dealt], "prompts")
    rate = starting_rate(load_causal_lm(which.base_model))
    start = {way: _start(way, searching, trainings, rate) for way in TUNED}
    tuned, tries = _searched(which, dealt, start, steps)
    rates = [{**row, "learning_rate": rate * row["learning_rate"]} for row in tries]
    rows: list[dict[str, Any]] = []
    for one, answered in zip(dealt, base, strict=True):
        found = {way: answered for way in WAYS if way not in TUNED}
        found |= {way: tuned[one.seed, way] for way in TUNED}
        rows += [row for way in WAYS for row in one.rows(way, found[way])]
    costs = [
        {"way": way, "seed": seed, "seconds": done.seconds, "tokens": done.training_tokens}
        for (seed, way), done in tuned.items()
    ]
    trimmed = sum(one.trimmed for one in dealt)
    prompts = sum(len(job) for one in dealt for job in one.made.values())
    return Compared(
        with_router(pd.DataFrame(rows)),
        {(way, need): style.name for (way, need), style in chosen.items()},
        pd.DataFrame([*tried, *rates]),
        pd.DataFrame(costs),
        {name: need.what for name, need in dealt[0].needs.items()},
        {name: len(some) for name, some in dealt[0].lessons.items()},
        (trimmed, prompts),
        _chosen_told(trainings, searching),
    )


def _chosen_styles(
    which: Case, dealt: Sequence[Dealt]
) -> tuple[dict[tuple[str, str], Style], list[dict[str, Any]]]:
    """The prompt that is best on validation for each need, with notes and without, and all tries.
    Of equals the one with more forms and facts right, each by itself; then the shorter one."""
    needs = dealt[0].needs
    jobs = []
    for one in dealt:
        prompts = {
            f"{way}|{name}|{style.name}": one.prompts(name, need.validation, style, way in NOTED)
            for way in (PROMPT, GUIDED)
            for name, need in one.needs.items()
            for style in styles_for(need)
        }
        names = sorted(prompts)
        jobs += [Job(which.base_model, {n: prompts[n] for n in names[half::2]}) for half in (0, 1)]
    done = answers(jobs, "candidates for prompts")
    chosen: dict[tuple[str, str], Style] = {}
    tried: list[dict[str, Any]] = []
    for way in (PROMPT, GUIDED):
        for name, need in needs.items():
            scores: dict[Style, float] = {}
            apart: dict[Style, float] = {}
            for style in styles_for(need):
                key = f"{way}|{name}|{style.name}"
                made = [one.generations[key].texts for one in done if key in one.generations]
                right = [
                    [judged(i, t) for i, t in zip(one.needs[name].validation, texts, strict=True)]
                    for one, texts in zip(dealt, made, strict=True)
                ]
                forms, facts = np.array(right, dtype=float).reshape(-1, 2).T
                scores[style] = float((forms * facts).mean())
                apart[style] = float((forms + facts).mean())
                tried.append(
                    {
                        "method": way,
                        "task": name,
                        "prompt": style.name,
                        "form": float(forms.mean()),
                        "fact": float(facts.mean()),
                        "answers": len(forms),
                        "validation": scores[style],
                    }
                )
            best = max(scores, key=lambda style: (scores[style], apart[style]))
            chosen[way, name] = best
            for row in tried[-len(scores) :]:
                row["chosen"] = row["prompt"] == best.name
    return chosen, tried


def _start(
    way: str, searching: bool, trainings: Trainings | None, rate: float
) -> tuple[float, ...]:
    """The factors to begin a search with; the one that a longer run chose, if there is one."""
    known = trainings.choices.value(way, "learning_rate", TASK, 0) if trainings else None
    if known:
        return (known / rate,)
    return FACTORS if searching else FACTORS[1:2]


def _chosen_told(trainings: Trainings | None, searching: bool) -> str:
    """On what prompts and learning rates were chosen."""
    if searching:
        return "Prompts and learning rates were chosen on validation, the rates for every seed."
    said = "Prompts were chosen on the validation items of the first seed; learning rates "
    if trainings and all(trainings.choices.value(way, "learning_rate", TASK, 0) for way in TUNED):
        return said + "are those that a longer run chose on validation."
    return said + (
        "stand where a search would begin. Nobody tuned them, so the fine-tuned ways may be better "
        "than they look here."
    )


def _searched(
    which: Case, dealt: Sequence[Dealt], start: dict[str, tuple[float, ...]], steps: int
) -> tuple[dict[tuple[int, str], Answered], list[dict[str, Any]]]:
    """The fine-tuned models' answers at the rate that validation chose, and all tries."""
    tries: dict[tuple[int, str], dict[float, Answered]] = {
        (one.seed, way): {} for one in dealt for way in TUNED
    }
    of = {one.seed: one for one in dealt}

    def scores(seed: int, way: str) -> dict[float, float]:
        return {f: of[seed].score(way, done) for f, done in tries[seed, way].items()}

    while True:
        todo: list[tuple[int, str, float]] = []
        for (seed, way), done in tries.items():
            beyond = wider(start[way], scores(seed, way), 2.0) if done else None
            wanted = start[way] if not done else [] if beyond is None else [beyond]
            todo += [(seed, way, factor) for factor in wanted]
        if not todo:
            break
        jobs = [of[seed].tuned_job(which, way, factor, steps) for seed, way, factor in todo]
        for (seed, way, factor), made in zip(todo, answers(jobs, "trainings"), strict=True):
            tries[seed, way][factor] = made
    best = {key: choice(scores(*key)) for key in tries}
    rows = [
        {
            "method": way,
            "task": TASK,
            "labels_per_class": 0,
            "seed": seed,
            "learning_rate": factor,
            "validation": score,
            "chosen": factor == best[seed, way],
        }
        for seed, way in tries
        for factor, score in scores(seed, way).items()
    ]
    return {key: tries[key][best[key]] for key in tries}, rows
