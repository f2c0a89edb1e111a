"""Weight decay that pulls towards the pretrained weights instead of towards zero."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize


class _FromStart(nn.Module):
    """A weight as its start plus what was learned; what an optimizer decays is the latter."""

    start: torch.Tensor

    def __init__(self, start: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("start", start.detach().clone(), persistent=False)

    def forward(self, moved: torch.Tensor) -> torch.Tensor:
        return self.start + moved

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        return weight - self.start


def anchor(model: nn.Module) -> None:
    """From now on the weight decay of `fit()` draws the matrices of `model` towards what they are
    now: the decoupled form of L2-SP (Xuhong et al. 2018).

    Every matrix becomes its start plus a learned difference, and the difference is what decays.
    Nothing changes until it is trained, but for rounding. A tied matrix stays one; norms and
    biases, which do not decay, stay as they are.
    """
    places: dict[nn.Parameter, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, weight in module.named_parameters(recurse=False):
            if weight.ndim >= 2 and weight.requires_grad:
                places.setdefault(weight, []).append((module, name))
    for weight, users in places.items():
        difference = _FromStart(weight)
        for module, name in users:  # several if it is tied: the embeddings, and the head
            with torch.no_grad():
                weight.copy_(difference.start)  # what was done for one user has left zeros there
            parametrize.register_parametrization(module, name, difference)
