"""AdamW for the parameters that move, its schedule, and what of it a checkpoint holds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from ftlab.models.layers import layer_of
from ftlab.training.settings import Settings


def make_optimizer(
    model: nn.Module, weight_decay: float, rate_factors: Mapping[str, float] | None = None
) -> torch.optim.AdamW:
    """AdamW on every parameter that requires a gradient.

    Matrices (embeddings included) decay; norms and biases, which are vectors, do not. A group's
    "factor" multiplies the learning rate: that of its layer in `rate_factors`, else 1.
    """
    trainable = _trainable(model)
    layers = layer_of(dict(model.named_parameters()))
    members: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in trainable.items():
        factor = (rate_factors or {}).get(layers[name], 1.0)
        decay = weight_decay if parameter.ndim >= 2 else 0.0
        members.setdefault((factor, decay), []).append(parameter)
    groups = [
        {"params": parameters, "weight_decay": decay, "factor": factor}
        for (factor, decay), parameters in members.items()
    ]
    fused = next(iter(trainable.values())).device.type in ("cpu", "cuda")
    return torch.optim.AdamW(groups, fused=fused)


def learning_rate_at(done: int, total: int, settings: Settings) -> float:
    """The rate of the step after `done` of `total` steps.

    It rises in equal parts, reaches `settings.learning_rate` with the last step of the warm-up,
    and falls so that it would be 0 one step after the last.
    """
    peak, rising = settings.learning_rate, round(settings.warmup * total)
    if done < rising:
        return peak * (done + 1) / rising
    left = (total - done) / (total - rising)
    if settings.schedule == "linear":
        return peak * left
    if settings.schedule == "cosine":
        return peak * (1 - math.cos(math.pi * left)) / 2
    return peak


def moving_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """What training changes: parameters that require a gradient, and buffers that are stored."""
    stored = model.state_dict().keys()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in stored}
    return {**_trainable(model), **buffers}


def optimizer_tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, torch.Tensor]:
    """The optimizer's state as named tensors, so that a checkpoint needs no pickle."""
    return {
        f"optimizer/{key}/{name}": value
        for name, parameter in _trainable(model).items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]
) -> None:
    """Put back what `optimizer_tensors` gave."""
    names = {id(parameter): name for name, parameter in _trainable(model).items()}
    order = [names[id(p)] for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for full_name, tensor in tensors.items():
        kind, _, rest = full_name.partition("/")
        if kind == "optimizer":
            key, _, name = rest.partition("/")
            state.setdefault(order.index(name), {})[key] = tensor.clone()
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
