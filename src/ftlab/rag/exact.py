"""Exact search in numpy: the reference for every approximate index, and what answers for the
embedded database (see `ftlab.rag.milvus`)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ftlab.common.errors import LabError
from ftlab.common.files import written_whole
from ftlab.rag.passages import Passage, from_json, to_json
from ftlab.rag.stores import Hit, Where, check_dimension, check_k, checked, no_hits, unit

BLOCK = 256  # queries compared at once: 256 x 100,000 cosines are 100 MB
SPARE = 8  # one row in so many is kept free for what comes


class ExactStore:
    """All vectors in one matrix, every query compared with every row.

    A change costs time by its own size, not by that of the store: rows that were deleted stay in
    the matrix, hidden from every search, until it is full and copied without them.

    With a `path` every change rewrites the file beside itself, which takes time by its size, and
    then takes its name, in one step of the file system: a killed process leaves the old file or
    the new one.
    """

    def __init__(self, path: Path | None, dimension: int | None) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        passages: list[Passage] = []
        if path is not None and path.exists():
            passages, matrix = self._load(path)
            check_dimension(path, matrix.shape[1], dimension)
        elif dimension is None:
            raise LabError(f"There is no index {path or 'in memory'}: build it first.")
        else:
            matrix = np.zeros((0, dimension), np.float32)
        self.dimension = int(matrix.shape[1])
        self._hold(passages, matrix)

    def _load(self, path: Path) -> tuple[list[Passage], np.ndarray]:
        try:
            self._stamp = _stamp(path)
            with np.load(path, allow_pickle=False) as arrays:
                matrix = np.asarray(arrays["vectors"], np.float32)
                lines = arrays["passages"].tobytes().decode("utf-8").split("\n")
            passages = [from_json(line) for line in lines if line]
            if matrix.ndim != 2 or len(matrix) != len(passages):
                raise ValueError("vectors and passages differ in number")
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            reason = " ".join(str(error).split())
            raise LabError(f"{path} is not an index written by the lab ({reason}).") from error
        return passages, matrix

    def upsert(self, passages: Sequence[Passage], vectors: ArrayLike) -> None:
        """See `Store`."""
        new = checked(passages, vectors, self.dimension)
        self.lost(passages)  # refuses an id of another document
        self._change({passage.source for passage in passages}, passages, new)

    def delete(self, sources: Iterable[str]) -> None:
        """See `Store`."""
        self._change(set(sources), [], np.zeros((0, self.dimension), np.float32))

    def lost(self, passages: Sequence[Passage]) -> list[Passage]:
        """The stored passages that `upsert(passages)` would delete: those of the same documents
        with other ids. LabError if an id belongs to a passage of another document."""
        sources, ids = {p.source for p in passages}, {p.id for p in passages}
        for name in ids & self._rows.keys():
            if self._passages[self._rows[name]].source not in sources:
                raise LabError(f"The id {name!r} belongs to a passage of another source.")
        return [passage for passage in self.of(sources) if passage.id not in ids]

    def of(self, sources: Iterable[str]) -> list[Passage]:
        """The stored passages of these documents."""
        return [self._passages[i] for source in sources for i in self._documents.get(source, ())]

    def search(self, vectors: ArrayLike, k: int, *, where: Where | None = None) -> list[list[Hit]]:
        """See `Store`."""
        check_k(k)
        queries = unit(vectors, self.dimension)
        if not self._passages:
            raise no_hits()
        rows = range(self._end) if where is None else where.among(self._passages, self._passages)
        matrix = self._matrix[: self._end] if where is None else self._matrix[rows]
        hidden = self._deleted if where is None else []
        k = min(k, len(rows) - len(hidden))
        rankings: list[list[Hit]] = []
        for begin in range(0, len(queries), BLOCK):
            cosines = queries[begin : begin + BLOCK] @ matrix.T
            cosines[:, hidden] = -np.inf
            # argpartition finds the k best in linear time; only these are sorted.
            best = np.argpartition(-cosines, k - 1, axis=1)[:, :k] if k else cosines[:, :0]
            for line, places in zip(cosines, best.astype(int), strict=True):
                order = places[np.argsort(-line[places], kind="stable")]
                rankings.append([Hit(self._passages[rows[i]], float(line[i])) for i in order])
        return rankings

    def passages(self) -> list[Passage]:
        """See `Store`."""
        return list(self._passages.values())

    def count(self) -> int:
        """See `Store`."""
        return len(self._passages)

    def close(self) -> None:
        """Nothing is held open."""

    def _change(self, sources: set[str], passages: Sequence[Passage], vectors: np.ndarray) -> None:
        """Put `passages` in the place of all that is stored of `sources`: first in the file, as
        that may fail, then in memory."""
        gone = [row for source in sources for row in self._documents.get(source, ())]
        if self.path is not None:
            kept = sorted(self._passages.keys() - set(gone))
            lines = [*(self._passages[row] for row in kept), *passages]
            self._write(self.path, lines, np.concatenate([self._matrix[kept], vectors]))
        for source in sources:
            self._documents.pop(source, None)
        for row in gone:
            del self._rows[self._passages.pop(row).id]
        self._deleted += gone
        if self._end + len(passages) > len(self._matrix):
            kept = list(self._passages)
            everything = np.concatenate([self._matrix[kept], vectors])
            self._hold([*self._passages.values(), *passages], everything)
        else:
            self._matrix[self._end : self._end + len(passages)] = vectors
            self._enter(passages)

    def _hold(self, passages: Sequence[Passage], matrix: np.ndarray) -> None:
        """These passages and no others, with some room for more."""
        self._matrix = np.empty((len(matrix) + len(matrix) // SPARE, self.dimension), np.float32)
        self._matrix[: len(matrix)] = matrix
        self._end = 0  # of the rows in use
        self._deleted: list[int] = []  # rows before it that belong to no passage any more
        self._passages: dict[int, Passage] = {}  # by row, in the order of the rows
        self._rows: dict[str, int] = {}  # by id
        self._documents: dict[str, list[int]] = {}  # rows by source
        self._enter(passages)

    def _enter(self, passages: Sequence[Passage]) -> None:
        for row, passage in enumerate(passages, start=self._end):
            self._passages[row] = passage
            self._rows[passage.id] = row
            self._documents.setdefault(passage.source, []).append(row)
        self._end += len(passages)

    def _write(self, path: Path, passages: list[Passage], matrix: np.ndarray) -> None:
        if self._stamp != (_stamp(path) if path.exists() else None):
            raise LabError(
                f"{path} was changed by another process since it was opened here: open it again."
            )
        lines = "\n".join(to_json(passage) for passage in passages).encode("utf-8")
        try:
            with written_whole(path) as beside, open(beside, "wb") as file:
                np.savez(file, vectors=matrix, passages=np.frombuffer(lines, dtype=np.uint8))
        except OSError as error:
            raise LabError(f"Cannot write {path}: {error.strerror or error}.") from error
        self._stamp = _stamp(path)


def _stamp(path: Path) -> tuple[int, int, int]:
    """What differs between one version of a file and the next."""
    about = path.stat()
    return about.st_ino, about.st_size, about.st_mtime_ns
