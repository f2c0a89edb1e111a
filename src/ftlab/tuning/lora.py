"""LoRA: beside a frozen matrix, two thin ones that learn what it should become.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models". Written out, so that it can
be read in a notebook; `peft` does the same for every model there is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from ftlab.common.errors import LabError
from ftlab.models.layers import blocks
from ftlab.models.rng import private_rng
from ftlab.models.storing import digest, save_tensors

ADAPTER, ABOUT = "adapter.safetensors", "about"  # a file, and an entry in its header
ALL_LINEAR = "all-linear"


class LoRALinear(nn.Module):
    """A frozen linear layer plus a trainable product of rank `rank`: W x + alpha / rank * B A x.

    A is (rank, inputs) and starts random, B is (outputs, rank) and starts at zero: at first
    nothing changes. `base` is an `nn.Linear`, or the transposed one of the GPT-2 family.
    """

    def __init__(self, base: Any, rank: int, alpha: float) -> None:
        super().__init__()
        self.base: Any = base.requires_grad_(False)
        self.transposed = not isinstance(base, nn.Linear)
        weight = base.weight.T if self.transposed else base.weight
        outputs, inputs = weight.shape
        self.A = nn.Parameter(torch.empty(rank, inputs))
        self.B = nn.Parameter(torch.zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scale = alpha / rank
        self.before: torch.Tensor | None = None  # the weight while a change is merged into it

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.base(x)
        if self.before is None:
            return y + self.scale * (x @ self.A.T @ self.B.T)
        if self.training and self.A.requires_grad and torch.is_grad_enabled():
            raise LabError(
                "LoRA is merged into the weights, so training would pass it by: unmerge the model "
                "first."
            )
        return y

    def change(self) -> torch.Tensor:
        """What is added to the weight, in its own shape."""
        product = self.scale * self.B @ self.A
        return product.T if self.transposed else product

    @torch.no_grad()
    def merge(self) -> None:
        """Add the change into the weight; the old one is kept, so that it can come back.

        A merged layer is not trained: `forward` raises LabError if it is asked to.
        """
        if self.before is None:
            self.before = self.base.weight.clone()
            self.base.weight += self.change()

    @torch.no_grad()
    def unmerge(self) -> None:
        """Put the old weight back, bit for bit."""
        if self.before is not None:
            self.base.weight.copy_(self.before)
            self.before = None


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
        raise LabError("This model has LoRA already: merge or remove it first.")
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


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """Every LoRA layer by its name in the model."""
    return {name: m for name, m in model.named_modules() if isinstance(m, LoRALinear)}


def merge(model: nn.Module) -> None:
    """Add every change into its weight: the same outputs at the speed of the bare model."""
    for layer in lora_layers(model).values():
        layer.merge()


def unmerge(model: nn.Module) -> None:
    """Take the changes out of the weights again, bit for bit."""
    for layer in lora_layers(model).values():
        layer.unmerge()


def remove_lora(model: Any) -> Any:
    """The model without LoRA; what was merged stays in its weights. Returns the model."""
    for name, layer in lora_layers(model).items():
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, layer.base)
    return model


def adapter(model: nn.Module) -> dict[str, torch.Tensor]:
    """All that training moved: A and B of every layer, and the head."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def save_adapter(model: nn.Module, folder: str | Path) -> None:
    """Write the adapter to `folder`: one safetensors file, with rank, alpha, targets and the name
    of the base it belongs to (a digest) in its header.

    LabError if the disk does not take it; an earlier adapter there is intact then.
    """
    file = Path(folder) / ADAPTER
    layers = lora_layers(model)
    if not layers:
        raise LabError("This model has no LoRA, so there is no adapter to save.")
    if any(layer.before is not None for layer in layers.values()):
        raise LabError("The adapter is merged into the weights: unmerge it before saving.")
    first = next(iter(layers.values()))
    about = {
        "rank": first.A.shape[0],
        "alpha": first.scale * first.A.shape[0],
        "targets": sorted({name.split(".")[-1] for name in layers}),
        "base": base_digest(model),
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_tensors(file, adapter(model), {ABOUT: json.dumps(about)})
    except (OSError, SafetensorError) as error:
        kept = "; the earlier one there is intact" if file.is_file() else ""
        raise LabError(f"The adapter could not be written to {folder} ({error}){kept}.") from error


def load_adapter(model: Any, folder: str | Path) -> Any:
    """Put a saved adapter on its base, or in the place of the one it has. Returns the model.

    LabError if it was trained on another base, as its changes would mean nothing there, or if it
    does not fit, having been trained for other labels; the model is left without LoRA then.
    """
    try:
        with safe_open(Path(folder) / ADAPTER, framework="pt") as file:
            about = json.loads((file.metadata() or {})[ABOUT])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        rank, alpha, targets = int(about["rank"]), float(about["alpha"]), list(about["targets"])
        base = about["base"]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise LabError(f"The adapter in {folder} cannot be read: {error}.") from error
    unmerge(model)
    if base_digest(model) != base:
        raise LabError(
            f"The adapter in {folder} was trained on another base model: load that one first."
        )
    add_lora(remove_lora(model), rank, alpha, targets)
    here = {name: tuple(tensor.shape) for name, tensor in adapter(model).items()}
    there = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in {**here, **there}:
        if here.get(name) != there.get(name):
            remove_lora(model)
            raise LabError(
                f"The adapter in {folder} does not fit: {name} is {there.get(name, 'missing')} in "
                f"it and {here.get(name, 'missing')} in the model."
            )
    model.load_state_dict(tensors, strict=False)
    return model


def base_digest(model: nn.Module) -> str:
    """A digest of the weights that stay as they are: all but LoRA and the head."""
    plain = {name.replace(".base.", "."): tensor for name, tensor in model.state_dict().items()}
    return digest(
        (f"{name} {tuple(tensor.shape)} {tensor.dtype}", tensor)
        for name, tensor in plain.items()
        if not name.endswith((".A", ".B")) and not name.startswith("head.")
    )


def _is_linear(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, nn.Linear | Conv1D)


def _most(module: Any) -> int:
    """The most directions a layer's matrix can have, so the highest rank that means anything."""
    return min(module.weight.shape)
