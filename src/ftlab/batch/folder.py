"""The folder of a sweep: what is in it, who works on what, and how a run gets into it.

    runs/<run id>.json      the record of a run that went well; it is there last, so it means done
    runs/<run id>.npz       the answers from which its intervals can be computed again, if any
    runs/<run id>.ipynb     its executed notebook
    failed/<run id>.json    why a run failed, and when
    failed/<run id>.ipynb   its notebook as far as it went, with the traceback
    plan.json               the runs that are wanted
    .locks/                 one lock for each run: who holds it, runs it
    .work/                  runs under way, each in a folder of its own

A run happens in `.work/` and is moved from there, one step of the file system for each file. So
whoever is killed, and whenever, `runs/` holds whole runs only. Locks are the operating system's
(flock): it frees them when their holder ends, however that happens. A folder that several machines
share must know such locks, as NFS since version 4 does.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ftlab.batch.plan import Plan, Run
from ftlab.claims.record import read_record
from ftlab.common.errors import LabError
from ftlab.common.files import flush, write_atomically

DONE, FAILED, RUNNING, MISSING = STATES = ("done", "failed", "running", "missing")
SCHEMA = 1


@dataclass(frozen=True)
class Failure:
    """Why a run failed, after how many seconds, and when (seconds since 1970, UTC)."""

    reason: str
    seconds: float
    when: float


class SweepFolder:
    """What a sweep has done, is doing and has still to do."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    def record(self, run_id: str) -> Path:
        return self.path / "runs" / f"{run_id}.json"

    def executed(self, run_id: str) -> Path:
        return self.path / "runs" / f"{run_id}.ipynb"

    def failed_notebook(self, run_id: str) -> Path:
        return self.path / "failed" / f"{run_id}.ipynb"

    def prepare(self, plan: Plan) -> None:
        """Make the folder and note the plan; LabError if it cannot be written to.

        A plan may change between two calls: what is done and still wanted stays done.
        """
        for name in ("runs", "failed", ".locks", ".work"):
            try:
                (self.path / name).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = error.strerror or error
                raise LabError(f"Cannot write to {self.path}: {reason}.") from error
        content = {
            "schema": SCHEMA,
            "notebook": str(plan.notebook),
            "swept": list(plan.swept),
            "runs": [{"id": run.id, "parameters": run.parameters} for run in plan.runs],
        }
        write_atomically(self.path / "plan.json", json.dumps(content, indent=1) + "\n")

    def plan(self) -> Plan:
        """The plan of the sweep that this folder belongs to; LabError if there is none."""
        path = self.path / "plan.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            notebook = Path(content["notebook"])
            runs = [Run(run["id"], notebook, run["parameters"]) for run in content["runs"]]
            return Plan(notebook, tuple(content["swept"]), tuple(runs))
        except FileNotFoundError:
            raise LabError(
                f"{self.path} is not the folder of a sweep: it has no plan.json."
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LabError(f"{path} cannot be read: {error}.") from error

    def is_done(self, run_id: str) -> bool:
        """Whether the run's record is there and whole."""
        try:
            return read_record(self.record(run_id))["run_id"] == run_id
        except LabError:
            return False

    def failure(self, run_id: str) -> Failure | None:
        """Why the run failed, if it did."""
        try:
            path = self.failed_notebook(run_id).with_suffix(".json")
            return Failure(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def state(self, run_id: str) -> str:
        """One of `STATES`."""
        if self.is_done(run_id):
            return DONE
        if self.is_locked(run_id):
            return RUNNING
        return FAILED if self.failure(run_id) else MISSING

    def is_locked(self, run_id: str) -> bool:
        """Whether somebody runs it at this moment."""
        if not self._lock(run_id).exists():
            return False
        with self.claimed(run_id) as mine:
            return not mine

    @contextlib.contextmanager
    def claimed(self, run_id: str) -> Iterator[bool]:
        """Whether the run is ours to do: no other thread, process or machine can claim it within
        the block."""
        lock = FileLock(self._lock(run_id), timeout=0, is_singleton=False)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    @contextlib.contextmanager
    def workplace(self, run_id: str) -> Iterator[Path]:
        """An empty folder for a run that is claimed; removed afterwards, with those that earlier,
        killed tries have left behind."""
        work = self.path / ".work"
        for old in work.glob(f"{run_id}.*"):
            shutil.rmtree(old, ignore_errors=True)
        place = Path(tempfile.mkdtemp(prefix=f"{run_id}.", dir=work))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def keep(self, run_id: str, executed: Path, record: Path) -> None:
        """Move a run that went well to its place, with the answers beside its record. The record
        comes last: then the run is done."""
        flush(executed)
        os.replace(executed, self.executed(run_id))
        items = record.with_suffix(".npz")
        if items.exists():
            os.replace(items, self.record(run_id).with_suffix(".npz"))
        os.replace(record, self.record(run_id))
        flush(self.record(run_id).parent)
        self.forget_failure(run_id)

    def keep_failure(self, run_id: str, reason: str, seconds: float, executed: Path) -> None:
        """Note why a run failed, and keep its notebook, if there is one."""
        if executed.exists():
            os.replace(executed, self.failed_notebook(run_id))
        content = {"reason": reason, "seconds": round(seconds, 1), "when": time.time()}
        path = self.failed_notebook(run_id).with_suffix(".json")
        write_atomically(path, json.dumps(content, ensure_ascii=False) + "\n")

    def forget_failure(self, run_id: str) -> None:
        """Remove what an earlier, failed try has left."""
        for suffix in (".json", ".ipynb"):
            self.failed_notebook(run_id).with_suffix(suffix).unlink(missing_ok=True)

    def leftovers(self, wanted: Sequence[str]) -> list[Path]:
        """What `ftlab clean` would remove: failed tries, what killed ones left, and runs that the
        plan does not want (any more). Nothing of a run that is under way."""
        found = []
        for name in ("runs", "failed", ".work"):
            for path in sorted((self.path / name).glob("*")):
                run_id = path.name.rpartition(".")[0]
                unwanted = name != "runs" or run_id not in wanted
                if unwanted and not self.is_locked(run_id):
                    found.append(path)
        return found

    def _lock(self, run_id: str) -> Path:
        return self.path / ".locks" / f"{run_id}.lock"


def shown_time(when: float) -> str:
    """'2026-03-01 14:05', in the reader's own time."""
    return datetime.datetime.fromtimestamp(when).strftime("%Y-%m-%d %H:%M")
