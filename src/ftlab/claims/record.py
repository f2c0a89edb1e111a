"""The record that every run leaves: one JSON file, written whole or not at all."""

from __future__ import annotations

import datetime
import json
import math
import os
import re
import secrets
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftlab.claims.claim import VERDICTS, Claim, Trial
from ftlab.common.errors import LabError
from ftlab.common.files import write_atomically
from ftlab.common.paths import results_dir
from ftlab.evaluation import Estimate

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
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
CLAIM_NUMBERS = ("estimate", "ci_low", "ci_high", "seeds")
VERDICT_COLUMN = "verdict, in this lab"  # by its name a table of verdicts is found again
NOT_JUDGED = "not judged"  # shown in the smoke profile, which is too small to judge anything


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


@dataclass
class Record:
    """What a run measured and what became of its claims.

    Order is part of the rule: `declare` the claims, then measure (`metric`), then let every
    declared claim stand trial (`claim`), then `write`.
    """

    notebook: str
    profile: str
    seed: int
    parameters: dict[str, Any]
    environment: dict[str, Any]
    run_id: str
    started: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))
    declared: dict[str, Claim] = field(default_factory=dict)
    judged: dict[str, Trial] = field(default_factory=dict)
    _measured: dict[Hashable, dict[str, Any]] = field(default_factory=dict)  # by all but the value
    _clock: float = field(default_factory=time.perf_counter)

    @property
    def path(self) -> Path:
        """The file that `write` makes."""
        return results_dir() / self.notebook / f"{self.run_id}.json"

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The measured numbers, one row each, in the order in which they were first noted."""
        return list(self._measured.values())

    @property
    def trials(self) -> list[Trial]:
        """The judged claims in the order in which they were declared."""
        return [self.judged[name] for name in self.declared if name in self.judged]

    def declare(self, *claims: Claim) -> None:
        """Fix the claims before anything is measured. Running the cell again changes nothing."""
        for claim in claims:
            known = self.declared.get(claim.id)
            if known == claim:
                continue
            if known:
                raise LabError(
                    f"Claim {claim.id} is already declared with other words or limits: open the "
                    "lab again to start a new run."
                )
            if self._measured:
                raise LabError(f"Claim {claim.id} must be declared before anything is measured.")
            self.declared[claim.id] = claim

    def metric(self, name: str, value: float | None, **keys: Any) -> None:
        """Note one measured number, with free keys such as method, split, seed, n.

        `value` is None where nothing could be measured; a nan or an infinity is refused. The same
        name and keys again (a cell run twice) replace the earlier number.
        """
        row = _plain({"name": name, "value": value, **keys}, f"metric '{name}'")
        place = _hashable({key: item for key, item in row.items() if key != "value"})
        self._measured.setdefault(place, row)["value"] = row["value"]

    def claim(self, claim_id: str, estimate: Estimate) -> Trial:
        """Judge a declared claim by its rule. The smoke profile gives no verdict."""
        if claim_id not in self.declared:
            raise LabError(
                f"Claim '{claim_id}' was not declared: call record.declare() before measuring."
            )
        _plain([estimate.value, estimate.low, estimate.high], f"claim '{claim_id}'")
        claim = self.declared[claim_id]
        verdict = None if self.profile == "smoke" else claim.judge(estimate)
        self.judged[claim_id] = Trial(claim, estimate, verdict)
        return self.judged[claim_id]

    def table(self) -> pd.DataFrame:
        """The trials of this run, one claim a row, as a notebook shows them.

        The verdict's column says 'in this lab': another model or task may decide otherwise.
        """
        import pandas as pd

        rows = [
            (
                trial.claim.id,
                trial.claim.statement,
                trial.claim.metric,
                trial.claim.rule,
                str(trial.estimate),
                trial.estimate.seeds,
                trial.verdict or NOT_JUDGED,
            )
            for trial in self.trials
        ]
        columns = ["claim", "statement", "measured", "declared", "estimate [95% interval]"]
        columns += ["seeds", VERDICT_COLUMN]
        return pd.DataFrame(rows, columns=columns).set_index("claim")

    def by_verdict(self) -> str:
        """A Markdown list of the verdicts of this run, each with the claims that got it."""
        found: dict[str, list[str]] = {}
        for trial in self.trials:
            found.setdefault(trial.verdict or NOT_JUDGED, []).append(trial.claim.id)
        return "\n".join(f"- **{verdict}**: {', '.join(ids)}" for verdict, ids in found.items())

    def as_dict(self) -> dict[str, Any]:
        """The record as it is written; claims without a verdict (smoke) are left out.

        A claim's `rule` is an extra key: records of before it was written are read without it.
        """
        claims = [
            {
                "id": trial.claim.id,
                "statement": trial.claim.statement,
                "metric": trial.claim.metric,
                "rule": trial.claim.rule,
                "estimate": trial.estimate.value,
                "ci_low": trial.estimate.low,
                "ci_high": trial.estimate.high,
                "seeds": trial.estimate.seeds,
                "verdict": trial.verdict,
            }
            for trial in self.trials
            if trial.verdict
        ]
        content = {
            "schema": SCHEMA,
            "notebook": self.notebook,
            "run_id": self.run_id,
            "profile": self.profile,
            "seed": self.seed,
            "parameters": self.parameters,
            "started": self.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "seconds": round(time.perf_counter() - self._clock, 1),
            "environment": self.environment,
            "metrics": self.metrics,
            "claims": claims,
        }
        return _plain(content, "record")

    def write(self) -> None:
        """Write the record to `path` and say so; a failure leaves nothing half-written."""
        unheard = [name for name in self.declared if name not in self.judged]
        if unheard:
            raise LabError(
                f"Claim {unheard[0]} was declared but never judged: a claim stays in, whatever "
                "comes out."
            )
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(self.path, text)
        print(f"Record written: {'/'.join(self.path.parts[-3:])}")


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
    return record


def _fault(record: Any) -> str:
    """What is wrong with a record, or ''."""
    if not isinstance(record, dict):
        return "it is not a JSON object"
    for name, kind in FIELDS.items():
        if name not in record:
            return f"'{name}' is missing"
        if not isinstance(record[name], kind) or isinstance(record[name], bool):
            return f"'{name}' is a {type(record[name]).__name__}"
    if record["schema"] != SCHEMA:
        return f"its schema is {record['schema']}, this lab reads {SCHEMA}"
    for row in record["metrics"]:
        if not isinstance(row, dict) or not {"name", "value"} <= row.keys():
            return "a metric has no name or no value"
    for row in record["claims"]:
        if not isinstance(row, dict) or not set(CLAIM_FIELDS) <= row.keys():
            return f"a claim lacks one of {', '.join(CLAIM_FIELDS)}"
        if not all(_is_number(row[name]) for name in CLAIM_NUMBERS):
            return f"claim {row['id']} has no number as one of {', '.join(CLAIM_NUMBERS)}"
        if row["verdict"] not in VERDICTS:
            return f"claim {row['id']} has the verdict '{row['verdict']}'"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _hashable(value: Any) -> Hashable:
    """For plain values (see `_plain`): equal if and only if they are."""
    if isinstance(value, dict):
        return frozenset((key, _hashable(item)) for key, item in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _plain(value: Any, where: str) -> Any:
    """`value` as JSON knows it: numpy numbers converted, nan and unknown types refused."""
    if hasattr(value, "tolist"):  # numpy and torch, arrays and single numbers
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        raise LabError(f"The {where} holds {value}: give None where nothing was measured.")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item, where) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, where) for item in value]
    raise LabError(f"The {where} holds a {type(value).__name__}, which JSON cannot hold.")
