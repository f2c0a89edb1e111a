"""Where the lab's files are, whichever folder a notebook is started from."""

from __future__ import annotations

import os
from pathlib import Path

from ftlab.common.errors import LabError


def project_root() -> Path:
    """The folder with `data/` and `notebooks/`: `FTLAB_ROOT` if set, else the checkout itself."""
    root = Path(os.environ.get("FTLAB_ROOT") or Path(__file__).resolve().parents[3])
    if not (root / "data").is_dir():
        raise LabError(
            f"No data/ folder in {root}: install ftlab from its checkout with 'pip install -e .', "
            "or set FTLAB_ROOT to the checkout's folder."
        )
    return root


def data_dir() -> Path:
    """The files that the lab brings: world, tasks and base model."""
    return project_root() / "data"


def results_dir() -> Path:
    """Where records of runs are written; `FTLAB_RESULTS` moves it."""
    return Path(os.environ.get("FTLAB_RESULTS") or project_root() / "results")
