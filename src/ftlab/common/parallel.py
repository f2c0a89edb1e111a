"""Work spread over the processor's cores, one process each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def on_gpu() -> bool:
    """Whether there is a GPU: what `choose_device` of `ftlab.training` takes then.

    It is not touched: a process that only starts others must not hold memory on it.
    """
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def worth_processes(steps: int, least: int) -> bool:
    """Whether `steps` of training, in all jobs together, are worth other processes: on a CPU, from
    `least` on, which make up for starting them. A GPU is not shared out."""
    return steps >= least and not on_gpu()


def in_parallel(function: Callable[..., T], jobs: Sequence[dict[str, Any]], what: str) -> list[T]:
    """`function(**job)` for every job, in the order of the jobs.

    Networks as small as the lab's gain nothing from a second thread, but all from a second process
    (joblib's, with one thread each). Functions written in a notebook are carried along. With one
    core, one job, or a GPU, whose memory would have to hold all processes at once, everything stays
    in this process, one job after the other. The cores are those that this process may use: a sweep
    that runs notebooks side by side gives each its share. `what` is the remark of the progress bar.
    """
    from joblib import Parallel, cpu_count, delayed

    from ftlab.common.progress import progress_bar

    workers = min(cpu_count(), len(jobs))
    if workers < 2 or on_gpu():
        return [function(**job) for job in jobs]
    parallel = Parallel(n_jobs=workers, inner_max_num_threads=1, return_as="generator")
    results = []
    with progress_bar(len(jobs), 0, True) as advance, warnings.catch_warnings():
        # Between two jobs joblib replaces a process whose memory has grown: nothing is lost.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
        for result in parallel(delayed(_quietly)(function, job) for job in jobs):
            results.append(result)
            advance(what)
    return results


def _quietly(function: Callable[..., T], job: dict[str, Any]) -> T:
    from ftlab.common.libraries import quiet_libraries

    quiet_libraries()  # a process of its own knows nothing of what the notebook has set
    return function(**job)
