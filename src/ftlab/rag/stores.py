"""One small interface to a store of passages and their vectors, whatever is behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ftlab.common.errors import LabError
from ftlab.rag.passages import Passage, check_date

SERVERS = ("http://", "https://", "tcp://")


@dataclass(frozen=True)
class Hit:
    """A passage that was found; a greater `score` is better."""

    passage: Passage
    score: float


@dataclass(frozen=True)
class Where:
    """Which passages may be found: those with all pairs of `equal` in their metadata, dated from
    `since` to `until` (both included; "" is no limit). A passage without a date is in no range.

    A date that is only a year or a month stands for its beginning.
    """

    equal: Mapping[str, str] = field(default_factory=dict, hash=False)
    since: str = ""
    until: str = ""

    def __post_init__(self) -> None:
        check_date(self.since, "Where, since")
        check_date(self.until, "Where, until")

    def allows(self, passage: Passage) -> bool:
        """Whether `passage` may be found."""
        return bool(self.among([passage], [0]))

    def among(
        self, passages: Mapping[int, Passage] | Sequence[Passage], numbers: Iterable[int]
    ) -> list[int]:
        """Those of `numbers` whose passage may be found, in their order."""
        # One condition after the other, over lists of plain numbers: ten times as fast as asking
        # every passage, and nothing that Python's garbage collector would have to walk through.
        kept = list(numbers)
        for name, value in self.equal.items():
            kept = [i for i in kept if passages[i].metadata.get(name) == value]
        if self.since:
            kept = [i for i in kept if passages[i].date >= self.since]
        if self.until:
            kept = [i for i in kept if "" < passages[i].date <= self.until]
        return kept


class Store(Protocol):
    """Passages and one vector each, searched by cosine. `source` names a document.

    A document is written and deleted as a whole: a process that is killed at any moment leaves
    every document as it was or as it was to become, never between.
    """

    dimension: int

    def upsert(self, passages: Sequence[Passage], vectors: ArrayLike) -> None:
        """Write documents: all that was stored of each source among `passages` is replaced by the
        passages given. `vectors` is (passages, dimension), of any length above 0."""

    def delete(self, sources: Iterable[str]) -> None:
        """Delete every passage of these documents; unknown ones are no error."""

    def search(self, vectors: ArrayLike, k: int, *, where: Where | None = None) -> list[list[Hit]]:
        """The `k` most similar passages for each of the (queries, dimension) vectors, best first.
        LabError if the store is empty or `k` below 1."""

    def passages(self) -> list[Passage]:
        """Everything that is stored."""

    def count(self) -> int:
        """How many passages are stored."""

    def close(self) -> None:
        """Let go of files and locks; the store cannot be used any more."""


def checked(passages: Sequence[Passage], vectors: ArrayLike, dimension: int) -> np.ndarray:
    """(passages, dimension) vectors of length 1 in fp32, after a look at what is to be written."""
    repeated = _repeated([passage.id for passage in passages])
    if repeated is not None:
        raise LabError(f"Two passages have the id {repeated!r}.")
    units = unit(vectors, dimension)
    if len(units) != len(passages):
        raise LabError(f"{len(passages)} passages but {len(units)} vectors.")
    return units


def unit(vectors: ArrayLike, dimension: int) -> np.ndarray:
    """(n, dimension) vectors of length 1 in fp32; LabError if they do not fit the store."""
    rows = np.asarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise LabError(
            f"The index holds vectors of {dimension} numbers; these have the shape {rows.shape}: "
            "they come from another encoder than the one the index was built with."
        )
    if not len(rows):
        return rows
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise LabError(
            "A vector of zeros, or one with values that are not finite, has no cosine similarity."
        )
    return rows / lengths


def check_dimension(index: str | Path, stored: int, dimension: int | None) -> None:
    """LabError unless vectors of `dimension` numbers (None: of any) fit an index that is there."""
    if dimension not in (None, stored):
        raise LabError(
            f"{index} holds vectors of {stored} numbers, the encoder gives {dimension}: build the "
            "index again, or use the encoder it was built with."
        )


def check_k(k: int) -> None:
    """LabError unless a search for the `k` best passages can find any."""
    if k < 1:
        raise LabError(f"k must be 1 or more, not {k}.")


def no_hits() -> LabError:
    """For a search in an empty index."""
    return LabError("The index is empty: add passages before searching.")


def _repeated(names: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
