"""Estimates of all units on one scale: how many times the smallest effect that matters.

The scale points the way the claim does: 0 is no effect, 1 the smallest effect that matters on the
claim's side. A ratio is measured by its logarithm. A claim about a level ("more than 0.99 of the
answers") has no 0: the level lies at 1, and one step is what the claim leaves room for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ftlab.claims.claim import RATIO, Claim, Verdict

TIMES = "\N{MULTIPLICATION SIGN}"
# One step where a claim is about any effect at all, in the unit of the quantity (a logarithm for
# a ratio); another unit's is 1.
STEPS = {
    "difference of shares": 0.02,
    RATIO: math.log(1.1),
    "bits per character": 0.02,
    "share": 0.02,
}


@dataclass(frozen=True)
class Zone:
    """A stretch of the scale: an interval that lies wholly within it has this verdict."""

    low: float
    high: float
    verdict: Verdict


def effect_sizes(claim: Claim, value: float) -> float:
    """Where a value of the claim's quantity lies on the scale; ends without a bound stay so."""
    if claim.null is None:
        return 1.0 + _sign(claim) * (value - claim.effect) / step(claim)
    return _sign(claim) * claim.scaled(value) / step(claim)


def step(claim: Claim) -> float:
    """What one step of the scale is, in the unit of the claim (a logarithm for a ratio)."""
    if claim.null is not None:
        return abs(claim.scaled(claim.effect)) or STEPS.get(claim.unit, 1.0)
    room = abs(claim.effect)
    if claim.unit in ("share", "correlation") and (claim.direction == "above" or claim.effect < 0):
        room = 1.0 - room
    return room or 1.0


def zones(claim: Claim) -> list[Zone]:
    """Where the verdicts lie on the claim's scale, from the left to the right.

    Beyond them: an interval that reaches into two zones is undecided, except that a claim of a gain
    meets its contrary wherever the whole interval lies left of 0 and not all of it is near.
    """
    low, high = -math.inf, math.inf
    if claim.direction == "within":
        return [
            Zone(low, -_border(claim), "contrary"),
            Zone(-_border(claim), _border(claim), "supported"),
            Zone(_border(claim), high, "contrary"),
        ]
    if gains(claim):
        return [
            Zone(low, -1.0, "contrary"),
            Zone(-1.0, 1.0, "no effect that matters"),
            Zone(1.0, high, "supported"),
        ]
    border = _border(claim)
    return [Zone(low, border, "contrary"), Zone(border, high, "supported")]


def gains(claim: Claim) -> bool:
    """Whether a claim says that there is an effect of some size, on its side of no effect."""
    return (
        claim.direction != "within"
        and claim.null is not None
        and _sign(claim) * claim.scaled(claim.effect) > 0
    )


def any_effect(claim: Claim) -> bool:
    """Whether a claim names no smallest effect: any on its side counts."""
    return claim.null is not None and claim.scaled(claim.effect) == 0


def sized_step(claim: Claim) -> str:
    """One step of the scale as a reader takes it in, without its sign: '2 points'."""
    size = step(claim)
    return sized(math.exp(size) if claim.unit == RATIO else size, claim.unit).lstrip("+")


def in_words(claim: Claim) -> str:
    """The smallest effect that matters, as a reader takes it in: 'above +2 points'."""
    if any_effect(claim):
        return "exactly equal" if claim.direction == "within" else "any effect on the claim's side"
    if claim.direction == "within" and claim.unit == RATIO:
        return f"between {_digits(1 / claim.effect)} and {sized(claim.effect, claim.unit)}"
    if claim.direction == "within":
        return f"within {sized(claim.effect, claim.unit).replace('+', '±')} of no difference"
    return f"{claim.direction} {sized(claim.effect, claim.unit)}"


def sized(value: float, unit: str, *, named: bool = True) -> str:
    """A quantity as a reader takes it in: '+2 points', '-0.02 bits per character'."""
    if math.isinf(value):
        return "anything"
    if unit == "difference of shares":
        points = _digits(round(100 * value, 1))
        number, name = f"{points:+}", " point" if abs(points) == 1 else " points"
    elif unit == "bits per character":
        number, name = f"{_digits(value):+}", " bits per character"
    elif unit == "share":
        number, name = f"{_digits(round(100 * value, 1))}", "%"
    elif unit == RATIO and named:
        number, name = f"{TIMES}{_digits(value):,}", ""
    else:
        number, name = f"{_digits(value):,}", ""
    return number + (name if named else "")


def _digits(value: float) -> float | int:
    """Three digits that count, and at most one decimal of what is above ten."""
    rounded = float(f"{value:.3g}") if abs(value) < 10 else round(value, 1)
    return int(rounded) if rounded == int(rounded) else rounded


def _sign(claim: Claim) -> int:
    return -1 if claim.direction == "below" else 1


def _border(claim: Claim) -> float:
    """Where the zone of 'supported' begins (for 'within': ends)."""
    if claim.null is None:
        return 1.0
    if claim.direction == "within":
        return abs(claim.scaled(claim.effect)) / step(claim)
    return _sign(claim) * claim.scaled(claim.effect) / step(claim)
