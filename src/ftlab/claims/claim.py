"""Claims stand trial: declared before the run, judged by a fixed rule, kept whatever comes out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate

Verdict = Literal["supported", "refuted", "inconclusive"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Side = Literal["above", "below", "within"]


@dataclass(frozen=True)
class Claim:
    """What is said, and what would show it, fixed before anything is measured.

    `metric` names the measured quantity in words ("accuracy, pretrained - random"). The claim is
    that the quantity lies `side` of `effect`, the smallest effect that matters: "above" it,
    "below" it, or "within" plus and minus it ("no larger than"; `effect` must then be >= 0).
    """

    id: str
    statement: str
    metric: str
    side: Side
    effect: float

    def __post_init__(self) -> None:
        if self.side not in get_args(Side):
            allowed = ", ".join(get_args(Side))
            raise LabError(f"Claim {self.id}: side must be one of {allowed}, not '{self.side}'.")
        if self.side == "within" and self.effect < 0:
            raise LabError(f"Claim {self.id}: 'within' needs an effect of at least 0.")

    @property
    def rule(self) -> str:
        """The declared rule in words, such as 'above 0.02'; `rule_parts` reads them again."""
        return f"{self.side} {'±' if self.side == 'within' else ''}{self.effect:g}"

    def judge(self, estimate: Estimate) -> Verdict:
        """`supported` if the whole 95% interval lies where the claim says, `refuted` if all of it
        lies elsewhere, else `inconclusive`.

        The effect itself belongs to the refuting side of "above" and "below" (an exact 0 refutes
        "above 0"), and to the supporting side of "within" (an exact 0 is within 0).
        """
        low, high, effect = estimate.low, estimate.high, self.effect
        if self.side == "above":
            supported, refuted = low > effect, high <= effect
        elif self.side == "below":
            supported, refuted = high < effect, low >= effect
        else:
            supported = -effect <= low and high <= effect
            refuted = low > effect or high < -effect
        return "supported" if supported else "refuted" if refuted else "inconclusive"


def rule_parts(words: str) -> tuple[Side, float] | None:
    """Side and effect of a rule in the words of `Claim.rule`; None if these are no such words."""
    found = re.fullmatch(rf"({'|'.join(get_args(Side))}) ±?([-+.e\d]+)", words)
    try:
        return (cast(Side, found[1]), float(found[2])) if found else None
    except ValueError:
        return None


@dataclass(frozen=True)
class Trial:
    """A claim with its measured estimate; `verdict` is None where the run is too small to judge."""

    claim: Claim
    estimate: Estimate
    verdict: Verdict | None
