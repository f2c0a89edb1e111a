"""Letting a model out: is it better for certain, and what may be said of it?

A model card (Mitchell et al. 2019) is written from a run's record alone, and a check finds numbers
that are none of the record's, wherever they were typed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ftlab.claims.record import FIELDS, outcome_of
from ftlab.claims.reference import shown_estimate, shown_number, table_row
from ftlab.claims.table import find_claim
from ftlab.common.errors import LabError
from ftlab.evaluation import LEVEL, Estimate

DATA = ("task_data", "documents", "questions")  # parameters that say what was learned or asked
INTERVAL = f"{LEVEL:.0%} interval"
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


@dataclass(frozen=True)
class Gate:
    """Whether a model may be released, and why, in one sentence."""

    released: bool
    reason: str


def gate(gain: Estimate, least: float = 0.0) -> Gate:
    """Release a model only if the whole 95% interval of its gain over the baseline lies above
    `least`, in the gain's own unit.

    One seed, or an estimate without an interval, shows no spread between trainings and never
    passes. LabError for a number that is missing, or infinite where it is no end of the interval.
    """
    if not math.isfinite(gain.value + least) or any(map(math.isnan, (gain.low, gain.high))):
        raise LabError("A gate needs finite numbers: some are missing (nan) or infinite.")
    found = f"the gain over the baseline is {gain}"
    if gain.seeds < 2:
        return Gate(False, f"not released: {found} with one seed, which shows no spread")
    if gain.open or not gain.low < gain.high:
        return Gate(False, f"not released: {found}, and there is no interval around it")
    released = gain.low > least
    return Gate(
        released,
        f"{'' if released else 'not '}released: {found}, and its lower end "
        f"{'lies' if released else 'does not lie'} above {least:g}",
    )


def model_card(record: dict[str, Any], *, metrics: Sequence[str] = ()) -> str:
    """A model card in Markdown, made of a record alone (as `read_record` gives it).

    `metrics` names the measured quantities to show, each with all its keys. LabError if the record
    lacks a part or has no such metric.
    """
    for name in FIELDS:
        if name not in record:
            raise LabError(f"A model card needs a whole record, but '{name}' is missing.")
    parts = [_about(record), _table("Environment", record["environment"])]
    parts += [_measured(record, name) for name in metrics]
    if record["claims"]:
        parts.append(_claims(record["notebook"], record["claims"]))
    return "\n\n".join([*parts, _limits(record)]) + "\n"


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
        if any(map(str.isdigit, known)):
            plain = re.sub(rf"(?<![\w.]){re.escape(known)}(?!\w|\.\d)", " ", plain)
    plain = CLAIM_ID.sub(" ", plain)
    values = set(_values(record))
    foreign = []
    for found in NUMBER.finditer(plain):
        number = _number(found)
        if number is None or not any(_shows(number, value) for value in values):
            foreign.append(found[0].lstrip("_"))
    return foreign


def _about(record: dict[str, Any]) -> str:
    parameters = record["parameters"]
    lines = [
        "# Model card",
        "",
        f"Written from the record of run `{record['run_id']}` alone.",
        "",
        f"- Notebook: `{record['notebook']}`",
        f"- Base model: `{parameters.get('base_model', 'not said')}`",
        *(f"- Data ({name}): `{parameters[name]}`" for name in DATA if parameters.get(name)),
        f"- Started {record['started']}, {shown_number(record['seconds'] / 60)} minutes",
        f"- Profile `{record['profile']}`, seed {record['seed']}",
    ]
    return "\n".join(lines) + "\n\n" + _table("Parameters", parameters)


def _table(title: str, content: dict[str, Any]) -> str:
    rows = [table_row([name, _cell(value)]) for name, value in content.items()]
    return "\n".join([f"## {title}", "", "| name | value |", "| --- | --- |", *rows])


def _measured(record: dict[str, Any], name: str) -> str:
    rows = [row for row in record["metrics"] if row["name"] == name]
    if not rows:
        known = ", ".join(dict.fromkeys(row["name"] for row in record["metrics"])) or "none"
        raise LabError(f"The record has no metric '{name}'; it has: {known}.")
    keys = [key for key in dict.fromkeys(key for row in rows for key in row) if key != "name"]
    lines = [f"## Measured: {name}", "", table_row(keys), "| --- " * len(keys) + "|"]
    return "\n".join(lines + [table_row([_cell(row.get(key)) for key in keys]) for row in rows])


def _claims(notebook: str, claims: list[dict[str, Any]]) -> str:
    header = ["claim", "what is said", "measured as", "supported if", f"estimate [{INTERVAL}]"]
    header += ["seeds", "verdict", "at real scale"]
    lines = ["## Claims", "", table_row(header), "| --- " * len(header) + "|"]
    for row in claims:
        claim = find_claim(notebook, row["id"])
        cells = [row["id"], row["statement"], row["metric"], row["rule"], shown_estimate(row)]
        cells += [row["seeds"], outcome_of(row), claim.at_scale.says if claim else "unknown"]
        lines.append(table_row(cells))
    return "\n".join(lines)


def _limits(record: dict[str, Any]) -> str:
    """What the record does not show, as far as the record itself tells."""
    parameters, claims = record["parameters"], record["claims"]
    data = " and ".join(f"`{parameters[name]}`" for name in DATA if parameters.get(name))
    lines = [
        f"One base model (`{parameters.get('base_model', 'not said')}`)"
        + (f" and one set of data ({data})" if data else "")
        + ": another may decide otherwise.",
        "Seconds are those of the computer named above.",
    ]
    if record["profile"] != "full":
        lines.append(f"The run's profile is `{record['profile']}`, not `full`: it is a short run.")
    if not claims:
        lines.append("No claim was judged.")
    seeds = sorted({claim["seeds"] for claim in claims} - {1})
    single = [claim["id"] for claim in claims if claim["seeds"] == 1]
    open_ = [claim["id"] for claim in claims if claim["verdict"] == "undecided"]
    told = [claim["id"] for claim in claims if claim["kind"] != "measured"]
    if seeds:
        lines.append(
            f"Intervals rest on {' or '.join(map(str, seeds))} seeds. They answer for other seeds "
            "and other test items, and are not corrected for the number of claims."
        )
    if single:
        lines.append(f"Without seeds to compare, by counting or in one run: {', '.join(single)}.")
    if told:
        lines.append(f"Counted, or so by construction, and not judged: {', '.join(told)}.")
    if open_:
        lines.append(f"Undecided: {', '.join(open_)}.")
    return "\n".join(["## Limits", "", *(f"- {line}" for line in lines)])


def _cell(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_cell, value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return shown_number(value)
    return "" if value is None else str(value)


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
