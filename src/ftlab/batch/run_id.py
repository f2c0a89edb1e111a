"""The name of a run, made of what decides its numbers: equal names, equal runs.

A name holds the notebook's code, the code of this package that it imports, every parameter, and
the contents of the files that parameters name. It does not hold the code that draws figures, the
versions of torch and of other libraries, nor the machine: a sweep begun on one computer can be
resumed on another. What differs there stands in the records.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from ftlab.batch.imports import package_modules
from ftlab.common.errors import LabError
from ftlab.common.files import package_sha256, sha256_of
from ftlab.common.paths import data_dir
from ftlab.notebook.files import read_notebook, source_sha256
from ftlab.notebook.parameters import CONTRACT, Value

DIGITS = 16
LONGEST_STEM = 60  # letters: a name must do as a file's
REFERENCE = "reference"  # the folder in data/ with records, which no run learns from


def run_id(path: Path, parameters: Mapping[str, Value]) -> str:
    """`run_ids` for a single run."""
    return run_ids(path, [parameters])[0]


def run_ids(path: Path, runs: Iterable[Mapping[str, Value]]) -> list[str]:
    """A name for each run of a notebook file, "<notebook>-<16 hexadecimal digits>".

    `runs` hold complete parameters, as
    `complete_parameters` gives them. A file or folder is what it holds,
    wherever it lies; so a changed file makes a new run. An index, which the run itself writes, is
    its file's name alone. LabError if the notebook or a file cannot be read.
    """
    stem = re.sub(r"[^\w.-]", "_", unicodedata.normalize("NFC", path.stem))[:LONGEST_STEM]
    stem = re.sub(r"^\W", "_", stem)
    notebook = read_notebook(path)
    code = [source_sha256(notebook), package_sha256(package_modules(notebook))]
    contents = functools.cache(contents_sha256)  # many runs of a sweep name the same files
    return [
        f"{stem}-{_sha256_of_json([*code, _canonical(parameters, contents)])[:DIGITS]}"
        for parameters in runs
    ]


def contents_sha256(path: Path, but: str = "") -> str:
    """Hash of what a file or folder holds, wherever it lies; hidden files, and what lies in the
    folder's own folder `but`, do not count. LabError if something cannot be read."""
    try:
        if path.is_file():
            return sha256_of(path)
        files = {file.relative_to(path): file for file in path.rglob("*") if file.is_file()}
        return _sha256_of_json(
            {
                name.as_posix(): sha256_of(file)
                for name, file in files.items()
                if name.parts[0] != but and not any(part.startswith(".") for part in name.parts)
            }
        )
    except OSError as error:
        raise LabError(
            f"Cannot read {error.filename or path}: {error.strerror or error}."
        ) from error


@functools.cache
def _data_sha256(folder: Path) -> str:
    return contents_sha256(folder, but=REFERENCE)


def _canonical(parameters: Mapping[str, Value], contents: Callable[[Path], str]) -> dict[str, Any]:
    return {name: _meant(name, value, contents) for name, value in parameters.items()}


def _meant(name: str, value: Value, contents: Callable[[Path], str]) -> Any:
    """What a value stands for. A file's hash is no text, so that no text can be taken for one."""
    source = CONTRACT[name].source
    if source is None or not isinstance(value, str) or not value:
        return value
    if value in source.own:
        return {"own": value, "data": _data_sha256(data_dir())}
    if source.made:
        # Both kinds of separator count; a server's address ends in what tells servers apart.
        return {"made": PureWindowsPath(value).name}
    path = Path(value)
    return {"contents": contents(path)} if path.exists() else value


def _sha256_of_json(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
