"""Opening a store by its address: which kind stands behind it, and what that needs here."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ftlab.common.errors import LabError
from ftlab.common.libraries import require
from ftlab.rag.exact import ExactStore
from ftlab.rag.milvus import MilvusStore
from ftlab.rag.stores import SERVERS, Store

MEMORY = "memory:"
EMBEDDED = ("pymilvus", "milvus_lite")  # what a database inside this process needs


def open_store(uri: str | Path, dimension: int | None = None) -> Store:
    """The store at `uri`; a new one of `dimension` if there is none. Without a dimension it must
    be there.

    "memory:" is an exact search in numpy, kept nowhere; a file ending in ".npz" is the same, kept
    in that file. A path ending in ".db" is Milvus Lite, a vector database inside this process, read
    into the same exact search on opening; "http://host:19530" is a Milvus server or cluster, which
    searches itself (its token, if it wants one, is read from the variable MILVUS_TOKEN). LabError
    says in one sentence what is missing or does not fit.
    """
    name = str(uri)
    if dimension is not None and dimension < 1:
        raise LabError(f"A store needs vectors of at least 1 number, not {dimension}.")
    if name == MEMORY or name.endswith(".npz"):
        return ExactStore(None if name == MEMORY else Path(name).expanduser(), dimension)
    server = name.startswith(SERVERS)
    if not server and not name.endswith(".db"):
        raise LabError(
            f"{name!r} is not a store: give '{MEMORY}', a path ending in .npz or .db, or the "
            "address of a Milvus server, http://host:19530."
        )
    if server:
        require("rag", "pymilvus")
    else:
        instead = f", or give a path ending in .npz or '{MEMORY}' instead"
        require("rag", *EMBEDDED, instead=instead)
    return MilvusStore(name, dimension)


def embedded_uri(folder: str | Path) -> str:
    """Where a run's own store is kept in `folder`: a Milvus Lite database, or, where that does
    not exist for the platform, a file for exact search (and a sentence that says so)."""
    if all(map(importlib.util.find_spec, EMBEDDED)):
        return str(Path(folder) / "passages.db")
    print("Milvus Lite is not installed here: the index is a file, searched exactly by numpy.")
    return str(Path(folder) / "passages.npz")
