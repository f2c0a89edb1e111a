"""A start that can already copy: an induction circuit written into the random weights.

To read notes a network must find where it saw a word before and look at what came next. Two
attention layers together do that (Olsson et al. 2022 call it an induction head): a head of the
first attends to the previous token and notes it down; a head of the second looks for a position
whose note matches the current token. Found by training alone this took most of a short run; here
it is a starting point that training is free to keep, sharpen or unlearn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

CIRCUITS = 4  # heads of each of the two layers; the others keep their random start
_POSITION = 8.0  # how sharply the first layer's heads attend to the token before
_MATCH = 4.0  # how sharply the second layer's heads attend to a match
_NOTE, _COPY = 0.06, 0.5  # gain of the note written down and of the token copied


def _rows(count: int, shared: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """`count` orthonormal rows, all at right angles to `shared`: they see what tokens differ in."""
    import torch

    width = len(shared)
    square = torch.randn(width, width, generator=generator)
    square[:, 0] = shared
    return torch.linalg.qr(square)[0][:, 1 : count + 1].T


def _theta(config: Any) -> float:
    return float(config.rope_parameters["rope_theta"])


def wire_induction(model: LlamaForCausalLM, seed: int) -> None:
    """Write the circuit into the first two blocks of `model`, in place."""
    import torch

    config = model.config
    width, heads = config.hidden_size, config.num_attention_heads
    size = width // heads
    half, circuits = size // 2, min(CIRCUITS, heads)
    generator = torch.Generator().manual_seed(seed)
    frequency = _theta(config) ** (-torch.arange(half) / half)
    quick, slow = torch.arange(half // 2), torch.arange(half // 2, half)

    with torch.no_grad():
        # All tokens share a part, so that a head can attend by position whatever the token is.
        shared = torch.randint(0, 2, (width,), generator=generator) * 2.0 - 1.0
        embedding = model.model.embed_tokens.weight
        embedding += config.initializer_range * shared
        direction = shared / (0.7 * width)

        read = _rows(circuits * size, shared, generator).view(circuits, size, width)
        write = _rows(circuits * size, shared, generator).view(circuits, size, width)
        copied = _rows(circuits * size, shared, generator).view(circuits, size, width)
        key = torch.zeros(size)
        key[quick] = _POSITION
        query = torch.zeros(size)  # the key turned back by one position
        query[quick] = _POSITION * torch.cos(frequency[quick])
        query[quick + half] = -_POSITION * torch.sin(frequency[quick])
        content = torch.cat([slow, slow + half])  # rotates too slowly to disturb a match

        for block in model.model.layers:  # blocks start almost silent, so that the circuit is heard
            block.self_attn.o_proj.weight *= 0.1
            block.mlp.down_proj.weight *= 0.1
        first, second = (block.self_attn for block in model.model.layers[:2])
        for c in range(circuits):
            own = slice(c * size, (c + 1) * size)
            first.q_proj.weight[own] = torch.outer(query, direction)
            first.k_proj.weight[own] = torch.outer(key, direction)
            first.v_proj.weight[own] = read[c]
            first.o_proj.weight[:, own] = _NOTE * write[c].T
            for projection, source in ((second.q_proj, read), (second.k_proj, write)):
                projection.weight[own] = 0.0
                projection.weight[own][content] = _MATCH * source[c][: len(content)]
            second.v_proj.weight[own] = copied[c]
            second.o_proj.weight[:, own] = _COPY * copied[c].T
