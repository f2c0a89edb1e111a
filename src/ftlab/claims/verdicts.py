"""What single runs found: every claim that a record judged, wherever the record lies.

A claim may have been judged several times: in the `full` run whose record is kept
(data/reference/), in records that it replaced (its history), in the run whose outputs are kept in
the notebook, and in runs of the reader's own (results/). Each of these is a `Judgement`; what the
notebooks claim stands in `claims.toml`, and what is known of each claim in `findings`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ftlab.claims.claim import Claim, Direction
from ftlab.claims.record import claim_of, estimate_of, outcome_of, read_record
from ftlab.claims.reference import differing_parameter, reference
from ftlab.claims.table import claims_of, told_elsewhere
from ftlab.common.errors import LabError
from ftlab.common.paths import results_dir
from ftlab.evaluation import Estimate
from ftlab.notebook.environment import SHOWN_DIGITS
from ftlab.notebook.files import METADATA, notebook_paths, read_notebook, source_sha256
from ftlab.notebook.parameters import NOTEBOOKS

Source = Literal["kept record", "replaced record", "kept outputs", "own run"]
UNKNOWN = "unknown"
SHARES = "difference of shares"  # the unit of most claims


@dataclass(frozen=True)
class Judgement:
    """One claim as one run judged it, and where that was.

    `rule` is the declared claim; None where the record does not tell it. `outcome` is the verdict,
    or why there is none ("counted"). `model` holds the first digits of the hash of the base model's
    weights. `other_data` says which parameter was not the notebook's own, "" if all were (the base
    model apart: `model` tells).
    """

    notebook: str
    claim: str
    statement: str
    metric: str
    rule: Claim | None
    estimate: Estimate
    outcome: str
    source: Source
    run: str
    profile: str
    cpu: str
    precision: str
    model: str
    gpu: str = ""
    other_data: str = ""
    started: str = ""

    @property
    def limit(self) -> tuple[Direction, float] | None:
        """Where the estimate should lie if the claim is right; None if that is not known."""
        return (self.rule.direction, self.rule.effect) if self.rule else None

    @property
    def unit(self) -> str:
        """What is counted: only equal units may be compared."""
        return self.rule.unit if self.rule else re.split("[:,]", self.metric)[0]

    @property
    def machine(self) -> str:
        """Processor, GPU where one was used, and precision, as far as the record tells."""
        return ", ".join(filter(None, (self.cpu, self.gpu, self.precision)))


@dataclass(frozen=True)
class OwnRuns:
    """What stands in a folder of results: how many records were read, the claims they judged, and
    (file, reason) of each that could not be read."""

    read: int
    judgements: list[Judgement]
    broken: list[tuple[str, str]]


def judgements_of(record: dict[str, Any], source: Source) -> list[Judgement]:
    """The claims of a checked record (see `read_record`), in its order."""
    notebook, parameters = record["notebook"], record["parameters"]
    own_model = {"base_model": NOTEBOOKS.get(notebook, {}).get("base_model")}
    known = notebook in NOTEBOOKS
    other = differing_parameter(notebook, {**parameters, **own_model}) if known else ""
    judged = _judgements(notebook, record, record["claims"], source)
    return [replace(j, other_data=other, started=record["started"]) for j in judged]


def kept_judgements() -> list[Judgement]:
    """The claims of all kept records, in the order of the notebooks; LabError if one is spoilt."""
    records = [record for name in NOTEBOOKS if (record := reference(name))]
    return [j for record in records for j in judgements_of(record, "kept record")]


def kept_outputs() -> list[Judgement]:
    """The claims of the runs whose outputs are kept in the notebooks, in reading order, as they
    stand in the notebooks' metadata.

    Outputs of other code than the notebook's present one are left out: those of a notebook that is
    being worked in.
    """
    found = []
    for path in notebook_paths():
        notebook = read_notebook(path)
        run = notebook.metadata.get(METADATA) or {}
        if run.get("source_sha256") == source_sha256(notebook):
            found += _judgements(path.stem, run, run.get("claims", []), "kept outputs")
    return found


def own_runs(folder: str | Path = "") -> OwnRuns:
    """The records in `folder` ("": the lab's results) and in the folders right below it, and those
    of sweeps (a sweep's folder is known by its plan.json and stands up to two folders deep).

    One that cannot be read is named with the reason and keeps nothing else from being read. A
    folder that is not there holds no records.
    """
    top = Path(folder) if str(folder) else results_dir()
    read, found = 0, OwnRuns(0, [], [])
    paths = {*top.glob("*.json"), *top.glob("*/*.json")}
    for plan in [path for depth in ("", "*/", "*/*/") for path in top.glob(f"{depth}plan.json")]:
        if (plan.parent / "runs").is_dir():
            paths -= {plan, *plan.parent.glob("failed/*.json")}
            paths |= {*plan.parent.glob("runs/*.json")}
    for path in sorted(paths):
        name = path.relative_to(top).as_posix()
        try:
            record = read_record(path)
            judged = judgements_of(record, "own run")
        except (LabError, OverflowError, RecursionError) as error:
            found.broken.append((name, str(error).replace(str(path), "it")))
            continue
        read += 1
        found.judgements.extend(judged)
    return replace(found, read=read)


def _judgements(
    notebook: str, run: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], source: Source
) -> list[Judgement]:
    """The claims of a run, in the words of the table where they stand in it (those of a replaced
    record in its own); those that another claim's quantity decides are left out."""
    about, told = run.get("environment", {}), told_elsewhere(notebook)
    table = claims_of(notebook) if source != "replaced record" else {}
    return [
        Judgement(
            notebook=notebook,
            claim=str(row["id"]),
            statement=table[row["id"]].statement if row["id"] in table else str(row["statement"]),
            metric=str(row["metric"]),
            rule=claim_of(row),
            estimate=estimate_of(row),
            outcome=outcome_of(row),
            source=source,
            run=run.get("run_id", UNKNOWN),
            profile=run["profile"],
            cpu=str(about.get("cpu") or UNKNOWN),
            gpu=str(about.get("gpu") or ""),
            precision=str(about.get("precision") or UNKNOWN),
            model=str(about.get("base_model_sha256") or UNKNOWN)[:SHOWN_DIGITS],
        )
        for row in rows
        if row["id"] not in told
    ]


def newest(judgements: Iterable[Judgement]) -> list[Judgement]:
    """Of runs of the same notebook, profile, data, model and machine, what the latest found."""
    found: dict[tuple[str, ...], Judgement] = {}
    for j in sorted(judgements, key=lambda j: j.started):
        found[j.notebook, j.claim, j.profile, j.model, j.machine, j.other_data] = j
    return sorted(found.values(), key=lambda j: (j.notebook, j.started))
