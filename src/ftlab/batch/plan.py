"""A sweep file, read and checked before anything runs.

    notebook: 03_lora          # one of the lab's, or a file beside this one
    fixed:                     # the same in all runs; what is not named is the notebook's own
      profile: quick
    grid:                      # every combination, the last name varying fastest
      task_labels: [4, 8]
      seed: [0, 1, 2]

Instead of `grid` a file may have `list`, a list of runs, each a mapping of parameters, or `sample`:

    sample:
      runs: 20
      seed: 0                  # of the draws; the same seed draws the same runs
      from:
        seed: {low: 0, high: 1000}
        learning_rate: {low: 0.001, high: 0.1, log: true}
        task_data: [tickets, reviews]
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ftlab.batch.grid import SpaceReader
from ftlab.batch.parameters import contract_of, read_parameters
from ftlab.batch.run_id import run_ids
from ftlab.batch.yamlfile import YamlFile
from ftlab.claims.record import read_record
from ftlab.common.errors import LabError
from ftlab.notebook.files import METADATA, find_notebook, read_notebook
from ftlab.notebook.parameters import Value

MOST_RUNS = 1000  # that are begun unasked
KEYS = ("notebook", "fixed", "grid", "list", "sample")
WAYS = KEYS[2:]
WHAT = "The sweep file"


@dataclass(frozen=True)
class Run:
    """One run: its name, and all parameters that it has."""

    id: str
    notebook: Path
    parameters: dict[str, Value]


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep in their order; `swept` are the parameters that the file varies."""

    notebook: Path
    swept: tuple[str, ...]
    runs: tuple[Run, ...]


def read_plan(path: Path, most: int | None = MOST_RUNS) -> Plan:
    """The runs that a sweep file asks for, each once; nothing in it is ever evaluated as code.

    LabError, with file, line and reason, for what cannot be, and if there would be more than `most`
    runs (None: as many as there are): they are counted before they are made.
    """
    file = YamlFile(path)
    keys = file.mapping(file.root, WHAT, KEYS)
    if "notebook" not in keys:
        raise file.error(file.root, "'notebook' is missing: it names the notebook to run.")
    ways = [key for key in keys if key in WAYS]
    if len(ways) != 1:
        found = " and ".join(ways) if ways else "none"
        raise file.error(
            keys[ways[1]][0] if ways else file.root,
            f"A sweep needs exactly one of {', '.join(WAYS)}, but this one has {found}.",
        )
    name, node = keys["notebook"][1], keys[ways[0]][1]
    wanted, base = str(file.scalar(name, "'notebook'")), path.absolute().parent
    try:
        notebook = read_parameters(find_notebook(wanted, base))
    except LabError as error:
        raise file.error(name, error) from None
    reader = SpaceReader(file, notebook, base)
    if "fixed" in keys:
        reader.fixed = reader.values(keys["fixed"][1], "'fixed'")
    space = {"grid": reader.grid, "list": reader.listed, "sample": reader.sample}[ways[0]](node)
    if most is not None and space.count > most:
        raise file.error(
            keys[ways[0]][0],
            f"These are {space.count:,} runs: to start more than {most:,}, add --yes.",
        )
    choices = list(space.choices())
    try:
        asked = [notebook.complete({**reader.fixed, **choice}) for choice in choices]
    except LabError as error:  # a value that stands in the notebook file itself
        raise file.error(name, error) from None
    runs: dict[str, Run] = {}
    for run, parameters in zip(run_ids(notebook.path, asked), asked, strict=True):
        runs.setdefault(run, Run(run, notebook.path, parameters))
    return Plan(notebook.path, space.swept, tuple(runs.values()))


def estimated_seconds(plan: Plan, records: Iterable[Path]) -> tuple[float | None, str]:
    """How long one run of the plan takes, on average, and words that say where that comes from.

    From earlier `records` of the same notebook and profile, those with as many seeds if there are
    any; else from the notebook's stored outputs. None if neither tells. A record that cannot be
    read tells nothing.
    """
    contract = contract_of(plan.notebook)
    earlier: list[tuple[str, object, float]] = []
    for path in records:
        try:
            record = read_record(path)
        except LabError:
            continue
        if record["notebook"] == contract:
            seeds = record["parameters"].get("seeds")
            earlier.append((record["profile"], seeds, record["seconds"]))
    stored = read_notebook(plan.notebook).metadata.get(METADATA, {})
    total, sources = 0.0, []
    kinds = Counter((run.parameters["profile"], run.parameters.get("seeds")) for run in plan.runs)
    for (profile, seeds), count in kinds.items():
        like = [(number, seconds) for kind, number, seconds in earlier if kind == profile]
        times = [seconds for number, seconds in like if number == seeds]
        times = times or [seconds for _, seconds in like]
        if times:
            total += count * statistics.median(times)
            runs = "1 earlier run" if len(times) == 1 else f"the median of {len(times)} runs"
            sources.append(f"{runs} with the profile {profile}")
        elif stored.get("profile") == profile and isinstance(stored.get("seconds"), (int, float)):
            total += count * stored["seconds"]
            sources.append("the outputs stored in the notebook")
        else:
            return None, f"there is no earlier run of {contract} with the profile {profile}"
    return total / len(plan.runs), "from " + " and ".join(dict.fromkeys(sources))
