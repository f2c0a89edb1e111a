"""One notebook run headlessly: papermill executes, the outcome is one sentence or a record."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlab.batch.kernels import Kernels
from ftlab.claims.claim import NOT_JUDGED
from ftlab.claims.record import RUN_ID_VARIABLE, new_run_id, outcome_of, read_record
from ftlab.common.errors import LabError
from ftlab.common.files import write_atomically
from ftlab.common.paths import results_dir
from ftlab.notebook.files import STORED_PROFILE, clean, read_notebook


@dataclass(frozen=True)
class Outcome:
    """How one notebook's run ended; `failure` is one sentence, or "" when it went well."""

    name: str
    seconds: float
    verdicts: str
    failure: str
    executed: Path


def run_notebook(path: Path, parameters: dict[str, Any] | None = None) -> Outcome:
    """Run one notebook, with `parameters` in the place of its own values (None: as it stands).

    Its executed copy and its record go to results/<notebook>/<run id>.ipynb and .json.
    """
    given = parameters or {}
    run_id = new_run_id(given.get("profile", STORED_PROFILE), given.get("seed", 0))
    executed = results_dir() / path.stem / f"{run_id}.ipynb"
    began = time.perf_counter()
    kernels = Kernels({RUN_ID_VARIABLE: run_id}, str(path.parent.resolve()))
    failure = execute(path, executed, parameters, kernels, progress=path.stem)
    record = executed.with_suffix(".json")
    verdicts = "" if failure else verdicts_of(record)
    return Outcome(path.stem, time.perf_counter() - began, verdicts, failure, executed)


def execute(
    path: Path,
    executed: Path,
    parameters: Mapping[str, Any] | None,
    kernels: Kernels,
    *,
    progress: str = "",
    limit: float | None = None,
) -> str:
    """Run the notebook at `path` into `executed`; returns why it failed, in one sentence, or "".

    `executed` is there as far as it went if the run fails. It is written after every cell, so that
    one can look on; a run of a sweep (`kernels.preload`) writes it at its end alone.
    `progress` names a bar of the cells, "" shows none. After `limit` seconds the kernel is killed.
    """
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a debugger's note on start-up
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    started = threading.Event()
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it has to say, we say
    try:
        read_notebook(path)  # a broken file gets our sentence, not papermill's stack of frames
        executed.parent.mkdir(parents=True, exist_ok=True)
        with _within(limit, kernels):
            # No `cwd` for papermill: it would move this whole process there, other threads with it.
            papermill.execute_notebook(
                path.resolve(),
                executed.resolve(),
                dict(parameters) if parameters else None,
                engine_name=_saving_once() if kernels.preload else None,
                kernel_name="python3",
                language="python",
                progress_bar={"desc": progress, "unit": "cell"} if progress else False,
                kernel_manager_class=kernels.manager_class(),
                on_notebook_start=lambda notebook: started.set(),
                # A fork's files are its runner's to clear away: it need not be waited for.
                shutdown_kernel="immediate" if kernels.preload else "graceful",
            )
    except PapermillExecutionError as error:
        reason = error.evalue.strip().splitlines() or [""]
        return f"in cell [{error.exec_count}], {error.ename}: {reason[0]}"
    except (CellTimeoutError, RuntimeError) as error:  # of nbclient and jupyter_client
        if kernels.killed and limit:
            return f"it was stopped at its limit of {limit / 60:g} minutes"
        if isinstance(error, DeadKernelError):
            return "its kernel died, perhaps for want of memory"
        reason = " ".join(str(error).splitlines()[:2])
        if not started.is_set():
            return f"its kernel did not start: {reason}"
        return f"{type(error).__name__}: {reason}"
    except OSError as error:
        return f"{error.filename or executed.parent}: {error.strerror or error}"
    except LabError as error:
        return str(error)
    return ""


@functools.cache
def _saving_once() -> str:
    """The name of an engine for papermill that writes the notebook once, however the run ends.
    Before and after each cell, as papermill does, takes seconds with 70 cells and their figures."""
    from papermill.engines import NBClientEngine, papermill_engines

    class SavingOnce(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
            path, nb_man.output_path = nb_man.output_path, None
            try:
                return super().execute_managed_notebook(nb_man, kernel_name, **options)
            finally:
                nb_man.output_path = path  # papermill saves there when this has returned or raised

    papermill_engines.register(SavingOnce.__name__, SavingOnce)
    return SavingOnce.__name__


@contextlib.contextmanager
def _within(limit: float | None, kernels: Kernels) -> Iterator[None]:
    """Kills the kernel if the block has not ended after `limit` seconds."""
    if limit is None:
        yield
        return
    timer = threading.Timer(limit, kernels.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def refresh(path: Path) -> Outcome:
    """Run a notebook as it stands and keep its outputs in place, with what its record says of its
    claims; a failed run changes nothing."""
    outcome = run_notebook(path)
    if not outcome.failure:
        record = read_record(outcome.executed.with_suffix(".json"))
        cores = os.cpu_count() or 1
        executed = clean(read_notebook(outcome.executed), outcome.seconds, cores, record)
        import nbformat

        write_atomically(path, nbformat.writes(executed) + "\n")
    return outcome


def outcome_table(outcomes: Sequence[Outcome]) -> str:
    """Notebook, minutes, verdicts; below it where each run lies, or why it failed."""
    width = max(len(outcome.name) for outcome in outcomes)
    lines = [f"{'notebook':<{width}}  minutes  verdicts"]
    for outcome in outcomes:
        last = "FAILED" if outcome.failure else outcome.verdicts
        lines.append(f"{outcome.name:<{width}}  {outcome.seconds / 60:7.1f}  {last}")
    for outcome in sorted(outcomes, key=lambda outcome: bool(outcome.failure)):
        where = _from_here(outcome.executed)
        if outcome.failure:
            lines.append(f"{outcome.name} failed: {outcome.failure}")
            lines.append(f"  as far as it went: {where}")
        else:
            record = outcome.executed.with_suffix(".json")
            also = f" and {record.name}, its record" if record.exists() else ""
            lines.append(f"{outcome.name}: {where}{also}")
    return "\n".join(lines)


def _from_here(path: Path) -> Path:
    """A path as short as it can be given in this folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def verdicts_of(record: Path) -> str:
    """'5 supported, 1 refuted', from a run's record."""
    if not record.exists():
        return "no record"
    counts = Counter(outcome_of(claim) for claim in read_record(record)["claims"])
    return ", ".join(f"{number} {verdict}" for verdict, number in counts.items()) or NOT_JUDGED
