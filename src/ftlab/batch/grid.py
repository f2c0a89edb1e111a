"""What a sweep varies: a grid, a list of runs, or a sample of them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftlab.batch.parameters import NotebookParameters
from ftlab.batch.yamlfile import Node, YamlFile, is_list
from ftlab.common.errors import LabError
from ftlab.notebook.parameters import CONTRACT, Value, check_name

DRAWS = 1000  # for each run wanted, before a space is taken to hold no further one
DIGITS = 4  # of a number drawn: it can be read, and is the same on every machine


@dataclass(frozen=True)
class SearchSpace:
    """What a sweep varies: `count` combinations at the most, made by `choices` when asked for."""

    swept: tuple[str, ...]
    count: int
    choices: Callable[[], Iterable[dict[str, Value]]]


@dataclass(frozen=True)
class Dimension:
    """One parameter of a sample: how many values it has, and the one that lies at a share, from 0
    to below 1, of its length."""

    count: float
    value: Callable[[float], Value]


@dataclass
class SpaceReader:
    """A sweep file beside the parameters of its notebook; LabError, with file, line and reason,
    for what cannot be. Files are looked for from the folder `base`."""

    file: YamlFile
    notebook: NotebookParameters
    base: Path
    fixed: dict[str, Value] = field(default_factory=dict)

    def grid(self, node: Node) -> SearchSpace:
        """Every combination of the values listed, the last name varying fastest."""
        columns = {
            name: [self._value(name, item) for item in self.file.items(values, f"'{name}'")]
            for name, values in self._parameters(node, "'grid'").items()
        }
        if not columns:
            raise self.file.error(node, "'grid' has no parameters.")
        return SearchSpace(
            tuple(columns),
            math.prod(len(column) for column in columns.values()),
            lambda: (
                dict(zip(columns, values, strict=True))
                for values in itertools.product(*columns.values())
            ),
        )

    def listed(self, node: Node) -> SearchSpace:
        """The runs that are written out."""
        rows = [self.values(row, "A run in 'list'") for row in self.file.items(node, "'list'")]
        return SearchSpace(
            tuple(dict.fromkeys(name for row in rows for name in row)), len(rows), lambda: rows
        )

    def sample(self, node: Node) -> SearchSpace:
        """Different combinations, drawn one after the other: more `runs` keep the earlier ones."""
        keys = self.file.mapping(node, "'sample'", ("runs", "seed", "from"))
        for key in ("runs", "from"):
            if key not in keys:
                raise self.file.error(node, f"'sample' needs '{key}'.")
        runs = self._integer(keys["runs"][1], "'runs'", 1)
        seed = self._integer(keys["seed"][1], "'seed'", 0) if "seed" in keys else 0
        dimensions = {
            name: self._dimension(name, dimension)
            for name, dimension in self._parameters(keys["from"][1], "'from'").items()
        }
        if not dimensions:
            raise self.file.error(node, "'from' has no parameters.")
        there = math.prod(dimension.count for dimension in dimensions.values())
        if there < runs:
            raise self.file.error(
                keys["runs"][1], f"There are only {there:,} combinations, fewer than {runs:,} runs."
            )

        def choices() -> Iterator[dict[str, Value]]:
            draws = random.Random(seed)  # its random() is promised to stay the same
            seen = set()
            for _ in range(DRAWS * runs):
                choice = {
                    name: dimension.value(draws.random()) for name, dimension in dimensions.items()
                }
                if tuple(choice.values()) not in seen:
                    seen.add(tuple(choice.values()))
                    yield choice
                if len(seen) == runs:
                    return
            raise self.file.error(
                keys["runs"][1], f"{DRAWS * runs:,} draws gave only {len(seen):,} different runs."
            )

        return SearchSpace(tuple(dimensions), runs, choices)

    def values(self, node: Node, what: str) -> dict[str, Value]:
        """A mapping of parameters to single values."""
        return {
            name: self._value(name, value) for name, value in self._parameters(node, what).items()
        }

    def _parameters(self, node: Node, what: str) -> dict[str, Node]:
        """The nodes of a mapping's values; every key is a parameter, and not fixed already."""
        found = {}
        for name, (key, value) in self.file.mapping(node, what).items():
            try:
                check_name(self.notebook.contract, name)
            except LabError as error:
                raise self.file.error(key, error) from None
            if name in self.fixed:
                raise self.file.error(
                    key, f"'{name}' is already in 'fixed' and cannot be swept as well."
                )
            found[name] = value
        return found

    def _value(self, name: str, node: Node) -> Value:
        value = self.file.scalar(node, f"'{name}'")
        try:
            return self.notebook.value(name, value, self.base)
        except LabError as error:
            raise self.file.error(node, error) from None

    def _integer(self, node: Node, what: str, least: int) -> int:
        value = self.file.scalar(node, what)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.file.error(node, f"{what} must be a whole number of at least {least}.")
        return value

    def _dimension(self, name: str, node: Node) -> Dimension:
        """What one parameter is drawn from: a list of choices, or a range."""
        if is_list(node):
            items = self.file.items(node, f"'{name}'")
            values = [*dict.fromkeys(self._value(name, item) for item in items)]
            return Dimension(len(values), lambda share: values[int(share * len(values))])
        keys = self.file.mapping(
            node, f"'{name}', if it is not a list of choices,", ("low", "high", "log")
        )
        contract = CONTRACT[name]
        if contract.kind not in (int, float) or contract.choices:
            raise self.file.error(node, f"'{name}' cannot have a range: give a list of choices.")
        ends: list[Any] = []
        for end in ("low", "high"):
            if end not in keys:
                raise self.file.error(node, f"The range of '{name}' needs '{end}'.")
            value: Any = self._value(name, keys[end][1])
            if contract.low is not None and value < contract.low:  # a special value, as 0 for all
                raise self.file.error(
                    keys[end][1],
                    f"The range of '{name}' cannot start or end at {value}, a special value.",
                )
            ends.append(value)
        low, high = ends
        log = self.file.scalar(keys["log"][1], "'log'") if "log" in keys else False
        if not isinstance(log, bool):
            raise self.file.error(keys["log"][1], "'log' must be true or false.")
        if low > high or (log and low <= 0):
            above = " above 0" if log else ""
            raise self.file.error(
                node, f"The range of '{name}' must go up from 'low'{above} to 'high'."
            )
        return _integers(low, high, log) if contract.kind is int else _numbers(low, high, log)


def _numbers(low: float, high: float, log: bool) -> Dimension:
    """Numbers from `low` to `high`; with `log` every factor is as likely as the next."""

    def value(share: float) -> float:
        drawn = low * (high / low) ** share if log else low + share * (high - low)
        return min(max(float(f"{drawn:.{DIGITS}g}"), low), high)

    return Dimension(math.inf if low < high else 1, value)


def _integers(low: int, high: int, log: bool) -> Dimension:
    """The same for whole numbers, both ends included."""

    def value(share: float) -> int:
        if log:
            return min(int(low * ((high + 1) / low) ** share), high)
        return low + int(share * (high - low + 1))

    return Dimension(high - low + 1, value)
