"""Two optimizers as one: Muon for the matrices of the blocks, AdamW for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ftlab.training.pretraining.recipe import Recipe

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


class Optimizer:
    """Updates fp32 copies of the weights of `model`, whose own may be coarser.

    Muon (Jordan et al. 2024) turns the momentum of a matrix into the nearest orthogonal one, which
    makes more of a token than AdamW does; its rate is scaled to be that of AdamW (Liu et al. 2025).
    Embeddings and the scales of the norms get AdamW.
    """

    def __init__(self, model: LlamaForCausalLM, recipe: Recipe) -> None:
        self.model = model
        self.weights = {n: p.detach().clone().float() for n, p in model.named_parameters()}
        for weight in self.weights.values():
            weight.requires_grad_()
        inner = {n: w for n, w in self.weights.items() if w.dim() == 2 and ".layers." in n}
        table = [w for n, w in self.weights.items() if w.dim() == 2 and n not in inner]
        plain = [w for w in self.weights.values() if w.dim() < 2]
        self.parts: dict[str, torch.optim.Optimizer] = {
            "muon": torch.optim.Muon(
                inner.values(),
                lr=recipe.learning_rate,
                weight_decay=recipe.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            ),
            "adamw": torch.optim.AdamW(
                [
                    {"params": table, "weight_decay": recipe.weight_decay},
                    {"params": plain, "weight_decay": 0.0},
                ],
                lr=recipe.learning_rate,
                betas=(0.9, 0.95),
                fused=True,
            ),
        }

    def step(self, gradients: dict[str, torch.Tensor], rate: float, clip: float) -> None:
        """One update by `gradients` (fp32, by name), then the model's weights are renewed."""
        for name, weight in self.weights.items():
            weight.grad = gradients[name]
        torch.nn.utils.clip_grad_norm_(self.weights.values(), clip)
        for part in self.parts.values():
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
            part.zero_grad(set_to_none=True)
        self.copy_to_model()

    def copy_to_model(self) -> None:
        """Round the fp32 weights to the model's precision."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(self.weights[name])
