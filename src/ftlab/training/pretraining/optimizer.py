"""The optimizer of pretraining: AdamW on fp32 copies of weights that may be coarser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ftlab.training.pretraining.recipe import Recipe

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


class Optimizer:
    """Updates fp32 copies of the weights of `model`, whose own may be coarser.

    Muon (Jordan et al. 2024) for the matrices was tried and dropped: after 30 million tokens with
    it a network still sorted by examples at chance; AdamW, going on from there, taught it so in 200
    steps.
    """

    def __init__(self, model: LlamaForCausalLM, recipe: Recipe) -> None:
        self.model = model
        self.weights = {n: p.detach().clone().float() for n, p in model.named_parameters()}
        for weight in self.weights.values():
            weight.requires_grad_()
        matrices = [w for w in self.weights.values() if w.dim() == 2]
        scales = [w for w in self.weights.values() if w.dim() < 2]
        self.adamw = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": recipe.weight_decay},
                {"params": scales, "weight_decay": 0.0},
            ],
            lr=recipe.learning_rate,
            betas=(0.9, 0.95),
            fused=True,
        )

    def step(self, gradients: dict[str, torch.Tensor], rate: float, clip: float) -> None:
        """One update by `gradients` (fp32, by name), then the model's weights are renewed."""
        for name, weight in self.weights.items():
            weight.grad = gradients[name]
        torch.nn.utils.clip_grad_norm_(self.weights.values(), clip)
        for group in self.adamw.param_groups:
            group["lr"] = rate
        self.adamw.step()
        self.adamw.zero_grad(set_to_none=True)
        self.copy_to_model()

    def copy_to_model(self) -> None:
        """Round the fp32 weights to the model's precision."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(self.weights[name])
