"""How large a model is, and what follows from it."""

from __future__ import annotations

from torch import nn


def count_parameters(model: nn.Module) -> dict[str, int]:
    """`total` and `trainable` numbers of parameters; a tied matrix counts once."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return {
        "total": sum(size for size, _ in sizes),
        "trainable": sum(size for size, trainable in sizes if trainable),
    }


def starting_rate(model: nn.Module) -> float:
    """A learning rate at which a search for the best one may start, for training all weights
    with AdamW. One significant digit.

    A rule of thumb: 2e-3 at 2.5 million parameters (measured on a base model of that size),
    falling with the power 0.8 of their number. That meets the 5e-5 to 1e-4 which guides give for
    models of one to two hundred million.
    """
    rate = 2e-3 * (count_parameters(model)["total"] / 2.5e6) ** -0.8
    return float(f"{rate:.0e}")
