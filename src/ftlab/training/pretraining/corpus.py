"""What the base model reads: batches of texts and batches of exercises, made from seed and step.

Texts are prose and shop talk, cut into halves that belong together; exercises are the town's. Every
batch is a function of the seed and the step, so a resumed run reads on where it stopped.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ftlab.training.pretraining.batches import Batch, Labelled, Row, Shape, first_fit, lay
from ftlab.training.pretraining.lessons import Lessons, Segments
from ftlab.training.pretraining.texts import Prose

if TYPE_CHECKING:
    from tokenizers import Tokenizer

COPIED = (4, 28)  # tokens of a string that is to be said again
FILLER = 24  # tokens that must be left in a window for another text to be begun


RAMP = 200


@dataclass(frozen=True)
class Share:
    """One kind of exercise: its share of the rows' tokens, the weight of its mean loss, and the
    first step that has it.

    From then on the weight grows over `RAMP` steps: all at once would cost the young network its
    skill of copying, and with it everything about reading.
    """

    name: str
    portion: float
    weight: float
    start: int = 0

    def weight_at(self, step: int) -> float:
        return self.weight * min(1.0, (step - self.start) / RAMP) if self.start else self.weight


# Reading alone at first. Ten kinds from the beginning taught it to answer with one of the values in
# the notes, and never the right one of two.
READING_ONLY = 600
MIX = (
    Share("copying", 0.06, 0.3),
    Share("reading", 0.26, 1.0),
    Share("recall", 0.10, 0.5, READING_ONLY),
    Share("shots", 0.04, 0.3, READING_ONLY),
    Share("formats", 0.18, 0.7, READING_ONLY),
    Share("town", 0.06, 0.4, READING_ONLY),
    Share("abstaining", 0.10, 0.5, READING_ONLY + 200),
    Share("instructions", 0.08, 0.5, READING_ONLY + 200),
    Share("extraction", 0.06, 0.4, READING_ONLY + 200),
    Share("long", 0.06, 0.4, READING_ONLY + 200),
)
# What was learned least goes on with most: forms, orders and fields.
LATER = (
    Share("copying", 0.03, 0.2),
    Share("reading", 0.14, 0.8),
    Share("recall", 0.08, 0.5),
    Share("shots", 0.04, 0.3),
    Share("formats", 0.28, 1.2),
    Share("town", 0.04, 0.3),
    Share("abstaining", 0.10, 0.6),
    Share("instructions", 0.14, 0.9),
    Share("extraction", 0.11, 0.8),
    Share("long", 0.04, 0.3),
)
TEXT_KINDS = (("prose", 0.8, 0.85), ("talk", 0.2, 0.15))  # name, portion, weight of the mean loss
KINDS = (*(name for name, _, _ in TEXT_KINDS), "contrast", *(s.name for s in MIX))


@dataclass
class Corpus:
    """All sources of rows for one world, one tokenizer and one body of prose."""

    tokenizer: Tokenizer
    prose: Prose
    end_id: int
    pad_id: int
    seed: int = 0
    lessons: Lessons = field(default_factory=Lessons)

    def __post_init__(self) -> None:
        vocabulary = self.tokenizer.get_vocab()
        self.opens_word = np.zeros(max(vocabulary.values()) + 1, dtype=bool)
        self.opens_word[[number for piece, number in vocabulary.items() if piece[0] == "Ġ"]] = True
        self.sources: dict[str, Callable[[random.Random, int], Row]] = {
            "copying": lambda rng, step: self.copied(rng),
            "reading": lambda rng, step: self._encode(self.lessons.reading(rng, step)),
            "town": lambda rng, step: self._whole(self.lessons.town(rng)),
            "long": lambda rng, step: self._tokens(self.prose.text(rng, 380)),
        }
        for name in {share.name for share in MIX} - set(self.sources):
            self.sources[name] = partial(self._exercise, getattr(self.lessons, name))

    def _exercise(
        self, make: Callable[[random.Random], Segments], rng: random.Random, step: int
    ) -> Row:
        return self._encode(make(rng))

    def exercises(self, shape: Shape, step: int, part: int, mix: Sequence[Share] = MIX) -> Batch:
        """A batch of exercises of all kinds that `step` has."""
        shares = [s for s in mix if s.start <= step]
        rng = random.Random(f"{self.seed}/exercises/{step}/{part}")

        def rows() -> Iterator[Labelled]:
            given = dict.fromkeys(shares, 1e-9)
            while True:  # the kind that has had least of its portion
                share = min(given, key=lambda s: given[s] / s.portion * (0.5 + rng.random()))
                row = self.sources[share.name](rng, step)
                given[share] += len(row[0])
                yield KINDS.index(share.name), row

        weights = {s.name: s.weight_at(step) for s in shares}
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

    def copying(self, shape: Shape, number: int, part: int) -> Batch:
        """A batch of the lessons before all others: strings of random tokens, said three times."""
        rng = random.Random(f"{self.seed}/copying/{number}/{part}")
        kind = KINDS.index("copying")
        rows = ((kind, self.copied(rng)) for _ in iter(int, 1))
        return self._laid(first_fit(rows, shape), shape, {"copying": 1.0}, number)

    def copied(self, rng: random.Random) -> Row:
        """What is learned is to say it again; nothing announces that a repetition begins."""
        length = rng.randint(*COPIED)
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
        if kind == "prose":
            return self.prose.halves(rng, longest, self.opens_word)
        pair = list(self.lessons.pair(rng))
        first, second = self.tokenizer.encode_batch(pair, add_special_tokens=False)
        return first.ids[: longest // 2], second.ids[: longest // 2]
