"""What is known of every claim: one finding each, by topic."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftlab.claims import history, verdicts
from ftlab.claims.claim import VERDICTS, Claim
from ftlab.claims.table import all_claims
from ftlab.claims.topics import TOPICS
from ftlab.claims.verdicts import Judgement
from ftlab.common.errors import LabError

if TYPE_CHECKING:
    import pandas as pd

    from ftlab.claims.recording import Record

NO_FULL_RUN = "no full run yet"
NOT_RUN = "not run yet"
# What `at_scale.says` of a statement, in words that need no explanation beside a verdict.
AT_SCALE = {
    "agrees": "holds",
    "otherwise": "does not hold",
    "depends": "depends",
    "unknown": "unknown",
}


@dataclass(frozen=True)
class Finding:
    """A claim of the table and the run that tells most of it: a `full` one, or else a shorter one,
    which gives no verdict. `earlier` are full runs whose records were replaced, oldest first."""

    claim: Claim
    judgement: Judgement | None = None
    earlier: tuple[Judgement, ...] = ()

    @property
    def outcome(self) -> str:
        """The verdict, or why there is none."""
        if self.judgement is None:
            return NOT_RUN
        if self.claim.kind != "measured":
            return self.claim.kind
        return self.judgement.outcome if self.judgement.profile == "full" else NO_FULL_RUN

    @property
    def judged(self) -> bool:
        """Whether there is a verdict."""
        return self.outcome in VERDICTS

    @property
    def at_scale(self) -> str:
        """What is known of the statement for larger models and real data."""
        return AT_SCALE[self.claim.at_scale.says]


@dataclass(frozen=True)
class Findings:
    """All claims, in the order of the table; with the runs that they rest on."""

    all: list[Finding]
    runs: list[Judgement]  # whatever any run found, also of claims that are no more
    own: verdicts.OwnRuns

    def of(self, topic: str) -> list[Finding]:
        """The findings of a topic; LabError if there is none of that name."""
        if topic not in TOPICS:
            raise LabError(f"There is no topic '{topic}': the topics are {', '.join(TOPICS)}.")
        return [found for found in self.all if found.claim.topic == topic]

    @property
    def judged(self) -> list[Finding]:
        """Those with a verdict."""
        return [found for found in self.all if found.judged]

    def in_doubt(self) -> list[Finding]:
        """Undecided, though the whole interval lies on one side of no effect: there is an effect,
        but perhaps not one that matters, or one that the claim allows for."""
        found = []
        for one in self.all:
            if one.outcome == "undecided" and one.judgement and one.claim.null is not None:
                estimate = one.judgement.estimate
                low, high = one.claim.scaled(estimate.low), one.claim.scaled(estimate.high)
                found += [one] * (low > 0 or high < 0)
        return found

    def counts(self) -> pd.DataFrame:
        """How many claims of each topic got which verdict; a last row for all of them."""
        import pandas as pd

        outcomes = [*VERDICTS, *self._others()]
        rows = {
            title: [sum(f.outcome == outcome for f in self.of(topic)) for outcome in outcomes]
            for topic, title in TOPICS.items()
        }
        rows["all topics"] = [sum(column) for column in zip(*rows.values(), strict=True)]
        return pd.DataFrame.from_dict(rows, orient="index", columns=outcomes).rename_axis("topic")

    def _others(self) -> list[str]:
        told = dict.fromkeys(found.outcome for found in self.all)
        return [outcome for outcome in told if outcome not in VERDICTS]

    def with_scale(self) -> pd.DataFrame:
        """How many claims have which verdict here, and what is known of them at real scale."""
        import pandas as pd

        judged = self.judged
        cells = {
            known: [sum((f.outcome, f.at_scale) == (v, known) for f in judged) for v in VERDICTS]
            for known in AT_SCALE.values()
        }
        index = pd.Index([*VERDICTS], name="in this lab")
        return pd.DataFrame(cells, index=index).add_prefix("at real scale: ")

    def parted(self) -> list[Finding]:
        """Where this lab and what is known at real scale part: it holds in one place alone."""
        apart = {
            ("supported", "does not hold"),
            ("contrary", "holds"),
            ("no effect that matters", "holds"),
        }
        return [found for found in self.all if (found.outcome, found.at_scale) in apart]

    def apart(self) -> list[tuple[Judgement, Judgement]]:
        """Of the same claim, data and model: the run that stands, and each other run whose interval
        lies wholly beside its own."""
        return [
            (there, other)
            for there, other in self.compared()
            if other.estimate.low > there.estimate.high or other.estimate.high < there.estimate.low
        ]

    def compared(self) -> list[tuple[Judgement, Judgement]]:
        """Of the same claim, data and model: the run that stands, and each other one."""
        pairs = []
        for found in self.all:
            there = found.judgement
            if there is None or there.estimate.low == there.estimate.high:
                continue  # what is exact is no matter of chance
            pairs += [
                (there, other)
                for other in self.runs
                if other.run != there.run
                and other.source != "replaced record"
                and (other.model, other.other_data) == (there.model, "")
                and measures(other, found.claim)
            ]
        return pairs

    def note(self, record: Record) -> None:
        """Write into a record how many claims got which verdict, and how runs agree."""
        for outcome in (*VERDICTS, *self._others()):
            number = sum(found.outcome == outcome for found in self.all)
            record.metric("claims", number, outcome=outcome, n=len(self.all))
        record.metric("at_scale_apart", len(self.parted()), n=len(self.judged))
        record.metric("runs_apart", len(self.apart()), n=len(self.compared()))
        record.metric("own_records", self.own.read, unreadable=len(self.own.broken))


def known(records: str | Path = "", model: str = "") -> Findings:
    """What the table's claims have come to, by the kept records, the runs whose outputs the
    notebooks hold, and the reader's own in the folder `records` ("": the lab's results).

    A `full` run counts before any other; then one with the base model whose hash begins with
    `model`; then a kept record before kept outputs, and these before the reader's own. Of the
    reader's own runs only those with that model count.
    """
    own = verdicts.own_runs(records)
    mine = [j for j in verdicts.newest(own.judgements) if j.model == model or not model]
    past = history.replaced()
    there = [*verdicts.kept_judgements(), *verdicts.kept_outputs(), *mine]
    order = sorted(there, key=lambda j: (j.profile != "full", j.model != model))
    return Findings(
        all=[_finding(claim, order, past) for claim in all_claims()],
        runs=[*there, *past],
        own=own,
    )


def measures(judgement: Judgement, claim: Claim) -> bool:
    """Whether a run measured what the table says of this claim today: its id, in its notebook, by
    its quantity, whatever the run put in the place of the words in braces."""
    words = re.split(r"\{\w+\}", claim.quantity)
    same = re.fullmatch(".+".join(map(re.escape, words)), judgement.metric)
    return bool(same) and (judgement.notebook, judgement.claim) == (claim.notebook, claim.id)


def _finding(claim: Claim, order: Iterable[Judgement], past: Iterable[Judgement]) -> Finding:
    told = (j for j in order if measures(j, claim) and not j.other_data)
    return Finding(claim, next(told, None), tuple(j for j in past if measures(j, claim)))
