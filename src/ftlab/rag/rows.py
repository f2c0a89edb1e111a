"""Passages as rows of a Milvus collection, and conditions as its filter expressions.

Values of the data never enter an expression: only hexadecimal digests of them, and dates that were
checked to be digits and hyphens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ftlab.common.errors import LabError
from ftlab.rag.passages import Passage, digest, from_json, to_json
from ftlab.rag.stores import Hit, Where

MOST_BYTES = 65_535  # of a text field in Milvus
ROWS = 4_096  # of a request; a document is never divided, however many it has


def add_fields(schema: Any, dimension: int) -> None:
    """The fields of a row, for a new collection's schema."""
    from pymilvus import DataType

    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=32)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    for name, length in (("source", 32), ("date", 10), ("live", 3), ("tags", MOST_BYTES)):
        schema.add_field(name, DataType.VARCHAR, max_length=length)
    schema.add_field("passage", DataType.VARCHAR, max_length=MOST_BYTES)


def to_row(passage: Passage, vector: np.ndarray) -> dict[str, Any]:
    """The row of a passage; LabError if its text is too long for one."""
    tags = "".join(f" {_tag(name, value)}" for name, value in passage.metadata.items())
    line = to_json(passage)
    if len(line.encode("utf-8")) > MOST_BYTES:
        raise LabError(f"Passage {passage.id!r} is too long to store: split it into smaller ones.")
    return {
        "id": digest(passage.id),
        "vector": vector,
        "source": digest(passage.source),
        "date": passage.date,
        "live": "yes",
        "tags": f"{tags} ",
        "passage": line,
    }


def dead_row(name: str, vector: np.ndarray) -> dict[str, Any]:
    """A row in the place of a passage that its document lost. Its vector means nothing."""
    empty = {"source": "", "date": "", "live": "no", "tags": "", "passage": ""}
    return {"id": name, "vector": vector, **empty}


def whole_documents(passages: Sequence[Passage]) -> Iterator[list[int]]:
    """Which passages go into which request of about `ROWS` rows: those of one document always into
    the same one."""
    documents: dict[str, list[int]] = {}
    for number, passage in enumerate(passages):
        documents.setdefault(passage.source, []).append(number)
    group: list[int] = []
    for document in documents.values():
        if group and len(group) + len(document) > ROWS:
            yield group
            group = []
        group += document
    if group:
        yield group


def as_filter(where: Where | None) -> str:
    """A condition as a filter expression; "" for none."""
    if where is None:
        return ""
    parts = [f'tags like "% {_tag(name, value)} %"' for name, value in where.equal.items()]
    parts += [f'date >= "{where.since}"'] if where.since else []
    parts += [f'date <= "{where.until}" and date > ""'] if where.until else []
    return " and ".join(parts)


def _tag(name: str, value: str) -> str:
    return digest(f"{name}\0{value}")


def listed(digests: Iterable[str]) -> str:
    """Digests as the list of an expression."""
    return "[" + ", ".join(f'"{name}"' for name in digests) + "]"


def to_hit(result: Any) -> Hit:
    """A result of Milvus's search as a hit."""
    return Hit(from_json(result["entity"]["passage"]), float(result["distance"]))
