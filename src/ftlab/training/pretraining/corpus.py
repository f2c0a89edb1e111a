"""What the base model reads, as rows of token ids with a weight for every token's loss.

Texts (prose and town pages) are learned whole. Exercises are learned above all on their answers:
the names in them are random, so predicting the notes would drown the one thing worth learning.
Every batch is a function of the seed and the step, so a resumed run reads on where it stopped.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ftlab.world import (
    exercises,
    extraction,
    facts,
    formats,
    instructions,
    letters,
    phrasing,
    web,
)
from ftlab.world.pages import biography

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Segments = list[tuple[str, float]]  # consecutive pieces of a row with the weight of their loss
WINDOW = 192
# Weight of the words around an answer. Not 0: names that recur are what keeps the skill of copying
# alive. With answers alone the network unlearned it and never read.
TEXT = 0.15
UNTOLD = 0.1  # weight of an answer whose format or label no example has shown yet
LONGEST = 1000  # characters of an episode: with its answer it must fit into the network's context


@dataclass(frozen=True)
class Share:
    """One kind of row: tokens of it in a step, the weight of its mean loss, and its first step.

    From step `LATER` on it may be `later` tokens: reading is learned by then, English is not.
    The weight grows from 0 over `RAMP` steps. Prose all at once would cost the young network its
    skill of copying within a few dozen steps, and with it everything about reading.
    """

    name: str
    tokens: int
    weight: float
    start: int = 0
    later: int | None = None

    def tokens_at(self, step: int) -> int:
        return self.tokens if self.later is None or step < LATER else self.later

    def weight_at(self, step: int) -> float:
        return (
            self.weight * min(1.0, max(0, step - self.start) / RAMP) if self.start else self.weight
        )


RAMP = 200
LATER = 1600
MIX = (
    Share("prose", 6 * WINDOW, 1.0, start=600, later=9 * WINDOW),
    Share("town", 2 * WINDOW, 0.5, start=600),
    Share("recall", 800, 0.5, start=600),
    Share("reading", 1500, 1.0, later=1000),
    Share("shots", 160, 0.3, start=600),
)


def _answered(pairs: Sequence[tuple[str, str]]) -> Segments:
    out: Segments = []
    for question, answer in pairs:
        subject, told = answer.split(" is ", 1)
        out += [(f"{exercises.question_prompt(question)} {subject}", TEXT), (f" is {told}\n", 1.0)]
    return out


@dataclass
class Corpus:
    """All sources of rows for one world, one tokenizer and one body of prose."""

    tokenizer: Tokenizer
    prose: np.ndarray  # token ids of all prose, paragraphs joined by the end token
    end_id: int
    seed: int = 0
    plain_until: int = 1000  # from this step on reading is no longer made easy by shared words
    world: facts.World = field(default_factory=facts.build_world)

    def __post_init__(self) -> None:
        self.known = self.world.known_facts()
        self.contradicted = facts.conflict_entities(self.world, examined=False)
        self.sources: dict[str, Callable[[random.Random], tuple[list[int], list[float]]]] = {
            "prose": self._prose,
            "town": self._town,
            "recall": lambda rng: self._encode(self._recall(rng)),
            "shots": lambda rng: self._encode(self._shots(rng)),
            "formats": lambda rng: self._encode(self._formats(rng)),
            "instructions": lambda rng: self._encode(self._instructions(rng)),
            "extraction": lambda rng: self._encode(self._extraction(rng)),
            "abstaining": lambda rng: self._encode(self._abstaining(rng)),
        }

    def batch(self, share: Share, step: int) -> list[tuple[list[int], list[float]]]:
        """Rows of `share` for `step`: about `share.tokens_at(step)` tokens."""
        rng = random.Random(f"{self.seed}/{share.name}/{step}")
        make = self.sources.get(share.name)
        if make is None:  # rows of one step have notes of one size, to spare padding
            count = rng.choices([1, 2, 3, 4], [2, 3, 4, 1])[0]
            plain = rng.random() > step / self.plain_until
            make = lambda rng: self._encode(self._reading(rng, count, plain))  # noqa: E731
        rows: list[tuple[list[int], list[float]]] = []
        while sum(len(ids) for ids, _ in rows) < share.tokens_at(step):
            rows.append(make(rng))
        return rows

    def _encode(self, segments: Segments) -> tuple[list[int], list[float]]:
        ids, weights = [self.end_id], [0.0]
        encoded = self.tokenizer.encode_batch([t for t, _ in segments], add_special_tokens=False)
        for (_, weight), encoding in zip(segments, encoded, strict=True):
            ids += encoding.ids
            weights += [weight] * len(encoding.ids)
        return ids, weights

    def _prose(self, rng: random.Random) -> tuple[list[int], list[float]]:
        start = rng.randrange(len(self.prose) - WINDOW)
        return self.prose[start : start + WINDOW].tolist(), [1.0] * WINDOW

    def _town(self, rng: random.Random) -> tuple[list[int], list[float]]:
        ids: list[int] = []
        while len(ids) < WINDOW:
            text = rng.choices(
                [self._biography, self._page, web.page, letters.letter], [3, 3, 3, 4]
            )[0](rng)
            ids += [self.end_id, *self.tokenizer.encode(text, add_special_tokens=False).ids]
        return ids[:WINDOW], [1.0] * WINDOW

    def _biography(self, rng: random.Random) -> str:
        return biography(rng.choice(self.world.known), rng)

    def _page(self, rng: random.Random) -> str:
        return "".join(text for text, _ in self._recall(rng, count=2))

    def _recall(self, rng: random.Random, count: int = 10) -> Segments:
        asked = [rng.choice(self.known) for _ in range(count)]
        return _answered(
            [(rng.choice(phrasing.seen_questions(f)), phrasing.answer(f)) for f in asked]
        )

    def _reading(self, rng: random.Random, count: int, plain: bool) -> Segments:
        retold = rng.random() < (0.7 if plain else 0.3)
        if count == 1 and not plain and rng.random() < 0.4:
            done = exercises.conflict(rng, rng.choice(self.contradicted), asked=3)
        else:
            done = exercises.reading(
                rng,
                entities=count,
                split="training",
                asked=2 if retold else min(8, 3 * count),
                unanswerable=0.0 if plain else 0.95,
                plain=plain,
            )
        out: Segments = [(f"Notes: {done.notes}\n", TEXT)]
        if retold:  # the same facts in another order: many answers for few tokens
            out.append(("Again:", TEXT))
            for fact in rng.sample(done.told, len(done.told)):
                before, value, after = phrasing.told_up_to(fact, phrasing.answer(fact))
                out += [(f" {before}", TEXT), (value, 1.0), (after, TEXT)]
            out.append(("\n", TEXT))
        return out + _answered(list(zip(done.questions, done.answers, strict=True)))

    def _shots(self, rng: random.Random) -> Segments:
        done = exercises.sorting(rng, split="training", shots=rng.randint(4, 12))
        out: Segments = [("Sort the goods.\n", 0.0)]
        seen: set[str] = set()
        for text, label in (*done.examples, (done.query, done.label)):
            # The first of a kind cannot be known; from the second on the examples tell.
            out += [(f"{text} ->", 0.0), (f" {label}\n", 1.0 if label in seen else 0.02)]
            seen.add(label)
        return out

    def _formats(self, rng: random.Random) -> Segments:
        shots, source = rng.randint(0, 10), rng.choice(formats.SOURCES)
        while True:
            done = formats.episode(
                rng, split="training", known=self.world.known, shots=shots, source=source
            )
            if len(done.prompt(shots)) <= LONGEST:
                break
            shots = max(0, shots - 1)
        out: Segments = [(done.header, TEXT)] if done.header else []
        seen: set[str] = set()
        for number, (query, answer) in enumerate(done.blocks()):
            told = answer in seen if done.family == "labels" else number > 0
            out += [(query, TEXT), (answer, 1.0 if told else UNTOLD), (done.gap, TEXT)]
            seen.add(answer)
        return out

    def _instructions(self, rng: random.Random) -> Segments:
        if rng.random() < 0.7:
            done = instructions.instruction(rng, split="training", known=self.world.known)
        elif rng.random() < 0.5:
            done = instructions.injection(rng, split="training")
        else:
            done = extraction.listing(rng, split="training")
        return [(done.prompt, TEXT), (f" {done.answer}\n", 1.0)]

    def _extraction(self, rng: random.Random) -> Segments:
        done = extraction.extraction(rng, split="training")
        return [(done.prompt, TEXT), (f" {done.answer}\n", 1.0)]

    def _abstaining(self, rng: random.Random) -> Segments:
        done = exercises.abstaining(rng, split="training")
        pairs = list(zip(done.questions, done.answers, strict=True))
        return [(f"Notes: {done.notes}\n", TEXT), *_answered(pairs)]
