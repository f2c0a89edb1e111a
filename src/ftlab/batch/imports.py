"""What code imports: the cells of a notebook, and the modules of this package that they lead to.

Code is read, never run: imports within functions count, names made up while it runs do not (this
package has none).
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import Any

from ftlab.notebook.files import code_cells

PACKAGE = Path(__file__).parents[1]
FIGURES = "ftlab.plots"  # draws what others have computed


def syntax_trees(notebook: Any) -> list[ast.Module | None]:
    """The code cells as Python reads them, without the lines for IPython alone; None for a cell
    that is not plain Python even so."""
    trees: list[ast.Module | None] = []
    for cell in code_cells(notebook):
        lines = [line for line in cell.source.splitlines() if line.lstrip()[:1] not in "%!?"]
        try:
            trees.append(ast.parse("\n".join(lines)))
        except (SyntaxError, ValueError):
            trees.append(None)
    return trees


def imported(tree: ast.AST) -> dict[str, set[str]]:
    """The modules that a piece of code imports, each with the names that it takes from it."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.setdefault(alias.name, set())
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.setdefault(node.module, set()).update(alias.name for alias in node.names)
    return found


def package_modules(notebook: Any) -> dict[str, Path]:
    """The modules of this package, by name, that decide what a notebook computes: all that it
    imports, and what these import in turn. Figures are left out: they change no number.

    A notebook with a cell that cannot be read as Python may import any of them.
    """
    modules = {_name(file): file for file in PACKAGE.rglob("*.py")}
    trees = syntax_trees(notebook)
    waiting = {name for tree in trees if tree for name in _candidates(imported(tree))}
    if None in trees:
        waiting = {*modules}
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        if name in modules and name not in found and not f"{name}.".startswith(f"{FIGURES}."):
            found[name] = modules[name]
            waiting |= _imports_of(modules[name])
    return found


@functools.cache
def _imports_of(file: Path) -> set[str]:
    return _candidates(imported(ast.parse(file.read_bytes())))


def _candidates(imports: dict[str, set[str]]) -> set[str]:
    """What may be modules of this package: what is imported from, the packages that it lies in,
    and the names that are taken from it."""
    names = {*imports, *(f"{module}.{name}" for module in imports for name in imports[module])}
    parts = [name.split(".") for name in names if name.split(".")[0] == PACKAGE.name]
    return {".".join(words[:end]) for words in parts for end in range(1, len(words) + 1)}


def _name(file: Path) -> str:
    words = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(words).removesuffix(".__init__")
