"""What a step of training costs: parameters, memory, and bytes on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from ftlab.models import Classifier


ADAM_STATES = 2  # numbers that AdamW keeps for each trained parameter


def costs(model: Classifier, batch: dict[str, torch.Tensor]) -> dict[str, float]:
    """What training one step of the prepared `model` on `batch` takes, counted.

    `trainable` parameters and their `share` of all; `optimizer_bytes` of AdamW; `stored_bytes`,
    what one task more needs on disk (fp32); `memory_bytes`: weights, gradients, optimizer and all
    that the forward pass keeps for the backward pass, each storage once.
    """
    import torch

    from ftlab.models import count_parameters, private_rng

    parameters = list(model.parameters())
    counted = count_parameters(model)
    own = {p.untyped_storage().data_ptr() for p in parameters}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    # Recorded while the graph still holds them, so that no address is used twice.
    with (
        private_rng(0, parameters[0].device),  # dropout draws
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        loss = model.train()(**batch).loss
    model.eval()
    del loss
    weights = sum(p.numel() * p.element_size() for p in parameters)
    moving = 4 * counted["trainable"]
    return {
        "trainable": counted["trainable"],
        "share": counted["trainable"] / counted["total"],
        "optimizer_bytes": ADAM_STATES * moving,
        "stored_bytes": moving,
        "memory_bytes": weights + moving * (1 + ADAM_STATES) + sum(kept.values()),
    }
