"""How often, and in how many wordings, must a fact be read before a model can tell it?

Training reads plain statements of new facts; the test asks for them in a question. More wordings
are compared twice: with as many steps for all, so that each wording is read less often, and with
as many readings of each wording, so that more wordings take more steps. With the most wordings
both are the same training. The sentence that the test wants, word for word, is never read.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ftlab.evaluation import Estimate
from ftlab.experiments.effort import Effort
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.rag_answers import Job, answers
from ftlab.experiments.rag_case import K, case
from ftlab.plots.methods import method_curves
from ftlab.rag.room import notes_prompt
from ftlab.tuning.sft import SFTConfig
from ftlab.world import answer, build_world, question_prompt, statements, unseen_question
from ftlab.world.facts import Fact

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS, READINGS = "equal steps", "equal readings of each wording"
LOOKED_UP = "looked up, no training"
COUNTS = (1, 3, 6)  # wordings; of each fact there are six, beside the answer itself
FACTOR = 0.5  # times the rate at which a search for full fine-tuning would start
BATCH = 16


@dataclass(frozen=True)
class Wordings:
    """Shares of new facts that were answered word for word: `rows` has budget (`STEPS`,
    `READINGS` or `LOOKED_UP`), wordings, seed, steps and value."""

    rows: pd.DataFrame
    facts: int
    readings: int

    @property
    def counts(self) -> list[int]:
        return sorted({*self.rows.wordings} - {0})

    def per_seed(self, budget: str, wordings: int = 0) -> list[float]:
        own = self.rows[(self.rows.budget == budget) & (self.rows.wordings == wordings)]
        return list(own.sort_values("seed").value)

    def share(self, budget: str, wordings: int = 0) -> Estimate:
        """The share of facts told, over seeds."""
        return over_seeds(self.per_seed(budget, wordings), bounds=(0.0, 1.0))

    def behind(self, wordings: int) -> Estimate:
        """Facts told after training on so many wordings, with all steps, less those looked up."""
        pairs = zip(self.per_seed(STEPS, wordings), self.per_seed(LOOKED_UP), strict=True)
        return over_seeds([one - other for one, other in pairs], bounds=(-1.0, 1.0))

    def figure(self) -> tuple[Figure, str]:
        """Facts told over the number of wordings, a line a budget."""
        curves: dict[str, dict[float, Estimate]] = {
            budget: {count: self.share(budget, count) for count in self.counts}
            for budget in (STEPS, READINGS)
        }
        level = self.share(LOOKED_UP)
        curves[LOOKED_UP] = dict.fromkeys(self.counts, level)
        figure = method_curves(
            {"": curves},
            x="wordings of each fact that were read (log scale)",
            y="new facts told, word for word",
            title="New facts that can be told, by how they were read",
        )
        most = max(self.counts)
        text = "; ".join(
            f"{budget}: {curves[budget][1].value:.2f} with one wording, "
            f"{curves[budget][most].value:.2f} with {most}"
            for budget in (STEPS, READINGS)
        )
        return figure, (
            "Share of new facts answered against the number of wordings in which training read "
            f"them. {text}; {LOOKED_UP}: {level.value:.2f}."
        )

    def told(self) -> str:
        """What more wordings did, with as many steps and with as many readings."""
        most = max(self.counts)
        steps, few = self.share(STEPS, most).value, self.share(STEPS, 1).value
        less, all_read = self.share(READINGS, 1).value, self.readings * most
        grown = "More wordings helped" if steps > few + 0.05 else "More wordings did not help"
        repeated = (
            "reading one wording again and again helped a little or not at all"
            if few < less + 0.1
            else "reading one wording more often helped as well"
        )
        return (
            f"With as many steps, one wording brings **{few:.0%}** and {most} wordings "
            f"**{steps:.0%}**. {grown} at equal cost; {repeated} ({less:.0%} after "
            f"{self.readings} readings, {few:.0%} after {all_read}). Looked up "
            f"it is {self.share(LOOKED_UP).value:.0%}."
        )

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for row in self.rows.to_dict("records"):
            named = {"method": row["budget"], "wordings": row["wordings"], "seed": row["seed"]}
            yield {"name": "facts_told", "value": row["value"], **named, "n": self.facts}


def wordings_read(base_model: str, *, seeds: Sequence[int], effort: Effort) -> Wordings:
    """Train on statements of new facts in few wordings and in many, and ask for the facts.

    A run that searches for nothing takes the first seed alone.
    """
    seeds = seeds if effort.candidates > 1 else seeds[:1]
    count = effort.pick(smoke=4, quick=32, full=64)
    readings = effort.pick(smoke=1, quick=8, full=12)
    counts = effort.pick(smoke=(1, 6), quick=COUNTS, full=(1, 2, 3, 4, 6))
    most = max(counts)
    jobs: dict[tuple[str, int, int], Job] = {}
    dealt = {seed: _facts(seed, count) for seed in seeds}
    retriever = case(base_model).retriever()
    for seed in seeds:
        questions = [unseen_question(fact) for fact in dealt[seed]]
        found = zip(questions, retriever.search(questions, K), strict=True)
        looked = [notes_prompt(question, hits) for question, hits in found]
        jobs[LOOKED_UP, 0, seed] = Job(base_model, {"asked": looked})
        asked = {"asked": [question_prompt(question) for question in questions]}
        for number in counts:
            texts = [("", text) for f in dealt[seed] for text in wordings(f, seed)[:number]]
            for budget in (STEPS, READINGS):
                read = most if budget == STEPS else number
                steps = max(1, round(count * read * readings / BATCH))
                config = SFTConfig(steps, FACTOR, batch_size=BATCH)
                jobs[budget, number, seed] = Job(base_model, asked, texts, config, seed)
    unique = {id_: job for id_, job in jobs.items() if id_[:2] != (READINGS, most)}
    done = dict(zip(unique, answers([*unique.values()], "wordings"), strict=True))
    rows = []
    for budget, number, seed in jobs:
        same = (STEPS, number, seed) if (budget, number) == (READINGS, most) else None
        texts_said = done[same or (budget, number, seed)].generations["asked"].texts
        right = [text == answer(f) for text, f in zip(texts_said, dealt[seed], strict=True)]
        job = jobs[budget, number, seed]
        rows.append(
            {
                "budget": budget,
                "wordings": number,
                "seed": seed,
                "steps": job.config.steps if job.config else 0,
                "value": float(np.mean(right)),
            }
        )
    return Wordings(pd.DataFrame(rows), count, readings)


def wordings(fact: Fact, seed: int = 0) -> list[str]:
    """All statements of a fact but the answer itself, in an order that the seed deals."""
    both = (*statements(fact), *statements(fact, held_out=True))
    told = [text for text in both if text != answer(fact)]
    random.Random(f"wordings/{seed}/{fact.entity}/{fact.attribute}").shuffle(told)
    return told


def _facts(seed: int, count: int) -> list[Fact]:
    """So many facts about newcomers."""
    return random.Random(f"wordings/{seed}").sample(build_world().new_facts(), count)
