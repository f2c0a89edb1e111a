"""Libraries: there or not, kept quiet, and seeded."""

from __future__ import annotations

import importlib
import importlib.util
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ftlab.common.errors import LabError


def require(extra: str, *packages: str, instead: str = "") -> None:
    """LabError unless all `packages` can be imported: it names the extra of ftlab's that brings
    them, and what else would do."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise LabError(
            f"This needs packages that are not installed here ({', '.join(missing)}): "
            f"pip install 'ftlab[{extra}]'{instead}."
        )


def set_seeds(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def quiet_libraries() -> None:
    """Only what concerns the reader: no progress bars and hints from inside the libraries."""
    from huggingface_hub.utils import enable_progress_bars

    for library in ("transformers", "datasets"):
        logging = _logging_of(library)
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    enable_progress_bars()  # a download may take minutes: that one is shown
    # Of what peft asks of transformers: nothing that a reader could change.
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")


@contextmanager
def quiet(library: str = "transformers", *, bars: bool = False) -> Iterator[None]:
    """Inside, "transformers" (or "datasets") logs errors alone, and shows progress only if `bars`.

    Afterwards everything is as before, the bars of downloads included.
    """
    from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars

    logging = _logging_of(library)
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    downloads = not are_progress_bars_disabled()
    logging.set_verbosity_error()
    if not bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
        if downloads:  # transformers switches these off together with its own
            enable_progress_bars()


def _logging_of(library: str) -> Any:
    return importlib.import_module(f"{library}.utils.logging")
