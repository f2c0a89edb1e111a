"""Notebook prose holds no result typed by hand: numbers come from a run or from a kept record."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ftlab.claims.model_card import foreign_numbers
from ftlab.claims.reference import reference
from ftlab.notebook.files import notebook_paths, read_notebook

# What is no result: how a notebook or an exercise defines something. Each with its reason.
DEFINED = {
    "01_pretraining_vs_finetuning": {
        "90%": "the share of the random network's best that counts as having learned",
        "0.02": "the smallest effect that PRE-09 declares",
        "0.3": "an effect that an exercise lets the reader try",
    },
    "02_layer_freezing": {"95%": "the share of the best accuracy that ends the count of seconds"},
    "04_rag": {
        "0.008": "the made-up price of an exercise",
        "2.40": "the made-up cost of an exercise",
    },
    "99_verdicts": {
        "95%": "the level of the intervals",
        "0.01": "a rule that an exercise lets the reader try",
    },
}
NO_PROSE = [
    re.compile(pattern, re.MULTILINE | re.DOTALL)
    for pattern in (
        r"^ *(```|~~~).*?^ *\1",  # code
        r"<!--.*?-->|</?[a-zA-Z][^>]*>",  # HTML
        r"\]\([^)]*\)|https?://\S+|\barXiv:\S+",  # where links lead
        r"^#+ +\d[\d.]*",  # numbers of headings
        r"\b[Ss]ections? \d[\d.]*",  # references to them
        r"^\*\*Minutes:\*\*[^\n]*",  # measured when outputs are made
        r"\b[A-Za-z][\w.]*(-[\w.]+)*-\d+(\.\d+)?[KMB]\b(-\w+)*",  # models: SmolLM2-135M
    )
]


def typed(notebook: str, cell: str) -> list[str]:
    """Decimal numbers and percentages in a Markdown cell that are neither its notebook's kept
    record's nor defined."""
    for pattern in NO_PROSE:
        cell = pattern.sub(" ", cell)
    return [
        number
        for number in foreign_numbers(cell, reference(notebook) or {})
        if re.search(r"\.|%|cent", number) and number not in DEFINED.get(notebook, {})
    ]


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_prose_holds_no_number_typed_by_hand(path: Path) -> None:
    cells = read_notebook(path).cells
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    assert [number for cell in prose for number in typed(path.stem, cell)] == []


def test_every_exception_is_needed() -> None:
    for path in notebook_paths():
        cells = read_notebook(path).cells
        prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        assert [each for each in DEFINED.get(path.stem, {}) if each not in prose] == []


CELL = """## 2.1 What it gives

**Minutes:** 2.7 (quick profile, 2 cores)

Howard & Ruder 2018 say so, see Section 6.2 and [their paper](https://arxiv.org/abs/1801.06146), and
C-09 asks it of SmolLM2-135M and Qwen2.5-0.5B with a 95% interval; the split is 7:2:1.

<div style="width: 12.5%">

```python
rate = 0.001
```
"""


def test_what_is_no_result_may_be_typed() -> None:
    assert typed("00_start_here", CELL) == []


@pytest.mark.parametrize(
    ("result", "found"),
    [
        ("LoRA reaches 0.87 here.", ["0.87"]),
        ("It is right in **91%** of all cases, 4.5 per cent more.", ["91%", "4.5 per cent"]),
        ("It loses `-0.25` and wins 1,234.5.", ["-0.25", "1,234.5"]),
    ],
)
def test_a_typed_result_is_refused(result: str, found: list[str]) -> None:
    assert typed("00_start_here", CELL + result) == found


def test_a_number_of_the_kept_record_may_be_typed_and_of_no_other() -> None:
    assert typed("03_lora", "LoRA 4 needs 0.418 of the memory, and 2.33% of the parameters.") == []
    assert typed("03_lora", "LoRA 4 needs 0.4184 of the memory.") == ["0.4184"]
    assert typed("01_pretraining_vs_finetuning", "It needs 0.418 of it.") == ["0.418"]
