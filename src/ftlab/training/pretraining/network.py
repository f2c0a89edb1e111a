"""The forward pass of pretraining: next tokens, and halves of a text found among those of others.

Written for speed on a CPU: weights and activations in bf16 where the machine computes in it (the
optimizer keeps its own in fp32), attention as plain matrix products (in PyTorch 2.13 the backward
pass of the fused one takes two fifths of a step), logits for the predicted positions only, and
shapes that never change, so that the step can be compiled.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

TEMPERATURE = 0.05


def fast_dtype() -> torch.dtype:
    """bf16 where the CPU multiplies matrices in it, else fp32."""
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


class Losses(nn.Module):
    """What a step computes with `model`; compiled where there is a C++ compiler."""

    def __init__(self, model: LlamaForCausalLM) -> None:
        super().__init__()
        self.model = model
        model.set_attn_implementation("eager")

    def forward(
        self, ids: torch.Tensor, rows: torch.Tensor, places: torch.Tensor, halves: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Losses (nats) of the tokens after `places`, and the contrast of the two halves.

        `ids`, `rows`: (windows, length), see `Batch`. With `halves` the rows 1 and 2 of a window
        belong together, and the second value is the loss of finding them; else it is 0.
        """
        model = self.model
        length = ids.shape[1]
        same = rows[:, :, None] == rows[:, None, :]
        before = torch.ones(length, length, dtype=torch.bool).tril()
        dtype = model.model.embed_tokens.weight.dtype
        mask = torch.where(same & before, 0.0, -1e4).to(dtype)[:, None]
        hidden = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        predicted = hidden.flatten(0, 1)[places]
        logits = F.linear(predicted, model.model.embed_tokens.weight).float()
        losses = F.cross_entropy(logits, ids.flatten()[places + 1], reduction="none")
        if not halves:
            return losses, losses.new_zeros(())
        return losses, contrast(hidden.float(), rows)


def contrast(hidden: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """How hard it is to find the second half of a window by its first, among all, and back.

    InfoNCE (van den Oord et al. 2018) of pooled vectors, once for the mean over the tokens and
    once for their maximum, as both are what a classifier and a search will use.
    """
    total = hidden.new_zeros(())
    target = torch.arange(len(hidden))
    for pooled in (_mean, _maximum):
        first = F.normalize(pooled(hidden, rows == 1), dim=-1)
        second = F.normalize(pooled(hidden, rows == 2), dim=-1)
        scores = first @ second.T / TEMPERATURE
        total = total + F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)
    return total / 4


def _mean(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def _maximum(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return hidden.masked_fill(~mask[..., None], -1e4).amax(1)


def step_of(model: LlamaForCausalLM, compiled: bool = True) -> nn.Module:
    """`Losses` of `model`, compiled if wanted and a C++ compiler is there."""
    losses = Losses(model)
    if compiled and shutil.which("g++"):
        return torch.compile(losses, dynamic=False)  # type: ignore[return-value]
    return losses
