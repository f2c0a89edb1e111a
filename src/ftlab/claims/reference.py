"""The runs that the lab stands by; `python -m ftlab.claims.reference RECORD.json` keeps one.

data/reference/<notebook>.json is the record of one `full` run of a notebook, with the notebook's
own data and model. The README's table of findings is made of these records, and notebooks show
what a longer run than theirs has measured. Without a record only the table is written again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ftlab.claims.record import NOT_JUDGED, Record, read_record
from ftlab.common.errors import LabError
from ftlab.common.files import write_atomically
from ftlab.common.paths import data_dir
from ftlab.notebook.files import fill_readme
from ftlab.notebook.parameters import NOTEBOOKS, SEEDS_BY_PROFILE

PROFILE = "full"
FEWEST_SEEDS = SEEDS_BY_PROFILE[PROFILE]
MOST_BYTES = 200_000  # of a record: it is kept in git
FREE = ("profile", "seed", "seeds")  # parameters that may differ from the notebook's own
HEADER = (
    "| claim | what is said | measured as | estimate [95% interval] | seeds | verdict | notebook |"
)
NONE_YET = "No record of a `full` run is kept yet."


def reference(notebook: str) -> dict[str, Any] | None:
    """The kept record of a notebook, checked; None if there is none."""
    path = _file(notebook)
    return read_reference(path) if path.exists() else None


def rows(notebook: str, name: str) -> list[dict[str, Any]]:
    """The metrics called `name` of a notebook's kept record; [] if there is none."""
    record = reference(notebook)
    return [row for row in record["metrics"] if row["name"] == name] if record else []


def comparable(record: Record) -> bool:
    """Whether this run and the kept one of its notebook speak of the same data and model."""
    return not foreign(record.notebook, record.parameters)


def foreign(notebook: str, parameters: dict[str, Any]) -> str:
    """Which parameter that must be the notebook's own is not, or ''."""
    for name, own in NOTEBOOKS[notebook].items():
        if name not in FREE and parameters.get(name, own) != own:
            return f"its {name} is {parameters[name]!r}, the notebook's own is {own!r}"
    return ""


def beside(record: Record) -> list[dict[str, str]]:
    """Each claim judged in this run beside its verdict in the kept one; [] if none is kept, or if
    that one is about other data or another model."""
    kept = reference(record.notebook) if comparable(record) else None
    found = {claim["id"]: claim for claim in kept["claims"]} if kept else {}
    return [
        {
            "claim": trial.claim.id,
            "this run": str(trial.estimate),
            "verdict": trial.verdict or NOT_JUDGED,
            "reference run": shown_estimate(found[trial.claim.id]),
            "its verdict": found[trial.claim.id]["verdict"],
        }
        for trial in record.trials
        if trial.claim.id in found
    ]


def read_reference(path: str | Path) -> dict[str, Any]:
    """The record in `path`; LabError if it is none that the lab can stand by."""
    record = read_record(path)
    reason = _fault(record, Path(path).stat().st_size)
    if reason:
        raise LabError(f"{path} cannot be a reference: {reason}.")
    return record


def keep(path: str | Path) -> Path:
    """Make a run's record the reference of its notebook; returns the kept file."""
    kept = _file(read_reference(path)["notebook"])
    write_atomically(kept, Path(path).read_text(encoding="utf-8"))
    write_findings()
    return kept


def write_findings() -> None:
    """Write the table of findings into README.md."""
    fill_readme("findings", findings())


def findings() -> str:
    """One row for each claim of the kept records, in the order of the notebooks."""
    lines = [HEADER, "| --- " * (HEADER.count("|") - 1) + "|"]
    for notebook in NOTEBOOKS:
        record = reference(notebook)
        for claim in record["claims"] if record else []:
            cells = [claim["id"], claim["statement"], claim["metric"], shown_estimate(claim)]
            cells += [claim["seeds"], claim["verdict"]]
            cells += [f"[{notebook[:2]}](notebooks/{notebook}.ipynb)"]
            lines.append(table_row(cells))
    return "\n".join(lines) if len(lines) > 2 else NONE_YET


def shown_estimate(claim: dict[str, Any]) -> str:
    """A recorded claim's estimate with its interval; an exact one without."""
    value, low, high = claim["estimate"], claim["ci_low"], claim["ci_high"]
    ends = f" [{shown_number(low)}, {shown_number(high)}]" if low != high else ""
    return shown_number(value) + ends


def shown_number(value: float) -> str:
    """Three digits that count, as in the notebooks, but no powers of ten for large numbers."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table_row(cells: Sequence[object]) -> str:
    """One row of a Markdown table."""
    return "| " + " | ".join(" ".join(str(c).split()).replace("|", "\\|") for c in cells) + " |"


def main(argv: Sequence[str] | None = None) -> int:
    """Keep the records named on the command line and write the README's table; 2 if refused."""
    parser = argparse.ArgumentParser("python -m ftlab.claims.reference", description=__doc__)
    parser.add_argument("records", nargs="*", help="records of full runs, results/*/*.json")
    try:
        for record in parser.parse_args(argv).records:
            print(f"Record kept: {'/'.join(keep(record).parts[-3:])}")
        write_findings()
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _file(notebook: str) -> Path:
    return data_dir() / "reference" / f"{notebook}.json"


def _fault(record: dict[str, Any], size: int) -> str:
    """Why the lab cannot stand by a record, or ''."""
    if record["notebook"] not in NOTEBOOKS:
        return f"the lab has no notebook '{record['notebook']}'"
    if record["profile"] != PROFILE:
        return f"its profile is '{record['profile']}', not '{PROFILE}'"
    if size > MOST_BYTES:
        return f"it has {size:,} bytes, and at most {MOST_BYTES:,} are kept"
    other = foreign(record["notebook"], record["parameters"])
    if other:
        return other
    asked = record["parameters"].get("seeds") or FEWEST_SEEDS
    for seeds in (asked, *(claim["seeds"] for claim in record["claims"] if claim["seeds"] != 1)):
        if not isinstance(seeds, int) or seeds < FEWEST_SEEDS:
            return f"it rests on {seeds} seeds, and {FEWEST_SEEDS} are the fewest"
    return ""


if __name__ == "__main__":
    sys.exit(main())
