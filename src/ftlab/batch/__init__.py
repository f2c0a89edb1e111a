"""Runs notebooks headlessly: `python -m ftlab.batch`.

Every notebook runs in a kernel of this very Python, in the folder where JupyterLab would run it.
Its executed copy and its record go to results/<notebook>/<run id>.ipynb and .json. A notebook that
fails does not keep the others from running, but the exit code tells.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlab.contract import PROFILES
from ftlab.errors import LabError
from ftlab.notebooks import (
    STORED_PROFILE,
    clean,
    notebook_paths,
    read_notebook,
    write_readme_table,
)
from ftlab.paths import results_dir
from ftlab.records import (
    NOT_JUDGED,
    RUN_ID_VARIABLE,
    new_run_id,
    read_record,
    write_atomically,
)


@dataclass(frozen=True)
class Outcome:
    """How one notebook's run ended; `failure` is one sentence, or "" when it went well."""

    name: str
    seconds: float
    verdicts: str
    failure: str
    executed: Path


def run_notebook(path: Path, parameters: dict[str, Any] | None = None) -> Outcome:
    """Run one notebook, with `parameters` in the place of its own values (None: as it stands)."""
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a debugger's note on start-up
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    run_id = new_run_id((parameters or {}).get("profile", STORED_PROFILE), 0)
    folder = results_dir() / path.stem
    executed = folder / f"{run_id}.ipynb"
    began = time.perf_counter()
    failure = ""
    try:
        read_notebook(path)  # a broken file gets our sentence, not papermill's stack of frames
        folder.mkdir(parents=True, exist_ok=True)
        papermill.execute_notebook(
            path,
            executed,
            parameters,
            kernel_name="python3",
            language="python",
            cwd=path.parent,
            progress_bar={"desc": path.stem, "unit": "cell"},
            kernel_manager_class=_kernel_class({RUN_ID_VARIABLE: run_id}),
        )
    except PapermillExecutionError as error:
        reason = error.evalue.strip().splitlines() or [""]
        failure = f"in cell [{error.exec_count}], {error.ename}: {reason[0]}"
    except DeadKernelError:
        failure = "its kernel died, perhaps for want of memory"
    except OSError as error:
        failure = f"{error.filename or folder}: {error.strerror or error}"
    except LabError as error:
        failure = str(error)
    record = executed.with_suffix(".json")
    verdicts = "" if failure else _verdicts(record)
    return Outcome(path.stem, time.perf_counter() - began, verdicts, failure, executed)


def refresh(path: Path) -> Outcome:
    """Run a notebook as it stands and keep its outputs in place; a failed run changes nothing."""
    outcome = run_notebook(path)
    if not outcome.failure:
        executed = clean(read_notebook(outcome.executed), outcome.seconds, os.cpu_count() or 1)
        import nbformat

        write_atomically(path, nbformat.writes(executed) + "\n")
    return outcome


def outcome_table(outcomes: Sequence[Outcome]) -> str:
    """Notebook, minutes, verdicts; below it the reason of every failure."""
    width = max(len(outcome.name) for outcome in outcomes)
    lines = [f"{'notebook':<{width}}  minutes  verdicts"]
    for outcome in outcomes:
        last = "FAILED" if outcome.failure else outcome.verdicts
        lines.append(f"{outcome.name:<{width}}  {outcome.seconds / 60:7.1f}  {last}")
    for outcome in outcomes:
        if outcome.failure:
            lines.append(f"{outcome.name} failed: {outcome.failure}")
            lines.append(f"  as far as it went: {outcome.executed}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the notebooks named on the command line, or all; 0 if all went well, 1 if one failed."""
    parser = argparse.ArgumentParser("python -m ftlab.batch", description=__doc__)
    parser.add_argument("notebooks", nargs="*", help="numbers, names or files; default: all")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--profile", choices=PROFILES, default="quick")
    how.add_argument(
        "--refresh",
        action="store_true",
        help="run the notebooks as they stand and keep the outputs in notebooks/",
    )
    arguments = parser.parse_args(argv)
    try:
        paths = _chosen(arguments.notebooks)
        outcomes = [
            refresh(path)
            if arguments.refresh
            else run_notebook(path, {"profile": arguments.profile})
            for path in paths
        ]
        if arguments.refresh:
            write_readme_table()
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(outcome_table(outcomes))
    return int(any(outcome.failure for outcome in outcomes))


def _chosen(wanted: Sequence[str]) -> list[Path]:
    """The notebooks meant by numbers ('01'), names or paths."""
    shipped = notebook_paths()
    if not wanted:
        if not shipped:
            raise LabError("There are no notebooks to run.")
        return shipped
    chosen = []
    for word in wanted:
        found = [path for path in shipped if path.stem.startswith(word.removesuffix(".ipynb"))]
        if Path(word).is_file():
            found = [Path(word).resolve()]
        if len(found) != 1:
            names = ", ".join(path.stem for path in shipped)
            raise LabError(f"'{word}' is not one notebook; there are {names}.")
        chosen += found
    return chosen


def _verdicts(record: Path) -> str:
    """'5 supported, 1 refuted', from a run's record."""
    if not record.exists():
        return "no record"
    counts = Counter(claim["verdict"] for claim in read_record(record)["claims"])
    return ", ".join(f"{number} {verdict}" for verdict, number in counts.items()) or NOT_JUDGED


def _kernel_class(environment: dict[str, str]) -> type:
    """A kernel of this Python, whatever kernels are installed, with `environment` added.

    It keeps remarks on its own start and end to itself: they would break the progress bar.
    """
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    specification = get_kernel_dict()
    specification["argv"] = [*specification["argv"], "--log-level=CRITICAL"]

    class LabKernel(AsyncKernelManager):
        kernel_spec = KernelSpec(resource_dir="", **specification)

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            options["env"] = {**os.environ, **options.get("env", {}), **environment}
            await super().start_kernel(**options)

    return LabKernel


if __name__ == "__main__":
    sys.exit(main())
