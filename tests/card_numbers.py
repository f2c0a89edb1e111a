"""The numbers in a text that are not those of a record: the check of model cards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ftlab.claims.model_card import INTERVAL

CLAIM_ID = re.compile(r"\b[A-Z]+-\d+\b")
NOT_SHOWN = ("schema", "per_seed", "candidates")  # parts of a record that no card shows
# A number, but no digits within a word (fp32). An underscore before it may be Markdown's emphasis.
# Of several points ("2.13.0") it is a version: no number, and known only as the record writes it.
NUMBER = re.compile(
    r"(?<![\w.])_{0,2}(?P<sign>[-+\u2212]?)"
    r"(?P<digits>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)*|\.\d+)"
    r"(?P<power>e[-+]?\d+)?(?P<percent>\s?(?:%|per\s?cent))?",
    re.IGNORECASE,
)


def foreign_numbers(text: str, record: dict[str, Any]) -> list[str]:
    """The numbers in a text that are none of the record's, as they stand there; [] if all are.

    A number is the record's if some value of it, rounded as shown, gives it: 0.85 and 85% are
    0.8512, 45 is 44.86 (but 1 is not 0.85). Minutes count beside seconds. Known too are the
    record's own texts, word for word (names, versions, dates, the run's id), claim ids such as C-09
    and the words "95% interval". It compares values, not meanings: a wrong number that some other
    value of the record happens to round to is not found, so the larger the record, the less it
    proves.
    """
    plain = " ".join(text.replace("\\|", "|").split())
    strings = {" ".join(each.split()) for each in _leaves(record) if isinstance(each, str)}
    strings |= {INTERVAL, str(record.get("started", ""))[:10]}
    for known in sorted(strings, key=len, reverse=True):
        if known in plain and any(map(str.isdigit, known)):
            plain = re.sub(rf"(?<![\w.]){re.escape(known)}(?!\w|\.\d)", " ", plain)
    plain = CLAIM_ID.sub(" ", plain)
    values = set(_values(record))
    foreign = []
    for found in NUMBER.finditer(plain):
        number = _number(found)
        if number is None or not any(_shows(number, value) for value in values):
            foreign.append(found[0].lstrip("_"))
    return foreign


def _leaves(content: Any) -> Iterator[Any]:
    if isinstance(content, dict):
        content = [item for name, item in content.items() if name not in NOT_SHOWN]
    if not isinstance(content, (list, tuple)):
        yield content
        return
    for item in content:
        yield from _leaves(item)


def _values(record: dict[str, Any]) -> Iterator[float]:
    """Every number of a record, those in the words of its metrics and claims ("64 texts") too. The
    digits of hashes and ids are no numbers."""
    for leaf in _leaves(record):
        if isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
            yield float(leaf)
    for leaf in _leaves([record.get("metrics"), record.get("claims")]):
        if isinstance(leaf, str):
            numbers = map(_number, NUMBER.finditer(CLAIM_ID.sub(" ", leaf)))
            yield from (float(number) for number in numbers if number is not None)
    if "seconds" in record:
        yield record["seconds"] / 60


def _number(found: re.Match[str]) -> Decimal | None:
    """A found number with the digits it shows; None for a version."""
    digits = found["digits"].replace(",", "")
    if digits.count(".") > 1:
        return None
    number = Decimal(f"{found['sign'].replace(chr(0x2212), '-')}{digits}{found['power'] or ''}")
    return number.scaleb(-2) if found["percent"] else number


def _shows(number: Decimal, value: float) -> bool:
    places = number.as_tuple().exponent
    assert isinstance(places, int)  # it is a text only for nan and infinity
    if places < 0:
        return abs(float(number) - value) <= 0.5 * 10.0**places * (1 + 1e-9)
    # A whole number shows too little of a small value: 1 could be anything from 0.5 to 1.5.
    return float(number) in (float(f"{value:.3g}"), round(value) if abs(value) >= 10 else value)
