"""The record of a run as it is written and read: one JSON file, and beside it the answers to every
item in one compressed file of arrays (.npz), from which every interval can be computed again.

Schema 2. Schema 1 (no answers, three verdicts, rules in words alone) is read as if it were 2: its
claims are judged anew, from their kept intervals, by the rule that was declared.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from ftlab.claims.claim import NOT_JUDGED, VERDICTS, Claim, Direction
from ftlab.claims.table import find_claim
from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate

SCHEMA = 2
RUN_ID_VARIABLE = "FTLAB_RUN_ID"  # whoever starts a run may name it, to find its record again
FIELDS: dict[str, type | tuple[type, ...]] = {
    "schema": int,
    "notebook": str,
    "run_id": str,
    "profile": str,
    "seed": int,
    "parameters": dict,
    "started": str,
    "seconds": (int, float),
    "environment": dict,
    "metrics": list,
    "claims": list,
}
CLAIM_FIELDS = ("id", "statement", "metric", "estimate", "ci_low", "ci_high", "seeds", "verdict")
RULE_FIELDS = ("kind", "unit", "null", "direction", "effect", "rule")
# Before schema 2 an end that could be anything was this far away.
ANYTHING = 1e6
# What the verdicts of schema 1 are called now where the rule is not known. "Refuted" had no one
# name: the contrary, or no effect that matters.
OLD_VERDICTS = {"supported": "supported", "inconclusive": "undecided", "refuted": None}


def new_run_id(profile: str, seed: int) -> str:
    """A name for a run, made of the time (UTC), the profile, the seed and four random letters."""
    given = os.environ.get(RUN_ID_VARIABLE)
    if given:
        if not re.fullmatch(r"\w[\w.-]*", given):
            raise LabError(
                f"{RUN_ID_VARIABLE} must be letters, digits, '.', '_' and '-', not '{given}'."
            )
        return given
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{moment}-{profile}-s{seed}-{secrets.token_hex(2)}"


def read_record(path: str | Path) -> dict[str, Any]:
    """Read and check a record; a broken one is refused with the file and the reason."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LabError(f"Cannot read {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise LabError(f"{path} is not a whole JSON file: {error}.") from error
    reason = _fault(record)
    if reason:
        raise LabError(f"{path} is no record of a run: {reason}.")
    if record["schema"] == 1:
        record["claims"] = [_renewed(record["notebook"], row) for row in record["claims"]]
    return record


def estimate_of(row: Mapping[str, Any]) -> Estimate:
    """The estimate of a recorded claim; an end that is null could be anything."""
    low, high = row["ci_low"], row["ci_high"]
    return Estimate(
        row["estimate"],
        -math.inf if low is None else low,
        math.inf if high is None else high,
        int(row["seeds"]),
    )


def claim_of(row: Mapping[str, Any]) -> Claim | None:
    """A recorded claim with the rule that was declared; None where the record does not tell it."""
    if not row.get("direction"):
        return None
    rule = {name: row[name] for name in ("kind", "unit", "null", "direction", "effect")}
    return Claim(row["id"], row["statement"], row["metric"], **rule)


def outcome_of(row: Mapping[str, Any]) -> str:
    """The verdict on a recorded claim, or why there is none. The old word stands where a record of
    schema 1 does not tell enough for one of today's."""
    why = row.get("old_verdict", NOT_JUDGED) if row["kind"] == "measured" else row["kind"]
    return row["verdict"] or why


def items_path(path: str | Path, record: Mapping[str, Any]) -> Path | None:
    """The file with the answers to a record's items, beside it; None if it has none."""
    name = record.get("items")
    if name is None:
        return None
    if not re.fullmatch(r"\w[\w.-]*\.npz", str(name)):
        raise LabError(f"{path} names '{name}' as the file of its items: no plain name of a .npz.")
    return Path(path).with_name(name)


def plain(value: Any, where: str) -> Any:
    """`value` as JSON knows it: numpy numbers converted, nan and unknown types refused."""
    if hasattr(value, "tolist"):  # numpy and torch, arrays and single numbers
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        raise LabError(f"The {where} holds {value}: give None where nothing was measured.")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item, where) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, where) for item in value]
    raise LabError(f"The {where} holds a {type(value).__name__}, which JSON cannot hold.")


def _fault(record: Any) -> str:
    """What is wrong with a record, or ''."""
    if not isinstance(record, dict):
        return "it is not a JSON object"
    for name, kind in FIELDS.items():
        if name not in record:
            return f"'{name}' is missing"
        if not isinstance(record[name], kind) or isinstance(record[name], bool):
            return f"'{name}' is a {type(record[name]).__name__}"
    if record["schema"] not in (1, SCHEMA):
        return f"its schema is {record['schema']}, this lab reads 1 and {SCHEMA}"
    for row in record["metrics"]:
        if not isinstance(row, dict) or not {"name", "value"} <= row.keys():
            return "a metric has no name or no value"
    return next(filter(None, (_claim_fault(row, record["schema"]) for row in record["claims"])), "")


def _claim_fault(row: Any, schema: int) -> str:
    fields = CLAIM_FIELDS if schema == 1 else (*CLAIM_FIELDS, *RULE_FIELDS)
    if not isinstance(row, dict) or not set(fields) <= row.keys():
        return f"a claim lacks one of {', '.join(fields)}"
    for name in ("estimate", "ci_low", "ci_high", "seeds"):
        may_be_open = schema > 1 and name.startswith("ci_") and row[name] is None
        if not (may_be_open or _is_number(row[name])):
            return f"claim {row['id']} has no number as its {name}"
    known = OLD_VERDICTS if schema == 1 else (None, *VERDICTS)
    if row["verdict"] not in known:
        return f"claim {row['id']} has the verdict '{row['verdict']}'"
    if schema > 1:
        try:
            claim_of(row)
        except (LabError, TypeError) as error:
            return str(error).rstrip(".")
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _renewed(notebook: str, row: dict[str, Any]) -> dict[str, Any]:
    """A claim of schema 1 as schema 2 has it, judged anew by the rule it was declared with.

    The unit and the kind are those of the table. A record of before rules were written has the
    table's rule. Where neither tells, the verdict is what can be known without.
    """
    for name in ("ci_low", "ci_high"):
        row[name] = None if abs(row[name]) == ANYTHING else row[name]
    table = find_claim(notebook, row["id"])
    told = _rule_parts(row.get("rule", ""))
    if table is None:
        rule = dict.fromkeys(RULE_FIELDS) | {"kind": "measured", "rule": row.get("rule", "")}
        old = {"old_verdict": row["verdict"], "verdict": OLD_VERDICTS[row["verdict"]]}
        return {**row, **rule, **old}
    direction, effect = told or (table.direction, table.effect)
    rule = {"unit": table.unit, "null": table.null, "direction": direction, "effect": effect}
    row = {**row, "kind": table.kind, **rule}
    claim = claim_of(row)
    assert claim is not None
    verdict = claim.judge(estimate_of(row)) if claim.kind == "measured" else None
    return {**row, "rule": claim.rule, "verdict": verdict}


def _rule_parts(words: str) -> tuple[Direction, float] | None:
    """Direction and effect of a rule in the words of schema 1, such as 'within ±0.02'."""
    found = re.fullmatch(rf"({'|'.join(get_args(Direction))}) ±?([-+.e\d]+)", words)
    try:
        return (cast(Direction, found[1]), float(found[2])) if found else None
    except ValueError:
        return None
