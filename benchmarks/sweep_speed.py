"""What a sweep saves over a shell loop of plain papermill: the same runs, both ways, in one go.

    python benchmarks/sweep_speed.py

The notebook is run in its smoke profile with as many seeds as there are runs: first one after the
other, `papermill IN OUT -p profile smoke -p seed N` for each, then by `ftlab sweep`. Prints how
many times faster the sweep is, and what a run costs beyond the time its cells take, and writes
benchmarks/sweep_speed.json. Where the plain way's time goes stands there too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ftlab.batch.folder import SweepFolder
from ftlab.batch.plan import read_plan
from ftlab.batch.sweeping import share_out, sweep
from ftlab.notebook.files import find_notebook, read_notebook

PAPERMILL = "import sys; from papermill.__main__ import papermill; sys.exit(papermill())"


def in_cells(executed: Path) -> float:
    """Seconds that the code cells of an executed notebook took."""
    cells = read_notebook(executed).cells
    return sum(cell.metadata["papermill"]["duration"] for cell in cells if cell.cell_type == "code")


def in_a_loop(notebook: Path, runs: int, folder: Path) -> dict[str, Any]:
    """Plain papermill, one run after the other."""
    seconds, papermill, cells, opening = [], [], [], []
    for seed in range(runs):
        out = folder / f"{seed}.ipynb"
        command = [sys.executable, "-c", PAPERMILL, str(notebook), str(out), "--no-progress-bar"]
        command += [
            "--cwd",
            str(notebook.parent),
            "-p",
            "profile",
            "smoke",
            "-p",
            "seed",
            str(seed),
        ]
        began = time.perf_counter()
        subprocess.run(
            command,
            env={**os.environ, "FTLAB_RESULTS": str(folder)},
            capture_output=True,
            check=True,
        )
        seconds.append(time.perf_counter() - began)
        executed = read_notebook(out)
        papermill.append(executed.metadata["papermill"]["duration"])
        cells.append(in_cells(out))
        opener = next(cell for cell in executed.cells if "open_lab(" in cell.source)
        opening.append(opener.metadata["papermill"]["duration"])
    median = {
        "starting papermill": statistics.median(seconds) - statistics.median(papermill),
        "starting and ending the kernel": statistics.median(papermill) - statistics.median(cells),
        "opening the lab (imports)": statistics.median(opening),
        "the other cells": statistics.median(cells) - statistics.median(opening),
    }
    return {"seconds": sum(seconds), "seconds_of_a_run": median}


def in_a_sweep(notebook: Path, runs: int, folder: Path, jobs: int | None) -> dict[str, Any]:
    """The same runs as a sweep."""
    file = folder / "sweep.yaml"
    seeds = list(range(runs))
    file.write_text(
        f"notebook: {notebook}\nfixed: {{profile: smoke}}\ngrid: {{seed: {seeds}}}\n",
        encoding="utf-8",
    )
    began = time.perf_counter()
    plan, place, share = read_plan(file), SweepFolder(folder / "out"), share_out(jobs)
    place.prepare(plan)
    results = sweep(plan, place, share=share)
    seconds = time.perf_counter() - began
    assert all(result.state == "done" for result in results), results
    cells = [in_cells(place.executed(result.run_id)) for result in results]
    beyond = [result.seconds - own for result, own in zip(results, cells, strict=True)]
    return {
        "seconds": seconds,
        "runs_at_a_time": share.jobs,
        "seconds_of_a_run": {
            "beyond its cells": statistics.median(beyond),
            "its cells": statistics.median(cells),
            "beyond its cells, the first ones (which wait for the imports)": max(beyond),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notebook", default="00")
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--output", default=str(Path(__file__).with_suffix(".json")))
    options = parser.parse_args()
    notebook = find_notebook(options.notebook, Path.cwd())
    result: dict[str, Any] = {"notebook": notebook.stem, "runs": options.runs}
    with tempfile.TemporaryDirectory() as loop, tempfile.TemporaryDirectory() as swept:
        result["shell loop"] = in_a_loop(notebook, options.runs, Path(loop))
        result["sweep"] = in_a_sweep(notebook, options.runs, Path(swept), options.jobs)
    result["times_faster"] = result["shell loop"]["seconds"] / result["sweep"]["seconds"]
    print(json.dumps(result, indent=2))
    Path(options.output).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
