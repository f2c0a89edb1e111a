"""The runs that the lab stands by; `ftlab keep RECORD.json` keeps one.

data/reference/<notebook>.json is the record of one `full` run of a notebook, with the notebook's
own data and model; the answers to its items lie beside it. A record that another one replaces goes
to data/reference/history/<notebook>/<run id>.json: nothing that was once told is lost. The table
of findings, data/reference/FINDINGS.md, and the README's few are made of these records, and
notebooks show what a longer run than theirs has measured.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ftlab.claims.recomputing import recompute
from ftlab.claims.record import estimate_of, items_path, outcome_of, read_record
from ftlab.claims.recording import Record
from ftlab.claims.table import find_claim, told_elsewhere
from ftlab.common.errors import LabError
from ftlab.common.files import write_atomically, written_whole
from ftlab.common.paths import data_dir
from ftlab.notebook.files import fill_readme
from ftlab.notebook.parameters import NOTEBOOKS, SEEDS_BY_PROFILE

PROFILE = "full"
FEWEST_SEEDS = SEEDS_BY_PROFILE[PROFILE]
MOST_BYTES = 400_000  # of a record with its items: it is kept in git
FREE = ("profile", "seed", "seeds")  # parameters that may differ from the notebook's own
HEADER = (
    "claim",
    "what is said",
    "measured as",
    "supported if",
    "estimate [95% interval]",
    "seeds",
    "verdict, in this lab",
    "at real scale",
    "notebook",
)
NONE_YET = "No record of a `full` run is kept yet."
FINDINGS = "FINDINGS.md"
HEADING = """# What the lab finds

All claims of the `full` runs whose records lie here, written by `ftlab keep`. A verdict holds in
this lab, with a small model and made-up data; *at real scale* says what larger models and real data
are known to do to the statement. The sources stand in `src/ftlab/claims/claims.toml`.
"""
MOST_HEADLINES = 10


def reference(notebook: str) -> dict[str, Any] | None:
    """The kept record of a notebook, checked; None if there is none."""
    path = _file(notebook)
    return read_reference(path) if path.exists() else None


def rows(notebook: str, name: str) -> list[dict[str, Any]]:
    """The metrics called `name` of a notebook's kept record; [] if there is none."""
    record = reference(notebook)
    return [row for row in record["metrics"] if row["name"] == name] if record else []


def tries(record: Record, experiment: str) -> list[dict[str, Any]]:
    """What the kept record of this run's notebook tried in an experiment, and chose (see
    `FairComparison.tries`); [] if none is kept, or if that one is about other data or another
    model."""
    kept = reference(record.notebook)
    if kept is None or not comparable(record):
        return []
    return [row for row in kept.get("candidates", ()) if row.get("experiment") == experiment]


def comparable(record: Record) -> bool:
    """Whether this run and the kept one of its notebook speak of the same data and model."""
    return not differing_parameter(record.notebook, record.parameters)


def differing_parameter(notebook: str, parameters: dict[str, Any]) -> str:
    """Which parameter that must be the notebook's own is not, or ''."""
    for name, own in NOTEBOOKS[notebook].items():
        if name not in FREE and parameters.get(name, own) != own:
            return f"its {name} is {parameters[name]!r}, the notebook's own is {own!r}"
    return ""


def compare_with_reference(record: Record) -> list[dict[str, str]]:
    """Each claim judged in this run beside its verdict in the kept one; [] if none is kept, or if
    that one is about other data or another model."""
    kept = reference(record.notebook) if comparable(record) else None
    found = {claim["id"]: claim for claim in kept["claims"]} if kept else {}
    return [
        {
            "claim": trial.claim.id,
            "this run": str(trial.estimate),
            "verdict": trial.outcome,
            "reference run": shown_estimate(found[trial.claim.id]),
            "its verdict": outcome_of(found[trial.claim.id]),
        }
        for trial in record.trials
        if trial.claim.id in found
    ]


def read_reference(path: str | Path) -> dict[str, Any]:
    """The record in `path`; LabError if it is none that the lab can stand by."""
    record = read_record(path)
    reason = _fault(Path(path), record)
    if reason:
        raise LabError(f"{path} cannot be a reference: {reason}.")
    return record


def keep_record(path: str | Path) -> Path:
    """Make a run's record the reference of its notebook; returns the kept file.

    LabError if the lab cannot stand by it, or if an interval is not what the answers beside the
    record give. What it replaces goes to the history. Killed at any moment, the old reference or
    the new one is there, whole.
    """
    record = read_reference(path)
    odd = [found.claim for found in recompute(path) if not found.agrees]
    if odd:
        raise LabError(f"{path} cannot be a reference: its items do not give {', '.join(odd)}.")
    kept = _file(record["notebook"])
    before = read_record(kept) if kept.exists() else None
    if before and before["run_id"] != record["run_id"]:
        past = kept.parent / "history" / record["notebook"] / f"{before['run_id']}.json"
        _copy(kept, past, before)
    else:
        before = None
    _copy(Path(path), kept, record)
    if before and (items := items_path(kept, before)):
        items.unlink(missing_ok=True)
    write_findings()
    return kept


def _copy(source: Path, target: Path, record: dict[str, Any]) -> None:
    """A record and its items, these first: they carry the run's name, so none are overwritten."""
    items = items_path(source, record)
    try:
        if items:
            with written_whole(target.with_name(items.name)) as beside:
                shutil.copyfile(items, beside)
    except OSError as error:
        raise LabError(f"Cannot copy {items}: {error.strerror or error}.") from error
    write_atomically(target, source.read_text(encoding="utf-8"))


def write_findings() -> None:
    """Write the table of findings beside the records, and a few of them into README.md."""
    fill_readme("findings", headlines())
    write_atomically(_folder() / FINDINGS, f"{HEADING}\n{findings()}\n")


def headlines() -> str:
    """The findings of the kept records that are marked as headlines, in plain words."""
    lines = []
    for notebook in NOTEBOOKS:
        record = reference(notebook)
        for row in record["claims"] if record else []:
            claim = find_claim(notebook, row["id"])
            if claim and claim.headline:
                lines.append(
                    f"- *{claim.statement}* **{outcome_of(row).capitalize()}**: {row['metric']} is "
                    f"{shown_estimate(row)} ([{notebook[:2]}](notebooks/{notebook}.ipynb); at real "
                    f"scale: {claim.at_scale.says})."
                )
    return "\n".join(lines[:MOST_HEADLINES]) or NONE_YET


def findings() -> str:
    """One row for each claim of the kept records, in the order of the notebooks.

    What is said, and what is known of it at real scale, stands in the table of claims; a claim
    that another one's quantity decides stands in that one's row.
    """
    lines = [table_row(HEADER), "| --- " * len(HEADER) + "|"]
    for notebook in NOTEBOOKS:
        record, told = reference(notebook), told_elsewhere(notebook)
        rows = [row for row in record["claims"] if row["id"] not in told] if record else []
        for row in rows:
            claim = find_claim(notebook, row["id"])
            also = "".join(f" Also said, {text}" for text in claim.also_said) if claim else ""
            cells = [row["id"], (claim.statement if claim else row["statement"]) + also]
            cells += [row["metric"], row["rule"], shown_estimate(row), row["seeds"]]
            cells += [outcome_of(row), claim.at_scale.says if claim else "unknown"]
            cells += [f"[{notebook[:2]}](../../notebooks/{notebook}.ipynb)"]
            lines.append(table_row(cells))
    return "\n".join(lines) if len(lines) > 2 else NONE_YET


def shown_estimate(claim: dict[str, Any]) -> str:
    """A recorded claim's estimate with its interval; an exact one without."""
    estimate = estimate_of(claim)
    if estimate.open:
        return f"{shown_number(estimate.value)} (no interval)"
    ends = f" [{shown_number(estimate.low)}, {shown_number(estimate.high)}]"
    return shown_number(estimate.value) + (ends if estimate.low != estimate.high else "")


def shown_number(value: float) -> str:
    """Three digits that count, as in the notebooks, but no powers of ten for large numbers."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table_row(cells: Sequence[object]) -> str:
    """One row of a Markdown table."""
    return "| " + " | ".join(" ".join(str(c).split()).replace("|", "\\|") for c in cells) + " |"


def _folder() -> Path:
    return data_dir() / "reference"


def _file(notebook: str) -> Path:
    return _folder() / f"{notebook}.json"


def _fault(path: Path, record: dict[str, Any]) -> str:
    """Why the lab cannot stand by a record, or ''."""
    if record["notebook"] not in NOTEBOOKS:
        return f"the lab has no notebook '{record['notebook']}'"
    if record["profile"] != PROFILE:
        return f"its profile is '{record['profile']}', not '{PROFILE}'"
    items = items_path(path, record)
    if items and not items.is_file():
        return f"its items are missing: {items.name}"
    size = path.stat().st_size + (items.stat().st_size if items else 0)
    if size > MOST_BYTES:
        return f"it has {size:,} bytes, and at most {MOST_BYTES:,} are kept"
    other = differing_parameter(record["notebook"], record["parameters"])
    if other:
        return other
    asked = record["parameters"].get("seeds") or FEWEST_SEEDS
    for seeds in (asked, *(claim["seeds"] for claim in record["claims"] if claim["seeds"] != 1)):
        if not isinstance(seeds, int) or seeds < FEWEST_SEEDS:
            return f"it rests on {seeds} seeds, and {FEWEST_SEEDS} are the fewest"
    return ""
