"""What one parameter may be, and the sentence that refuses what it may not be."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from ftlab.common.errors import LabError

KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}


Value = bool | int | float | str


class ParameterError(LabError):
    """A parameter is unknown, missing, of the wrong type, or outside what is allowed."""


@dataclass(frozen=True)
class Source:
    """That a parameter may name a file or a folder.

    `own` are names of what the lab itself brings. `hub`: what is no file may be a name on the
    Hugging Face Hub. `made`: the file need not be there, as the run makes it. A file must end in
    one of `suffixes`, if there are any, unless it begins with one of `servers`: an address.
    """

    own: tuple[str, ...] = ()
    hub: bool = False
    made: bool = False
    suffixes: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """What one parameter may be, said once for all notebooks.

    `help` is the comment in the notebook. `choices` lists the allowed values; `low` and `high`
    bound a number (both included), `but` are values allowed below `low`. A text must hold something
    unless `may_be_empty`. `source` says which files it may name. `read_by_lab` marks what
    `open_lab` itself uses, so that a notebook need not.
    """

    name: str
    kind: type
    help: str
    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    but: tuple[Value, ...] = ()
    may_be_empty: bool = False
    source: Source | None = None
    read_by_lab: bool = False

    def check(self, value: object) -> None:
        """Raise ParameterError, saying what is allowed, unless `value` may be given."""
        if not self._has_kind(value) or not self._in_range(value):
            raise ParameterError(
                f"Parameter '{self.name}' must be {self.allowed}, not {_shown(value)}."
            )

    @property
    def allowed(self) -> str:
        """What may be given, in words: 'a whole number from 0 to 100'."""
        if self.choices:
            return "one of " + ", ".join(_shown(choice) for choice in self.choices)
        words = KINDS[self.kind]
        if self.kind is str and not self.may_be_empty:
            words += " that is not empty"
        if self.source and self.source.suffixes:
            words = f"a path ending in {' or '.join(self.source.suffixes)}"
            words += f", or an address such as {self.source.servers[0]}host:19530"
        if self.low is not None and self.high is not None:
            words += f" from {self.low} to {self.high}"
        elif self.low is not None:
            words += f" of at least {self.low}"
        return words + "".join(f", or {_shown(value)}" for value in self.but)

    def _has_kind(self, value: object) -> bool:
        if isinstance(value, bool):  # which Python counts as a whole number
            return self.kind is bool
        if self.kind is float:
            largest = sys.float_info.max  # which leaves out what a record cannot hold: inf and nan
            return isinstance(value, (int, float)) and -largest <= value <= largest
        return isinstance(value, self.kind)

    def _in_range(self, value: Any) -> bool:
        if value in self.but:
            return True
        if self.choices:
            return value in self.choices
        if isinstance(value, str):
            if value and self.source and self.source.suffixes:
                return value.endswith(self.source.suffixes) or value.startswith(self.source.servers)
            return self.may_be_empty or bool(value.strip())
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def _shown(value: object) -> str:
    """The value as a sentence names it; a text keeps its quotes, so that '3' is no 3."""
    text = repr(value)
    return (text if len(text) <= 60 else text[:59] + "…") + (
        " (a text)" if isinstance(value, str) and value.strip().lstrip("-").isdigit() else ""
    )
