"""What the base model reads, as rows of token ids with a weight for every token's loss.

Texts (prose and town pages) are learned whole. Exercises are learned on their answers only: the
names in them are random, so predicting the notes would drown the one thing worth learning.
Every batch is a function of the seed and the step, so a resumed run reads on where it stopped.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ftlab.world import exercises, facts, letters, phrasing, web

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Segments = list[tuple[str, float]]  # consecutive pieces of a row with the weight of their loss
WINDOW = 192


@dataclass(frozen=True)
class Share:
    """One kind of row: how many tokens of it a step has, and the weight of its mean loss."""

    name: str
    tokens: int
    weight: float


MIX = (
    Share("prose", 6 * WINDOW, 1.0),
    Share("town", 2 * WINDOW, 0.5),
    Share("recall", 640, 0.5),
    Share("reading", 1500, 1.0),
    Share("shots", 160, 0.3),
)


def biography(entity: facts.Entity, rng: random.Random) -> str:
    """All facts of a known entity in random wordings and order."""
    told = [entity.fact(a) for a in facts.ATTRIBUTES[entity.kind]]
    rng.shuffle(told)
    return " ".join(rng.choice(phrasing.statements(f)) for f in told) + "\n"


def _answered(pairs: Sequence[tuple[str, str]]) -> Segments:
    out: Segments = []
    for question, answer in pairs:
        out += [(exercises.question_prompt(question), 0.0), (f" {answer}\n", 1.0)]
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
        }

    def batch(self, share: Share, step: int) -> list[tuple[list[int], list[float]]]:
        """Rows of `share` for `step`: about `share.tokens` tokens."""
        rng = random.Random(f"{self.seed}/{share.name}/{step}")
        make = self.sources.get(share.name)
        if make is None:  # rows of one step have notes of one size, to spare padding
            count = rng.choices([1, 2, 3, 4], [3, 3, 4, 1])[0]
            plain = rng.random() > step / self.plain_until
            make = lambda rng: self._encode(self._reading(rng, count, plain))  # noqa: E731
        rows: list[tuple[list[int], list[float]]] = []
        while sum(len(ids) for ids, _ in rows) < share.tokens:
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
        if count == 1 and not plain and rng.random() < 0.4:
            done = exercises.conflict(rng, rng.choice(self.contradicted), asked=3)
        else:
            done = exercises.reading(
                rng,
                entities=count,
                split="training",
                asked=min(8, 3 * count),
                unanswerable=0.0 if plain else 0.5,
                plain=plain,
            )
        out: Segments = [(f"Notes: {done.notes}\n", 0.0)]
        if done.told and rng.random() < 0.3:  # the same facts again, in another order and words
            out.append(("Again:", 0.0))
            for fact in rng.sample(done.told, len(done.told)):
                forms = phrasing.statements(fact)
                statement = forms[0] if plain else rng.choice(forms)
                before, value, after = phrasing.told_up_to(fact, statement)
                out += [(f" {before}", 0.0), (value, 1.0), (after, 0.0)]
            out.append(("\n", 0.0))
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
