"""The town's exercises as pieces of text, each with the weight of its loss.

Exercises are learned above all on their answers: the names in them are random, so predicting the
notes would drown the one thing worth learning.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ftlab.world import (
    exercises,
    extraction,
    facts,
    formats,
    instructions,
    letters,
    phrasing,
    shoptalk,
    web,
)
from ftlab.world.pages import biography

Segments = list[tuple[str, float]]  # consecutive pieces of a row with the weight of their loss
# Weight of the words around an answer. Not 0: names that recur are what keeps the skill of copying
# alive. With answers alone the network unlearned it and never read.
TEXT = 0.15
UNTOLD = 0.1  # weight of an answer whose format or label no example has shown yet
LONGEST = 1000  # characters of an episode: with its answer it must fit into a window
PLAIN_UNTIL = 800  # from this step on reading is no longer made easy by shared words


def _answered(pairs: Sequence[tuple[str, str]]) -> Segments:
    out: Segments = []
    for question, answer in pairs:
        subject, told = answer.split(" is ", 1)
        out += [(f"{exercises.question_prompt(question)} {subject}", TEXT), (f" is {told}\n", 1.0)]
    return out


def _cut(text: str) -> tuple[str, str]:
    """The first and the last half of the sentences of `text`; twice the text if it has one."""
    sentences = [s for s in re.split(r"(?<=[.?!:])\s+", text) if s]
    if len(sentences) < 2:
        return text, text
    middle = len(sentences) // 2
    return " ".join(sentences[:middle]), " ".join(sentences[middle:])


@dataclass
class Lessons:
    """Exercises and texts of one town, drawn by a random generator."""

    world: facts.World = field(default_factory=facts.build_world)

    def __post_init__(self) -> None:
        self.known = self.world.known_facts()
        self.contradicted = facts.conflict_entities(self.world, examined=False)

    def pair(self, rng: random.Random) -> tuple[str, str]:
        """Two texts on the same matter, written or said in town."""
        if rng.random() < 0.6:
            return shoptalk.paraphrases(rng)
        return _cut((self.biography if rng.random() < 0.5 else shoptalk.talk)(rng).strip())

    def town(self, rng: random.Random) -> str:
        """A text of the town, to be learned whole."""
        kinds = [self.biography, self._page, web.page, letters.letter, shoptalk.talk]
        return rng.choices(kinds, [2, 2, 2, 1, 5])[0](rng)

    def biography(self, rng: random.Random) -> str:
        """All that is known of somebody or something."""
        return biography(rng.choice(self.world.known), rng)

    def _page(self, rng: random.Random) -> str:
        return "".join(text for text, _ in self.recall(rng, count=2))

    def recall(self, rng: random.Random, count: int = 10) -> Segments:
        """Known facts asked and answered, without notes."""
        asked = [rng.choice(self.known) for _ in range(count)]
        return _answered(
            [(rng.choice(phrasing.seen_questions(f)), phrasing.answer(f)) for f in asked]
        )

    def reading(self, rng: random.Random, step: int) -> Segments:
        """Notes about strangers, retold or asked about; plain words at first."""
        count = rng.choices([1, 2, 3, 4], [2, 3, 4, 1])[0]
        plain = rng.random() > step / PLAIN_UNTIL
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

    def shots(self, rng: random.Random) -> Segments:
        """Goods sorted by examples."""
        done = exercises.sorting(rng, split="training", shots=rng.randint(4, 12))
        out: Segments = [("Sort the goods.\n", 0.0)]
        seen: set[str] = set()
        for text, label in (*done.examples, (done.query, done.label)):
            # The first of a kind cannot be known; from the second on the examples tell.
            out += [(f"{text} ->", 0.0), (f" {label}\n", 1.0 if label in seen else 0.02)]
            seen.add(label)
        return out

    def formats(self, rng: random.Random) -> Segments:
        """Examples of a format, a label rule or a style, each followed by one more."""
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

    def instructions(self, rng: random.Random) -> Segments:
        """An answer as an instruction wants it, or a list."""
        if rng.random() < 0.7:
            done = instructions.instruction(rng, split="training", known=self.world.known)
        elif rng.random() < 0.5:
            done = instructions.injection(rng, split="training")
        else:
            done = extraction.listing(rng, split="training")
        return [(done.prompt, TEXT), (f" {done.answer}\n", 1.0)]

    def extraction(self, rng: random.Random) -> Segments:
        """Fields taken from a message, as JSON."""
        done = extraction.extraction(rng, split="training")
        return [(done.prompt, TEXT), (f" {done.answer}\n", 1.0)]

    def abstaining(self, rng: random.Random) -> Segments:
        """Questions that notes about several entities answer, or do not."""
        done = exercises.abstaining(rng, split="training")
        pairs = list(zip(done.questions, done.answers, strict=True))
        return [(f"Notes: {done.notes}\n", TEXT), *_answered(pairs)]
