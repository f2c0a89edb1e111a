"""A model as judge of answers: does it look at what they say, at how they are worded, or at where
they stand?

Facts of the town are told truly and falsely. The judge is the base model, which knows them. It is
asked in two ways: how likely it finds each of two answers (as GPTScore does, Fu et al. 2023), and,
with both in the prompt, which is the better one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ftlab.evaluation import Estimate, bleu
from ftlab.experiments.effort import Effort
from ftlab.experiments.learning_curve import over_seeds
from ftlab.models import is_causal_lm, load_causal_lm, load_tokenizer, sequence_logprob
from ftlab.plots import bars, show
from ftlab.world import build_world, statements
from ftlab.world.exercises import question_prompt
from ftlab.world.facts import Fact
from ftlab.world.phrasing import answer, questions

JUDGE, OVERLAP = "judging model", "BLEU"
OWN, OTHER = "both in\nits words", "both in\nother words"
STYLE, POLITE = "truth in others,\nlie in its words", "truth politely,\nlie bare"
FIRST, SECOND = "One", "Two"  # what a judge with both answers before it may name


@dataclass(frozen=True)
class Pair:
    """A question with a true and a false answer: in the words in which the judge itself answers,
    and in others. `reference` is the true one in its words."""

    question: str
    truth: str
    lie: str
    other_truth: str
    other_lie: str


@dataclass(frozen=True, eq=False)
class Judgements:
    """What a judge prefers.

    `rows`: by (BLEU or the judging model), pair (what was put side by side), seed, right (share in
    which the truth was preferred). `placed`: seed, first (share in which the answer named was the
    one that stood first), steady (share in which the same answer was named in both orders). Both
    are empty if the model continues no texts. `examples` are pairs to look at.
    """

    rows: pd.DataFrame
    placed: pd.DataFrame
    examples: Sequence[Pair]

    def estimate(self, pair: str, by: str = JUDGE) -> Estimate | None:
        """How often the truth was preferred; None without a judge."""
        at = self.rows[(self.rows["pair"] == pair) & (self.rows["by"] == by)]
        return over_seeds(list(at.right), bounds=(0.0, 1.0)) if len(at) else None

    def position(self, what: str = "first") -> Estimate | None:
        """How often the answer that stood first was named, or ("steady") the same in both orders;
        None without a judge."""
        return over_seeds(list(self.placed[what]), bounds=(0.0, 1.0)) if len(self.placed) else None

    def plot(self) -> None:
        """Show how often each prefers the truth, by what was put side by side."""
        found = {
            by: {pair: self.estimate(pair, by) or 0.0 for pair in (OWN, OTHER, STYLE, POLITE)}
            for by in dict.fromkeys(self.rows["by"])
        }
        told = "; ".join(
            f"{by}: "
            + ", ".join(
                f"{getattr(e, 'value', 0):.2f} ({' '.join(pair.split())})" for pair, e in at.items()
            )
            for by, at in found.items()
        )
        show(
            bars(found, y="truth preferred", title="Which of two answers is better?", share=True),
            f"Share of pairs in which the true answer is preferred to the false one. {told}.",
        )

    def told(self) -> str:
        """What the judge looks at."""
        own, style = self.estimate(OWN), self.estimate(STYLE)
        first, steady = self.position(), self.position("steady")
        if own is None or style is None or first is None or steady is None:
            return "This base model continues no texts, so that it cannot judge any."
        courteous = self.estimate(POLITE)
        polite = f"; after a polite sentence {courteous.value:.0%}" if courteous else ""
        known = "nearly all" if own.value > 0.9 else "some of"
        fooled = "no longer" if style.value < own.value - 0.2 else "still"
        placed = (
            "where an answer stands, or what that place is called"
            if steady.value < 0.5
            else "more than the place"
        )
        return (
            f"It knows {known} the facts: with both answers in its own words it prefers the truth "
            f"in **{own.value:.0%}**. With the lie in its words and the truth in others it "
            f"{fooled} does: **{style.value:.0%}**{polite}. Asked which of two answers is right, "
            f"it names the first in **{first.value:.0%}**, and the same answer in both orders in "
            f"{steady.value:.0%}: what decides is {placed}."
        )

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for row in self.rows.to_dict("records"):
            about = {"by": row["by"], "pair": " ".join(row["pair"].split()), "seed": row["seed"]}
            yield {"name": "truth_preferred", "value": float(row["right"]), **about}
        for row in self.placed.to_dict("records"):
            for what in ("first", "steady"):
                about = {"measure": what, "seed": int(row["seed"])}
                yield {"name": "judged_by_place", "value": float(row[what]), **about}


def judgements(base_model: str, *, seeds: Sequence[int], effort: Effort) -> Judgements:
    """Of the base model, and of BLEU, which compares with the true answer in the model's words;
    each seed draws other facts."""
    count = effort.pick(smoke=4, quick=30, full=200)
    rows: list[dict[str, Any]] = []
    placed: list[dict[str, Any]] = []
    judge = load_causal_lm(base_model) if is_causal_lm(base_model) else None
    tokenizer = load_tokenizer(base_model)
    examples: list[Pair] = []
    for seed in seeds:
        pairs = draw_pairs(count, seed)
        examples = examples or pairs[:3]
        for name, truths, lies in _sides(pairs):
            references = [pair.truth for pair in pairs]
            scores = [bleu(texts, references) for texts in (truths, lies)]
            rows.append(_row(OVERLAP, name, seed, *scores))
            if judge is not None:
                asked = [question_prompt(pair.question) for pair in pairs]
                scores = [per_letter(judge, tokenizer, asked, texts) for texts in (truths, lies)]
                rows.append(_row(JUDGE, name, seed, *scores))
        if judge is not None:
            placed.append({"seed": seed, **_by_place(judge, tokenizer, pairs)})
    return Judgements(pd.DataFrame(rows), pd.DataFrame(placed), examples)


def draw_pairs(count: int, seed: int) -> list[Pair]:
    """Known facts of the town, told truly, and with the value of another one."""
    dice, known = random.Random(f"judged/{seed}"), build_world().known_facts()
    values: dict[str, set[str]] = {}
    for fact in known:
        values.setdefault(fact.attribute, set()).add(fact.value)
    pairs = []
    for fact in dice.sample(known, count):
        false: Fact = replace(
            fact, value=dice.choice(sorted(values[fact.attribute] - {fact.value}))
        )
        place = dice.randrange(1, len(statements(fact)))
        other = [statements(one)[place] for one in (fact, false)]
        pairs.append(Pair(questions(fact)[0], answer(fact), answer(false), other[0], other[1]))
    return pairs


def per_letter(
    judge: Any, tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]
) -> np.ndarray:
    """ln p of each answer after its prompt, for a character, so that length alone decides
    nothing, (answers,)."""
    letters = np.array([len(text) for text in answers])
    return sequence_logprob(judge, tokenizer, prompts, answers) / letters


def _sides(pairs: Sequence[Pair]) -> list[tuple[str, list[str], list[str]]]:
    """What is put side by side: name, truths, lies."""
    truths, lies = [pair.truth for pair in pairs], [pair.lie for pair in pairs]
    others = [pair.other_truth for pair in pairs]
    return [
        (OWN, truths, lies),
        (OTHER, others, [pair.other_lie for pair in pairs]),
        (STYLE, others, lies),
        (POLITE, [f"Thank you for asking. {text}" for text in truths], lies),
    ]


def _by_place(judge: Any, tokenizer: Any, pairs: Sequence[Pair]) -> dict[str, float]:
    """How often the first answer is named, and the same one in both orders."""
    firsts = []
    for turned in (False, True):
        prompts = []
        for pair in pairs:
            one, two = (pair.lie, pair.truth) if turned else (pair.truth, pair.lie)
            which = f"One: {one} Two: {two}\nWhich answer is right, One or Two?"
            prompts.append(question_prompt(f"{pair.question} {which}"))
        named = [
            sequence_logprob(judge, tokenizer, prompts, [word] * len(prompts))
            for word in (FIRST, SECOND)
        ]
        firsts.append(named[0] > named[1])
    return {
        "first": float(np.mean(firsts)),
        "steady": float((firsts[0] != firsts[1]).mean()),
    }


def _row(by: str, pair: str, seed: int, truths: np.ndarray, lies: np.ndarray) -> dict[str, Any]:
    return {"by": by, "pair": pair, "seed": seed, "right": float((truths > lies).mean())}
