"""What the runs of a sweep measured, as tidy tables.

`table.csv` and `table.parquet` have one row for each run and metric, in the plan's order. Columns:
`run_id`; every swept parameter by its name; `metric` and `value`; the metric's own keys (`method`,
`task`, `split`, `seed`, ...); `run_seconds`. A key that would take the name of another column is
called `metric_<key>`: a parameter always keeps its plain name, and nothing is lost. `claims.csv`
has one row for each run and claim; there such a key is called `claim_<key>`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftlab.batch.plan import Run
from ftlab.claims.record import CLAIM_FIELDS, RULE_FIELDS, read_record
from ftlab.common.errors import LabError
from ftlab.common.files import write_atomically, written_whole

if TYPE_CHECKING:
    import pandas as pd

METRIC, CLAIM = "metric", "claim"
MEASURED = ("run_id", METRIC, "value", "run_seconds")  # columns of every table of metrics
LARGEST = 2**63  # of whole numbers that a column can hold

Row = dict[str, Any]
Records = Sequence[tuple[Run, Path]]  # runs with the files of their records


def tidy(records: Records, swept: Sequence[str]) -> pd.DataFrame:
    """One row for each run and metric, in the order of `records`.

    Every column has one type: truths, whole numbers, numbers, or texts (lists and mixtures as
    JSON). A value that is no number is missing, and stands as JSON in a column `value_text`.
    LabError if a record cannot be read.
    """
    rows = []
    for run, path in records:
        record = read_record(path)
        for metric in record["metrics"]:
            keys = {key: item for key, item in metric.items() if key not in ("name", "value")}
            value = metric["value"]
            if value is not None and not isinstance(value, (int, float)):
                keys["value_text"], value = json.dumps(value, ensure_ascii=False), None
            ours = {METRIC: metric["name"], "value": None if value is None else float(value)}
            rows.append((run, ours, keys, {"run_seconds": float(record["seconds"])}))
    return _frame(rows, swept, METRIC, MEASURED[1:3], MEASURED[3:])


def verdicts(records: Records, swept: Sequence[str]) -> pd.DataFrame:
    """One row for each run and claim that was judged; LabError if a record cannot be read."""
    rows: list[tuple[Run, Row, Row, Row]] = []
    for run, path in records:
        for claim in read_record(path)["claims"]:
            keys = {key: item for key, item in claim.items() if key != "id"}
            rows.append((run, {CLAIM: claim["id"]}, keys, {}))
    return _frame(rows, swept, CLAIM, (CLAIM,), (), known=(*CLAIM_FIELDS[1:], *RULE_FIELDS))


def column_of(key: str, swept: Sequence[str]) -> str:
    """The column of a metric's own key in a table in which `swept` parameters have theirs."""
    return _columns([key], (*MEASURED, *swept), METRIC)[key]


def write_tables(folder: Path, measured: pd.DataFrame, judged: pd.DataFrame) -> list[Path]:
    """Write `tidy` and `verdicts` into a folder, each file whole or not at all; returns the files.

    The same tables make the same bytes of CSV. LabError if they cannot be written.
    """
    paths = [folder / name for name in ("table.csv", "table.parquet", "claims.csv")]
    write_atomically(paths[0], measured.to_csv(index=False, lineterminator="\n"))
    try:
        with written_whole(paths[1]) as beside:
            measured.to_parquet(beside, engine="pyarrow", index=False)
    except OSError as error:
        raise LabError(f"Cannot write {paths[1]}: {error.strerror or error}.") from error
    write_atomically(paths[2], judged.to_csv(index=False, lineterminator="\n"))
    return paths


def _frame(
    rows: Sequence[tuple[Run, Row, Row, Row]],
    swept: Sequence[str],
    prefix: str,
    first: Sequence[str],
    last: Sequence[str],
    known: Sequence[str] = (),
) -> pd.DataFrame:
    """Columns: run_id, `swept`, `first`, the rows' own keys (those `known` before others), `last`;
    rows are a run with what stands in `first`, in its own keys and in `last`."""
    import pandas as pd

    taken = ("run_id", *swept, *first, *last)
    keys = dict.fromkeys([*known, *(key for _, _, own, _ in rows for key in own)])
    names = _columns(keys, taken, prefix)
    whole = [
        {
            "run_id": run.id,
            **{name: run.parameters[name] for name in swept},
            **ours,
            **{names[key]: item for key, item in own.items()},
            **about,
        }
        for run, ours, own, about in rows
    ]
    columns = ["run_id", *swept, *first, *names.values(), *last]
    return pd.DataFrame({name: _typed([row.get(name) for row in whole]) for name in columns})


def _columns(keys: Iterable[str], taken: Iterable[str], prefix: str) -> dict[str, str]:
    """A free name for the column of every key."""
    used, names = {*taken}, {}
    for key in keys:
        name = key
        while name in used:
            name = f"{prefix}_{name}"
        names[key] = name
        used.add(name)
    return names


def _typed(values: Sequence[Any]) -> pd.Series:
    """A column of one type, which Parquet wants; None is missing."""
    import pandas as pd

    there = [value for value in values if value is not None]
    if values and not there:
        return pd.Series(values, dtype="float64")
    if there and all(isinstance(value, bool) for value in there):
        return pd.Series(values, dtype="boolean")
    if there and all(_is_number(value) for value in there):
        whole = all(isinstance(value, int) for value in there)
        return pd.Series(values, dtype="Int64" if whole else "float64")
    texts = [
        value
        if value is None or isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, sort_keys=True)
        for value in values
    ]
    return pd.Series(texts)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, float) or abs(value) < LARGEST
