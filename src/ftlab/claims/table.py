"""The claims of all notebooks: one table, `claims.toml`, written before anything is measured."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

from ftlab.claims.claim import UNITS, AtScale, Claim
from ftlab.claims.topics import topic_of
from ftlab.common.errors import LabError

PATH = Path(__file__).with_name("claims.toml")
LISTS = ("said", "also_said", "history")


@functools.cache
def all_claims(path: Path = PATH) -> tuple[Claim, ...]:
    """Every claim of the lab, notebook by notebook, in the order of the table; LabError if it is
    broken."""
    try:
        notebooks = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LabError(f"{path} is no table of claims: {error}.") from error
    return tuple(
        _claim(path, notebook, name, entry)
        for notebook, entries in notebooks.items()
        for name, entry in entries.items()
    )


def claims_of(notebook: str) -> dict[str, Claim]:
    """The claims of a notebook, by their ids."""
    return {claim.id: claim for claim in all_claims() if claim.notebook == notebook}


def find_claim(notebook: str, claim_id: str) -> Claim | None:
    """A claim of a notebook, or None: the same id may stand for other quantities elsewhere."""
    return claims_of(notebook).get(claim_id)


def told_elsewhere(notebook: str) -> set[str]:
    """The ids of claims that were a notebook's own once and that another one's quantity decides."""
    claims = claims_of(notebook).values()
    return {text.partition(":")[0] for claim in claims for text in claim.also_said}


def _claim(path: Path, notebook: str, name: str, entry: dict[str, Any]) -> Claim:
    given: dict[str, Any] = {**entry, **{key: tuple(entry.get(key, ())) for key in LISTS}}
    if given.get("unit") in UNITS:
        given.setdefault("null", UNITS[given["unit"]])
    try:
        scale = AtScale(**given.pop("at_scale", {}))
        given["topic"] = topic_of(notebook, given.get("topic", ""))
        return Claim(name, notebook=notebook, at_scale=scale, **given)
    except (TypeError, LabError) as error:
        raise LabError(f"{path.name}, {name} of {notebook}: {error}") from error
