"""LoRA: beside a frozen matrix, two thin ones that learn what it should become.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models". Written out, so that it can
be read in a notebook; `peft` does the same for every model there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ftlab.common.errors import LabError
from ftlab.models.layers import blocks
from ftlab.models.rng import private_rng

ALL_LINEAR = "all-linear"


class LoRALinear(nn.Module):
    """A frozen linear layer plus a trainable product of rank `rank`: W x + alpha / rank * B A x.

    A is (rank, inputs) and starts random, B is (outputs, rank) and starts at zero: at first
    nothing changes. `base` is an `nn.Linear`, or the transposed one of the GPT-2 family.
    """

    def __init__(self, base: Any, rank: int, alpha: float) -> None:
        super().__init__()
        self.base: Any = base.requires_grad_(False)
        weight = base.weight if isinstance(base, nn.Linear) else base.weight.T
        outputs, inputs = weight.shape
        self.A = nn.Parameter(torch.empty(rank, inputs))
        self.B = nn.Parameter(torch.zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scale = alpha / rank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.base(x)
        return y + self.scale * (x @ self.A.T @ self.B.T)


def add_lora(
    model: Any,
    rank: int = 8,
    alpha: float = 16.0,
    targets: str | Sequence[str] = ALL_LINEAR,
    seed: int = 0,
) -> Any:
    """Put LoRA beside linear layers of the model's blocks, in place, and freeze all else but the
    head. Returns the model.

    `targets` are last names of layers ("q_proj"), or "all-linear". `seed` draws the matrices A.
    LabError for a rank below 1 or above what a matrix can have, for targets that no block has, and
    for a model that has LoRA.
    """
    if rank < 1:
        raise LabError(f"LoRA needs a rank of at least 1, not {rank}.")
    if any(isinstance(module, LoRALinear) for module in model.modules()):
        raise LabError("This model has LoRA already.")
    linear = {name: module for name, module in blocks(model).named_modules() if _is_linear(module)}
    kinds = {name: name.split(".")[-1] for name in linear}
    wanted = set(kinds.values()) if targets == ALL_LINEAR else set(targets)
    missing = sorted(wanted - set(kinds.values()))
    if missing:
        has = ", ".join(sorted(set(kinds.values())))
        raise LabError(f"No block has a linear layer {missing[0]!r}; there are {has}.")
    narrow = min((name for name in linear if kinds[name] in wanted), key=lambda n: _most(linear[n]))
    if rank > _most(linear[narrow]):
        raise LabError(
            f"LoRA of rank {rank} is more than this model allows: a matrix has no more directions "
            f"than its shorter side, and {kinds[narrow]} has {_most(linear[narrow])}."
        )
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("head."))
    with private_rng(seed):
        for name in (name for name, kind in kinds.items() if kind in wanted):
            parent, _, last = name.rpartition(".")
            layer = LoRALinear(linear[name], rank, alpha).to(linear[name].weight.device)
            setattr(blocks(model).get_submodule(parent), last, layer)
    return model


def _is_linear(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, nn.Linear | Conv1D)


def _most(module: Any) -> int:
    """The most directions a layer's matrix can have, so the highest rank that means anything."""
    return min(module.weight.shape)
