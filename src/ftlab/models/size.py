"""How large a model is, in parameters and in bytes."""

from __future__ import annotations

from torch import nn


def count_parameters(model: nn.Module) -> dict[str, int]:
    """`total` and `trainable` numbers of parameters; a tied matrix counts once."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return {
        "total": sum(size for size, _ in sizes),
        "trainable": sum(size for size, trainable in sizes if trainable),
    }


def stored_bytes(model: nn.Module) -> int:
    """Bytes that the weights take in memory, and in a file of the same precision.

    Parameters and persistent buffers, those that share memory counted once.
    """
    unique = {tensor.data_ptr(): tensor for tensor in model.state_dict().values()}
    return sum(tensor.numel() * tensor.element_size() for tensor in unique.values())
