"""What the base model reads: batches of texts and batches of exercises, made from seed and step.

Texts are prose and shop talk, cut into halves that belong together. Exercises are learned above
all on their answers: the names in them are random, so predicting the notes would drown the one
thing worth learning. Every batch is a function of the seed and the step, so a resumed run reads on
where it stopped.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ftlab.training.pretraining.batches import Batch, Labelled, Row, Shape, first_fit, lay
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

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Segments = list[tuple[str, float]]  # consecutive pieces of a row with the weight of their loss
# Weight of the words around an answer. Not 0: names that recur are what keeps the skill of copying
# alive. With answers alone the network unlearned it and never read.
TEXT = 0.15
UNTOLD = 0.1  # weight of an answer whose format or label no example has shown yet
LONGEST = 1000  # characters of an episode: with its answer it must fit into a window
SHORTEST = 12  # tokens of a half, at least
FILLER = 24  # tokens that must be left in a window for another text to be begun


@dataclass(frozen=True)
class Share:
    """One kind of exercise: its share of the rows' tokens, the weight of its mean loss, and the
    first step that has it."""

    name: str
    portion: float
    weight: float
    start: int = 0


MIX = (
    Share("copying", 0.06, 0.4),
    Share("reading", 0.26, 1.0),
    Share("recall", 0.12, 0.5, start=200),
    Share("abstaining", 0.10, 0.5, start=200),
    Share("formats", 0.16, 0.7, start=300),
    Share("instructions", 0.08, 0.5, start=300),
    Share("extraction", 0.07, 0.5, start=300),
    Share("shots", 0.03, 0.2, start=300),
    Share("town", 0.06, 0.3, start=300),
    Share("long", 0.06, 0.4, start=400),
)
TEXT_KINDS = (("prose", 0.8, 0.85), ("talk", 0.2, 0.15))  # name, portion, weight of the mean loss
KINDS = (*(name for name, _, _ in TEXT_KINDS), "contrast", *(s.name for s in MIX))


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


@dataclass(frozen=True)
class Prose:
    """Tokens of all documents, one after the other.

    `starts`: where each paragraph begins; `document`: the number of the document of each
    paragraph; `chance`: how likely a text begins with it (they add up to 1).
    """

    tokens: np.ndarray
    starts: np.ndarray
    document: np.ndarray
    chance: np.ndarray

    @cached_property
    def _total(self) -> np.ndarray:
        return np.cumsum(self.chance)

    def text(self, rng: random.Random, longest: int) -> list[int]:
        """Tokens of up to `longest`, from the beginning of a paragraph, within one document."""
        first = int(np.searchsorted(self._total, rng.random() * self._total[-1]))
        first = min(first, len(self.starts) - 1)
        begin = int(self.starts[first])
        last = int(np.searchsorted(self.document, self.document[first], side="right"))
        end = int(self.starts[last]) if last < len(self.starts) else len(self.tokens)
        return self.tokens[begin : min(end, begin + longest)].tolist()


@dataclass
class Corpus:
    """All sources of rows for one world, one tokenizer and one body of prose."""

    tokenizer: Tokenizer
    prose: Prose
    end_id: int
    pad_id: int
    seed: int = 0
    plain_until: int = 800  # from this step on reading is no longer made easy by shared words
    world: facts.World = field(default_factory=facts.build_world)

    def __post_init__(self) -> None:
        self.known = self.world.known_facts()
        self.contradicted = facts.conflict_entities(self.world, examined=False)
        vocabulary = self.tokenizer.get_vocab()
        self.opens_word = np.zeros(max(vocabulary.values()) + 1, dtype=bool)
        self.opens_word[[number for piece, number in vocabulary.items() if piece[0] == "Ġ"]] = True
        self.sources: dict[str, Callable[[random.Random, int], Row]] = {
            "copying": lambda rng, step: self.copied(rng, (4, 28)),
            "reading": lambda rng, step: self._encode(self._reading(rng, step)),
            "recall": lambda rng, step: self._encode(self._recall(rng)),
            "abstaining": lambda rng, step: self._encode(self._abstaining(rng)),
            "formats": lambda rng, step: self._encode(self._formats(rng)),
            "instructions": lambda rng, step: self._encode(self._instructions(rng)),
            "extraction": lambda rng, step: self._encode(self._extraction(rng)),
            "shots": lambda rng, step: self._encode(self._shots(rng)),
            "town": lambda rng, step: self._whole(self._town(rng)),
            "long": lambda rng, step: self._tokens(self.prose.text(rng, 380)),
        }

    def exercises(self, shape: Shape, step: int, part: int) -> Batch:
        """A batch of exercises of all kinds that `step` has."""
        shares = [s for s in MIX if s.start <= step]
        rng = random.Random(f"{self.seed}/exercises/{step}/{part}")

        def rows() -> Iterator[Labelled]:
            given = dict.fromkeys(shares, 1e-9)
            while True:  # the kind that has had least of its portion
                share = min(given, key=lambda s: given[s] / s.portion * (0.5 + rng.random()))
                row = self.sources[share.name](rng, step)
                given[share] += len(row[0])
                yield KINDS.index(share.name), row

        weights = {s.name: s.weight for s in shares}
        return self._laid(first_fit(rows(), shape), shape, weights, step)

    def texts(self, shape: Shape, step: int, part: int) -> Batch:
        """A batch of texts; rows 1 and 2 of a window are the halves of one."""
        rng = random.Random(f"{self.seed}/texts/{step}/{part}")
        names = [name for name, _, _ in TEXT_KINDS]
        portions = [portion for _, portion, _ in TEXT_KINDS]

        def window() -> list[Labelled]:
            kind = rng.choices(range(len(names)), portions)[0]
            halves = self._halves(names[kind], rng, shape.length - 2)
            rows = [(kind, self._tokens(half)) for half in halves]
            left = shape.length - sum(len(ids) for _, (ids, _) in rows)
            if left >= FILLER:
                rows.append((0, self._tokens(self.prose.text(rng, left - 1))))
            return rows

        windows = [window() for _ in range(shape.windows)]
        weights = {name: weight for name, _, weight in TEXT_KINDS}
        return self._laid(windows, shape, weights, step)

    def copying(self, shape: Shape, lengths: tuple[int, int], number: int, part: int) -> Batch:
        """A batch of the lessons before all others: strings of random tokens, said three times."""
        rng = random.Random(f"{self.seed}/copying/{number}/{part}")
        kind = KINDS.index("copying")
        rows = ((kind, self.copied(rng, lengths)) for _ in iter(int, 1))
        return self._laid(first_fit(rows, shape), shape, {"copying": 1.0}, number)

    def copied(self, rng: random.Random, lengths: tuple[int, int]) -> Row:
        """What is learned is to say it again; nothing announces that a repetition begins."""
        length = rng.randint(*lengths)
        string = [rng.randrange(2, len(self.opens_word)) for _ in range(length)]
        again = [0.0] + [1.0] * (length - 1)
        return 3 * string, [0.0] * length + 2 * again

    def _laid(
        self,
        windows: list[list[Labelled]],
        shape: Shape,
        weights: dict[str, float],
        step: int,
    ) -> Batch:
        mean_weight = [weights.get(name, 0.0) for name in KINDS]
        return lay(windows, shape, pad_id=self.pad_id, mean_weight=mean_weight, seed=step)

    def _tokens(self, ids: list[int]) -> Row:
        return [self.end_id, *ids], [0.0] + [1.0] * len(ids)

    def _whole(self, text: str) -> Row:
        return self._tokens(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _encode(self, segments: Segments) -> Row:
        ids, weights = [self.end_id], [0.0]
        encoded = self.tokenizer.encode_batch([t for t, _ in segments], add_special_tokens=False)
        for (_, weight), encoding in zip(segments, encoded, strict=True):
            ids += encoding.ids
            weights += [weight] * len(encoding.ids)
        return ids, weights

    def _halves(self, kind: str, rng: random.Random, longest: int) -> tuple[list[int], list[int]]:
        """Two texts that belong together, of `longest` tokens at most both."""
        if kind == "talk":
            return self._talk(rng, longest)
        text: list[int] = []
        while len(text) < 2 * SHORTEST:
            text = self.prose.text(rng, longest)
        cut = rng.randint(SHORTEST, len(text) - SHORTEST)
        while cut < len(text) - SHORTEST and not self.opens_word[text[cut]]:
            cut += 1
        return text[:cut], text[cut:]

    def _talk(self, rng: random.Random, longest: int) -> tuple[list[int], list[int]]:
        """Halves of what is written and said in town."""
        if rng.random() < 0.6:
            pair = shoptalk.paraphrases(rng)
        else:
            make = rng.choice([self._biography, self._biography, shoptalk.talk, shoptalk.talk])
            pair = _cut(make(rng).strip())
        first, second = self.tokenizer.encode_batch(list(pair), add_special_tokens=False)
        return first.ids[: longest // 2], second.ids[: longest // 2]

    def _town(self, rng: random.Random) -> str:
        kinds = [self._biography, self._page, web.page, letters.letter, shoptalk.talk]
        return rng.choices(kinds, [2, 2, 2, 1, 5])[0](rng)

    def _biography(self, rng: random.Random) -> str:
        return biography(rng.choice(self.world.known), rng)

    def _page(self, rng: random.Random) -> str:
        return "".join(text for text, _ in self._recall(rng, count=2))

    def _recall(self, rng: random.Random, count: int = 10) -> Segments:
        asked = [rng.choice(self.known) for _ in range(count)]
        return _answered(
            [(rng.choice(phrasing.seen_questions(f)), phrasing.answer(f)) for f in asked]
        )

    def _reading(self, rng: random.Random, step: int) -> Segments:
        count = rng.choices([1, 2, 3, 4], [2, 3, 4, 1])[0]
        plain = rng.random() > step / self.plain_until
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
