"""The form of a lesson: short cells, one idea each, readable from a projector."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest

from ftlab.claims import claims_of
from ftlab.notebook.files import code_cells, notebook_paths, read_notebook

# Of what a lesson may have no more than so much.
LIMITS = {
    "cells": 45,
    "lines of code": 350,
    "lines of the longest code cell": 20,  # as it stands on the screen, blank lines included
    "lines of the median code cell": 8,
    "cells that import": 1,
    "lines of imports": 15,
    "claims": 8,
    "figures without a text": 0,  # for those who cannot see them
    # What belongs into the package.
    "Claim(...)": 0,
    "profile switches": 0,
    "loops that only record": 0,
    "model families by name": 0,
}
# Lessons that are not in this form yet, with what they have too much of. A figure may only fall,
# and is then lowered here; a lesson that keeps all limits stands here no longer.
EXCEPTIONS: dict[str, dict[str, float]] = {}
FAMILY = re.compile(r"(distil|ro|de)?berta?(-.*)?|gpt-?2|(tiny)?llama|qwen[\d.]*|model_type", re.I)
SHIPPED = pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)


def figures(notebook: Any, name: str) -> dict[str, float]:
    """How much of all that is limited a lesson has."""
    sources = [cell.source for cell in code_cells(notebook)]
    cells = [ast.parse(source) for source in sources]
    lines = [sum(bool(line.strip()) for line in source.splitlines()) for source in sources]
    nodes = [node for cell in cells for node in ast.walk(cell)]
    imports = [[node for node in ast.walk(cell) if _imports(node)] for cell in cells]
    return {
        "cells": len(notebook.cells),
        "lines of code": sum(lines),
        "lines of the longest code cell": max(len(source.splitlines()) for source in sources),
        "lines of the median code cell": statistics.median(lines),
        "cells that import": sum(map(bool, imports)),
        "lines of imports": sum(
            node.end_lineno - node.lineno + 1 for own in imports for node in own
        ),
        "claims": len(claims_of(name)),
        "figures without a text": sum(map(_is_mute, code_cells(notebook))),
        "Claim(...)": sum(isinstance(n, ast.Call) and _last(n.func) == "Claim" for n in nodes),
        "profile switches": sum(map(_switches, nodes)),
        "loops that only record": sum(_only_records(node) for node in nodes),
        "model families by name": sum(map(_names_a_family, nodes)),
    }


def over(notebook: Any, name: str) -> dict[str, float]:
    """What a lesson has too much of."""
    return {
        what: number for what, number in figures(notebook, name).items() if number > LIMITS[what]
    }


def _is_mute(cell: Any) -> bool:
    """Whether a stored picture of this cell has no text."""
    pictures = [one for one in cell.outputs if "image/png" in one.get("data", {})]
    return any(not one.metadata.get("image/png", {}).get("alt") for one in pictures)


def _imports(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _last(function: ast.expr) -> str:
    return ast.unparse(function).rpartition(".")[2]


def _switches(node: ast.AST) -> bool:
    """Whether something here depends on the profile: `lab.pick(...)`, or the profile is read."""
    if isinstance(node, ast.Attribute):
        return ast.unparse(node) in ("lab.pick", "lab.profile")
    return isinstance(node, ast.Name) and node.id == "profile" and isinstance(node.ctx, ast.Load)


def _only_records(node: ast.AST) -> bool:
    """Whether a loop does nothing but tell the record numbers; a loop inside counts with it."""
    return isinstance(node, ast.For) and all(
        _only_records(part)
        or (isinstance(part, ast.Expr) and ast.unparse(part).startswith("lab.record."))
        for part in node.body
    )


def _names_a_family(node: ast.AST) -> bool:
    """Whether code asks for an architecture: `config.model_type`, or compares with its name."""
    if isinstance(node, ast.Attribute):
        return node.attr == "model_type"
    if not isinstance(node, ast.Compare):
        return False
    told = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant))
    return any(isinstance(value, str) and FAMILY.fullmatch(value) for value in told)


@SHIPPED
def test_a_lesson_keeps_the_limits_or_stands_among_the_exceptions(path: Path) -> None:
    found = over(read_notebook(path), path.stem)
    told = EXCEPTIONS.get(path.stem, {})
    grown = {what: n for what, n in found.items() if n > told.get(what, LIMITS[what])}
    assert not grown, f"over the limits, {LIMITS}"
    assert found == told, "less than the exceptions say: lower the figures there"


def test_every_exception_is_a_lesson_over_its_limits() -> None:
    assert {*EXCEPTIONS} <= {path.stem for path in notebook_paths()}
    assert all(EXCEPTIONS.values()), "a lesson that keeps all limits stands there no longer"


def lesson(*sources: str) -> Any:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def test_a_lesson_in_form_is_over_no_limit() -> None:
    first = "import torch\nfrom ftlab.lab import open_lab\n\nlab = open_lab('x', globals())"
    loop = "for step in range(3):\n    loss.backward()\n    lab.record.metric('loss', loss)"
    family = "load_classifier('distilbert-base-uncased', names)"  # a model to load is no fallback
    assert over(lesson(first, loop, family, *["a = 1\n"] * 42), "x") == {}


def test_a_figure_needs_a_text() -> None:
    for about, mute in (({"alt": "What it shows."}, {}), ({}, {"figures without a text": 1})):
        shown = {"data": {"image/png": ""}, "metadata": {"image/png": about}}
        notebook = lesson("a")
        notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", **shown)]
        assert over(notebook, "x") == mute


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (["a = 1"] * 46, {"cells": 46}),
        (["a = 1\n" * 9] * 2 + ["a = 1"], {"lines of the median code cell": 9}),
        (["a = 1\n\n\n" * 7, "a"], {"lines of the longest code cell": 21}),
        (["a = 1\n" * 20] * 15 + ["a = 1\n" * 3] * 17, {"lines of code": 351}),
        (["import a", "def f():\n    from b import c"], {"cells that import": 2}),
        (["from a import (\n" + "    b,\n" * 14 + ")", "b", "c"], {"lines of imports": 16}),
        (["Claim('A-1', 'so')", "claims.Claim('A-2', 'so')"], {"Claim(...)": 2}),
        (["lab.pick(smoke=1, quick=2, full=3)"], {"profile switches": 1}),
        (["if profile == 'full':\n    a", "lab.profile"], {"profile switches": 2}),
        (["for a in b:\n    lab.record.metric('c', a)"], {"loops that only record": 1}),
        (
            ["for a in b:\n    for c in a:\n        lab.record.metric('c', c)"],
            {"loops that only record": 2},
        ),
        (["if model.config.model_type == 'bert':\n    a"], {"model families by name": 2}),
        (["if 'qwen2' in name:\n    a"], {"model families by name": 1}),
    ],
)
def test_what_a_lesson_has_too_much_of_is_counted(
    sources: list[str], found: Mapping[str, float]
) -> None:
    assert over(lesson(*sources), "x") == found
