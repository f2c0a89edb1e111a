"""Kernels without a start: each is a fork of one process that has imported the libraries.

The server runs no notebook and no line of a notebook: it imports, and then it waits. So what a
kernel inherits is what any fresh one would have after its imports, and nothing of another run: no
variable, no seed, no environment, no open file. Linux only: elsewhere a fork of a process that has
loaded numerical libraries is not safe, and kernels start as they always do.

The forkserver of `multiprocessing` will not do: it may not be used in a worker of Dask, which is a
daemonic process; its children outlive a parent that is killed; it runs the main script once more
in each of them; and a process has one of it, whatever number of threads its kernels shall have.
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

from ftlab.batch.imports import imported, syntax_trees
from ftlab.notebook.files import read_notebook

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
_PR_SET_PDEATHSIG = 1  # prctl(2): the signal a process gets when its parent ends


def can_fork() -> bool:
    """Whether kernels can be forked here."""
    return sys.platform == "linux"


def preload_modules(path: Path) -> tuple[str, ...]:
    """The modules that a notebook's code cells import, and what they import in turn later on.

    What is missing here costs a run its time and changes nothing else.
    """
    found = set(BY_ANY_KERNEL)
    for tree in filter(None, syntax_trees(read_notebook(path))):
        found.update(imported(tree))
    return tuple(sorted(found | {*BY_THE_LAB} if OPENER in found else found))


class ForkedKernel:
    """A forked kernel as jupyter_client wants to see a process (as a `subprocess.Popen`)."""

    stdin = stdout = stderr = None

    def __init__(self, line: socket.socket, pid: int) -> None:
        self._line = line  # the kernel holds the other end; its closing is the kernel's end
        self.pid = pid
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


class ForkServer:
    """The process that has imported the libraries, seen from the one that wants kernels.

    It ends when this process ends, however that happens, and takes its kernels along.
    """

    def __init__(self, preload: Sequence[str], environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-P", "-m", "ftlab.batch.forkserver", str(number), *preload]
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

    def fork(self, wish: Mapping[str, Any]) -> ForkedKernel:
        """A new kernel, with "arguments" for its command line, "cwd" and "environment"; it waits
        for the imports to be done. ConnectionError if the server is gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [b"+"], [theirs.fileno()])
        ours.sendall(json.dumps(wish).encode())
        ours.shutdown(socket.SHUT_WR)
        pid = ours.recv(32)
        if not pid:
            raise ConnectionError("The server has ended.")
        return ForkedKernel(ours, int(pid))


_starting = threading.Lock()
_started: dict[tuple[str | None, ...], ForkServer] = {}


def fork_server(preload: Sequence[str], environment: Mapping[str, str]) -> ForkServer:
    """The server for such kernels, started if there is none yet or it was lost.

    Most variables are a kernel's own affair. `READ_ONCE` are read by the libraries when they are
    loaded, so that kernels that differ in them need different servers.
    """
    key = (*preload, *(environment.get(name) for name in READ_ONCE))
    with _starting:
        if key not in _started or not _started[key].alive:
            _started[key] = ForkServer(preload, environment)
        return _started[key]


class ForkProvisioner(LocalProvisioner):
    """Starts a kernel by a fork of a server that has imported `preload`, not by a new Python."""

    def __init__(self, preload: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self.preload = preload

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        """Fork a kernel; `cmd` is what would start one: `python -m ipykernel_launcher ...`."""
        self.cwd = str(options.get("cwd") or Path.cwd())
        environment = options["env"]
        arguments = cmd[cmd.index("-m") + 2 :]
        kernel = self._fork({"arguments": arguments, "cwd": self.cwd, "environment": environment})
        self.process = cast("subprocess.Popen", kernel)  # what is asked of one, it can do
        self.pid = self.pgid = kernel.pid  # it leads a process group of its own
        return self.connection_info

    def _fork(self, wish: dict[str, Any]) -> ForkedKernel:
        # A server may have been killed between two runs, perhaps for want of memory: a second try.
        for _ in range(2):
            with contextlib.suppress(ConnectionError):
                return fork_server(self.preload, wish["environment"]).fork(wish)
        raise RuntimeError("the process that imports the libraries has ended")


def _serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork a child for every request. Returns the request in the child, None in the server once
    nobody is left who could ask."""
    server = os.getpid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system clears away ended children
    while True:
        asked, numbers, _, _ = socket.recv_fds(control, 1, 1)
        if not asked:
            return None
        with socket.socket(fileno=numbers[0]) as line:
            if os.fork():
                continue
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with line.makefile("rb") as file:
                wish = file.read()
            if os.getppid() != server or not wish:  # gone before the kernel could be told
                os._exit(1)
            line.sendall(str(os.getpid()).encode())
            line.detach()  # stays open as long as this process lives
            return json.loads(wish)


def _become_kernel(wish: dict[str, Any]) -> None:
    """Turn this fork into a kernel, with nothing left of the server but its modules."""
    os.environ.clear()
    os.environ.update(wish["environment"])
    os.environ["JPY_PARENT_PID"] = str(os.getppid())  # the kernel ends with it
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
    """The server: import, then fork a kernel whenever one is wanted."""
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
