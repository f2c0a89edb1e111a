"""Tables: CSV, TSV, JSON Lines and JSON files as columns, every row with its place in the file."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ftlab.common.errors import LabError
from ftlab.data.jsonl import json_kind, parse_json_lines
from ftlab.data.text import read_decoded
from ftlab.data.wording import count, quoted

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".json")
SIDES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


@dataclass(frozen=True)
class Table:
    """Columns of equal length and where each row came from.

    `name` is the file's name, `unit` what `places` counts: the "line" of a file (that on which the
    record begins), the "item" of a JSON list, the "row" of a Hub split. Cells are as parsed: text
    from CSV, any JSON value otherwise, None where a record lacks the column.
    """

    name: str
    unit: str
    columns: Mapping[str, Sequence[Any]]
    places: Sequence[int]

    def at(self, row: int) -> str:
        """'tickets.csv, line 37'."""
        return f"{self.name}, {self.unit} {self.places[row]}"


def read_table(path: Path, notes: list[str]) -> Table:
    """The table in a .csv, .tsv, .jsonl or .json file; repairs are told in `notes`.

    LabError names file, line and reason for anything that cannot be read as meant.
    """
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise LabError(
            f"{path.name}: a file ending in '{suffix}' cannot be read as a table; "
            f"save it as one of {', '.join(TABLE_SUFFIXES)}."
        )
    text = read_decoded(path, notes)
    if suffix == ".json" and not _is_json_lines(text):
        return _read_json(text, path.name)
    if suffix in (".jsonl", ".json"):
        return _from_records(parse_json_lines(text, path.name), path.name, "line")
    return _read_delimited(text, path, notes)


def split_column(table: Table) -> dict[str, Table] | None:
    """Parts of a table whose 'split' column says train, validation or test; None without one.

    A column of that name with no such word in it means something else and is left alone; LabError
    if it holds such words and others too.
    """
    name = next((column for column in table.columns if column.lower() == "split"), None)
    if name is None:
        return None
    sides = [SIDES.get(str(cell).strip().lower()) for cell in table.columns[name]]
    if not any(sides):
        return None
    if None in sides:
        row = sides.index(None)
        cell = str(table.columns[name][row])
        raise LabError(
            f"{table.at(row)}: column '{name}' is {quoted([cell])}, not train, validation or test."
        )
    if "train" not in sides:
        raise LabError(f"{table.name}: no row has 'train' in the column '{name}'.")
    parts = {}
    for side in dict.fromkeys(SIDES.values()):
        rows = [row for row, there in enumerate(sides) if there == side]
        if rows:
            columns = {key: [cells[row] for row in rows] for key, cells in table.columns.items()}
            label = f"{table.name} ({side})"
            parts[side] = Table(label, table.unit, columns, [table.places[row] for row in rows])
    return parts


def _is_json_lines(text: str) -> bool:
    """Whether a .json file is one object a line, as many are in spite of their name."""
    lines = [line for line in text.split("\n", 50) if line.strip()][:2]
    return len(lines) == 2 and all(line.strip().startswith("{") for line in lines)


def _read_json(text: str, name: str) -> Table:
    try:
        items = json.loads(text)
    except json.JSONDecodeError as error:
        raise LabError(
            f"{name}, line {error.lineno}: not valid JSON ({error.msg}, column {error.colno})."
        ) from None
    except (ValueError, RecursionError) as error:
        raise LabError(f"{name}: this JSON cannot be used ({error}).") from None
    if not isinstance(items, list):
        raise LabError(
            f"{name}: expected a list of objects [{{...}}, ...], found {json_kind(items)}."
        )
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise LabError(f"{name}, item {number}: expected an object, found {json_kind(item)}.")
    return _from_records(list(enumerate(items, start=1)), name, "item")


def _from_records(records: list[tuple[int, dict[str, Any]]], name: str, unit: str) -> Table:
    if not records:
        raise LabError(f"{name}: has no rows.")
    names = dict.fromkeys(key for _, record in records for key in record)
    columns = {key: [record.get(key) for _, record in records] for key in names}
    return Table(name, unit, columns, [place for place, _ in records])


def _read_delimited(text: str, path: Path, notes: list[str]) -> Table:
    name = path.name
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    head = text.lstrip().split("\n", 1)[0]
    if delimiter not in head:
        found = next((mark for mark in (";", "\t", ",") if mark in head), None)
        if found:
            delimiter = found
            word = {";": "semicolons", "\t": "tabs", ",": "commas"}[found]
            notes.append(f"{name}: read as separated by {word}, as its header is.")
    try:
        (top, header), *rows = _parse(text, name, delimiter, csv.QUOTE_MINIMAL)
    except LabError:
        if delimiter != "\t":
            raise
        # Tab-separated files often hold quotation marks that quote nothing.
        (top, header), *rows = _parse(text, name, delimiter, csv.QUOTE_NONE)
        notes.append(f"{name}: quotation marks read as part of the texts.")
    header = [column.strip() for column in header]
    twice = [column for column, times in Counter(header).items() if column and times > 1]
    if twice:
        raise LabError(f"{name}, line {top}: the header has {quoted(twice)} more than once.")
    if not rows:
        raise LabError(f"{name}: has a header but no rows.")
    for line, row in rows:
        if len(row) != len(header):
            raise LabError(
                f"{name}, line {line}: {count(len(row), 'field')} where the header has "
                f"{len(header)}; "
                "a text with the separator or a line break in it needs quotation marks around it."
            )
    columns = {
        column: [row[number] for _, row in rows] for number, column in enumerate(header) if column
    }
    return Table(name, "line", columns, [line for line, _ in rows])


def _parse(
    text: str, name: str, delimiter: str, quoting: Literal[0, 3]
) -> list[tuple[int, list[str]]]:
    """(line on which it begins, fields) of every record that is not a blank line."""
    csv.field_size_limit(2**31 - 1)  # the default of 128 KiB refuses long but honest texts
    # strict: otherwise a quotation mark that is never closed swallows the rest of the file
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
    records, begins = [], 1
    try:
        for row in reader:
            if len(row) > 1 or any(cell.strip() for cell in row):
                records.append((begins, row))
            begins = reader.line_num + 1
    except csv.Error as error:
        reason = str(error)
        if "unexpected end" in reason:
            reason = "a quotation mark opened in this record is never closed"
        elif "expected after" in reason:
            reason = 'a quotation mark inside a quoted text must be doubled ("")'
        raise LabError(f"{name}, line {begins}: {reason}.") from None
    return records
