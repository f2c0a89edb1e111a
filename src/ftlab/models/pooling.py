"""One vector for a text from the vectors of its tokens."""

from __future__ import annotations

import torch
from torch.nn.functional import layer_norm

from ftlab.common.errors import LabError

MEAN_MAX = "mean+max"
POOLINGS = (MEAN_MAX, "mean", "max", "last")


def pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: str = MEAN_MAX) -> torch.Tensor:
    """(batch, length, hidden size) to (batch, `pooled_width`) in fp32, over the tokens of `mask`.

    `mask` (batch, length) is above 0 on the text, wherever the padding stands. "mean" and "max"
    are taken number by number; "last" is the vector of the last token; "mean+max" sets the first
    two side by side (Howard & Ruder 2018, who add the last), each brought to mean 0 and variance 1
    as by a layer norm: the maximum is several times larger and would drown the mean.

    What `hidden` holds before the text, such as a soft prompt, is left out. A text without a token
    gives zeros. LabError for an unknown pooling.
    """
    check_pooling(pooling)
    hidden = hidden[:, -mask.shape[1] :].float()
    real = mask.unsqueeze(-1) > 0
    if pooling == "last":
        last = torch.arange(mask.shape[1], device=mask.device).where(mask > 0, 0).argmax(1)
        chosen = hidden[torch.arange(len(hidden), device=hidden.device), last]
        return chosen.where(real.any(1), 0.0)
    # Not times the mask: what a network makes of padding may be infinite.
    mean = hidden.where(real, 0.0).sum(1) / real.sum(1).clamp(min=1)
    if pooling == "mean":
        return mean
    # amax shares the gradient among tokens that tie.
    largest = hidden.where(real, -torch.inf).amax(1).where(real.any(1), 0.0)
    if pooling == "max":
        return largest
    return torch.cat([layer_norm(part, part.shape[-1:]) for part in (mean, largest)], dim=-1)


def pooled_width(hidden_size: int, pooling: str = MEAN_MAX) -> int:
    """How many numbers a pooled vector has."""
    return hidden_size * (2 if pooling == MEAN_MAX else 1)


def check_pooling(pooling: str) -> None:
    """LabError unless `pooling` is one that `pool` knows."""
    if pooling not in POOLINGS:
        raise LabError(f"There is no pooling {pooling!r}: choose one of {', '.join(POOLINGS)}.")
