"""YAML read as data, with the line of everything in it.

What PyYAML would let pass is refused: a key given twice, tags, two documents in a file. A value
without quotes is a number, `true`, `false` or `null` if JSON knows it as such; all else is text
(`yes`, `on`, `007`, `1_000`, dates).
"""

from __future__ import annotations

import contextlib
import difflib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from ftlab.common.errors import LabError

MOST_BYTES = 10_000_000
TEXT = "tag:yaml.org,2002:str"
NULLS = ("", "~")  # which YAML has besides `null`
Node = Any  # of PyYAML, which has no types


def is_list(node: Node) -> bool:
    return isinstance(node, yaml.SequenceNode)


class YamlFile:
    """A YAML file whose errors name file, line and reason."""

    def __init__(self, path: Path) -> None:
        """Read `path`; LabError if it cannot be read, is not UTF-8 or not YAML, or is empty."""
        self.path = path
        try:
            if path.is_file() and path.stat().st_size > MOST_BYTES:
                raise LabError(f"{path} has more than {MOST_BYTES:,} bytes.")
            text = path.read_text(encoding="utf-8-sig")
            root = yaml.compose(text, Loader=yaml.BaseLoader)  # which takes every value for text
        except OSError as error:
            raise LabError(f"Cannot read {path}: {error.strerror or error}.") from None
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise LabError(f"{path}, line {line}: this is not UTF-8.") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f", line {mark.line + 1}" if mark else ""
            reason = "; ".join(filter(None, (error.context, error.problem)))
            raise LabError(f"{path}{where}: not valid YAML ({reason}).") from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise LabError(
                f"{path}, line {line}: not valid YAML (a character that is not allowed)."
            ) from None
        except RecursionError:
            raise LabError(f"{path}: not valid YAML (nested too deeply).") from None
        if root is None:
            raise LabError(f"{path} is empty.")
        self.root: Node = root

    def error(self, node: Node, reason: object) -> LabError:
        """An error to raise: `reason` is a sentence about what stands at `node`."""
        return LabError(f"{self.path}, line {node.start_mark.line + 1}: {reason}")

    def mapping(
        self, node: Node, what: str, known: Collection[str] = ()
    ) -> dict[str, tuple[Node, Node]]:
        """Keys with their nodes and their values' nodes; LabError, calling it `what`, if `node` is
        no mapping, or has a key twice or one that is not `known` (if any are)."""
        if not isinstance(node, yaml.MappingNode) or not node.tag.endswith(":map"):
            raise self.error(node, f"{what} must be a mapping, key: value.")
        found: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.error(key, f"{what} has a key that is not a name.")
            if key.value in found:
                first = found[key.value][0].start_mark.line + 1
                raise self.error(key, f"'{key.value}' is given twice, first in line {first}.")
            if known and key.value not in known:
                near = difflib.get_close_matches(key.value, known, n=1)
                hint = f"did you mean '{near[0]}'? " if near else ""
                raise self.error(
                    key, f"'{key.value}' is not a known key: {hint}Allowed are {', '.join(known)}."
                )
            found[key.value] = key, value
        return found

    def items(self, node: Node, what: str) -> list[Node]:
        """The items of a list; LabError, calling it `what`, if it is none or is empty."""
        if not isinstance(node, yaml.SequenceNode) or not node.tag.endswith(":seq"):
            raise self.error(node, f"{what} must be a list, [a, b].")
        if not node.value:
            raise self.error(node, f"{what} is an empty list.")
        return list(node.value)

    def scalar(self, node: Node, what: str) -> object:
        """A number, a text, True, False or None; LabError, calling it `what`, if it is more."""
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(node, f"{what} must be a single value.")
        if node.tag != TEXT:
            raise self.error(node, f"{what} cannot be read as {node.tag}.")
        if node.style is None:  # without quotes
            if node.value in NULLS:
                return None
            with contextlib.suppress(ValueError):
                return json.loads(node.value, parse_constant=str)  # NaN is text
        return node.value
