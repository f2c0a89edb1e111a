"""Exact search in numpy: the reference that an approximate index is measured against."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ftlab.errors import LabError
from ftlab.files import written_whole
from ftlab.rag.passages import Passage, from_json, to_json
from ftlab.rag.stores import Hit, Where, checked, no_hits, unit

BLOCK = 256  # queries compared at once: 256 x 100,000 cosines are 100 MB


class ExactStore:
    """All vectors in one matrix, every query compared with every row.

    With a `path` every change rewrites the file beside itself and then takes its name, in one
    step of the file system: a killed process leaves the old file or the new one.
    """

    def __init__(self, path: Path | None, dimension: int | None) -> None:
        self.path = path
        self._passages: list[Passage] = []
        self._stamp: tuple[int, int, int] | None = None
        if path is not None and path.exists():
            matrix = self._load(path)
            if dimension is not None and matrix.shape[1] != dimension:
                raise LabError(
                    f"{path} holds vectors of {matrix.shape[1]} numbers, the encoder gives "
                    f"{dimension}: build the index again, or take the encoder it was built with."
                )
            dimension = matrix.shape[1]
        elif dimension is None:
            raise LabError(f"There is no index {path or 'in memory'}: build it first.")
        else:
            matrix = np.zeros((0, dimension), np.float32)
        self.dimension, self._matrix = dimension, matrix

    def _load(self, path: Path) -> np.ndarray:
        try:
            self._stamp = _stamp(path)
            with np.load(path, allow_pickle=False) as arrays:
                matrix = np.asarray(arrays["vectors"], np.float32)
                lines = arrays["passages"].tobytes().decode("utf-8").split("\n")
            self._passages = [from_json(line) for line in lines if line]
            if matrix.ndim != 2 or len(matrix) != len(self._passages):
                raise ValueError("vectors and passages differ in number")
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            reason = " ".join(str(error).split())
            raise LabError(f"{path} is no index that the lab wrote ({reason}).") from None
        return matrix

    def upsert(self, passages: Sequence[Passage], vectors: ArrayLike) -> None:
        """See `Store`."""
        new = checked(passages, vectors, self.dimension)
        kept = self._without({passage.source for passage in passages})
        here = {self._passages[i].id for i in kept}
        taken = next((passage.id for passage in passages if passage.id in here), None)
        if taken is not None:
            raise LabError(f"The id {taken!r} belongs to a passage of another source.")
        self._replace(
            [*(self._passages[i] for i in kept), *passages],
            np.concatenate([self._matrix[kept], new]),
        )

    def delete(self, sources: Iterable[str]) -> None:
        """See `Store`."""
        kept = self._without(set(sources))
        self._replace([self._passages[i] for i in kept], self._matrix[kept])

    def search(self, vectors: ArrayLike, k: int, *, where: Where | None = None) -> list[list[Hit]]:
        """See `Store`."""
        queries = unit(vectors, self.dimension)
        if not self._passages:
            raise no_hits()
        rows = np.arange(len(self._passages))
        if where is not None:
            rows = np.array([i for i in rows if where.allows(self._passages[i])], dtype=int)
        found: list[list[Hit]] = []
        matrix = self._matrix if where is None else self._matrix[rows]
        k = min(k, len(rows))
        for begin in range(0, len(queries), BLOCK):
            cosines = queries[begin : begin + BLOCK] @ matrix.T
            # argpartition finds the k best in linear time; only these are sorted.
            best = np.argpartition(-cosines, k - 1, axis=1)[:, :k] if k else cosines[:, :0]
            for line, places in zip(cosines, best.astype(int), strict=True):
                order = places[np.argsort(-line[places], kind="stable")]
                found.append([Hit(self._passages[rows[i]], float(line[i])) for i in order])
        return found

    def passages(self) -> list[Passage]:
        """See `Store`."""
        return list(self._passages)

    def count(self) -> int:
        """See `Store`."""
        return len(self._passages)

    def close(self) -> None:
        """Nothing is held open."""

    def _without(self, sources: set[str]) -> np.ndarray:
        """The rows that belong to none of `sources`."""
        kept = [i for i, passage in enumerate(self._passages) if passage.source not in sources]
        return np.array(kept, dtype=int)

    def _replace(self, passages: list[Passage], matrix: np.ndarray) -> None:
        if self.path is not None:
            self._write(self.path, passages, matrix)
        self._passages, self._matrix = passages, matrix

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
