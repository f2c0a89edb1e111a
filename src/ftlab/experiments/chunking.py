"""Into pieces of which size documents are best cut, and what a title on every piece is worth.

All sizes have the same room in the prompt: of small pieces more fit. An answer counts as found if
the sentence that tells it (of one's own documents: the answer itself) stands whole in what fits.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ftlab.common.parallel import in_parallel
from ftlab.evaluation import Estimate, normalise
from ftlab.experiments.collection import Collection, says
from ftlab.experiments.effort import Effort
from ftlab.experiments.learning_curve import over_seeds
from ftlab.models import load_tokenizer
from ftlab.notebook.display import short
from ftlab.plots import bands
from ftlab.rag.passages import Passage, chunk
from ftlab.rag.room import count_tokens, fitted
from ftlab.rag.sparse import WordIndex
from ftlab.world import build_world
from ftlab.world.almanac import articles
from ftlab.world.needs import about
from ftlab.world.phrasing import unseen_question

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOM = 160  # tokens of the prompt that passages may take
SIZES = (8, 16, 32, 64, 128)  # words of a piece
PLAIN, TITLED = "pieces alone", "with the title on each"
CANDIDATES = 40  # pieces that are looked at, the best first
MOST_TOKENS = 10_000  # of a piece: no limit


@dataclass(frozen=True)
class Document:
    """A text with its name, its title and what stands in it that questions ask for."""

    source: str
    title: str
    text: str


@dataclass(frozen=True, eq=False)
class ChunkSizes:
    """`rows`: seed, size, titled, found (share of the questions), pieces, tokens of a piece,
    too_long (the share of pieces that the room could not hold even alone: they are never read)."""

    rows: pd.DataFrame
    room: int

    def estimate(self, size: int, titled: bool) -> Estimate:
        """The share of answers that stand in what fits."""
        some = self.rows[(self.rows["size"] == size) & (self.rows.titled == titled)]
        return over_seeds(list(some.found), bounds=(0.0, 1.0))

    @property
    def sizes(self) -> list[int]:
        return sorted({*self.rows["size"]})

    def best(self, titled: bool) -> int:
        """The size that finds most."""
        return max(self.sizes, key=lambda size: self.estimate(size, titled).value)

    def title_gain(self) -> Estimate:
        """What titles add, mean over all sizes, paired by seed."""
        means = self.rows.pivot_table(index="seed", columns="titled", values="found")
        return over_seeds(list(means[True] - means[False]), bounds=(-1.0, 1.0))

    def figure(self) -> tuple[Figure, str]:
        """The share found over the size of a piece, with and without titles."""
        drawn = {
            name: {float(size): self.estimate(size, titled) for size in self.sizes}
            for name, titled in ((PLAIN, False), (TITLED, True))
        }
        title = f"Is the answer in the best pieces that fit into {self.room} tokens?"
        figure = bands(
            drawn, x="words of a piece (log scale)", y="share of questions", title=title, log_x=True
        )
        figure.axes[0].set_ylim(0, 1.02)
        told = "; ".join(
            f"{name}: best with {self.best(titled)} words, "
            f"{self.estimate(self.best(titled), titled).value:.2f}, worst with "
            f"{self._worst(titled)}, {self.estimate(self._worst(titled), titled).value:.2f}"
            for name, titled in ((PLAIN, False), (TITLED, True))
        )
        return (
            figure,
            f"Questions whose answer was found, over the size of a piece. {told}.",
        )

    def told(self) -> str:
        """What to see in it."""
        parts = []
        for name, titled in ((TITLED, True), (PLAIN, False)):
            best, ends = self.best(titled), (self.sizes[0], self.sizes[-1])
            where = "at an end" if best in ends else "between the ends"
            least, most = (short(self.estimate(size, titled)) for size in ends)
            parts.append(
                f"{name[0].upper()}{name[1:]}, the best size lies {where}: {best} words find "
                f"{short(self.estimate(best, titled))}, {ends[0]} words {least}, {ends[1]} words "
                f"{most}."
            )
        gains = {
            s: self.estimate(s, True).value - self.estimate(s, False).value for s in self.sizes
        }
        most_at = max(gains, key=lambda size: gains[size])
        parts.append(
            f"A title on every piece adds {short(self.title_gain())}, mean over all sizes; most, "
            f"{gains[most_at]:.2f}, where a piece has {most_at} words."
        )
        least_at = min(gains, key=lambda size: gains[size])
        if gains[least_at] < 0:
            parts.append(
                f"With {least_at} words it takes away {-gains[least_at]:.2f}: a title needs room."
            )
        long = self.rows[self.rows["size"] == self.sizes[-1]].groupby("titled").too_long.mean()
        if long.max() > 0:
            parts.append(
                f"Of the pieces of {self.sizes[-1]} words {long[False]:.2f} are longer than the "
                f"whole room of {self.room} tokens, with a title {long[True]:.2f}: these are not "
                "read at all. So the room, too, decides which size is best."
            )
        return " ".join(parts)

    def _worst(self, titled: bool) -> int:
        return min(self.sizes, key=lambda size: self.estimate(size, titled).value)

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for size in self.sizes:
            for titled in (False, True):
                yield {
                    "name": "answer_in_room",
                    "value": self.estimate(size, titled),
                    "words": size,
                    "titled": titled,
                    "room": self.room,
                }


def chunk_sizes(
    collection: Collection,
    base_model: str,
    *,
    seeds: Sequence[int],
    effort: Effort,
    room: int = ROOM,
    sizes: Sequence[int] = SIZES,
) -> ChunkSizes:
    """Cut all documents into pieces of each size, search them by words, and see what is found in as
    many pieces as fit into `room` tokens."""
    questions = effort.pick(smoke=6, quick=200, full=400)
    chosen = effort.pick(smoke=tuple(sizes[::4]), quick=tuple(sizes), full=tuple(sizes))
    do = partial(_found, collection, base_model, questions, chosen, room)
    rows = [row for part in in_parallel(do, [{"seed": s} for s in seeds], "sizes") for row in part]
    return ChunkSizes(pd.DataFrame(rows), room)


def documents(
    collection: Collection, seed: int, questions: int
) -> tuple[list[Document], list[tuple[str, str, str]]]:
    """The documents of a collection, and questions with the source and the words that tell it."""
    rng = random.Random(f"chunks/{seed}")
    if collection.own is None:
        world = build_world()
        moved = {about(fact) for fact in world.changed}
        pages = articles(world, seed, free=True)
        found = [Document(page.title, page.title, page.text) for page in pages]
        asked = [
            (unseen_question(fact), page.title, sentence)
            for page in pages
            for fact, sentence in zip(page.told, page.sentences, strict=True)
            if about(fact) not in moved
        ]
        return found, rng.sample(asked, min(questions, len(asked)))
    texts: dict[str, list[str]] = {}
    source_of = {}
    for passage in collection.own:
        texts.setdefault(passage.source, []).append(passage.text)
        source_of[passage.id] = passage.source
    found = [
        Document(source, PurePosixPath(source).stem, "\n\n".join(parts))
        for source, parts in texts.items()
    ]
    own = [(q.text, source_of[min(q.relevant)], q.answer) for q, _ in collection.asked]
    return found, rng.sample(own, min(questions, len(own)))


def _found(
    collection: Collection,
    base_model: str,
    questions: int,
    sizes: Sequence[int],
    room: int,
    *,
    seed: int,
) -> list[dict[str, Any]]:
    tokenizer = load_tokenizer(base_model)
    texts, asked = documents(collection, seed, questions)
    needles = [(source, _flat(needle)) for _, source, needle in asked]
    rows = []
    for size in sizes:
        for titled in (False, True):
            pieces = [
                Passage(
                    f"{text.source}#{n}", f"{text.title}: {one}" if titled else one, text.source
                )
                for text in texts
                for n, one in enumerate(chunk(text.text, size), start=1)
            ]
            pieces, _ = fitted(pieces, tokenizer, MOST_TOKENS)
            counts = count_tokens(tokenizer, [piece.text for piece in pieces])
            tokens = dict(zip((piece.id for piece in pieces), counts, strict=True))
            rankings = WordIndex(pieces).search([question for question, _, _ in asked], CANDIDATES)
            found = [
                _holds([hit.passage for hit in hits], tokens, room, source, needle)
                for hits, (source, needle) in zip(rankings, needles, strict=True)
            ]
            rows.append(
                {
                    "seed": seed,
                    "size": size,
                    "titled": titled,
                    "found": float(np.mean(found)),
                    "pieces": len(pieces),
                    "tokens": float(np.mean(counts)),
                    "too_long": float(np.mean(np.array(counts) > room)),
                }
            )
    return rows


def _holds(
    ranked: Sequence[Passage], tokens: dict[str, int], room: int, source: str, needle: str
) -> bool:
    """Whether a piece of this document that fits holds the words, whole."""
    for passage in ranked:
        room -= tokens[passage.id]
        if room < 0:
            return False
        if passage.source == source and says(_flat(passage.text), needle):
            return True
    return False


def _flat(text: str) -> str:
    return normalise(" ".join(text.split()))
