"""Kernels without a start: each is a fork of one warm process that has imported the libraries.

The warm process runs no notebook and no line of a notebook: it imports, and then it waits. So
what a fork inherits is what any fresh kernel would have after its imports, and nothing of another
run: no variable, no seed, no environment, no open file. Linux only: elsewhere a fork of a process
that has loaded numerical libraries is not safe, and kernels start as they always do.

`WarmProvisioner` is registered in pyproject.toml as a provisioner of jupyter_client, under the
name `PROVISIONER`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from jupyter_client.provisioning import LocalProvisioner
from traitlets import List, Unicode

from ftlab.batch.imports import imported, syntax_trees
from ftlab.notebook.files import read_notebook

PROVISIONER = "ftlab-warm"
# What the lab imports where it is used, and takes longest: so for every notebook that opens it.
OPENER = "ftlab.lab"
BY_THE_LAB = (
    "torch",
    "transformers.models.llama.modeling_llama",
    "datasets",
    "sklearn.linear_model",
    "sklearn.feature_extraction.text",
    "scipy.stats",
    "pandas",
    "matplotlib.figure",
    "joblib",
)
BY_ANY_KERNEL = ("IPython.core.interactiveshell", "ipykernel.kernelapp")
READ_ONCE = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "MPLBACKEND",
    "PYTHONPATH",
)
_HEADER = 8  # bytes that say how long a request is
_PR_SET_PDEATHSIG = 1  # prctl(2): the signal a process gets when its parent ends


def possible() -> bool:
    """Whether kernels can be forked here."""
    return sys.platform == "linux"


def imports_of(path: Path) -> tuple[str, ...]:
    """The modules that a notebook's code cells import, and what they import in turn later on.

    What is missing here costs a run its time and changes nothing else.
    """
    found = set(BY_ANY_KERNEL)
    for tree in filter(None, syntax_trees(read_notebook(path))):
        found.update(imported(tree))
    return tuple(sorted(found | {*BY_THE_LAB} if OPENER in found else found))


class Fork:
    """A forked kernel as jupyter_client wants to see a process (as a `subprocess.Popen`)."""

    stdin = stdout = stderr = None

    def __init__(self, line: socket.socket) -> None:
        self._line = line  # the fork holds the other end; its closing is the fork's end
        self.pid = int.from_bytes(_exactly(line, _HEADER), "big")
        self.returncode: int | None = None
        line.setblocking(False)

    def poll(self) -> int | None:
        """None while the kernel lives; then 0, as how it ended is not known."""
        if self.returncode is None:
            with contextlib.suppress(BlockingIOError):
                with contextlib.suppress(ConnectionError):
                    self._line.recv(1)
                self._line.close()
                self.returncode = 0
        return self.returncode

    def wait(self) -> int:
        """Wait for the kernel's end."""
        if self.returncode is None:
            self._line.setblocking(True)
            self.poll()
        return 0

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the kernel has ended: its number may be another's by now."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class WarmProcess:
    """The process that has imported the libraries, seen from the one that wants kernels.

    It ends when this process ends, however that happens, and takes its forks along.
    """

    def __init__(self, imports: Sequence[str], environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        self._one_at_a_time = threading.Lock()
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-P", "-m", "ftlab.batch.forkserver", str(number), *imports]
            self._process = subprocess.Popen(
                command,
                env=environment,
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def fork(self, arguments: list[str], cwd: str | None, environment: dict[str, str]) -> Fork:
        """A new kernel with these command-line arguments; it waits for the imports to be done.

        ConnectionError if the warm process is gone.
        """
        ours, theirs = socket.socketpair()
        wish = {"arguments": arguments, "cwd": cwd, "environment": environment}
        request = json.dumps(wish).encode()
        with theirs, self._one_at_a_time:
            head = len(request).to_bytes(_HEADER, "big")
            socket.send_fds(self._control, [head], [theirs.fileno()])
            self._control.sendall(request)
        return Fork(ours)

    def close(self) -> None:
        """End the warm process, and its forks with it."""
        self._control.close()
        self._process.wait()


_starting = threading.Lock()
_started: dict[tuple[str | None, ...], WarmProcess] = {}


def warm_process(imports: Sequence[str], environment: Mapping[str, str]) -> WarmProcess:
    """The warm process for such kernels, started if there is none yet or it was lost.

    Most variables are a fork's own affair. `READ_ONCE` are read by the libraries when they are
    loaded, so that kernels that differ in them need different warm processes.
    """
    key = (*imports, *(environment.get(name) for name in READ_ONCE))
    with _starting:
        if key not in _started or not _started[key].alive:
            _started[key] = WarmProcess(imports, environment)
        return _started[key]


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel by a fork of the warm process instead of a new Python."""

    imports = List(Unicode(), help="the modules that the warm process imports").tag(config=True)

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        """Fork a kernel; `cmd` is what would start one: `python -m ipykernel_launcher ...`."""
        cwd = options.get("cwd")
        fork = self._fork(cmd[cmd.index("-m") + 2 :], cwd and str(cwd), options["env"])
        self.process = cast("subprocess.Popen", fork)  # what is asked of one, a fork can do
        self.pid = self.pgid = fork.pid  # a fork leads a process group of its own
        self.cwd = cwd or os.getcwd()
        return self.connection_info

    def _fork(self, arguments: list[str], cwd: str | None, environment: dict[str, str]) -> Fork:
        # It may have been killed between two runs, perhaps for want of memory: a second try.
        for _ in range(2):
            with contextlib.suppress(ConnectionError):
                return warm_process(self.imports, environment).fork(arguments, cwd, environment)
        raise RuntimeError("the process that imports the libraries has ended")


def _exactly(line: socket.socket, count: int) -> bytes:
    """So many bytes from a socket; ConnectionError if it is closed before."""
    found = b""
    while len(found) < count:
        piece = line.recv(count - len(found))
        if not piece:
            raise ConnectionError("The other side has closed.")
        found += piece
    return found


def _serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork a child for every request. Returns the request in the child, None in the warm process
    once nobody is left who could ask."""
    warm = os.getpid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system clears away ended children
    while True:
        head, numbers, _, _ = socket.recv_fds(control, _HEADER, 1)
        if not head:
            return None
        with socket.socket(fileno=numbers[0]) as line:
            try:
                length = int.from_bytes(head + _exactly(control, _HEADER - len(head)), "big")
                request = _exactly(control, length)
            except ConnectionError:
                return None
            if os.fork():
                continue
            control.close()
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != warm:  # it was gone before the line above
                os._exit(1)
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            line.sendall(os.getpid().to_bytes(_HEADER, "big"))
            line.detach()  # stays open as long as this process lives
            return json.loads(request)


def _become_kernel(wish: dict[str, Any]) -> None:
    """Turn this fork into a kernel, with nothing left of the warm process but its modules."""
    os.environ.clear()
    os.environ.update(wish["environment"])
    os.environ["JPY_PARENT_PID"] = str(os.getppid())  # the kernel ends with it
    if wish["cwd"]:
        os.chdir(wish["cwd"])
    tempfile.tempdir = None  # some libraries ask for it when imported: it is the environment's
    sys.argv = ["ipykernel_launcher", *wish["arguments"]]
    # A fresh process has generators nobody has seeded; forks would all have the same.
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(wish["arguments"])


def main() -> None:
    """The warm process: import, then fork a kernel whenever one is wanted."""
    with socket.socket(fileno=int(sys.argv[1])) as control:
        control.set_inheritable(False)
        for name in sys.argv[2:]:
            with contextlib.suppress(Exception):  # the run will say it better, in its notebook
                importlib.import_module(name)
        gc.freeze()  # else every fork's first collection would copy all that was imported
        wish = _serve(control)
    if wish is not None:
        _become_kernel(wish)


if __name__ == "__main__":
    main()
