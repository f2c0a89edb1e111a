"""Which parameters a run is asked for: known, of the right kind, and with files that are there.

All of it is decided before a kernel starts. Whether a name on the Hub is there and a file holds
what it should is looked up by `check_runs`, for what the lab does not bring itself.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlab.batch.imports import syntax_trees
from ftlab.common.errors import LabError
from ftlab.common.hub import is_hub_name
from ftlab.notebook.files import code_cells, read_notebook
from ftlab.notebook.parameters import (
    CONTRACT,
    NOTEBOOKS,
    ParameterError,
    Value,
    check_name,
    check_parameters,
    defaults_of,
)
from ftlab.notebook.sources import check_sources, refuse_misspelt

# Papermill writes a run's values into a cell of its own, behind the notebook's: those hold.
TAGS = ("parameters", "injected-parameters")
DRIVE = re.compile(r"[A-Za-z]:")
# Parameters that do not change what is read from a model, data or documents.
OF_NO_SOURCE = {n for n in CONTRACT if n.startswith("price")} | {
    *("profile", "seed", "seeds", "rank", "learning_rate", "other_ways"),
    *("index", "k", "texts_per_label"),
}
BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class NotebookParameters:
    """A notebook file's parameters: `contract` is the lab notebook whose contract holds for it,
    `defaults` are the values that stand in the file, which a reader may have edited."""

    path: Path
    contract: str
    defaults: dict[str, object]

    def value(self, name: str, value: object, base: Path) -> Value:
        """One given value, checked; `base` is the folder that its files are looked for in first.

        ParameterError for a name or a value that cannot be, LabError for a file that is not there.
        """
        check_name(self.contract, name)
        folders = [base, self.path.parent]
        return _with_file(self.contract, name, _checked(name, value), folders)

    def complete(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """All parameters of a run in which `values`, as `value` gives them, are set.

        LabError if the notebook's own value of another cannot be.
        """
        found: dict[str, Value] = {}
        for name in defaults_of(self.contract):
            if name in values:
                found[name] = values[name]
            elif name in self.defaults:
                try:
                    own = _checked(name, self.defaults[name])
                    found[name] = _with_file(self.contract, name, own, [self.path.parent])
                except LabError as error:
                    raise LabError(f"{self.path}, in its parameters cell: {error}") from None
            else:
                raise LabError(
                    f"{self.path}: its parameters cell does not set '{name}' to a plain value."
                )
        return check_parameters(self.contract, found)


def read_parameters(path: Path) -> NotebookParameters:
    """The parameters of a notebook file; LabError if it cannot be read or is none of the lab's."""
    notebook = read_notebook(path)
    contract = _contract(notebook, path)
    own = defaults_of(contract)
    defaults = _assigned(notebook, path)
    for name in defaults:
        if name not in own:
            raise ParameterError(
                f"{path}: its parameters cell sets '{name}', which is not a parameter of "
                f"{contract}: allowed are {', '.join(own)}."
            )
    return NotebookParameters(path, contract, defaults)


def contract_of(path: Path) -> str:
    """The lab's name for a notebook file, whatever the file is called: the one it opens the lab
    with. LabError if the file cannot be read or does not open the lab by a name."""
    return _contract(read_notebook(path), path)


def complete_parameters(path: Path, values: Mapping[str, object], base: Path) -> dict[str, Value]:
    """The complete parameters of a run: the notebook file's own values, and `values` over them.

    A number stays what the contract calls it (1 is 1.0 where it may be any number). A file or
    folder given is looked for from `base`, then from the notebook's folder, and becomes an absolute
    path. ParameterError for an unknown name or a value that is not allowed, LabError for a file
    that is not there.
    """
    notebook = read_parameters(path)
    return notebook.complete(
        {name: notebook.value(name, value, base) for name, value in values.items()}
    )


def check_runs(path: Path, runs: Iterable[Mapping[str, Any]]) -> None:
    """Look whether what the complete parameters of some runs of a notebook name can be had and
    used, each source once; ParameterError if not."""
    contract = contract_of(path)
    seen = set()
    for parameters in runs:
        about = frozenset((n, v) for n, v in parameters.items() if n not in OF_NO_SOURCE)
        if about not in seen:
            seen.add(about)
            check_sources(contract, parameters, own=False)


def parse_value(path: Path, name: str, text: str) -> Value:
    """A value as a command line gives it, turned into what the contract says it is.

    A text stays as it is, whatever it looks like. ParameterError if it cannot be turned.
    """
    check_name(contract_of(path), name)
    kind = CONTRACT[name].kind
    value: object = text
    if kind is bool:
        value = BOOLEANS.get(text.lower(), text)
    elif (kind is int and re.fullmatch(r"[+-]?[0-9]{1,18}", text)) or kind is float:
        with contextlib.suppress(ValueError):  # refused below, in the words of the contract
            value = kind(text)
    return _checked(name, value)


def _checked(name: str, value: object) -> Value:
    CONTRACT[name].check(value)
    if CONTRACT[name].kind is float:
        assert isinstance(value, (int, float))
        return float(value) + 0.0  # which makes -0.0 a 0.0
    assert isinstance(value, (bool, int, float, str))
    return value


def _with_file(contract: str, name: str, value: Value, folders: list[Path]) -> Value:
    """The absolute path of what `value` names in the first of `folders` that holds it; `value`
    itself if it is no path."""
    source = CONTRACT[name].source
    if source is None or not isinstance(value, str) or value in ("", *source.own):
        return value
    if value.startswith(source.servers):
        return value
    paths = [os.path.abspath(folder / os.path.expanduser(value)) for folder in folders]
    for path in paths:
        if os.path.isfile(path) or os.path.isdir(path):
            return path
    if source.made:
        return paths[0]
    refuse_misspelt(contract, name, value)
    if source.hub and not _looks_like_a_path(value):
        return value
    places = " or ".join(dict.fromkeys(str(folder) for folder in folders))
    raise LabError(f"Parameter '{name}': there is no file or folder '{value}' in {places}.")


def _looks_like_a_path(value: str) -> bool:
    from ftlab.data.tasks import FILE_SUFFIXES

    suffixes = (*FILE_SUFFIXES, ".db", ".npz", ".md")
    return (
        DRIVE.match(value) is not None
        or value.lower().endswith(suffixes)
        or not is_hub_name(value.partition(":")[0])  # a dataset's part stands behind a colon
    )


def _contract(notebook: Any, path: Path) -> str:
    for tree in filter(None, syntax_trees(notebook)):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func).split(".")[-1] == "open_lab"
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                name = node.args[0].value
                if name not in NOTEBOOKS:
                    raise LabError(
                        f"{path} opens the lab as '{name}', which is not one of its notebooks: "
                        f"{', '.join(NOTEBOOKS)}."
                    )
                return name
    raise LabError(
        f'{path} is not a notebook of the lab: no cell calls open_lab("NAME", globals()).'
    )


def _assigned(notebook: Any, path: Path) -> dict[str, object]:
    """The plain assignments of the parameters cell; what is computed there has no value here."""
    cells = [c for c in code_cells(notebook) if {*TAGS} & {*c.metadata.get("tags", [])}]
    if not cells:
        raise LabError(f"{path} has no cell tagged 'parameters'.")
    found: dict[str, object] = {}
    for cell in cells:
        try:
            statements = ast.parse(cell.source).body
        except (SyntaxError, ValueError) as error:
            raise LabError(f"{path}: its parameters cell is not plain Python ({error}).") from None
        for statement in statements:
            targets: list[ast.expr] = []
            if isinstance(statement, ast.Assign):
                targets = statement.targets
            elif isinstance(statement, ast.AnnAssign):
                targets = [statement.target]
            for target in targets:
                if isinstance(target, ast.Name) and statement.value:
                    found.pop(target.id, None)
                    with contextlib.suppress(ValueError, TypeError, MemoryError, RecursionError):
                        found[target.id] = ast.literal_eval(statement.value)
    return found
