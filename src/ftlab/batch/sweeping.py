"""A sweep: every run of a plan that is not done yet, several at a time, here or on a cluster."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlab.batch.folder import DONE, FAILED, RUNNING, SweepFolder
from ftlab.batch.kernels import Kernels
from ftlab.batch.plan import Plan, Run
from ftlab.batch.run_id import run_id
from ftlab.batch.running import execute
from ftlab.claims.record import RUN_ID_VARIABLE, read_record
from ftlab.common.errors import LabError
from ftlab.common.libraries import require
from ftlab.common.parallel import on_gpu

BYTES_OF_A_RUN = 1.5e9  # memory that a run may take: the lab's notebooks stay below 1.2 GB
LOOK_AGAIN = 1.0  # seconds between two looks at runs that somebody else has under way
# Whatever computes in a kernel reads one of these; joblib's worker processes heed the last.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)


@dataclass(frozen=True)
class Result:
    """What became of one run: its state, the seconds it took here, why it failed (or "")."""

    run_id: str
    state: str
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Share:
    """How the machine is shared out: runs at a time, threads for each, and why."""

    jobs: int
    threads: int
    reason: str


def share_out(jobs: int | None = None) -> Share:
    """As many runs at a time as there are cores (or memory for), and the cores shared by them; on
    a GPU, which all of them would compute on, one at a time.

    Networks as small as the lab's gain next to nothing from a second thread, so that runs side by
    side, with one thread each, are the fastest use of a machine.
    """
    import psutil
    from joblib import cpu_count

    cores = cpu_count()
    fitting = max(1, int(psutil.virtual_memory().available // BYTES_OF_A_RUN))
    if jobs:
        chosen, why = jobs, "as given by --jobs"
    elif on_gpu():
        chosen, why = 1, "all of them compute on the GPU"
    elif fitting < cores:
        chosen = fitting
        why = f"free memory is enough for {fitting} of {BYTES_OF_A_RUN / 1e9:g} GB"
    else:
        chosen, why = cores, "one for each core"
    threads = max(1, cores // chosen)
    each = f"{threads} thread{'s' * (threads > 1)} each"
    return Share(
        chosen,
        threads,
        f"{chosen} run{'s' * (chosen > 1)} at a time ({why}), {each}: {cores} cores are shared, "
        "as threads that outnumber them would wait for each other.",
    )


def do_run(
    folder: Path, run: Run, began: float, limit: float | None, threads: int | None
) -> Result:
    """Do one run of a sweep, unless it is done or somebody else does it; never raises.

    A failure that is younger than `began` (seconds since 1970) counts as this sweep's own: another
    process has just tried. `threads` None leaves the choice to the libraries.
    """
    sweep_folder = SweepFolder(folder)
    clock = time.perf_counter()
    try:
        with sweep_folder.claimed(run.id) as mine:
            if sweep_folder.is_done(run.id):
                return Result(run.id, DONE)
            if not mine:
                return Result(run.id, RUNNING)
            before = sweep_folder.failure(run.id)
            if before and before.when >= began:
                return Result(run.id, FAILED, 0.0, before.reason)
            with sweep_folder.workplace(run.id) as work:
                executed = work / f"{run.id}.ipynb"
                reason = _try(sweep_folder, run, work, executed, limit, threads)
                seconds = time.perf_counter() - clock
                if not reason:
                    return Result(run.id, DONE, seconds)
                with contextlib.suppress(OSError, LabError):  # a full disk: the reason is told
                    sweep_folder.keep_failure(run.id, reason, seconds, executed)
                return Result(run.id, FAILED, seconds, reason)
    except OSError as error:
        seconds = time.perf_counter() - clock
        return Result(run.id, FAILED, seconds, f"{error.filename}: {error.strerror or error}")


def _try(
    sweep_folder: SweepFolder,
    run: Run,
    work: Path,
    executed: Path,
    limit: float | None,
    threads: int | None,
) -> str:
    """Run the notebook and keep what came of it; returns why that failed, or ""."""
    try:
        if run_id(run.notebook, run.parameters) != run.id:
            return "the notebook, the package or the data are not those that the sweep began with"
        with tempfile.TemporaryDirectory(prefix="ftlab-", ignore_cleanup_errors=True) as scratch:
            environment = {
                RUN_ID_VARIABLE: run.id,
                "FTLAB_RESULTS": str(work / "results"),
                "TMPDIR": scratch,  # a kernel that is killed leaves nothing behind
                **({name: str(threads) for name in THREAD_VARIABLES} if threads else {}),
            }
            kernels = Kernels(environment, str(run.notebook.parent), run.notebook)
            reason = execute(run.notebook, executed, run.parameters, kernels, limit=limit)
        if reason:
            return reason
        written = list((work / "results").glob(f"*/{run.id}.json"))
        if len(written) != 1:
            return "it ended without a record"
        read_record(written[0])
        sweep_folder.keep(run.id, executed, written[0])
        return ""
    except OSError as error:
        return f"{error.filename or sweep_folder.path}: {error.strerror or error}"
    except Exception as error:  # whatever a library throws, the other runs go on
        return f"{type(error).__name__}: {error}"


def sweep(
    plan: Plan,
    sweep_folder: SweepFolder,
    *,
    share: Share,
    limit: float | None = None,
    scheduler: str | None = None,
) -> list[Result]:
    """Do what is missing of a plan; returns what became of every run, in the plan's order.

    With the address of a Dask `scheduler` the runs are done by its workers, else by threads of
    this process (the work itself happens in kernels, which are processes). `limit` is in seconds
    for each run. LabError when the disk is full; nothing that is done is lost.
    """
    from tqdm.auto import tqdm

    began = time.time()
    found: dict[str, Result] = {}
    left: Sequence[Run] = plan.runs
    threads = 1 if scheduler else share.threads
    with tqdm(total=len(plan.runs), unit="run", smoothing=0, dynamic_ncols=True) as bar:
        while left:
            for result in _in_parallel(
                left, sweep_folder, began, limit, threads, share.jobs, scheduler
            ):
                if result.state == RUNNING:
                    continue
                found[result.run_id] = result
                bar.update()
                failed = sum(item.state == FAILED for item in found.values())
                bar.set_postfix_str(f"{failed} failed" if failed else "")
                if _disk_is_full(result.reason):
                    done = sum(sweep_folder.is_done(run.id) for run in plan.runs)
                    raise LabError(
                        f"The disk is full ({result.reason}). {done} of {len(plan.runs)} runs are "
                        "kept. Free some space, then repeat the same command to do the rest."
                    )
            left = [run for run in left if run.id not in found]
            if left:  # somebody else has them under way; should that one be killed, they are ours
                time.sleep(LOOK_AGAIN)
    return [found[run.id] for run in plan.runs]


def _in_parallel(
    runs: Sequence[Run],
    sweep_folder: SweepFolder,
    began: float,
    limit: float | None,
    threads: int,
    jobs: int,
    scheduler: str | None,
) -> Iterator[Result]:
    """`do_run` for all of `runs`, each result as soon as it is there."""
    from joblib import Parallel, delayed, parallel_config

    where: dict[str, Any] = {"backend": "threading", "n_jobs": min(jobs, len(runs))}
    if scheduler:
        where = {"backend": "dask", "scheduler_host": scheduler, "n_jobs": -1}
    with parallel_config(**where), warnings.catch_warnings():
        # A sweep that stops early, on a full disk, has said so: joblib need not as well.
        early = ".*(generator produced by joblib|adjusting the input task)"
        warnings.filterwarnings("ignore", message=early)
        parallel = Parallel(return_as="generator_unordered", batch_size=1)
        work = (delayed(do_run)(sweep_folder.path, run, began, limit, threads) for run in runs)
        try:
            yield from parallel(work)
        except (OSError, CancelledError) as error:  # `do_run` raises nothing: the cluster did
            if not scheduler:
                raise
            raise LabError(
                f"The cluster at {scheduler} was lost ({type(error).__name__}). Finished "
                "runs are kept; repeat the same command to do the rest."
            ) from error


def _disk_is_full(reason: str) -> bool:
    return any(os.strerror(number) in reason for number in (errno.ENOSPC, errno.EDQUOT))


def check_cluster(backend: str, scheduler: str | None, *, reach: bool) -> None:
    """LabError unless the scheduler's address goes with the backend, and, to `reach` it, unless
    there is one with a worker."""
    address = scheduler or ""
    if (backend == "dask") != bool(address):
        raise LabError("A cluster needs both: --backend dask --scheduler tcp://HOST:PORT.")
    if address and not re.fullmatch(r"(tcp|tls|wss?)://.+:\d+", address):
        raise LabError(f"A scheduler's address looks like tcp://HOST:PORT, not like {address!r}.")
    if backend == "dask" and reach:
        require("cluster", "distributed")
        from distributed import Client

        try:
            with Client(address, timeout=10, set_as_default=False) as client:
                client.wait_for_workers(1, timeout=10)
        except (OSError, ValueError) as error:
            raise LabError(f"No worker can be reached through {address}: {error}") from error
