"""Which of a model's layers are trained: all others are frozen."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import nn

from ftlab.common.errors import LabError
from ftlab.models.layers import HEAD, LAST_NORM, blocks, layer_of, layers


def train_only(model: nn.Module, wanted: Collection[str]) -> None:
    """Freeze every layer but `wanted`: names out of `layers(model)`, such as "block 4", "head".

    Freezing is `requires_grad = False`: no gradient is computed, the optimizer of `fit()` leaves
    the parameter out, weight decay included, and its bits stay as they are.
    LabError for a name that the model does not have.
    """
    present = layers(model)
    unknown = sorted(set(wanted) - set(present))
    if unknown:
        raise LabError(f"The model has no layer {unknown[0]!r}; it has {', '.join(present)}.")
    for layer, parameters in present.items():
        for parameter in parameters:
            parameter.requires_grad_(layer in wanted)


def train_vectors(model: nn.Module) -> None:
    """Freeze every matrix but the head: norms and biases are trained (BitFit, Ben Zaken et al.
    2022)."""
    named = dict(model.named_parameters())
    for name, layer in layer_of(named).items():
        named[name].requires_grad_(named[name].ndim < 2 or layer == HEAD)


def top(model: Any, count: int) -> list[str]:
    """The layers to train for the last `count` blocks and all that follows them."""
    total = _check(model, count)
    return [*(f"block {i + 1}" for i in range(total - count, total)), *_after(model)]


def bottom(model: Any, count: int) -> list[str]:
    """The layers to train for the first `count` blocks, with the head."""
    _check(model, count)
    return [*(f"block {i + 1}" for i in range(count)), *(x for x in _after(model) if x == HEAD)]


def _check(model: Any, count: int) -> int:
    total = len(blocks(model))
    if not 0 <= count <= total:
        raise LabError(f"The model has {total} blocks, so it cannot train {count} of them.")
    return total


def _after(model: nn.Module) -> list[str]:
    return [layer for layer in layers(model) if layer in (LAST_NORM, HEAD)]
