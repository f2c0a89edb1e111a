"""A Milvus server to test and to measure with: Milvus Lite in a process of its own, on loopback."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 60.0  # that a server may take to start
# The server takes a free port itself, and names it once it listens: one that is chosen here could
# be somebody else's by the time the server binds it.
SERVER = """
import sys
from milvus_lite.adapter.grpc.server import start_server_in_thread

server, database, port = start_server_in_thread(sys.argv[1], host="127.0.0.1", port=0)
print(port, flush=True)
server.wait_for_termination()
"""


@contextmanager
def own_server(folder: Path) -> Iterator[str]:
    """The address of Milvus Lite on `folder`, listening until the context ends.

    RuntimeError, with the last line that it wrote, if it ends before it listens, or does not
    listen within `SECONDS`.
    """
    run = [sys.executable, "-c", SERVER, str(folder)]
    with (folder.parent / f"{folder.name}.log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=log, text=True)
        late = threading.Timer(SECONDS, process.kill)
        late.start()
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()  # "" as soon as the process has ended
            late.cancel()
            if not port:
                process.wait()
                log.seek(0)
                said = log.read().strip().splitlines() or [f"nothing within {SECONDS:g} s"]
                raise RuntimeError(f"Milvus Lite on {folder} does not listen: {said[-1]}")
            yield f"http://127.0.0.1:{port}"
        finally:
            late.cancel()
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
