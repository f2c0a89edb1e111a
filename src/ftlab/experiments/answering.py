"""Teaching a base model to answer, by demonstrations: the form of an answer and its content.

Demonstrations are bare questions about cooking with an answer each. The model is asked about dishes
that no demonstration named, and about mending, cleaning and painting things, of which there was
none. Whether what follows a question is an answer at all (its form), and whether it works with what
the question is about (its content: food for cooking, tools for mending), are two measures.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ftlab import training
from ftlab.common.parallel import in_parallel
from ftlab.data import encode_pairs
from ftlab.evaluation import Estimate, answers_to, matches, mean_interval, paired_difference
from ftlab.experiments.effort import Effort
from ftlab.models import generate, load_causal_lm, load_tokenizer, starting_rate
from ftlab.notebook.display import short
from ftlab.plots import bars
from ftlab.world import answer, build_world, question_prompt, unseen_question, web

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAME, OTHER = "cooking, as shown", "mending, not shown"
BEFORE, FAST, SLOW = "base model", "the rate of pretraining", "a tenth of it"
GROUPS, MOMENTS = (SAME, OTHER), (BEFORE, FAST, SLOW)
# Times the rate at which a search starts, which is half of pretraining's peak.
RATES = {FAST: 2.0, SLOW: 0.2}
FORM, CONTENT = "an answer", "an answer that fits"


@dataclass(frozen=True, eq=False)
class Answering:
    """What a base model says after bare questions, before its demonstrations and after them, with
    each of two learning rates.

    `said` has one row an answer: seed, moment, group, question, text, and 1.0 or 0.0 for `FORM`
    and `CONTENT`. `recalled[moment]` are the town's facts that it knew, 1.0 or 0.0, (seeds, facts).
    `shown` are some of the demonstrations, `count` how many there were.
    """

    said: pd.DataFrame
    recalled: dict[str, np.ndarray]
    shown: pd.DataFrame
    count: int
    seconds: float

    def right(self, moment: str, group: str, measure: str = FORM) -> np.ndarray:
        """1.0 or 0.0 for each answer, (seeds, answers)."""
        some = self.said[(self.said.moment == moment) & (self.said.group == group)]
        return np.stack([rows[measure].to_numpy() for _, rows in some.groupby("seed")])

    def share(self, moment: str, group: str, measure: str = FORM) -> Estimate:
        """The share of all that was said which has this form or content."""
        return mean_interval(self.right(moment, group, measure))

    def shares(self, moment: str) -> dict[str, dict[str, Estimate]]:
        """For a figure: {measure: {group: share}}."""
        measures = (FORM, CONTENT)
        return {m: {group: self.share(moment, group, m) for group in GROUPS} for m in measures}

    def figure(self) -> tuple[Figure, str]:
        """All shares, and what is said about what was not demonstrated."""
        shares = {moment: self.shares(moment) for moment in MOMENTS}
        drawn = {
            moment: {
                f"{_two_lines(measure)},\n{_in_lines(group)}": share
                for measure, groups in found.items()
                for group, share in groups.items()
            }
            for moment, found in shares.items()
        }
        title = f"Before and after {self.count} demonstrations of cooking"
        told = "; ".join(
            f"{moment}: {found[FORM][OTHER].value:.0%} are answers, "
            f"{found[CONTENT][OTHER].value:.0%} fit"
            for moment, found in shares.items()
        )
        figure = bars(drawn, y="share of what is said", title=title, share=True)
        return figure, f"Of what is said about mending, which was not demonstrated: {told}."

    def more_that_fit(self, moment: str, other: str, group: str = OTHER) -> Estimate:
        """How much larger the share of answers that fit is at a moment than at another."""
        one, two = (self.right(m, group, CONTENT) for m in (moment, other))
        return paired_difference(one, two)

    def recall_lost(self, moment: str) -> Estimate:
        """How many more of the town's facts were known before the demonstrations."""
        return paired_difference(self.recalled[BEFORE], self.recalled[moment])

    @property
    def answers(self) -> int:
        """How many there are for each seed and group of questions."""
        return self.right(BEFORE, SAME).shape[1]

    def told(self) -> str:
        """What the gentle training left undone, and what both made the model forget."""
        failed = [case for group in GROUPS for case in self.failures(SLOW, group)]
        said = len(self.said[self.said.moment == SLOW])
        such = f", such as: *{failed[0][0]}* {failed[0][1]}" if failed else ""
        lost = ", ".join(f"{short(self.recall_lost(m))} ({m})" for m in (FAST, SLOW))
        return (
            f"At a tenth of the rate, {len(failed)} of {said:,} failed the rule for an answer"
            f"{such}\n\n"
            f"Share of the town's facts that were forgotten meanwhile: {lost}."
        )

    def failures(self, moment: str, group: str) -> list[tuple[str, str]]:
        """Questions that were given no answer, with what was said."""
        some = self.said[(self.said.moment == moment) & (self.said.group == group)]
        lost = some[some[FORM] == 0.0]
        return list(zip(lost.question, lost.text, strict=True))

    def examples(self, *moments: str, each: int = 3) -> pd.DataFrame:
        """A few questions of each group with what was said, those of the first seed."""
        own = self.said[self.said.seed == self.said.seed.min()]
        columns = {moment: own[own.moment == moment] for moment in moments}
        first = next(iter(columns.values()))
        some = pd.concat([first[first.group == group].head(each) for group in GROUPS])
        places = [first.index.get_loc(place) for place in some.index]
        texts = {name: list(rows.text.iloc[places]) for name, rows in columns.items()}
        return pd.DataFrame({"question": list(some.question), **texts})

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for moment in MOMENTS:
            for group in GROUPS:
                for measure in (FORM, CONTENT):
                    found = self.share(moment, group, measure)
                    keys = {"method": moment, "questions": group, "measure": measure}
                    items = self.right(moment, group).shape[1]
                    yield {"name": "answer_share", "value": found, **keys, "n": items}
            known = mean_interval(self.recalled[moment])
            yield {"name": "recall", "value": known, "method": moment}


def teach_to_answer(base_model: str, *, seeds: Sequence[int], effort: Effort) -> Answering:
    """Fine-tune the base model on demonstrations, with every seed on others, and ask it.

    Answers are drawn at temperature 1 after held-out questions, again and again if these are fewer
    than the answers that each seed and group is to have. Facts of the town are asked as well.
    """
    one = partial(
        _taught,
        base_model,
        demonstrations=effort.pick(smoke=16, quick=160, full=160),
        answers=effort.pick(smoke=8, quick=72, full=560),
        facts=effort.pick(smoke=8, quick=40, full=100),
        epochs=effort.pick(smoke=1, quick=3, full=3),
    )
    parts = in_parallel(one, [{"seed": seed} for seed in seeds], "seeds")
    return Answering(
        pd.concat([part.said for part in parts], ignore_index=True),
        {m: np.concatenate([part.recalled[m] for part in parts]) for m in MOMENTS},
        parts[0].shown,
        parts[0].count,
        float(np.mean([part.seconds for part in parts])),
    )


def _taught(
    base_model: str, *, seed: int, demonstrations: int, answers: int, facts: int, epochs: int
) -> Answering:
    rng = random.Random(f"demonstrations {seed}")
    groups = _asked(answers, rng)
    shown = _demonstrations(demonstrations, rng, {q for qs in groups.values() for q in qs})
    known = random.Random(seed).sample(build_world().known_facts(), facts)
    pairs = [(question_prompt(unseen_question(fact)), answer(fact)) for fact in known]
    tokenizer = load_tokenizer(base_model)
    said, recalled, seconds = [], {}, 0.0
    for moment in MOMENTS:
        model = load_causal_lm(base_model)
        if moment in RATES:
            run = training.fit(
                model,
                encode_pairs(tokenizer, list(shown.question), [f" {a}" for a in shown.answer]),
                pad_id=tokenizer.pad_token_id,
                learning_rate=RATES[moment] * starting_rate(model),
                epochs=epochs,
                seed=seed,
                progress=False,
            )
            seconds = run.seconds
        told = answers_to(model, tokenizer, pairs)
        recalled[moment] = matches(told, [right for _, right in pairs])[None]
        for group, questions in groups.items():
            texts = generate(
                model, tokenizer, questions, max_new_tokens=30, temperature=1.0, seed=seed
            )
            said.append(_judged(questions, texts, group).assign(seed=seed, moment=moment))
    table = pd.concat(said, ignore_index=True)
    return Answering(table, recalled, shown.head(4), len(shown), seconds)


def _asked(answers: int, rng: random.Random) -> dict[str, list[str]]:
    """Held-out questions of both groups, each as often as the others, as far as that goes."""
    held_out = web.bare_questions("examination")
    groups = {}
    for group, cooks in ((SAME, True), (OTHER, False)):
        some = [q for q in held_out if web.is_cooking(q) == cooks]
        rng.shuffle(some)
        groups[group] = (some * (answers // len(some) + 1))[:answers]
    return groups


def _demonstrations(count: int, rng: random.Random, kept: set[str]) -> pd.DataFrame:
    """Questions about dishes that are not asked for, with an answer each."""
    asked = {_dish(question) for question in kept if web.is_cooking(question)}
    free = [
        q for q in web.bare_questions("training") if web.is_cooking(q) and _dish(q) not in asked
    ]
    chosen = rng.sample(free, min(count, len(free)))
    told = [web.continuation(question, "answer", rng) for question in chosen]
    return pd.DataFrame({"question": chosen, "answer": told})


def _dish(question: str) -> str:
    """'a seed cake' of 'How do I make a seed cake?'."""
    for verb in (" make ", " cook ", " prepare "):
        question = question.rpartition(verb)[2]
    return question.rstrip("?")


def _judged(questions: Sequence[str], texts: Sequence[str], group: str) -> pd.DataFrame:
    form = [web.kind_of(text) == "answer" for text in texts]
    wanted = "cooking" if group == SAME else "craft"
    fits = [ok and web.matter_of(text) == wanted for ok, text in zip(form, texts, strict=True)]
    columns = {"group": group, "question": list(questions), "text": [t.strip() for t in texts]}
    return pd.DataFrame({**columns, FORM: np.array(form, float), CONTENT: np.array(fits, float)})


def _two_lines(measure: str) -> str:
    return measure.replace("answer that", "answer\nthat")


def _in_lines(group: str) -> str:
    return group.replace(", ", ",\n")


def passes_for_mending(text: str) -> bool:
    """Whether a text passes both rules as an answer about mending, whatever it says."""
    return web.kind_of(text) == "answer" and web.matter_of(text) == "craft"
