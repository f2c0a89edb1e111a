"""Notebook prose holds no result: what was measured is said by the code that measured it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ftlab.notebook.files import notebook_paths, read_notebook

# What is no result, word for word: how a notebook or an exercise defines something, or what
# another paper found. Each with its reason.
DEFINED = {
    "": {"95% interval": "the level of all intervals"},
    "04_retrieval": {"five times as much": "made up for an exercise"},
    "05_rag_comparison": {
        "four times as much for every token": "made up for an exercise",
        "at four times the price": "made up for an exercise",
    },
    "06_evaluation": {
        "two points of accuracy": "asked for",
        "the 2.5% and the 97.5% quantile": "how the exercise is made",
        "a difference of 3 points": "asked for in an exercise",
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
WORDS = (
    "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty "
    "sixty seventy eighty ninety hundred thousand"
).split()
DIGITS = r"(?<![\w.])[-+\u2212]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)"
DECIMAL = r"(?<![\w.])[-+\u2212]?(?:\d[\d,]*)?\.\d+"
NUMBER = rf"(?:{DIGITS}|\b(?:{'|'.join(WORDS)})\b)"
# What a result looks like. (Whole numbers are left alone: they count parts, years and exercises.)
RESULT = re.compile(
    rf"{NUMBER}\s?(?:%|per\s?cent\b)"  # 91%, ninety per cent
    rf"|{NUMBER}[\s-](?:percentage )?points?\b"
    rf"|{NUMBER}(?:-fold\b|[x\u00d7](?!\w)"  # 6-fold, 6x
    r"|\stimes\s(?:as|the|that|its|their|more|less|fewer|\w+er)\b)"  # six times as fast
    r"|(?<![\w.])\d+\s(?:out\s)?of\s\d+\b"  # 87 of 100
    rf"|{DECIMAL}",
    re.IGNORECASE,
)


def prose_of(path: Path) -> list[str]:
    cells = read_notebook(path).cells
    return [plain(cell.source) for cell in cells if cell.cell_type == "markdown"]


def plain(cell: str) -> str:
    """A Markdown cell without what is no prose, on one line."""
    for pattern in NO_PROSE:
        cell = pattern.sub(" ", cell)
    return " ".join(cell.split())


def typed(notebook: str, prose: str) -> list[str]:
    """What looks like a result in a notebook's prose and is not defined."""
    for defined in {**DEFINED[""], **DEFINED.get(notebook, {})}:
        prose = prose.replace(defined, " ")
    return [found[0] for found in RESULT.finditer(prose)]


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_prose_holds_no_result_typed_by_hand(path: Path) -> None:
    assert [result for cell in prose_of(path) for result in typed(path.stem, cell)] == []


def test_every_exception_is_needed() -> None:
    prose = {path.stem: "\n".join(prose_of(path)) for path in notebook_paths()}
    prose[""] = "\n".join(prose.values())
    for notebook, exceptions in DEFINED.items():
        assert [each for each in exceptions if each not in prose[notebook]] == []
        assert [each for each in exceptions if not RESULT.search(each)] == []


CELL = """## 2.1 What it gives

**Minutes:** 2.7 (quick profile, 2 cores)

Howard & Ruder 2018 say so, see Section 6.2 and [their paper](https://arxiv.org/abs/1801.06146), and
C-09 asks it of SmolLM2-135M and Qwen2.5-0.5B with a 95% interval; the split is 7:2:1, cut five
times, in 32-bit numbers, for 16 levels.

<div style="width: 12.5%">

```python
rate = 0.001
```
"""


def test_what_is_no_result_may_be_typed() -> None:
    assert typed("00_start_here", plain(CELL)) == []


@pytest.mark.parametrize(
    ("result", "found"),
    [
        ("LoRA reaches 0.87 here, or .87.", ["0.87", ".87"]),
        ("It is right in **91%** of all cases, 4.5 per cent more.", ["91%", "4.5 per cent"]),
        ("It loses `-0.25` and wins 1,234.5.", ["-0.25", "1,234.5"]),
        ("In ninety per cent, or three points more.", ["ninety per cent", "three points"]),
        ("It is 6 times\nfaster, six times as small.", ["6 times faster", "six times as"]),
        ("It is 6x faster, and 12-fold smaller.", ["6x", "12-fold"]),
        ("Of all, 87 of 100 are right, 87 out of 100.", ["87 of 100", "87 out of 100"]),
        ("That is 95% of all, in a 95% interval.", ["95%"]),
    ],
)
def test_a_typed_result_is_refused(result: str, found: list[str]) -> None:
    assert typed("00_start_here", plain(CELL + result)) == found


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "result",
    [
        "It is right in {}% of all cases.",
        "It reaches 0.{:02d}.",
        "It gains {} points.",
        "{}x fewer.",
    ],
)
def test_no_number_slips_through_whatever_the_notebook_defines(path: Path, result: str) -> None:
    numbers = range(1, 100)
    assert [n for n in numbers if len(typed(path.stem, plain(result.format(n)))) != 1] == []
