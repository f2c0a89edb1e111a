"""How many of many verdicts are wrong by chance alone, and which would stand a stricter rule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ftlab.claims.claim import Claim
from ftlab.claims.findings import Finding
from ftlab.common.errors import LabError
from ftlab.evaluation import LEVEL, Estimate

MISS = 1 - LEVEL  # how often one interval misses the truth


@dataclass(frozen=True)
class Misses:
    """How many of `intervals` miss the truth: on average, and at most in 19 of 20 courses if they
    were independent of one another."""

    intervals: int
    expected: float
    at_most: int


def misses(intervals: int) -> Misses:
    """How many of so many intervals at 95% miss the truth by chance.

    The average holds however they hang together; those of one run share seeds and trainings, so
    that misses come in groups, and more than `at_most` are likelier than one in twenty.
    """
    from scipy.stats import binom

    return Misses(intervals, intervals * MISS, int(binom.ppf(0.95, intervals, MISS)))


def by_chance(findings: Iterable[Finding]) -> list[Finding]:
    """The findings whose verdict rests on an interval: what is exact is no matter of chance."""
    return [
        found
        for found in findings
        if found.judged and found.judgement and not _exact(found.judgement.estimate)
    ]


def strict(findings: Iterable[Finding]) -> list[tuple[Finding, str]]:
    """Every finding that chance enters and that is decided, with its verdict if each interval is
    made so wide that *all* of them hold the truth with 95% (Bonferroni: each misses in 0.05 / n).

    The width grows as Student's t does, on the scale that the claim is judged on: an approximation
    for intervals over seeds and items, which have more degrees of freedom than this allows them.
    """
    tried = by_chance(findings)
    found: list[tuple[Finding, str]] = []
    for one in tried:
        assert one.judgement is not None
        rule = one.judgement.rule
        if one.outcome != "undecided" and rule is not None:
            wide = widened(rule, one.judgement.estimate, MISS / len(tried))
            found.append((one, rule.judge(wide)))
    return found


def widened(claim: Claim, estimate: Estimate, miss: float) -> Estimate:
    """An estimate with an interval that misses the truth in a share `miss` of all cases, about its
    value; LabError unless that is above 0 and below 1."""
    from scipy.stats import t

    if not 0 < miss < 1:
        raise LabError(f"An interval misses in a share between 0 and 1, not {miss:g}.")
    if estimate.open or _exact(estimate):
        return estimate
    freedom = estimate.seeds - 1 if estimate.seeds > 1 else math.inf  # repeats and items are many
    factor = float(t.isf(miss / 2, freedom) / t.isf(MISS / 2, freedom))
    ends = [_moved(claim, estimate.value, end, factor) for end in (estimate.low, estimate.high)]
    return replace(estimate, low=ends[0], high=ends[1])


def _moved(claim: Claim, value: float, end: float, factor: float) -> float:
    """An end that lies `factor` times as far away; of a ratio by the logarithm."""
    if claim.unit == "ratio" and value > 0 and end > 0:
        return value * (end / value) ** factor
    return value + factor * (end - value)


def _exact(estimate: Estimate) -> bool:
    return estimate.low == estimate.high
