"""Milvus: embedded in this process (Milvus Lite), or a server or cluster, through the same code.

What Milvus Lite 3.2 does when it is killed: every request is one batch in a write-ahead log that
is handed to the operating system before the request returns; on opening, whole batches are read
back and a torn one is dropped. So one *request* is applied whole or not at all, but a document
that shrinks takes two, an upsert and a deletion, and a kill between them leaves both versions'
passages. Therefore a document is always written by one request: the passages that it lost are in
it too, overwritten by rows marked as dead. No search returns these, and they are deleted
afterwards, at the latest when the index is opened again. And a kill between the last two steps of
a flush (the rows are filed, their log is not yet deleted) makes Milvus Lite count and find these
rows twice from then on; a log that is left over on opening tells of it, and such rows are then
written anew, which replaces both. A test kills it at random moments.

What it costs: it goes through all primary keys in Python for every request, whatever the index
type, so one query takes time in proportion to the passages and a batch shares that. The index is
therefore FLAT, which is exact and built in no time. `benchmarks/retrieval.py` measures it.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ftlab.errors import LabError
from ftlab.rag.passages import Passage, digest, from_json
from ftlab.rag.rows import (
    MOST_BYTES,
    ROWS,
    as_filter,
    dead_row,
    listed,
    to_hit,
    to_row,
    whole_documents,
)
from ftlab.rag.stores import SERVERS, Hit, Where, checked, no_hits, unit

COLLECTION = "ftlab_passages"
INDEX = "FLAT"
QUERIES = 1_024  # of a request
PAGE = 8_192
SECONDS = 10.0  # to wait for a server


class MilvusStore:
    """Passages in one collection: `uri` is a path ending in .db, or a server's address."""

    def __init__(self, uri: str, dimension: int | None) -> None:
        self.uri = uri
        self._embedded = not uri.startswith(SERVERS)
        import pymilvus  # sets the levels of its loggers, so it comes first

        for package in (pymilvus.__name__, "milvus_lite"):  # what matters is told as LabError
            logging.getLogger(package).setLevel(logging.CRITICAL)
        folder = Path(uri).expanduser().absolute() if self._embedded else None
        interrupted = folder is not None and any(folder.rglob("wal_*.arrow"))
        address, stop = _start(uri, folder, dimension) if folder else (uri, lambda: None)
        # Also at the end of the process: a lock that outlives its store shuts others out.
        self._stop = weakref.finalize(self, stop)
        try:
            with _explained(uri):
                self._client = _connect(address, self._embedded)
                self.dimension = self._open(dimension)
                self._client.load_collection(COLLECTION)
                if interrupted:
                    self._mend()
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
            raise LabError(f"The collection {COLLECTION} at {self.uri} was not made by the lab.")
        if dimension not in (None, stored):
            raise LabError(
                f"{self.uri} holds vectors of {stored} numbers, the encoder gives {dimension}: "
                "build the index again, or take the encoder it was built with."
            )
        return stored

    def _create(self, dimension: int) -> None:
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=32)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        for name, length in (("source", 32), ("date", 10), ("live", 3), ("tags", MOST_BYTES)):
            schema.add_field(name, DataType.VARCHAR, max_length=length)
        schema.add_field("passage", DataType.VARCHAR, max_length=MOST_BYTES)
        index = self._client.prepare_index_params()
        index.add_index("vector", index_type=INDEX, metric_type="COSINE")
        # One shard, so that a server too applies a request as one; strong, so that it is seen.
        self._client.create_collection(
            COLLECTION, schema=schema, index_params=index, num_shards=1, consistency_level="Strong"
        )

    def _mend(self) -> None:
        """Write the rows that are there twice once more; the newest of a row hides all others."""
        times = Counter(row["id"] for row in self._query('id != ""'))
        twice = [name for name, count in times.items() if count > 1]
        for begin in range(0, len(twice), ROWS):
            these = f"id in {listed(twice[begin : begin + ROWS])}"
            found = self._client.query(COLLECTION, filter=these, output_fields=["*"])
            self._client.upsert(COLLECTION, list({row["id"]: row for row in found}.values()))
        self._flush()

    def upsert(self, passages: Sequence[Passage], vectors: ArrayLike) -> None:
        """See `Store`."""
        new = checked(passages, vectors, self.dimension)
        rows = [to_row(passage, vector) for passage, vector in zip(passages, new, strict=True)]
        self._require_open()
        with _explained(self.uri):
            fresh = self.count() == 0
            for group in whole_documents(rows):
                lost = [] if fresh else self._lost(group)
                self._client.upsert(
                    COLLECTION, [*group, *(dead_row(name, new[0]) for name in lost)]
                )
                if lost:
                    self._client.delete(COLLECTION, ids=lost)
            self._flush()

    def _lost(self, rows: list[dict[str, Any]]) -> list[str]:
        """The stored rows of the documents that `rows` replace which are not among `rows`."""
        sources, ids = {row["source"] for row in rows}, {row["id"] for row in rows}
        stored = self._query(f"source in {listed(sources)} or id in {listed(ids)}", "source")
        for row in stored:
            if row["source"] not in sources:
                name = next(r["passage"] for r in rows if r["id"] == row["id"])
                raise LabError(
                    f"The id {from_json(name).id!r} belongs to a passage of another source."
                )
        return [row["id"] for row in stored if row["id"] not in ids]

    def delete(self, sources: Iterable[str]) -> None:
        """See `Store`."""
        self._require_open()
        names = sorted({digest(source) for source in sources})
        with _explained(self.uri):
            for begin in range(0, len(names), ROWS):
                self._delete(f"source in {listed(names[begin : begin + ROWS])}")
            self._flush()

    def _delete(self, expression: str) -> None:
        # By ids, which is one request: Milvus Lite would make a query and a deletion of it anyway.
        ids = [row["id"] for row in self._query(expression)]
        if ids:
            self._client.delete(COLLECTION, ids=ids)

    def search(self, vectors: ArrayLike, k: int, *, where: Where | None = None) -> list[list[Hit]]:
        """See `Store`."""
        queries = unit(vectors, self.dimension)
        self._require_open()
        found: list[list[Hit]] = []
        with _explained(self.uri):
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
                found += [
                    [to_hit(h) for h in hits if h["entity"]["live"] == "yes"] for hits in answer
                ]
            if len(queries) and not any(found) and self.count() == 0:
                raise no_hits()
        return found

    def passages(self) -> list[Passage]:
        """See `Store`."""
        self._require_open()
        with _explained(self.uri):
            rows = self._query('live == "yes"', "passage")
        return [from_json(row["passage"]) for row in rows]

    def count(self) -> int:
        """See `Store`."""
        self._require_open()
        with _explained(self.uri):
            answer = self._client.query(
                COLLECTION, filter='live == "yes"', output_fields=["count(*)"]
            )
        return int(answer[0]["count(*)"])

    def close(self) -> None:
        """Let go of the server's connection, or of the folder and its lock."""
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
        # Milvus Lite searches what is not flushed row by row, many times slower. A server flushes
        # by itself, and limits how often it may be asked to.
        if self._embedded:
            self._client.flush(COLLECTION)

    def _require_open(self) -> None:
        if "_client" not in self.__dict__:
            raise LabError(f"The index {self.uri} is closed: open it again.")


def _connect(address: str, embedded: bool) -> Any:
    from pymilvus import MilvusClient

    # A proxy of the environment must not stand between a process and itself.
    options = {"grpc.enable_http_proxy": 0} if embedded else {}
    token = "" if embedded else os.environ.get("MILVUS_TOKEN", "")
    return MilvusClient(
        uri=address, token=token, timeout=SECONDS, dedicated=True, grpc_options=options
    )


def _start(path: str, folder: Path, dimension: int | None) -> tuple[str, Any]:
    """Milvus Lite on `folder`, listening on loopback; its address and how to stop it."""
    if dimension is None and not folder.exists():
        raise LabError(f"There is no index {path}: build it first.")
    if folder.is_file():
        raise LabError(f"{path} is no index that the lab wrote: it is a file, not a folder.")
    if folder.exists() and any(folder.iterdir()) and not (folder / "LOCK").exists():
        raise LabError(f"{path} is no index that the lab wrote: the folder holds other things.")
    from milvus_lite.adapter.grpc.server import start_server_in_thread
    from milvus_lite.exceptions import DataDirLockedError

    try:
        # Not through a MilvusClient with a path: its lock would stay until the process ends.
        server, database, port = start_server_in_thread(str(folder), host="127.0.0.1", port=0)
    except DataDirLockedError:
        raise LabError(
            f"{path} is open in another process, or twice in this one: close it there, or let "
            "several share a server (milvus-lite server --host 127.0.0.1 --data-dir ...)."
        ) from None
    except Exception as error:  # whatever a damaged folder makes it raise
        reason = " ".join(str(error).split())
        raise LabError(
            f"{path} cannot be opened as an index ({type(error).__name__}: {reason})."
        ) from None

    def stop() -> None:
        server.stop(grace=1).wait()
        database.close()

    return f"http://127.0.0.1:{port}", stop


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """One sentence for what Milvus raises."""
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        reason = " ".join(str(error.message or error).split())[:300]
        raise LabError(f"The index at {uri} does not answer as it should: {reason}") from None
