"""Every interval and every verdict of a record computed again from its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ftlab.claims.record import claim_of, estimate_of, items_path, read_record
from ftlab.common.arrays import read_arrays
from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate, recomputed

TOLERANCE = 1e-9  # relative: sums on another processor may be rounded otherwise


@dataclass(frozen=True)
class Recomputed:
    """A claim of a record: what it says, and what its files give.

    `again` is None where the record holds no answers to compute from (schema 1, or an estimate
    that no estimator of the lab made); then only the verdict is computed again, from the kept
    interval. `verdict_again` is None where nothing is judged.
    """

    claim: str
    kept: Estimate
    again: Estimate | None
    verdict: str | None
    verdict_again: str | None

    @property
    def agrees(self) -> bool:
        """Whether the files give what the record says."""
        again = self.again or self.kept
        numbers = [[e.value, e.low, e.high] for e in (self.kept, again)]
        same = np.allclose(numbers[0], numbers[1], rtol=TOLERANCE, atol=TOLERANCE)
        return bool(same) and self.verdict == self.verdict_again


def recompute(path: str | Path) -> list[Recomputed]:
    """Compute the interval and the verdict of every claim in a record again, from the answers
    beside it; LabError if they cannot be read."""
    record = read_record(path)
    place = items_path(path, record)
    arrays = read_arrays(place) if place else {}
    found = []
    for row in record["claims"]:
        kept, claim, again = estimate_of(row), claim_of(row), None
        if row.get("estimator"):
            names = [f"{row['id']}.{number}" for number in range(len(arrays))]
            data = [arrays[name] for name in names if name in arrays]
            try:
                again = recomputed(row["estimator"], data)
            except LabError as error:
                raise LabError(f"{path}, claim {row['id']}: {error}") from error
        if claim is None:
            verdict = row["verdict"]  # no rule is known: see the records of schema 1
        else:
            verdict = claim.judge(again or kept) if claim.kind == "measured" else None
        found.append(Recomputed(row["id"], kept, again, row["verdict"], verdict))
    return found
