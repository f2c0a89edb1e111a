"""What is told of a sweep, line by line: what it would do, how far it is, what was written."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence

from ftlab.batch.folder import DONE, FAILED, STATES, SweepFolder, shown_time
from ftlab.batch.plan import Plan, estimated_seconds
from ftlab.batch.sweeping import Result
from ftlab.common.errors import LabError
from ftlab.common.paths import results_dir

SHOWN_RUNS = 20  # of a dry run's list and of failures


def foreseen(plan: Plan, folder: SweepFolder, jobs: int) -> Iterator[str]:
    """What a sweep would do: the runs by what is swept, their number, and the minutes."""
    states = [folder.state(run.id) for run in plan.runs]
    missing = [run for run, state in zip(plan.runs, states, strict=True) if state != DONE]
    for run in missing[:SHOWN_RUNS]:
        values = ", ".join(f"{name} {run.parameters[name]}" for name in plan.swept)
        yield f"  {run.id}  {values}"
    if len(missing) > SHOWN_RUNS:
        yield f"  ... and {len(missing) - SHOWN_RUNS} more"
    done = len(plan.runs) - len(missing)
    yield f"{len(plan.runs)} runs of {plan.notebook.stem}: {done} done, {len(missing)} to do."
    records = [*results_dir().glob("*/*.json"), *(folder.path / "runs").glob("*.json")]
    seconds, source = estimated_seconds(plan, records)
    if seconds is None:
        yield f"The time this takes is unknown: {source}."
    elif missing:
        minutes = seconds * len(missing) / min(jobs, len(missing)) / 60
        yield (
            f"This takes about {minutes:.1f} minutes with {jobs} runs at a time: "
            f"{seconds / 60:.1f} per run, {source}."
        )


def outcome(results: Sequence[Result], folder: SweepFolder) -> Iterator[str]:
    """What became of the runs of a sweep."""
    failed = [result for result in results if result.state == FAILED]
    done = sum(result.state == DONE for result in results)
    yield f"{done} of {len(results)} runs are done, {len(failed)} failed."
    for result in failed[:SHOWN_RUNS]:
        yield f"  {result.run_id} failed: {result.reason}"
    if failed:
        yield f"Failed notebooks, with their tracebacks, are in {folder.path / 'failed'}."
        yield "Repeat the same command to retry them."


def progress(folder: SweepFolder) -> Iterator[str]:
    """How far a sweep is: its runs by what became of them, and why some failed."""
    plan = folder.plan()
    states = {run.id: folder.state(run.id) for run in plan.runs}
    counts = Counter(states.values())
    yield f"{len(plan.runs)} runs of {plan.notebook.stem}, over {', '.join(plan.swept)}:"
    yield ", ".join(f"{counts[state]} {state}" for state in STATES)
    for run in [name for name, state in states.items() if state == FAILED][:SHOWN_RUNS]:
        failure = folder.failure(run)
        if failure:
            yield f"  {run} failed at {shown_time(failure.when)}: {failure.reason}"


def write_results(
    folder: SweepFolder, metric: str | None = None, only: dict[str, str] | None = None
) -> Iterator[str]:
    """Write the table and the figures of the finished runs, and name the files; LabError if there
    are none. `metric` and `only` choose what the figures show (see `sweep_plots`)."""
    from ftlab.batch.figures import sweep_plots, write_plots
    from ftlab.batch.tables import tidy, verdicts, write_tables

    plan = folder.plan()
    records = [(run, folder.record(run.id)) for run in plan.runs if folder.is_done(run.id)]
    if not records:
        raise LabError(f"No run in {folder.path} has finished yet.")
    measured = tidy(records, plan.swept)
    written = write_tables(folder.path, measured, verdicts(records, plan.swept))
    written += write_plots(folder.path, sweep_plots(measured, plan.swept, metric, only))
    yield from (f"Written: {path}" for path in written)


def remove_leftovers(folder: SweepFolder, remove: bool) -> Iterator[str]:
    """Remove failed runs and those that are no longer part of the sweep, or only name them."""
    found = folder.leftovers([run.id for run in folder.plan().runs])
    for path in found:
        if remove and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif remove:
            path.unlink(missing_ok=True)
        yield f"{'removed' if remove else 'would remove'} {path}"
    yield f"{len(found)} files and folders" + ("" if remove or not found else "; --yes")
