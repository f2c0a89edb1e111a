"""What a run measures and what becomes of its claims, until its record is written."""

from __future__ import annotations

import datetime
import json
import math
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftlab.claims.claim import Claim, Trial
from ftlab.claims.record import SCHEMA, plain
from ftlab.claims.table import claims_of
from ftlab.common.arrays import write_arrays
from ftlab.common.errors import LabError
from ftlab.common.files import write_atomically
from ftlab.common.paths import results_dir
from ftlab.evaluation import Estimate

if TYPE_CHECKING:
    import pandas as pd

MEASURED = ("value", "ci_low", "ci_high")  # keys of a metric that say what was found, not of what


@dataclass
class Record:
    """What a run measured and what became of its claims.

    The notebook's claims stand in the table (`claims.toml`) before anything is measured. `declare`
    fills in their words, `skip` leaves one out that has no meaning for this model or these data,
    `judge` lets one stand trial; `write` refuses a record in which a claim is missing.
    """

    notebook: str
    profile: str
    seed: int
    parameters: dict[str, Any]
    environment: dict[str, Any]
    run_id: str
    claims: dict[str, Claim] | None = None  # None: those of the notebook
    started: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))
    candidates: list[dict[str, Any]] = field(default_factory=list)
    declared: dict[str, Claim] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    judged: dict[str, Trial] = field(default_factory=dict)
    _measured: dict[Hashable, dict[str, Any]] = field(default_factory=dict)  # by what it is of
    _clock: float = field(default_factory=time.perf_counter)

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The measured numbers, one row each, in the order in which they were first noted."""
        return list(self._measured.values())

    @property
    def table_of_claims(self) -> dict[str, Claim]:
        """The claims that this run has to judge or to skip, their words in braces not filled in."""
        return claims_of(self.notebook) if self.claims is None else self.claims

    @property
    def path(self) -> Path:
        """The file that `write` makes."""
        return results_dir() / self.notebook / f"{self.run_id}.json"

    @property
    def trials(self) -> list[Trial]:
        """The judged claims in the order of the table."""
        return [self.judged[name] for name in self.table_of_claims if name in self.judged]

    def declare(self, **words: object) -> pd.DataFrame:
        """Fill in the words in braces before anything is measured; a table of what stands trial.

        Running the cell again changes nothing; other words, or a word that no claim has, are
        refused.
        """
        import pandas as pd

        table = self.table_of_claims
        known = {word for claim in table.values() for word in claim.words}
        foreign = sorted(words.keys() - known)
        if foreign:
            raise LabError(f"No claim of {self.notebook} has the word '{foreign[0]}' in braces.")
        for name, claim in table.items():
            if name not in self.skipped:
                self._declare(claim.filled(words), late=bool(self._measured))
        return pd.DataFrame(
            [(c.id, c.statement, c.quantity, c.rule, c.why) for c in self.declared.values()],
            columns=["claim", "statement", "decided by", "supported if", "why there"],
        ).set_index("claim")

    def _declare(self, claim: Claim, late: bool) -> None:
        known = self.declared.get(claim.id)
        if known == claim:
            return
        if known:
            raise LabError(
                f"Claim {claim.id} is already declared with other words: open the lab again to "
                "start a new run."
            )
        if late:
            raise LabError(f"Claim {claim.id} must be declared before anything is measured.")
        self.declared[claim.id] = claim

    def skip(self, claim_id: str, reason: str) -> None:
        """Leave out a claim that has no meaning for this run, such as one about two tasks where
        there is one. LabError if it was judged already: a claim stays in, whatever comes out."""
        self._known(claim_id)
        if claim_id in self.judged:
            raise LabError(f"Claim {claim_id} was judged: it stays in, whatever came out.")
        self.declared.pop(claim_id, None)
        self.skipped[claim_id] = reason

    def metric(self, name: str, value: float | Estimate | None, **keys: Any) -> None:
        """Note one measured number, with free keys such as method, split, seed, n.

        An Estimate brings its interval along, as `ci_low` and `ci_high`. `value` is None where
        nothing could be measured; a nan or an infinity is refused, except as an end of an interval
        that is open: there it is None. The same name and keys again (a cell run twice) replace the
        earlier number.
        """
        if isinstance(value, Estimate):
            keys = {"ci_low": value.low, "ci_high": value.high, **keys}
            value = value.value
        for end in MEASURED[1:]:
            if isinstance(keys.get(end), float) and math.isinf(keys[end]):
                keys[end] = None
        row = plain({"name": name, "value": value, **keys}, f"metric '{name}'")
        about = {key: item for key, item in row.items() if key not in MEASURED}
        self._measured[_hashable(about)] = row

    def search(self, candidates: pd.DataFrame, **keys: Any) -> None:
        """Note what a search tried and how good it was on validation, one candidate a row; with
        further keys, such as the task. The same candidate again (a cell run twice) replaces the
        earlier one."""
        tried = candidates.dropna(axis="columns", how="all").astype(object)
        rows = [plain({**keys, **row.dropna()}, "candidates") for _, row in tried.iterrows()]
        known = {_candidate(row): row for row in self.candidates}
        self.candidates = [*(known | {_candidate(row): row for row in rows}).values()]

    def judge(self, claim_id: str, estimate: Estimate, **words: object) -> Trial:
        """Let a claim stand trial, by the rule of the table. `words` are those in braces, if
        `declare` was not told them. The smoke profile gives no verdict."""
        claim = self._known(claim_id)
        if claim_id in self.skipped:
            raise LabError(f"Claim {claim_id} was skipped: {self.skipped[claim_id]}.")
        if words or claim_id not in self.declared:
            self._declare(claim.filled(words), late=False)
        ends = (estimate.low, estimate.high)
        if not math.isfinite(estimate.value) or any(map(math.isnan, ends)):
            raise LabError(f"Claim {claim_id} is given {estimate}: some of it is no finite number.")
        claim = self.declared[claim_id]
        judged = self.profile != "smoke" and claim.kind == "measured"
        verdict = claim.judge(estimate) if judged else None
        self.judged[claim_id] = Trial(claim, estimate, verdict)
        return self.judged[claim_id]

    def _known(self, claim_id: str) -> Claim:
        table = self.table_of_claims
        if claim_id not in table:
            raise LabError(
                f"{self.notebook} has no claim '{claim_id}' in the table (claims.toml); it has "
                f"{', '.join(table) or 'none'}."
            )
        return table[claim_id]

    def table(self) -> pd.DataFrame:
        """The trials of this run, one claim a row, as a notebook shows them.

        The verdict's column says 'in this lab': another model or task may decide otherwise.
        """
        import pandas as pd

        rows = [
            (
                trial.claim.id,
                trial.claim.statement,
                trial.claim.quantity,
                trial.claim.rule,
                str(trial.estimate),
                trial.estimate.seeds,
                trial.outcome,
            )
            for trial in self.trials
        ]
        columns = ["claim", "statement", "measured", "supported if", "estimate [95% interval]"]
        columns += ["seeds", "verdict, in this lab"]
        return pd.DataFrame(rows, columns=columns).set_index("claim")

    def by_verdict(self) -> str:
        """A Markdown list of the verdicts of this run, each with the claims that got it; what it
        would take to decide an undecided one; and what was skipped."""
        found: dict[str, list[str]] = {}
        for trial in self.trials:
            found.setdefault(trial.outcome, []).append(trial.claim.id)
        lines = []
        for outcome, ids in found.items():
            lines.append(f"- **{outcome}**: {', '.join(ids)}")
            if outcome == "undecided":
                undecided = (self.judged[name] for name in ids)
                lines += [f"  - {t.claim.id}: {t.claim.outlook(t.estimate)}" for t in undecided]
        if self.skipped:
            reasons = (f"{name} ({reason})" for name, reason in self.skipped.items())
            lines.append(f"- **skipped**: {', '.join(reasons)}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The record as it is written, without the answers to its items. The smoke profile, which
        judges nothing, leaves the claims out."""
        trials = self.trials if self.profile != "smoke" else []
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
            "candidates": self.candidates,
            "claims": [_row(trial) for trial in trials],
            "skipped": self.skipped,
            "items": self.path.with_suffix(".npz").name if trials else None,
        }
        return plain(content, "record")

    def write(self) -> None:
        """Write the record to `path` and the answers beside it, and say so; a failure leaves
        nothing half-written. LabError if a claim was neither judged nor skipped."""
        unheard = [
            name
            for name in self.table_of_claims
            if name not in self.judged and name not in self.skipped
        ]
        if unheard:
            raise LabError(
                f"Claim {unheard[0]} was never judged: a claim stays in, whatever comes out. If it "
                "has no meaning here, skip it with a reason."
            )
        content = self.as_dict()
        if content["items"]:  # before the record, which says that they are there
            arrays = {
                f"{trial.claim.id}.{number}": array
                for trial in self.trials
                for number, array in enumerate(trial.estimate.data)
            }
            write_arrays(self.path.with_suffix(".npz"), arrays)
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(self.path, text)
        print(f"Record written: {'/'.join(self.path.parts[-3:])}")


def _hashable(value: Any) -> Hashable:
    """For plain values (see `plain`): equal if and only if they are."""
    if isinstance(value, dict):
        return frozenset((key, _hashable(item)) for key, item in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _candidate(row: dict[str, Any]) -> Hashable:
    """What was tried, without how good it was."""
    return _hashable(
        {key: item for key, item in row.items() if key not in ("validation", "chosen")}
    )


def _row(trial: Trial) -> dict[str, Any]:
    """A judged claim as the record holds it."""
    claim, estimate = trial.claim, trial.estimate
    return {
        "id": claim.id,
        "statement": claim.statement,
        "metric": claim.quantity,
        "kind": claim.kind,
        "unit": claim.unit,
        "null": claim.null,
        "direction": claim.direction,
        "effect": claim.effect,
        "rule": claim.rule,
        "estimate": estimate.value,
        "ci_low": None if math.isinf(estimate.low) else estimate.low,
        "ci_high": None if math.isinf(estimate.high) else estimate.high,
        "seeds": estimate.seeds,
        "verdict": trial.verdict,
        "per_seed": estimate.per_seed,
        "estimator": estimate.estimator,
    }
