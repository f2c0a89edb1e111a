"""One fact changes: how long until the answer is right, and what happens to all other answers.

The index gets one notice. The weights get a *patch*: a few steps on the changed fact alone, asked
in several wordings; or the same with old facts rehearsed beside it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ftlab.evaluation import Estimate
from ftlab.experiments.effort import Effort
from ftlab.experiments.learning_curve import over_seeds, seed_ratio
from ftlab.experiments.rag_answers import Job, answers
from ftlab.experiments.rag_case import K, case
from ftlab.notebook.display import short
from ftlab.rag import Passage, Retriever
from ftlab.rag.room import notes_prompt
from ftlab.tuning.sft import SFTConfig
from ftlab.world import about, answer, build_world, question_prompt, statements, unseen_question
from ftlab.world.facts import Fact, draw_value
from ftlab.world.phrasing import seen_questions

INDEX = "notice in the index"
PATCH, REHEARSED = "patch, {} steps", "patch, {} steps, old facts rehearsed"
STEPS = (5, 10, 20)
FACTOR = 0.5  # times the rate at which a search for full fine-tuning would start
BATCH = 4
KEPT = 0.95  # of the other facts: a patch that keeps fewer is no rival


@dataclass(frozen=True)
class Updates:
    """What became of every change: `rows` has way, seed, seconds until the change was in service,
    right (the share of changed facts that are then answered right) and kept (the share of other
    facts, answered right before, that still are). `changes` and `others`: how many there were for
    each seed. `shown` is one change in words: the question, the old answer and the new one."""

    rows: pd.DataFrame
    changes: int
    others: int
    shown: tuple[str, str, str]

    @property
    def ways(self) -> list[str]:
        return list(dict.fromkeys(self.rows.way))

    def per_seed(self, way: str, measure: str) -> list[float]:
        own = self.rows[self.rows.way == way].sort_values("seed")
        return list(own[measure])

    def share(self, way: str, measure: str) -> Estimate:
        """The share right, or kept, over seeds."""
        return over_seeds(self.per_seed(way, measure), bounds=(0.0, 1.0))

    def rival(self) -> str:
        """The cheapest patch that puts the facts right as often as the index does and keeps
        `KEPT` of the others; of patches that all fail, the one that fails least."""
        patches = [way for way in self.ways if way != INDEX]
        mean = self.rows.groupby("way")[["right", "kept", "seconds"]].mean()
        least = min(mean.right[INDEX], 1.0)
        good = [w for w in patches if mean.right[w] >= least and mean.kept[w] >= KEPT]
        if good:
            return min(good, key=lambda way: mean.seconds[way])
        return max(patches, key=lambda way: min(mean.right[way] / max(least, 0.01), mean.kept[way]))

    def time_ratio(self) -> Estimate:
        """Seconds of the index over seconds of the rival patch."""
        return seed_ratio(self.per_seed(INDEX, "seconds"), self.per_seed(self.rival(), "seconds"))

    def table(self) -> pd.DataFrame:
        """A way a row, with its intervals."""
        mean = self.rows.groupby("way").seconds.mean()
        return pd.DataFrame(
            {
                way: {
                    "seconds": f"{mean[way]:.2f}",
                    "changed fact right": short(self.share(way, "right")),
                    "other facts still right": short(self.share(way, "kept")),
                }
                for way in self.ways
            }
        ).T.rename_axis("way to change a fact")

    def told(self) -> str:
        """Which patch is the rival, and what the shortest and the longest one cost."""
        plain = [way for way in self.ways if way != INDEX and "rehearsed" not in way]
        kept = {way: self.share(way, "kept").value for way in self.ways}
        rival = self.rival()
        worst = min(plain, key=lambda way: kept[way])
        fits = kept[rival] >= KEPT and self._right(rival) >= self._right(INDEX)
        named = (
            f"The quickest patch that is right as often and keeps {KEPT:.0%} of the others"
            if fits
            else "No patch both puts the fact right and keeps the others; the one that fails least"
        )
        checked = (
            " How many steps are too many shows only when the other facts are asked for again, "
            "after every change."
            if kept[worst] < KEPT
            else ""
        )
        return (
            f"The notice is in service after **{np.mean(self.per_seed(INDEX, 'seconds')):.2f} s** "
            f"and leaves {kept[INDEX]:.0%} of the other answers right. Of the patches, *{worst}* "
            f"keeps {kept[worst]:.0%}. {named} is *{rival}*: "
            f"{np.mean(self.per_seed(rival, 'seconds')):.2f} s, changed facts right "
            f"{self._right(rival):.0%}, others kept {kept[rival]:.0%}.{checked}"
        )

    def _right(self, way: str) -> float:
        return self.share(way, "right").value

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for row in self.rows.to_dict("records"):
            for name in ("seconds", "right", "kept"):
                named = {"method": row["way"], "seed": row["seed"]}
                yield {"name": f"update_{name}", "value": row[name], **named}


def one_fact_changes(base_model: str, *, seeds: Sequence[int], effort: Effort) -> Updates:
    """Change known facts of the town, one at a time, in the index and in the weights.

    A run that searches for nothing takes the first seed alone.
    """
    seeds = seeds if effort.candidates > 1 else seeds[:1]
    changes = effort.pick(smoke=1, quick=3, full=6)
    others = effort.pick(smoke=3, quick=32, full=60)
    steps = effort.pick(smoke=(2,), quick=STEPS, full=STEPS)
    retriever = case(base_model).retriever()
    rows: list[dict[str, Any]] = []
    shown = ("", "", "")
    for seed in seeds:
        changed, kept, rehearsed = _dealt(seed, changes, others)
        question = unseen_question(changed[0][0])
        shown = (question, answer(changed[0][0]), answer(changed[0][1]))
        rows += _patched(base_model, seed, changed, kept, rehearsed, steps)
        rows.append(_noticed(base_model, seed, retriever, changed, kept))
    table = pd.DataFrame(rows)
    first = table.way == INDEX
    return Updates(pd.concat([table[first], table[~first]]), changes, others, shown)


def _dealt(
    seed: int, changes: int, others: int
) -> tuple[list[tuple[Fact, Fact]], list[Fact], list[Fact]]:
    """Known facts with their new values, others to ask, and others again to rehearse."""
    rng, world = random.Random(f"updates/{seed}"), build_world()
    moved = {(fact.entity, fact.attribute) for fact in world.changed}
    steady = [f for f in world.known_facts() if (f.entity, f.attribute) not in moved]
    dealt = rng.sample(steady, changes + 2 * others)
    changed = []
    for old in dealt[:changes]:
        value = old.value
        while value == old.value:
            value = draw_value(old.attribute, rng, "town")
        changed.append((old, replace(old, value=value)))
    return changed, dealt[changes : changes + others], dealt[changes + others :]


def _patched(
    base_model: str,
    seed: int,
    changed: Sequence[tuple[Fact, Fact]],
    kept: Sequence[Fact],
    rehearsed: Sequence[Fact],
    steps: Sequence[int],
) -> Iterator[dict[str, Any]]:
    """Every patch of one seed, means over its changes; the longest also with old facts beside."""
    others = [question_prompt(unseen_question(fact)) for fact in kept]
    beside = [(question_prompt(seen_questions(f)[0]), answer(f)) for f in rehearsed]
    plans = [(PATCH.format(n), n, False) for n in steps]
    plans.append((REHEARSED.format(steps[-1]), steps[-1], True))
    jobs: dict[tuple[str, int], Job] = {}
    for way, count, mixed in plans:
        for number, (_, new) in enumerate(changed):
            pairs = [(question_prompt(q), answer(new)) for q in seen_questions(new)]
            if mixed:  # half of what is read are old facts
                pairs = [*pairs * max(1, len(beside) // len(pairs)), *beside]
            config = SFTConfig(count, FACTOR, batch_size=BATCH * (1 + mixed))
            asked = {"changed": [question_prompt(unseen_question(new))], "others": others}
            jobs[way, number] = Job(base_model, asked, pairs, config, seed)
    before = Job(base_model, {"others": others})
    *done, base = answers([*jobs.values(), before], "patches")
    known = _right(base.generations["others"].texts, kept)
    made = dict(zip(jobs, done, strict=True))
    for way, _, _ in plans:
        some = [made[way, number] for number in range(len(changed))]
        yield {
            "way": way,
            "seed": seed,
            "seconds": float(np.mean([one.seconds for one in some])),
            "right": float(
                np.mean(
                    [
                        one.generations["changed"].texts[0] == answer(new)
                        for one, (_, new) in zip(some, changed, strict=True)
                    ]
                )
            ),
            "kept": float(
                np.mean([_kept(one.generations["others"].texts, kept, known) for one in some])
            ),
        }


def _noticed(
    base_model: str,
    seed: int,
    retriever: Retriever,
    changed: Sequence[tuple[Fact, Fact]],
    kept: Sequence[Fact],
) -> dict[str, Any]:
    """One notice after the other in the index; all are taken out again."""
    others = [unseen_question(fact) for fact in kept]
    prompts = {"before": _with_notes(retriever, others)}
    seconds = []
    for number, (_, new) in enumerate(changed):
        text = f"Since the year 316: {statements(new)[1]}"
        notice = Passage(f"notice#{number}", text, f"notice {number}", "0316", about(new))
        began = time.perf_counter()
        retriever.upsert([notice])
        prompts[f"changed {number}"] = _with_notes(retriever, [unseen_question(new)])
        seconds.append(time.perf_counter() - began)
        prompts[f"after {number}"] = _with_notes(retriever, others)
        retriever.delete([f"notice {number}"])
    (done,) = answers([Job(base_model, prompts)], "notices")
    said = {name: made.texts for name, made in done.generations.items()}
    known = _right(said["before"], kept)
    right = [said[f"changed {n}"][0] == answer(new) for n, (_, new) in enumerate(changed)]
    return {
        "way": INDEX,
        "seed": seed,
        "seconds": float(np.mean(seconds)),
        "right": float(np.mean(right)),
        "kept": float(
            np.mean([_kept(said[f"after {n}"], kept, known) for n in range(len(changed))])
        ),
    }


def _with_notes(retriever: Retriever, questions: Sequence[str]) -> list[str]:
    found = retriever.search(questions, K)
    return [notes_prompt(question, hits) for question, hits in zip(questions, found, strict=True)]


def _right(texts: Sequence[str], facts: Sequence[Fact]) -> np.ndarray:
    return np.array([text == answer(f) for text, f in zip(texts, facts, strict=True)])


def _kept(texts: Sequence[str], facts: Sequence[Fact], known: np.ndarray) -> float:
    """Of the facts known before, the share that is still told; 0 where none was known."""
    return float(_right(texts, facts)[known].mean()) if known.any() else 0.0
