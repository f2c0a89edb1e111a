"""Getting at Milvus, inside this process or on a server; its errors in one sentence."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ftlab.common.errors import LabError


def connect(address: str, embedded: bool, seconds: float) -> Any:
    """A client for the Milvus at `address`, which has `seconds` to answer."""
    from pymilvus import MilvusClient

    # A proxy of the environment must not stand between a process and itself; and who asks every
    # few seconds whether it is still there gets warnings of gRPC, printed on the screen.
    options = {"grpc.enable_http_proxy": 0, "grpc.keepalive_time_ms": 2**31 - 1} if embedded else {}
    token = "" if embedded else os.environ.get("MILVUS_TOKEN", "")
    return MilvusClient(
        uri=address, token=token, timeout=seconds, dedicated=True, grpc_options=options
    )


def be_quiet() -> None:
    """Keep what Milvus logs to ourselves: what matters is told as LabError."""
    import pymilvus  # sets the levels of its loggers, so it comes first

    for package in (pymilvus.__name__, "milvus_lite"):
        logging.getLogger(package).setLevel(logging.CRITICAL)


def start(path: str, folder: Path, dimension: int | None) -> tuple[str, Any, Any]:
    """Milvus Lite on `folder`, listening on loopback; its address, how to stop it, and itself."""
    if dimension is None and not folder.exists():
        raise LabError(f"There is no index {path}: build it first.")
    if folder.is_file():
        raise LabError(f"{path} is not an index written by the lab: it is a file, not a folder.")
    if folder.exists() and any(folder.iterdir()) and not (folder / "LOCK").exists():
        raise LabError(
            f"{path} is not an index written by the lab: the folder contains other files."
        )
    from milvus_lite.adapter.grpc.server import start_server_in_thread
    from milvus_lite.exceptions import DataDirLockedError

    try:
        # Not through a MilvusClient with a path: its lock would stay until the process ends.
        server, database, port = start_server_in_thread(str(folder), host="127.0.0.1", port=0)
    except DataDirLockedError as error:
        raise LabError(
            f"{path} is open in another process, or twice in this one: close it there, or let "
            "several share a server (milvus-lite server --host 127.0.0.1 --data-dir ...)."
        ) from error
    except Exception as error:  # whatever a damaged folder makes it raise
        reason = " ".join(str(error).split())
        raise LabError(
            f"{path} cannot be opened as an index ({type(error).__name__}: {reason})."
        ) from error

    _drop_torn_indexes(folder)  # not before: now the lock is ours

    def stop() -> None:
        server.stop(grace=1).wait()
        database.close()

    return f"http://127.0.0.1:{port}", stop, database


def _drop_torn_indexes(folder: Path) -> None:
    """Remove the index files that a killed process left half written. They only repeat vectors that
    are filed elsewhere, and Milvus Lite makes those that are missing anew, but stops at these."""
    for path in folder.rglob("*.idx"):
        try:
            np.load(path, mmap_mode="r")
        except (ValueError, EOFError):
            path.unlink(missing_ok=True)


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """One sentence for what Milvus raises."""
    from pymilvus.exceptions import MilvusException

    kinds: list[type[Exception]] = [MilvusException]
    with suppress(ImportError):  # only the embedded database needs it
        from milvus_lite.exceptions import MilvusLiteError

        kinds.append(MilvusLiteError)
    try:
        yield
    except tuple(kinds) as error:
        reason = " ".join(str(getattr(error, "message", "") or error).split())[:300]
        raise LabError(f"The index at {uri} gives an unexpected answer: {reason}") from error
