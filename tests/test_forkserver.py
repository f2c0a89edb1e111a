"""Forked kernels: what a run gets from the server, and what it may not get from another."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from ftlab.batch.forkserver import can_fork, fork_server, preload_modules
from ftlab.batch.kernels import Kernels
from ftlab.batch.running import execute
from ftlab.claims.record import RUN_ID_VARIABLE, read_record
from ftlab.common.paths import project_root

pytestmark = pytest.mark.skipif(not can_fork(), reason="kernels are forked on Linux only")

PARAMETERS = 'profile = "quick"'
# What one run could leave behind for the next, if anything could.
LEAVING = """\
import os, random, signal, sys, warnings
import numpy
x = 1
os.environ["LEFT"] = "behind"
os.chdir("/")
random.seed(7)
numpy.random.seed(7)
numpy.left = "behind"
sys.path.append("left")
warnings.filterwarnings("error", "left behind")
signal.signal(signal.SIGUSR1, signal.SIG_IGN)"""
LOOKING = """\
import json, os, random, signal, sys, tempfile, warnings
import early
import numpy
seen = {
    "temporary": tempfile.gettempdir(),
    "x": "x" in globals(),
    "variable": os.environ.get("LEFT"),
    "folder": os.getcwd(),
    "random": random.random(),
    "numpy": float(numpy.random.random()),
    "module": hasattr(numpy, "left"),
    "path": "left" in sys.path,
    "warnings": "left behind" in str(warnings.filters),
    "signal": signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN,
    "child": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
    "main": sys.modules["__main__"].__dict__ is globals(),
    "given": os.environ.get("GIVEN"),
    "parent": os.getppid(),
}
json.dump(seen, open(os.environ["SEEN"], "w"))"""


def written(folder: Path, *code: str) -> Path:
    cells = [nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(lines) for lines in code]
    path = folder / "notebook.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def seen_by(folder: Path, name: str, environment: dict[str, str]) -> dict[str, Any]:
    """What `LOOKING` sees, after a module that asks for the folder of temporary files early."""
    path = written(folder, LOOKING)
    (folder / "early.py").write_text("import tempfile\ntempfile.gettempdir()\n")
    found = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    environment = {"SEEN": str(folder / name), "PYTHONPATH": found, **environment}
    kernels = Kernels(environment, str(folder), path)
    assert execute(path, folder / "out.ipynb", None, kernels) == ""
    return json.loads((folder / name).read_text())


@pytest.mark.slow
def test_a_run_sees_nothing_of_another(tmp_path: Path) -> None:
    path = written(tmp_path, LEAVING)
    kernels = Kernels({"SEEN": ""}, str(tmp_path), path)
    assert execute(path, tmp_path / "out.ipynb", None, kernels) == ""
    places = [tmp_path / "place one", tmp_path / "place two"]
    for place in places:
        place.mkdir()
    first = seen_by(tmp_path, "first.json", {"GIVEN": "one", "TMPDIR": str(places[0])})
    second = seen_by(tmp_path, "second.json", {"GIVEN": "two", "TMPDIR": str(places[1])})
    assert [first["temporary"], second["temporary"]] == [str(place) for place in places]
    for seen in (first, second):
        assert not seen["x"]
        assert seen["variable"] is None
        assert seen["folder"] == str(tmp_path)
        assert not any(seen[name] for name in ("module", "path", "warnings", "signal"))
        assert seen["child"]
        assert seen["main"]
    assert first["given"] == "one"
    assert second["given"] == "two"
    assert first["parent"] == second["parent"] != os.getpid()  # forks of one server
    # Unseeded generators are as different as in two processes that were started.
    assert first["random"] != second["random"]
    assert first["numpy"] != second["numpy"]


@pytest.mark.slow
def test_a_lost_server_is_started_again(tmp_path: Path) -> None:
    first = seen_by(tmp_path, "first.json", {})
    psutil.Process(first["parent"]).kill()
    psutil.wait_procs([psutil.Process(first["parent"])], timeout=10)
    second = seen_by(tmp_path, "second.json", {})
    assert first["parent"] != second["parent"]


def test_what_a_notebook_imports_is_imported_once() -> None:
    names = preload_modules(project_root() / "notebooks" / "03_lora.ipynb")
    lab = "ftlab.experiments"
    assert {"torch", "peft", lab, "transformers.models.llama.modeling_llama"} <= {*names}


def test_another_number_of_threads_is_another_server() -> None:
    given = {**os.environ, "OMP_NUM_THREADS": "1"}
    one = fork_server(("json",), given)
    assert fork_server(("json",), {**given, RUN_ID_VARIABLE: "other"}) is one
    assert fork_server(("json",), {**given, "OMP_NUM_THREADS": "2"}) is not one


@pytest.mark.slow
def test_numbers_are_those_of_a_plain_run_bit_for_bit(
    tmp_path: Path, smoke_run: Callable[[str], Path]
) -> None:
    """A notebook that trains, in the plain way and in two forks: the same metrics to the last
    bit, but for times."""
    path = project_root() / "notebooks" / "00_start_here.ipynb"
    executed = [smoke_run(path.stem)]
    for number in range(2):
        environment = {
            RUN_ID_VARIABLE: f"run-{number}",
            "FTLAB_RESULTS": str(tmp_path),
            "OMP_NUM_THREADS": "1",
        }
        kernels = Kernels(environment, str(path.parent), path)
        executed.append(tmp_path / path.stem / f"run-{number}.ipynb")
        assert execute(path, executed[-1], {"profile": "smoke"}, kernels) == ""
    found = []
    for out in executed:
        record = read_record(out.with_suffix(".json"))
        cells = [
            output.get("data", output.get("text"))
            for cell in nbformat.read(out, 4).cells[5:]
            for output in cell.get("outputs", [])
        ]
        assert record["metrics"]
        found.append((record["metrics"], record["claims"], len(cells)))
    assert found[0] == found[1] == found[2]
