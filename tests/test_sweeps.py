"""Sweeps survive: whatever is killed, full or broken, nothing is lost and nothing is run twice."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import psutil
import pytest

from ftlab.batch.folder import SweepFolder
from ftlab.cli import main

# Whom the kills meet, in this order.
VICTIMS = [*["sweeper", "fork server", "kernel"] * 3, "sweeper"]
# A notebook of the lab by its contract (that of 00_start_here), but light: no torch, no model. It
# notes its beginning and its end in a file beside it, by its run id.
LIGHT = """\
import os
import random
import time
from pathlib import Path
from ftlab.claims import Record
from ftlab.claims.record import new_run_id
def open_lab(name, namespace): ...
open_lab("00_start_here", globals())
def note(what):
    with open("{notes}", "a") as file:
        file.write(what + " " + os.environ["FTLAB_RUN_ID"] + "\\n")
note("begin")
{middle}
values = {{"profile": profile, "seed": seed, "base_model": base_model}}
record = Record("00_start_here", profile, seed, values, {{}}, new_run_id(profile, seed))
draw = random.Random(seed)
for method in ("one", "other"):
    record.metric("accuracy", draw.random(), method=method, split="test", seed=seed, n=10)
record.metric("seconds", time.perf_counter())
record.write()
note("end")"""
PARAMETERS = 'profile = "quick"\nseed = 0\nbase_model = "lab"'


@pytest.fixture
def notes(root: Path) -> Path:
    return root / "notes.txt"


def light(root: Path, middle: str = "") -> None:
    """Write the light notebook, with some lines in its middle."""
    cells = [
        nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            LIGHT.format(notes=(root / "notes.txt").as_posix(), middle=middle)
        ),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # else every writing would be another notebook
    nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "notebooks" / "00_light.ipynb")


def wanted(root: Path, seeds: int) -> list[str]:
    """A sweep file over so many seeds; the command line that does it."""
    file = root / "sweep.yaml"
    file.write_text(
        f"notebook: 00_light\nfixed: {{profile: smoke}}\ngrid:\n  seed: {list(range(seeds))}\n"
    )
    return ["sweep", str(file), "--output", str(root / "out")]


def results(root: Path) -> pd.DataFrame:
    """The table of a sweep, without times."""
    table = pd.read_csv(root / "out" / "table.csv")
    return table[table.metric != "seconds"].drop(columns="run_seconds")


def counted(notes: Path, what: str) -> Counter[str]:
    lines = notes.read_text().split("\n") if notes.exists() else []
    return Counter(line.split()[1] for line in lines if line.startswith(what + " "))


def kernels_of(root: Path) -> list[psutil.Process]:
    """The living processes that work for the sweep of this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("FTLAB_RESULTS", "").startswith(str(root / "out")):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ftlab", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def killed_one(sweeper: subprocess.Popen[bytes], victim: str) -> bool:
    """Whether a process of the sweeper's of this kind was there to be killed."""
    try:
        family = psutil.Process(sweeper.pid).children(recursive=True)
        kernels = [p for p in family if p.pid == os.getpgid(p.pid) and p.ppid() != sweeper.pid]
        {"kernel": kernels, "fork server": family[:1]}[victim][0].kill()
    except (psutil.NoSuchProcess, ProcessLookupError, IndexError):
        return False
    return True


@pytest.mark.slow
def test_ten_kills_change_nothing_but_the_times(root: Path, notes: Path) -> None:
    """Sweeper, fork server and kernels are killed at random moments of a sweep and of its
    resumptions, and two sweepers before they have begun anything. At the end stands what an
    undisturbed sweep writes."""
    light(root, "time.sleep(0.2)")
    command = wanted(root, 48)
    draw = random.Random(0)
    place = SweepFolder(root / "out")
    for number, victim in enumerate(VICTIMS):
        done = {path.stem for path in (root / "out" / "runs").glob("*.json")}
        before = counted(notes, "begin")
        sweeper = started(command)
        if number not in (0, 6):  # these are killed before they have begun anything
            more = sum(before.values()) + draw.randint(1, 3)
            until(lambda more=more, sweeper=sweeper: (
                sum(counted(notes, "begin").values()) >= more or sweeper.poll() is not None
            ))  # fmt: skip
        time.sleep(draw.uniform(0, 0.6))
        if victim != "sweeper":
            until(lambda sweeper=sweeper, victim=victim: killed_one(sweeper, victim))
            time.sleep(draw.uniform(0, 1))
        assert sweeper.poll() is None, "nothing was left to do: there was nothing to kill"
        sweeper.kill()
        sweeper.communicate()
        until(lambda: not kernels_of(root), 20)
        # What was done when this try began, it has not begun again.
        assert all(counted(notes, "begin")[run] == before[run] for run in done)
    survivors = {path.stem for path in (root / "out" / "runs").glob("*.json")}
    assert survivors, "no run was ever done: the kills came too early to show anything"
    assert all(place.is_done(run) for run in survivors)
    assert main(command) == 0
    killed = results(root)
    assert not list((root / "out" / ".work").iterdir())
    (root / "out").rename(root / "killed")
    assert main(command) == 0
    pd.testing.assert_frame_equal(killed, results(root), check_exact=True)


@pytest.mark.slow
def test_two_sweeps_at_once_share_the_work(root: Path, notes: Path) -> None:
    light(root, "time.sleep(0.3)")
    command = wanted(root, 12)
    both = [started(command), started(command)]
    for sweeper in both:
        out, err = sweeper.communicate(timeout=120)
        assert sweeper.returncode == 0, err
        assert b"12 of 12 runs are done, 0 failed." in out
    assert set(counted(notes, "begin").values()) == {1}
    assert len(results(root)) == 24


@pytest.mark.slow
def test_a_run_that_fails_dies_or_hangs_does_not_stop_the_others(
    root: Path, notes: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    healed = root / "healed"
    light(
        root,
        f"if not os.path.exists({str(healed)!r}):\n"
        "    if seed == 1: raise ValueError('the reason')\n"
        "    if seed == 2: os._exit(3)\n"
        "    if seed == 3: time.sleep(300)",
    )
    command = [*wanted(root, 6), "--limit", "0.1"]
    assert main(command) == 1
    out = capfd.readouterr().out
    assert "3 of 6 runs are done, 3 failed." in out
    assert "ValueError: the reason" in out
    assert "its kernel died" in out
    assert "it was stopped at its limit of 0.1 minutes" in out
    failed = sorted((root / "out" / "failed").glob("*.ipynb"))
    assert len(failed) == 3
    texts = [path.read_text() for path in failed]
    assert sum("the reason" in text and "Traceback" in text for text in texts) == 1
    assert main(["status", str(root / "out")]) == 0
    assert "3 done, 3 failed, 0 running, 0 missing" in capfd.readouterr().out

    healed.touch()
    assert main(command) == 0
    assert len(results(root)) == 12
    assert not list((root / "out" / "failed").iterdir())
    began = counted(notes, "begin")
    assert sorted(began.values()) == [1, 1, 1, 2, 2, 2]  # only what had failed was run again


def test_a_changed_notebook_is_a_new_run_and_an_unchanged_one_is_not(
    root: Path, notes: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    light(root)
    command = wanted(root, 2)
    assert main(command) == 0
    assert main(command) == 0
    assert set(counted(notes, "begin").values()) == {1}
    light(root, "more = 1")
    assert main(command) == 0
    assert len(counted(notes, "begin")) == 4
    capfd.readouterr()
    assert main(["clean", str(root / "out")]) == 0
    assert capfd.readouterr().out.count("would remove") == 4  # two runs: record and notebook
    assert main(["clean", str(root / "out"), "--yes"]) == 0
    assert len(list((root / "out" / "runs").iterdir())) == 4
    assert main(command) == 0
    assert len(counted(notes, "begin")) == 4


@pytest.mark.slow
def test_a_full_disk_loses_nothing(
    root: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The fault is put where papermill writes a notebook: open(...).write as a full disk does."""
    from papermill.iorw import LocalHandler

    light(root)
    command = [*wanted(root, 6), "--jobs", "1"]
    write = LocalHandler.write

    def full(self: Any, text: str, path: str) -> None:
        if len(list((root / "out" / "runs").glob("*.json"))) >= 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        write(self, text, path)

    with monkeypatch.context() as patched:
        patched.setattr(LocalHandler, "write", full)
        assert main(command) == 2
    err = capfd.readouterr().err
    assert "The disk is full" in err
    assert "3 of 6 runs are kept" in err
    assert main(command) == 0
    assert len(results(root)) == 12
    done_once = [run for run, times in counted(notes, "end").items() if times == 1]
    assert len(done_once) >= 5  # the one that met the full disk may have ended twice


def test_a_folder_that_cannot_be_written_is_refused(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    light(root)
    (root / "out").write_text("a file is in the way")
    assert main(wanted(root, 2)) == 2
    assert f"Cannot write to {root / 'out'}" in capfd.readouterr().err
    (root / "out").unlink()
    (root / "out").mkdir(mode=0o500)
    if not os.access(root / "out", os.W_OK):  # root may write everywhere
        assert main(wanted(root, 2)) == 2
        assert f"Cannot write to {root / 'out'}" in capfd.readouterr().err


def test_a_dry_run_lists_and_leaves_nothing(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    light(root)
    assert main([*wanted(root, 30), "--dry-run"]) == 0
    out = capfd.readouterr().out
    assert "seed 7" in out
    assert "... and 10 more" in out
    assert "30 runs of 00_light: 0 done, 30 to do." in out
    assert "The time this takes is unknown" in out
    assert not (root / "out").exists()
    assert main(wanted(root, 3)) == 0
    capfd.readouterr()
    assert main([*wanted(root, 30), "--dry-run"]) == 0
    out = capfd.readouterr().out
    assert "30 runs of 00_light: 3 done, 27 to do." in out
    assert "This takes about" in out


def test_a_very_large_grid_wants_a_yes(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    light(root)
    assert main(wanted(root, 10_000)) == 2
    err = capfd.readouterr().err
    assert "10,000 runs" in err
    assert "--yes" in err
    assert not (root / "out").exists()


def test_the_machine_is_shared_out_without_more_threads_than_cores() -> None:
    from joblib import cpu_count

    from ftlab.batch.sweeping import share_out

    for jobs in (None, 1, cpu_count()):
        share = share_out(jobs)
        assert share.jobs * share.threads <= cpu_count()
    assert "1 run at a time (as given by --jobs)" in share_out(1).reason


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_runs_of_a_sweep_take_turns_on_a_gpu(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from ftlab.batch.sweeping import share_out

    monkeypatch.setattr("joblib.cpu_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: kind == "cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: kind == "mps")
    share = share_out()
    assert (share.jobs, share.threads) == (1, 4)
    assert "1 run at a time (all of them compute on the GPU)" in share.reason
    assert share_out(2).jobs == 2  # whoever knows better may say so


@pytest.fixture
def cluster() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A real Dask scheduler on this machine and two workers, each a process with one thread."""
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
    command += ["--port", "0", "--dashboard-address", "127.0.0.1:0"]
    scheduler = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert scheduler.stderr
    address = ""
    for line in scheduler.stderr:
        if "Scheduler at:" in line:
            address = line.split()[-1]
            break
    assert address, "the scheduler did not start"
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
    worker += ["--no-nanny", "--dashboard-address", "127.0.0.1:0", "--host", "127.0.0.1"]
    workers = [subprocess.Popen(worker, stderr=subprocess.DEVNULL) for _ in range(2)]
    yield address, workers
    for process in (*workers, scheduler):
        process.send_signal(signal.SIGTERM)
    for process in (*workers, scheduler):
        process.wait(timeout=30)
    scheduler.stderr.close()


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_does_the_whole_sweep(
    root: Path, notes: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, workers = cluster
    light(root, "time.sleep(0.5)")
    command = wanted(root, 16)
    sweeper = started([*command, "--backend", "dask", "--scheduler", address])
    until(lambda: len(list((root / "out" / "runs").glob("*.json"))) >= 4)
    workers[0].kill()
    out, err = sweeper.communicate(timeout=120)
    assert sweeper.returncode == 0, err
    assert b"16 of 16 runs are done, 0 failed." in out
    on_cluster = results(root)
    again = counted(notes, "begin")
    assert sum(again.values()) <= 16 + 2  # what the lost worker had under way, at most
    (root / "out").rename(root / "cluster")
    assert main(command) == 0
    pd.testing.assert_frame_equal(on_cluster, results(root), check_exact=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backend", "dask"], "A cluster needs both"),
        (["--scheduler", "tcp://127.0.0.1:1"], "A cluster needs both"),
        (["--backend", "dask", "--scheduler", "here"], "looks like tcp://HOST:PORT, not like"),
        pytest.param(
            ["--backend", "dask", "--scheduler", "tcp://127.0.0.1:1"],
            "No worker can be reached",
            marks=pytest.mark.slow,  # it waits for one
        ),
    ],
)
def test_a_cluster_that_is_not_there_is_refused(
    root: Path, capfd: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    light(root)
    assert main([*wanted(root, 2), *options]) == 2
    assert message in capfd.readouterr().err
    assert not (root / "out").exists()
