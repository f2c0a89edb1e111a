"""Libraries kept quiet and seeded."""

from __future__ import annotations

import random


def set_seeds(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def quiet_libraries() -> None:
    """Only what concerns the reader: no progress bars and hints from inside the libraries."""
    import datasets
    import huggingface_hub
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    huggingface_hub.utils.enable_progress_bars()  # a download may take minutes: that one is shown
