"""From a table to rows of text and label: which columns, what is dropped, what is remarked on."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from ftlab.common.errors import LabError
from ftlab.data.jsonl import json_kind
from ftlab.data.tables import Table
from ftlab.data.wording import count, places, quoted

# In order of preference.
TEXT_NAMES = (
    "text", "sentence", "message", "content", "utterance", "review", "query", "question", "body",
    "tweet",
)  # fmt: skip
LABEL_NAMES = ("label", "category", "intent", "class", "target", "sentiment", "topic")
LONG_TEXT = 2_000  # characters; more than any usual max_length holds


@dataclass(frozen=True)
class Rows:
    """Rows that can be used. `frame` has columns text (str), label (str) and place (int)."""

    name: str
    unit: str
    frame: pd.DataFrame

    def places(self, chosen: pd.Series) -> str:
        """Where the chosen rows (a boolean mask) are: 'lines 4, 17'."""
        return places(self.unit, [int(place) for place in self.frame.place[chosen]])

    def keep(self, chosen: pd.Series) -> Rows:
        """The chosen rows alone."""
        return replace(self, frame=self.frame[chosen].reset_index(drop=True))


def normalise(text: str) -> str:
    """What two texts that count as the same have in common: their words, whatever the case,
    punctuation, spacing or width of letters. A text without words stands for itself."""
    words = re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return words or text


def find_columns(
    table: Table, text_column: str, label_column: str, notes: list[str]
) -> tuple[str, str]:
    """Names of the text and the label column: those the reader gave, else the usual names.

    LabError lists the columns there are; a choice among several is told in `notes`.
    """
    names = list(table.columns)
    for parameter, name in (("text_column", text_column), ("label_column", label_column)):
        if name and name not in names:
            raise LabError(
                f"{table.name}: no column '{name}' (given as {parameter}); its columns are "
                f"{quoted(names, 20)}."
            )
    text = text_column or _usual(names, TEXT_NAMES, label_column, notes, table.name)
    label = label_column or _usual(names, LABEL_NAMES, text, notes, table.name)
    for parameter, kind, name in (("text_column", "text", text), ("label_column", "label", label)):
        if not name:
            raise LabError(
                f"{table.name}: no {kind} column found; its columns are {quoted(names, 20)}: "
                f"name the right one with {parameter}."
            )
    if text == label:
        raise LabError(f"{table.name}: text_column and label_column are both '{text}'.")
    return text, label


def _usual(names: list[str], usual: Sequence[str], taken: str, notes: list[str], table: str) -> str:
    lower = {name.lower(): name for name in reversed(names) if name != taken}
    found = [lower[name] for name in usual if name in lower]
    if len(found) > 1:
        notes.append(f"{table}: column '{found[0]}' taken; {quoted(found[1:])} would do as well.")
    return found[0] if found else ""


def clean(table: Table, text_column: str, label_column: str, notes: list[str]) -> Rows:
    """Text and label of every row that has both; `notes` tells what was dropped or is unusual.

    LabError if a column is missing or a cell is neither text, number nor boolean.
    """
    for column in (text_column, label_column):
        if column not in table.columns:
            raise LabError(
                f"{table.name}: no column '{column}'; its columns are {quoted(table.columns, 20)}."
            )
    texts = pd.Series(_as_texts(table, text_column, notes), dtype=object)
    labels = pd.Series(_as_texts(table, label_column, notes), dtype=object)
    blank, unlabelled = texts == "", labels == ""
    frame = pd.DataFrame({"text": texts, "label": labels, "place": list(table.places)})
    rows = Rows(table.name, table.unit, frame)
    for chosen, lack in ((blank, "text"), (unlabelled & ~blank, "label")):
        if chosen.any():
            notes.append(
                f"{table.name}: {count(int(chosen.sum()), 'row')} without {lack} dropped "
                f"({rows.places(chosen)})."
            )
    rows = rows.keep(~(blank | unlabelled))
    long = rows.frame.text.map(len) > LONG_TEXT
    if long.any():
        notes.append(
            f"{table.name}: {count(int(long.sum()), 'text')} of more than {LONG_TEXT:,} characters "
            f"({rows.places(long)}), kept; a model reads as much as its max_length holds."
        )
    _remark_on_case(rows, notes)
    return rows


def _as_texts(table: Table, column: str, notes: list[str]) -> list[str]:
    """The cells of a column as stripped text, "" for what is missing."""
    texts: list[str] = []
    kinds: dict[str, int] = {}
    halves: list[int] = []
    for row, cell in enumerate(table.columns[column][:]):
        if isinstance(cell, list | dict):
            raise LabError(
                f"{table.at(row)}: column '{column}' holds {json_kind(cell)}, not text or a label."
            )
        text = _as_text(cell)
        if text:
            kinds.setdefault(
                json_kind(cell) if isinstance(cell, bool | int | float) else "text", row
            )
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            halves.append(table.places[row])
        texts.append(text)
    if len(kinds) > 1:
        first = ", ".join(
            f"{kind} in {table.unit} {table.places[row]}" for kind, row in kinds.items()
        )
        notes.append(
            f"{table.name}: column '{column}' mixes types (first {first}): all read as text."
        )
    if halves:
        notes.append(
            f"{table.name}: half characters (broken emoji, say) replaced in column '{column}' "
            f"({places(table.unit, halves)})."
        )
    return texts


def _as_text(cell: Any) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # 1.0 and 1 are the same label
    return str(cell).replace("\r\n", "\n").strip()


def _remark_on_case(rows: Rows, notes: list[str]) -> None:
    spellings: dict[str, list[str]] = {}
    for label in sorted(rows.frame.label.unique()):
        spellings.setdefault(label.casefold(), []).append(label)
    for variants in spellings.values():
        if len(variants) > 1:
            notes.append(f"{rows.name}: labels {quoted(variants)} differ in case only: kept apart.")
