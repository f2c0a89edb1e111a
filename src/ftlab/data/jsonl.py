"""JSON Lines: one object a line, and what is wrong with a line that is none."""

from __future__ import annotations

import json

from ftlab.common.errors import LabError


def parse_json_lines(text: str, name: str) -> list[tuple[int, dict[str, object]]]:
    """(line number, object) for each line that is not blank; LabError names the broken line."""
    records: list[tuple[int, dict[str, object]]] = []
    # Not splitlines(): JSON strings may hold U+2028 and its like as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise LabError(
                f"{name}, line {number}: not valid JSON ({error.msg}, column {error.colno})."
            ) from None
        except (ValueError, RecursionError) as error:  # numbers or nesting beyond all measure
            raise LabError(f"{name}, line {number}: this JSON cannot be used ({error}).") from None
        if not isinstance(record, dict):
            raise LabError(
                f"{name}, line {number}: expected a JSON object {{...}}, found {json_kind(record)}."
            )
        records.append((number, record))
    return records


def json_kind(value: object) -> str:
    """What a reader would call a parsed JSON value: 'a list', 'a number', ..."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "an object" if isinstance(value, dict) else "a list"
