"""Milvus: embedded in this process (Milvus Lite), or a server or cluster, through the same code.

What Milvus Lite 3.2 does when it is killed: every request is one batch in a write-ahead log that
is handed to the operating system before the request returns; on opening, whole batches are read
back and a torn one is dropped. So one *request* is applied whole or not at all, but a document
that shrinks takes two, an upsert and a deletion, and a kill between them leaves both versions'
passages. Therefore a document is always written by one request: the passages that it lost are in
it too, overwritten by rows marked as dead. No search returns these, and they are deleted
afterwards, at the latest when the index is opened again. And a kill between the last two steps of
a flush (the rows are filed, their log is not yet deleted) makes Milvus Lite count and find these
rows twice from then on; such rows are written anew on opening, which replaces both. Nor are its
index files written in one go; one that is torn is made anew on opening. A test kills it at random
moments.

Who searches: a server does it itself, as its collection may be larger than our memory. Milvus Lite
goes through all primary keys in Python for every request, whatever the index type: 25 ms a question
with 10,000 passages, 300 ms with 100,000. But its folder is locked, so nobody else changes what it
holds; its rows are read on opening into an exact search in memory (`ExactStore`), which answers
every question. A change goes to the database first and then there.

What this costs over exact search alone: 4 bytes for each number of a vector and about 1 kB for a
short passage, beside what Milvus Lite itself holds; 0.1 to 0.15 ms a passage on opening, 0.3 to 0.4
ms on writing and 30 ms for a changed document. What would not fit belongs on a server. What it
gives: a change is one small write, where a .npz file is written anew; two processes cannot spoil
each other's work; and a server takes its place without another line of code. The times are those
of `benchmarks/retrieval.py` on one core.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ftlab.common.errors import LabError
from ftlab.rag.connection import be_quiet, connect, explained, start
from ftlab.rag.exact import ExactStore
from ftlab.rag.passages import Passage, digest, from_json
from ftlab.rag.rows import (
    ROWS,
    add_fields,
    as_filter,
    dead_row,
    listed,
    to_hit,
    to_row,
    whole_documents,
)
from ftlab.rag.stores import SERVERS, Hit, Where, check_dimension, check_k, checked, no_hits, unit

COLLECTION = "ftlab_passages"
INDEX = "FLAT"  # exact, and built in no time; a server may be given another one
QUERIES = 1_024  # of a request
PAGE = 8_192
SECONDS = 10.0  # to wait for a server


class MilvusStore:
    """Passages in one collection: `uri` is a path ending in .db, or a server's address."""

    def __init__(self, uri: str, dimension: int | None) -> None:
        self.uri = uri
        self._embedded = not uri.startswith(SERVERS)
        be_quiet()
        folder = Path(uri).expanduser().absolute() if self._embedded else None
        self._database: Any = None  # the embedded one, to read it without a detour
        address, stop = uri, lambda: None
        if folder is not None:
            address, stop, self._database = start(uri, folder, dimension)
        # Also at the end of the process: a lock that outlives its store shuts others out.
        self._stop = weakref.finalize(self, stop)
        self._mirror: ExactStore | None = None
        try:
            with explained(uri):
                self._client = connect(address, self._embedded, SECONDS)
                self.dimension = self._open(dimension)
                self._client.load_collection(COLLECTION)
                if self._in_memory() is None:
                    self._delete('live == "no"')  # what a killed process left
        except BaseException:
            self.close()
            raise

    def _open(self, dimension: int | None) -> int:
        """The dimension of the collection, which is made if it is not there."""
        if not self._client.has_collection(COLLECTION):
            if dimension is None:
                raise LabError(f"There is no index at {self.uri}: build it first.")
            self._create(dimension)
            return dimension
        fields = self._client.describe_collection(COLLECTION)["fields"]
        stored = next((int(f["params"]["dim"]) for f in fields if f["name"] == "vector"), None)
        if stored is None:
            raise LabError(f"The collection {COLLECTION} at {self.uri} was not created by the lab.")
        check_dimension(self.uri, stored, dimension)
        return stored

    def _create(self, dimension: int) -> None:
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        add_fields(schema, dimension)
        index = self._client.prepare_index_params()
        index.add_index("vector", index_type=INDEX, metric_type="COSINE")
        # One shard, so that a server too applies a request as one; strong, so that it is seen.
        self._client.create_collection(
            COLLECTION, schema=schema, index_params=index, num_shards=1, consistency_level="Strong"
        )

    def _in_memory(self) -> ExactStore | None:
        """All that the embedded database holds; None for a server."""
        self._require_open()
        if self._embedded and self._mirror is None:
            with explained(self.uri):
                self._mirror = self._read()
        return self._mirror

    def _read(self) -> ExactStore:
        """Read every row, and mend what a killed process left: dead rows, and rows twice."""
        passages: list[Passage] = []
        vectors = [np.zeros((0, self.dimension), np.float32)]
        dead: list[str] = []
        collection = self._database.get_collection(COLLECTION)
        # In four parts by the first digit of the ids, which are hexadecimal digests: read at once,
        # every number of every vector would be an object of Python at the same time.
        for first, after in pairwise("048cg"):
            keys = f'id >= "{first}" and id < "{after}"'
            rows_read = collection.query(keys, output_fields=["id", "live", "passage", "vector"])
            times = Counter(row["id"] for row in rows_read)
            self._mend([name for name, count in times.items() if count > 1])
            rows = {row["id"]: row for row in rows_read}
            dead += [name for name, row in rows.items() if row["live"] == "no"]
            live = [row for row in rows.values() if row["live"] == "yes"]
            passages += [from_json(row["passage"]) for row in live]
            if live:
                vectors.append(np.array([row["vector"] for row in live], np.float32))
        if dead:
            self._client.delete(COLLECTION, ids=dead)
        self._flush()
        mirror = ExactStore(None, self.dimension)
        mirror.upsert(passages, np.concatenate(vectors))
        return mirror

    def _mend(self, repeated: Sequence[str]) -> None:
        """Write rows that are there twice once more: the newest of a row hides all others."""
        for begin in range(0, len(repeated), ROWS):
            keys = f"id in {listed(repeated[begin : begin + ROWS])}"
            rows = self._client.query(COLLECTION, filter=keys, output_fields=["*"])
            self._client.upsert(COLLECTION, list({row["id"]: row for row in rows}.values()))

    @contextmanager
    def _change(self) -> Iterator[ExactStore | None]:
        """For a change in the database, with what is held in memory. This is read anew after a
        change that failed: only the database knows how much of it was done."""
        try:
            with explained(self.uri):
                yield self._in_memory()
        except BaseException:
            self._mirror = None
            raise

    def upsert(self, passages: Sequence[Passage], vectors: ArrayLike) -> None:
        """See `Store`."""
        new = checked(passages, vectors, self.dimension)
        rows = [to_row(passage, vector) for passage, vector in zip(passages, new, strict=True)]
        # All that may be refused is refused before the first request.
        requests = [(group, self._lost(group, passages)) for group in whole_documents(passages)]
        with self._change() as mirror:
            for group, lost in requests:
                dead = [dead_row(name, new[0]) for name in lost]
                self._client.upsert(COLLECTION, [*(rows[i] for i in group), *dead])
                if lost:
                    self._client.delete(COLLECTION, ids=lost)
            self._flush()
            if mirror is not None:
                mirror.upsert(passages, new)

    def _lost(self, group: Sequence[int], passages: Sequence[Passage]) -> list[str]:
        """The rows of the documents of a group that it does not write again."""
        batch = [passages[i] for i in group]
        mirror = self._in_memory()
        if mirror is not None:
            return [digest(passage.id) for passage in mirror.lost(batch)]
        ids = {digest(passage.id): passage.id for passage in batch}
        sources = {digest(passage.source) for passage in batch}
        with explained(self.uri):
            stored = self._query(f"source in {listed(sources)} or id in {listed(ids)}", "source")
        for row in stored:
            if row["source"] not in sources:
                raise LabError(f"The id {ids[row['id']]!r} belongs to a passage of another source.")
        return [row["id"] for row in stored if row["id"] not in ids]

    def delete(self, sources: Iterable[str]) -> None:
        """See `Store`."""
        documents = set(sources)
        with self._change() as mirror:
            if mirror is not None:
                ids = [digest(passage.id) for passage in mirror.of(documents)]
                if ids:
                    self._client.delete(COLLECTION, ids=ids)
                self._flush()
                mirror.delete(documents)
            else:
                names = sorted(digest(source) for source in documents)
                for begin in range(0, len(names), ROWS):
                    self._delete(f"source in {listed(names[begin : begin + ROWS])}")

    def _delete(self, expression: str) -> None:
        # By ids, which is one request: Milvus Lite would make a query and a deletion of it anyway.
        ids = [row["id"] for row in self._query(expression)]
        if ids:
            self._client.delete(COLLECTION, ids=ids)

    def search(self, vectors: ArrayLike, k: int, *, where: Where | None = None) -> list[list[Hit]]:
        """See `Store`."""
        mirror = self._in_memory()
        if mirror is not None:
            return mirror.search(vectors, k, where=where)
        check_k(k)
        queries = unit(vectors, self.dimension)
        rankings: list[list[Hit]] = []
        with explained(self.uri):
            for begin in range(0, len(queries), QUERIES):
                answer = self._client.search(
                    COLLECTION,
                    data=list(queries[begin : begin + QUERIES]),
                    anns_field="vector",
                    limit=k,
                    filter=as_filter(where),
                    output_fields=["passage", "live"],
                    search_params={"metric_type": "COSINE"},
                )
                rankings += [
                    [to_hit(h) for h in hits if h["entity"]["live"] == "yes"] for hits in answer
                ]
        if len(queries) and not any(rankings) and self.count() == 0:
            raise no_hits()
        return rankings

    def passages(self) -> list[Passage]:
        """See `Store`. In the order of their rows' ids, whatever was written first: so a search by
        words orders equal scores alike, before and after opening, here and on a server."""
        mirror = self._in_memory()
        if mirror is not None:
            return sorted(mirror.passages(), key=lambda passage: digest(passage.id))
        with explained(self.uri):
            rows = self._query('live == "yes"', "passage")
        return [from_json(row["passage"]) for row in rows]

    def count(self) -> int:
        """See `Store`."""
        mirror = self._in_memory()
        if mirror is not None:
            return mirror.count()
        with explained(self.uri):
            answer = self._client.query(
                COLLECTION, filter='live == "yes"', output_fields=["count(*)"]
            )
        return int(answer[0]["count(*)"])

    def close(self) -> None:
        """Let go of the server's connection, or of the folder and its lock."""
        self._mirror = self._database = None
        client = self.__dict__.pop("_client", None)
        if client is not None:
            with suppress(Exception):  # nothing is lost: every request is already on its way
                client.close()
        self._stop()

    def _query(self, expression: str, *fields: str) -> list[dict[str, Any]]:
        pages = self._client.query_iterator(
            COLLECTION, batch_size=PAGE, filter=expression, output_fields=["id", *fields]
        )
        rows: list[dict[str, Any]] = []
        while page := pages.next():
            rows += page
        pages.close()
        return rows

    def _flush(self) -> None:
        # Milvus Lite keeps what is not flushed in a log that it reads back on opening. A server
        # flushes by itself, and limits how often it may be asked to.
        if self._embedded:
            self._client.flush(COLLECTION)

    def _require_open(self) -> None:
        if "_client" not in self.__dict__:
            raise LabError(f"The index {self.uri} is closed: open it again.")
