"""Letting a model out: is it better for certain, and what may be said of it?

A model card (Mitchell et al. 2019) is written from a run's record alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftlab.claims.record import FIELDS, outcome_of
from ftlab.claims.reference import shown_estimate, shown_number, table_row
from ftlab.claims.table import find_claim
from ftlab.common.errors import LabError
from ftlab.common.hub import is_hub_name
from ftlab.evaluation import LEVEL, Estimate

if TYPE_CHECKING:
    from huggingface_hub import ModelCard

DATA = ("task_data", "documents", "questions")  # parameters that say what was learned or asked
INTERVAL = f"{LEVEL:.0%} interval"


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


def model_card(record: dict[str, Any], *, metrics: Sequence[str] = ()) -> ModelCard:
    """A model card made of a record alone (as `read_record` gives it).

    `str()` of it is a README.md with the header that the Hub reads, `text` the Markdown below it.
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
    from huggingface_hub import ModelCard, ModelCardData

    parameters = record["parameters"]
    header = ModelCardData(
        base_model=_on_hub(parameters.get("base_model")),
        datasets=_on_hub(parameters.get("task_data")),
        tags=["ftlab"],
    )
    text = "\n\n".join([*parts, _limits(record)])
    return ModelCard(f"---\n{header.to_yaml()}\n---\n\n{text}\n")


def _on_hub(name: Any) -> str | None:
    """The repository of a model or dataset, as a header names it; None for what is not of the Hub.

    The lab's own have no organisation before their name.
    """
    repository = str(name or "").partition(":")[0]  # a dataset's configuration follows
    known = "/" in repository and is_hub_name(repository) and not Path(repository).exists()
    return repository if known else None


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
