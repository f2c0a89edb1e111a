"""Claims stand trial: declared before the run, judged by a fixed rule, kept whatever comes out."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from ftlab.common.errors import LabError
from ftlab.evaluation import LEVEL, Estimate

Verdict = Literal["supported", "contrary", "no effect that matters", "undecided"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Direction = Literal["above", "below", "within"]
Kind = Literal["measured", "counted", "by construction"]
NOT_JUDGED = "not judged"  # shown in the smoke profile, which is too small to judge anything
# What a quantity is counted in, and its value where there is no effect; a level (None) has none.
UNITS: dict[str, float | None] = {
    "difference of shares": 0.0,
    "ratio": 1.0,
    "bits per character": 0.0,
    "difference of likeness (CKA)": 0.0,
    "share": None,
    "correlation": None,
    "difference of correlations": 0.0,
    "count": 0.0,
}
RATIO = "ratio"
MOST_SEEDS = 1000  # that are thought of when something is undecided


@dataclass(frozen=True)
class AtScale:
    """What larger models and real data are known to do to a claim: whether they agree with it.

    `read` is false where the source is known only as others quote it.
    """

    says: Literal["agrees", "otherwise", "depends", "unknown"] = "unknown"
    why: str = ""
    source: str = ""
    read: bool = True

    def __str__(self) -> str:
        source = f" ({self.source}{'' if self.read else '; not read, as others quote it'})"
        return f"{self.says}: {self.why}{source if self.source else ''}" if self.why else self.says


@dataclass(frozen=True)
class Claim:
    """What is said, and what would show it, fixed before anything is measured.

    `quantity` says in words what is measured ("accuracy: pretrained - random"), `unit` what it is
    counted in. The claim is that it lies in the `direction` of `effect`, the smallest effect that
    matters (`why` says why that one). `null` is the quantity where there is no effect; None for a
    level, such as a share that is to exceed 0.9. Words in braces are filled in by a run.
    """

    id: str
    statement: str
    quantity: str
    direction: Direction
    effect: float
    unit: str = "difference of shares"
    null: float | None = 0.0
    kind: Kind = "measured"
    notebook: str = ""
    topic: str = ""  # where it is told among all claims (see `topics`)
    said: tuple[str, ...] = ()  # rows of the ledger of what articles say
    also_said: tuple[str, ...] = ()  # other claims that the same quantity decides
    why: str = ""
    scope: str = ""
    out_of_reach: str = ""  # why a `full` run of today cannot support it, whatever is true
    at_scale: AtScale = AtScale()
    headline: bool = False  # one of those that the README tells
    history: tuple[str, ...] = ()  # what was changed after a result had been seen

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("direction", self.direction, get_args(Direction)),
            ("kind", self.kind, get_args(Kind)),
            ("unit", self.unit, tuple(UNITS)),
        ):
            if value not in allowed:
                names = ", ".join(allowed)
                raise LabError(f"Claim {self.id}: {name} must be one of {names}, not '{value}'.")
        if self.unit == RATIO and not (self.effect > 0 and self.null and self.null > 0):
            raise LabError(f"Claim {self.id}: a ratio needs an effect above 0, and a null as well.")
        if self.direction == "within" and (self.null is None or self.effect < self.null):
            raise LabError(
                f"Claim {self.id}: 'within' needs a null and an effect of at least that, not "
                f"{self.effect:g} with the null {self.null}."
            )

    @property
    def rule(self) -> str:
        """Where the quantity has to lie if the claim is right: 'above 0.02', 'within ±0.02'."""
        sign = ("a factor of " if self.unit == RATIO else "±") if self.direction == "within" else ""
        return f"{self.direction} {sign}{self.effect:g}"

    @property
    def words(self) -> set[str]:
        """The words in braces that a run has to give."""
        parts = [*string.Formatter().parse(self.statement + self.quantity)]
        return {name for _, name, _, _ in parts if name}

    def filled(self, words: Mapping[str, object]) -> Claim:
        """The claim with its words in braces filled in; LabError if one is missing."""
        missing = sorted(self.words - words.keys())
        if missing:
            raise LabError(f"Claim {self.id} needs the word '{missing[0]}': {self.quantity}")
        statement, quantity = (text.format_map(words) for text in (self.statement, self.quantity))
        return replace(self, statement=statement, quantity=quantity)

    def judge(self, estimate: Estimate) -> Verdict:
        """The verdict on an estimate, by where its whole 95% interval lies.

        A ratio is judged on the scale of its logarithm. For "below" read everything mirrored. For
        "above" an effect e, with the null n (no effect):

        1. supported: the interval lies beyond e.
        2. e > n or e = n, a gain is claimed. No effect that matters: all of it lies as near to n
           as e does, on either side (an exact n is that; so is a certain loss that is smaller
           than the least gain that would matter). Contrary: all of it lies on the other side of n.
        3. e on the other side of n, a tolerance ("gives away at most 0.02"). Contrary: all of it
           lies at e or beyond, so more than is tolerated. That the interval lies on the other side
           of n is not enough: a small loss is what such a claim allows.
        4. no n, a level ("more than 0.99 of the answers"). Contrary: all of it at e or short of it.

        "Within" e of n, equality is claimed. Supported: all of it lies there; contrary: none of it.
        Whatever remains is undecided, as is every estimate without an interval.
        """
        return self._verdict(self.scaled(estimate.low), self.scaled(estimate.high))

    def outlook(self, estimate: Estimate) -> str:
        """What it would take to decide an undecided claim, in a sentence."""
        if estimate.open:
            return "No spread is to be seen: it takes more seeds to judge anything."
        if self.out_of_reach and self.null is None:
            return self.out_of_reach  # seeds do not help where items are few
        low, middle, high = map(self.scaled, (estimate.low, estimate.value, estimate.high))
        apart = self.null is not None and (low > 0 or high < 0)
        certain = "There is an effect, but perhaps not one that matters. " if apart else ""
        certain += f"{self.out_of_reach} " if self.out_of_reach else ""
        if estimate.seeds < 2:
            return f"{certain}It takes a narrower interval: more items or repeats."
        half = (high - low) / 2 / _half_width(estimate.seeds)
        for seeds in range(estimate.seeds + 1, MOST_SEEDS + 1):
            reach = half * _half_width(seeds)
            if self._verdict(middle - reach, middle + reach) != "undecided":
                return (
                    f"{certain}About {seeds} seeds in all would decide, if the estimate stands and "
                    "the width comes from the seeds."
                )
        return (
            f"{certain}More than {MOST_SEEDS:,} seeds would be needed: it lies next to the border."
        )

    def scaled(self, value: float) -> float:
        """`value` with the null at 0, a ratio as a logarithm."""
        if self.unit == RATIO:
            assert self.null is not None
            return math.log(value / self.null) if value > 0 else -math.inf
        return value - (self.null or 0.0)

    def _verdict(self, low: float, high: float) -> Verdict:
        effect = self.scaled(self.effect)
        if self.direction == "below":
            low, high, effect = -high, -low, -effect
        near = -effect <= low and high <= effect
        if self.direction == "within":
            apart = low > effect or high < -effect
            return "supported" if near else "contrary" if apart else "undecided"
        if low > effect:
            return "supported"
        if self.null is not None and near:
            return "no effect that matters"
        claims_a_gain = self.null is not None and effect >= 0
        if high < 0 if claims_a_gain else high <= effect:
            return "contrary"
        return "undecided"


@dataclass(frozen=True)
class Trial:
    """A claim with its measured estimate; `verdict` is None where nothing is judged: what is only
    counted or holds by construction, and a run that is too small to judge."""

    claim: Claim
    estimate: Estimate
    verdict: Verdict | None

    @property
    def outcome(self) -> str:
        """The verdict, or why there is none."""
        kind = self.claim.kind
        return self.verdict or (NOT_JUDGED if kind == "measured" else kind)

    def _repr_markdown_(self) -> str:
        """The trial as a notebook shows it."""
        claim = self.claim
        text = (
            f"**{self.outcome}**, in this lab: *{claim.statement}* ({claim.id})\n\n"
            f"{claim.quantity}: **{self.estimate}**; "
        )
        if claim.kind != "measured":
            return f"{text}{claim.kind}, so no verdict."
        text += f"supported if all of the interval lies {claim.rule}."
        return f"{text} {claim.outlook(self.estimate)}" if self.verdict == "undecided" else text


def _half_width(seeds: int) -> float:
    """Half the width of an interval over so many seeds, in standard deviations."""
    from scipy.special import stdtrit

    return float(stdtrit(seeds - 1, 0.5 + LEVEL / 2)) / seeds**0.5
