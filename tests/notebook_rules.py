"""What a shipped notebook must be: its anatomy, its parameters, outputs of its own code."""

from __future__ import annotations

import ast
import re
import symtable
from typing import Any

from ftlab.notebook.files import (
    METADATA,
    STORED_PROFILE,
    TITLE_LINES,
    code_cells,
    minutes_text,
    source_sha256,
)
from ftlab.notebook.parameters import CONTRACT, NOTEBOOKS, parameters_source


def problems(notebook: Any, name: str) -> list[str]:
    """What keeps a notebook from being shipped, one sentence each; empty if nothing does."""
    return [*_anatomy(notebook, name), *_contract(notebook, name), *_outputs(notebook)]


def _tagged(notebook: Any, tag: str) -> list[int]:
    """Positions among the code cells."""
    return [place for place, cell in enumerate(code_cells(notebook)) if tag in _tags(cell)]


def _tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _anatomy(notebook: Any, name: str) -> list[str]:
    found = []
    title = notebook.cells[0] if notebook.cells else None
    if title is None or title.cell_type != "markdown" or not title.source.startswith("# "):
        return ["The first cell is no title: a Markdown cell that begins with '# '."]
    for line in TITLE_LINES:
        if not re.search(rf"^{re.escape(line)}", title.source, flags=re.MULTILINE):
            found.append(f"The title cell has no line that begins with {line}.")
    if METADATA in notebook.metadata and f"**Minutes:** {minutes_text(notebook)}" not in (
        title.source.splitlines()
    ):
        found.append("The title cell's minutes are not those of the stored run.")
    code = code_cells(notebook)
    if not any("record.write()" in cell.source for cell in code):
        found.append("No cell writes the record: lab.record.write().")
    places = _tagged(notebook, "parameters")
    if len(places) != 1:
        found.append(f"{len(places)} cells are tagged 'parameters', not one.")
    else:
        following = code[places[0] + 1].source if places[0] + 1 < len(code) else ""
        if f'open_lab("{name}", globals())' not in following:
            found.append(
                f'The code cell behind the parameters does not call open_lab("{name}", globals()).'
            )
    if _tagged(notebook, "injected-parameters"):
        found.append("A cell of injected parameters was left in.")
    return found


def _contract(notebook: Any, name: str) -> list[str]:
    if name not in NOTEBOOKS:
        return [f"The contract (ftlab.lab) has no notebook {name}."]
    code = code_cells(notebook)
    for place in _tagged(notebook, "parameters"):
        if code[place].source.strip() != parameters_source(name):
            return [f"The parameters cell differs from the contract:\n{parameters_source(name)}"]
    read: set[str] = set()
    for cell in code:
        try:
            tree = ast.parse(cell.source)
        except SyntaxError as error:
            return [f"A code cell is not plain Python ({error.msg}): {cell.source[:60]!r}."]
        read |= {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
    unread = [
        f"Nothing reads the parameter '{parameter}'."
        for parameter in NOTEBOOKS[name]
        if not CONTRACT[parameter].read_by_lab and parameter not in read
    ]
    return unread + [
        f"A cell gives the parameter '{parameter}' another value."
        for parameter in NOTEBOOKS[name]
        if any(_assigns(cell, parameter) for cell in code if "parameters" not in _tags(cell))
    ]


def _assigns(cell: Any, name: str) -> bool:
    """Whether a cell gives the notebook's variable `name` a value; loops count, comprehensions and
    functions have names of their own."""
    table = symtable.symtable(cell.source, "cell", "exec")
    return name in table.get_identifiers() and table.lookup(name).is_assigned()


def _outputs(notebook: Any) -> list[str]:
    found = []
    run = notebook.metadata.get(METADATA)
    if not run:
        return ["It holds no outputs of its own code: run ftlab run --refresh."]
    if run.get("source_sha256") != source_sha256(notebook):
        found.append("Its outputs are stale: the code has changed since they were made.")
    if run.get("profile") != STORED_PROFILE:
        found.append(f"Its outputs are of the profile {run.get('profile')}.")
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        found.append(f"Its cells were not run once each and in order: {counts}.")
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"An output is an error: {output.ename}.")
            said = "".join(output.get("data", {}).get("text/markdown", ""))
            if "{" in said:  # an f-string that lost its f
                found.append(
                    f"A number is missing where it is told: {said[said.index('{') :][:60]}"
                )
    return found
