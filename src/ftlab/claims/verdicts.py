"""The verdicts of all notebooks in one place: where they stand, and where they differ.

A claim may have been judged several times: in the `full` run whose record is kept
(data/reference/), in the run whose outputs are kept in the notebook, and in runs of the reader's
own (results/). Each of these is a `Judgement`; what a notebook declares is read from its code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ftlab.claims.claim import Claim, Side, rule_parts
from ftlab.claims.record import read_record
from ftlab.claims.reference import foreign, reference
from ftlab.claims.shown import declared_claims, shown_runs
from ftlab.common.errors import LabError
from ftlab.common.paths import results_dir
from ftlab.evaluation import Estimate
from ftlab.notebook.environment import SHOWN_DIGITS
from ftlab.notebook.parameters import NOTEBOOKS

Source = Literal["kept record", "kept outputs", "own run"]
UNKNOWN = "unknown"
# What two points have in common if they may be compared; the first that fits a claim's words.
SHARES, SHARE = "difference of shares (of test items, of answers)", "share of answers"
RATIO, BITS, WEIGHTS = "ratio (1: equal)", "difference in bits a character", "number of weights"
CORRELATION = "correlation"
UNITS = {
    r" / ": RATIO,
    r"\bbits\b": BITS,
    r"^weights\b": WEIGHTS,
    r"\bcorrelation\b": CORRELATION,
    r"(accuracy|exact match|average precision|score|share|manner|rate)\b.* [-+] ": SHARES,
    r"accuracy that .* falls short": SHARES,
    r"(accuracy|exact match|F1|share|rate|range of a test estimate)\b": SHARE,
}
PANELS = (SHARES, RATIO, BITS, SHARE, CORRELATION, WEIGHTS)  # in the order in which they are drawn


@dataclass(frozen=True)
class Judgement:
    """One claim as one run judged it, and where that was.

    `rule` is what was declared, in the words of `Claim.rule`; "" where the record does not tell.
    `model` holds the first digits of the hash of the base model's weights. `other_data` says which
    parameter was not the notebook's own, "" if all were (the base model apart: `model` tells).
    """

    notebook: str
    claim: str
    statement: str
    metric: str
    rule: str
    estimate: Estimate
    verdict: str
    source: Source
    run: str
    profile: str
    cpu: str
    precision: str
    model: str
    other_data: str = ""
    started: str = ""
    gpu: str = ""

    @property
    def limit(self) -> tuple[Side, float] | None:
        """Where the estimate should lie if the claim is right; None if that is not known."""
        return rule_parts(self.rule)

    @property
    def unit(self) -> str:
        """What is counted, by the words of the metric: only equal units may be compared."""
        found = (unit for words, unit in UNITS.items() if re.search(words, self.metric))
        return next(found, re.split("[:,]", self.metric)[0])

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
    """The judged claims of a checked record (see `read_record`), in its order."""
    notebook, parameters = record["notebook"], record["parameters"]
    about = record["environment"]
    own_model = {"base_model": NOTEBOOKS.get(notebook, {}).get("base_model")}
    other = foreign(notebook, {**parameters, **own_model}) if notebook in NOTEBOOKS else ""
    return [
        Judgement(
            notebook=notebook,
            claim=str(row["id"]),
            statement=str(row["statement"]),
            metric=str(row["metric"]),
            rule=str(row.get("rule", "")),
            estimate=Estimate(row["estimate"], row["ci_low"], row["ci_high"], int(row["seeds"])),
            verdict=row["verdict"],
            source=source,
            run=record["run_id"],
            profile=record["profile"],
            cpu=str(about.get("cpu") or UNKNOWN),
            precision=str(about.get("precision") or UNKNOWN),
            model=str(about.get("base_model_sha256") or UNKNOWN)[:SHOWN_DIGITS],
            other_data=other,
            started=record["started"],
            gpu=about.get("gpu", ""),
        )
        for row in record["claims"]
    ]


def kept_judgements() -> list[Judgement]:
    """The claims of all kept records, in the order of the notebooks, each `with_rules`; LabError
    if a record is spoilt."""
    records = [record for name in NOTEBOOKS if (record := reference(name))]
    return with_rules(j for record in records for j in judgements_of(record, "kept record"))


def kept_outputs() -> list[Judgement]:
    """The verdicts that the notebooks show (see `shown_runs`), in reading order."""
    return [
        Judgement(
            notebook=run.notebook,
            claim=claim.id,
            statement=claim.statement,
            metric=claim.metric,
            rule=claim.rule,
            estimate=claim.estimate,
            verdict=claim.verdict,
            source="kept outputs",
            run=run.run or UNKNOWN,
            profile=run.profile,
            cpu=run.environment.get("cpu", UNKNOWN),
            precision=run.environment.get("precision", UNKNOWN),
            model=run.environment.get("base_model_sha256", UNKNOWN)[:SHOWN_DIGITS],
            gpu=run.environment.get("gpu", ""),
        )
        for run in shown_runs()
        for claim in run.claims
    ]


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
    return replace(found, read=read, judgements=with_rules(found.judgements))


def with_rules(judgements: Iterable[Judgement]) -> list[Judgement]:
    """The same; where no rule is told, the one declared in the notebook now, if it leads from the
    estimate to the verdict. (If it does not, it has changed since.)"""
    rules = {(claim.notebook, claim.claim): claim.rule for claim in declared_claims()}
    return [
        replace(j, rule=rule)
        if not j.rule
        and (rule := rules.get((j.notebook, j.claim), ""))
        and rejudged(j, rule) == j.verdict
        else j
        for j in judgements
    ]


def rejudged(judgement: Judgement, rule: str) -> str:
    """The verdict on the same estimate by another rule, in the words of `Claim.rule`."""
    parts = rule_parts(rule)
    if parts is None:
        raise LabError(f"'{rule}' is no rule such as 'above 0.02'.")
    claim = Claim(judgement.claim, judgement.statement, judgement.metric, *parts)
    return claim.judge(judgement.estimate)


def standing(*sources: Iterable[Judgement]) -> list[Judgement]:
    """What is known of every claim: of each notebook the judgements of the first source that has
    any, made on the notebook's own data. Where a source judged a claim twice, the last counts."""
    found: dict[tuple[str, str], Judgement] = {}
    for source in sources:
        taken = {notebook for notebook, _ in found}
        for j in source:
            if j.notebook not in taken and not j.other_data:
                found[j.notebook, j.claim] = j
    return sorted(found.values(), key=lambda j: j.notebook)


def newest(judgements: Iterable[Judgement]) -> list[Judgement]:
    """Of runs of the same notebook, profile, data, model and machine, what the latest found."""
    found: dict[tuple[str, ...], Judgement] = {}
    for j in sorted(judgements, key=lambda j: j.started):
        found[j.notebook, j.claim, j.profile, j.model, j.machine, j.other_data] = j
    return sorted(found.values(), key=lambda j: (j.notebook, j.started))


def side_by_side(
    left: Iterable[Judgement], right: Iterable[Judgement]
) -> list[tuple[Judgement, Judgement]]:
    """The same claim in both, on the notebook's own data and the same base model; in `left`'s
    order. Where one of them judged a claim several times, the last counts."""

    def key(j: Judgement) -> tuple[str, ...]:
        return j.notebook, j.claim, j.model

    there = {key(j): j for j in right if not j.other_data}
    here = {key(j): j for j in left if not j.other_data}
    return [(j, there[place]) for place, j in here.items() if place in there]


def across_machines(judgements: Iterable[Judgement]) -> list[list[Judgement]]:
    """Claims judged on several machines, each with what was found there: one judgement a machine,
    of the same profile, the same base model and the notebook's own data."""
    groups: dict[tuple[str, ...], dict[str, Judgement]] = {}
    for j in judgements:
        if not j.other_data and UNKNOWN not in (j.cpu, j.precision):
            groups.setdefault((j.notebook, j.claim, j.profile, j.model), {})[j.machine] = j
    return [list(group.values()) for group in groups.values() if len(group) > 1]
