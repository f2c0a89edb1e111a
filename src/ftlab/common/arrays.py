"""Arrays in one compressed file (.npz), written whole or not at all, and read without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ftlab.common.errors import LabError
from ftlab.common.files import written_whole


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz, each by its name; LabError if it is missing or broken."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # of zipfile, zlib or numpy, by what is broken
        raise LabError(f"Cannot read the arrays in {path}: {error}") from error


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays into a .npz, whole or not at all."""
    try:
        with written_whole(path) as beside, beside.open("wb") as file:
            np.savez_compressed(file, **dict[str, Any](arrays))
    except OSError as error:
        raise LabError(f"Cannot write {path}: {error.strerror or error}.") from error
