"""Two models side by side: how far the weights moved, and which of them is faster."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def weight_change(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]
) -> dict[str, float]:
    """||after - before|| / ||before|| of the embeddings, of each block and of what follows them.

    Both are the `state_dict()` of a trunk, that is without a head.
    """
    from ftlab.models.layers import layer_of

    squares: dict[str, tuple[float, float]] = {}
    for name, layer in layer_of(before).items():
        old = before[name]
        old_weights, new_weights = old.float().cpu(), after[name].float().cpu()
        moved, size = squares.get(layer, (0.0, 0.0))
        moved += float((new_weights - old_weights).square().sum())
        squares[layer] = moved, size + float(old_weights.square().sum())
    return {layer: math.sqrt(moved / size) for layer, (moved, size) in squares.items() if size}


def time_side_by_side(
    first: Callable[[], object], second: Callable[[], object], repeats: int
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds that each takes, (repeats,) for both, measured by turns so that a busy moment hits
    both. Each number is the best of three: what slows a computer down only ever adds."""
    both = (first, second)
    for action in both:
        action()  # a first call does what later ones find done
    seconds = np.full((repeats, 2, 3), np.inf)
    for repeat in range(repeats):
        for turn in range(3):
            for which in (0, 1) if (repeat + turn) % 2 else (1, 0):  # neither always goes first
                began = time.perf_counter()
                both[which]()
                seconds[repeat, which, turn] = time.perf_counter() - began
    best = seconds.min(axis=2)
    return best[:, 0], best[:, 1]
