"""What LoRA saves: seconds of a step by the width of the network, and bytes of large models."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from ftlab.evaluation import Estimate, time_side_by_side
from ftlab.experiments.effort import Effort
from ftlab.experiments.learning_curve import seed_ratio
from ftlab.models import private_rng
from ftlab.training import make_optimizer
from ftlab.tuning import lora

WIDTHS = (192, 512, 1024, 2048)
TOKENS = 512  # of a step
HEAD_WIDTH = 64
GIGABYTE = 1e9
CARDS = (24, 80)  # gigabytes of a large consumer's card, and of one in a data centre
LORA, FULL = "LoRA", "full"


@dataclass(frozen=True)
class Shape:
    """A network of the Llama family: what decides how many parameters it has."""

    width: int
    inner: int
    layers: int
    keys: int  # outputs of the projections to keys and to values
    vocabulary: int
    tied: bool = False

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """Inputs and outputs of every linear layer of one block."""
        w, i, k = self.width, self.inner, self.keys
        return [(w, w), (w, k), (w, k), (w, w), (w, i), (w, i), (i, w)]

    @property
    def parameters(self) -> int:
        """All of them, norms included."""
        block = sum(a * b for a, b in self.matrices) + 2 * self.width
        tables = (1 if self.tied else 2) * self.vocabulary * self.width
        return self.layers * block + tables + self.width

    def lora_parameters(self, rank: int) -> int:
        """What LoRA of this rank adds beside every linear layer of the blocks."""
        return self.layers * sum(rank * (a + b) for a, b in self.matrices)


# Llama 3: config.json of Llama-3.2-1B, Llama-3.1-8B and Llama-3.1-70B.
MODELS = {
    "1 B": Shape(2048, 8192, 16, 512, 128_256, tied=True),
    "8 B": Shape(4096, 14_336, 32, 1024, 128_256),
    "70 B": Shape(8192, 28_672, 80, 1024, 128_256),
}
# Bytes of a parameter that is trained in mixed precision: the number in 16 bits and its gradient,
# and in 32 bits a master copy and AdamW's two. A frozen one is only kept.
TRAINED_BYTES = 2 + 2 + 4 + 8
# Of a frozen matrix in a block; token vectors, output layer and norms stay in 16 bits.
FROZEN_BYTES = {"LoRA, 16-bit base": 2.0, "LoRA, 4-bit base": 0.5 + 4 / 64}
UNROUNDED_BYTES = 2.0
FULL_NAME = "full fine-tuning"


def training_gigabytes(rank: int = 16) -> dict[str, dict[str, float]]:
    """Weights, gradients and optimizer, counted: {method: {model: GB}}. What a step keeps of the
    texts (activations) comes on top of it: it grows with their number and length, not with the
    number of trained parameters."""
    found = {FULL_NAME: {n: TRAINED_BYTES * s.parameters / GIGABYTE for n, s in MODELS.items()}}
    for method, kept in FROZEN_BYTES.items():
        found[method] = {
            name: _frozen(shape, kept) + TRAINED_BYTES * shape.lora_parameters(rank) / GIGABYTE
            for name, shape in MODELS.items()
        }
    return found


def _frozen(shape: Shape, kept: float) -> float:
    """Gigabytes of a frozen base of which a number in a block's matrices takes `kept` bytes."""
    rounded = shape.layers * sum(a * b for a, b in shape.matrices)
    return (kept * rounded + UNROUNDED_BYTES * (shape.parameters - rounded)) / GIGABYTE


def counted_operations(width: int, rank: int) -> float:
    """Multiplications of a LoRA step over those of a full one, in the matrices of a block: forward
    and back to the inputs, 2 of 3, and all three for the thin matrices."""
    shape = Shape(width, _inner(width), 1, width, 0)
    matrices = sum(a * b for a, b in shape.matrices)
    return (2 * matrices + 3 * shape.lora_parameters(rank)) / (3 * matrices)


@dataclass(frozen=True)
class StepTimes:
    """Seconds of a training step: `rows` has width, method, seed and value. A seed is a process:
    what a process finds (memory, clock) does not change in it, so only others show the spread."""

    rows: pd.DataFrame

    def ratio(self, width: int) -> Estimate:
        """Seconds with LoRA over seconds of full fine-tuning, over processes."""
        at = self.rows[self.rows.width == width]
        ours, theirs = (list(at[at.method == name].value) for name in (LORA, FULL))
        return seed_ratio(ours, theirs)

    def ratios(self) -> dict[int, Estimate]:
        """The same for every width."""
        return {int(width): self.ratio(width) for width in sorted({*self.rows.width})}

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for row in self.rows.to_dict("records"):
            yield {"name": "seconds_per_step", "tokens": TOKENS, **row}


def step_times(rank: int, *, seeds: Sequence[int], effort: Effort) -> StepTimes:
    """Time a training step of one block with random weights, with LoRA and in full, by its width.

    A run that searches measures in a process of its own for every seed, one after the other, all
    others in this one alone; the one that only shows that it runs takes the narrowest width.
    """
    widths = WIDTHS if effort.training_budget.max_steps > 4 else WIDTHS[:1]
    if effort.candidates == 1:
        return StepTimes(pd.DataFrame(_times(widths, rank, seeds[0])))
    rows: list[dict[str, Any]] = []
    context = multiprocessing.get_context("spawn")
    for seed in seeds:
        with context.Pool(1) as fresh:
            rows += fresh.apply(_times, (widths, rank, seed))
    return StepTimes(pd.DataFrame(rows))


def _times(widths: Sequence[int], rank: int, seed: int) -> list[dict[str, Any]]:
    rows = []
    for width in widths:
        with private_rng(seed):
            steps = [_step(width, rank), _step(width, 0)]
        seconds = time_side_by_side(steps[0], steps[1], repeats=1)
        for method, measured in zip((LORA, FULL), seconds, strict=True):
            rows.append(
                {"width": width, "method": method, "seed": seed, "value": float(np.min(measured))}
            )
    return rows


def _step(width: int, rank: int) -> Callable[[], float]:
    """A function that makes one step of a block, as it stands in the midst of a network: its
    inputs want a gradient too. With rank 0 all of it is trained. In fp32."""
    from transformers import LlamaConfig, LlamaModel

    config = LlamaConfig(
        hidden_size=width,
        intermediate_size=_inner(width),
        num_hidden_layers=1,
        num_attention_heads=width // HEAD_WIDTH,
        num_key_value_heads=width // HEAD_WIDTH,
        vocab_size=4,
        max_position_embeddings=TOKENS,
    )
    model = LlamaModel(config).train()
    if rank:
        lora.add_lora(model, rank, 2.0 * rank)
    inputs = torch.randn(1, TOKENS, width).requires_grad_()
    wanted = torch.randn(1, TOKENS, width)
    optimizer = make_optimizer(model, weight_decay=0.01)

    def step() -> float:
        given = model(inputs_embeds=inputs, use_cache=False).last_hidden_state
        loss: torch.Tensor = (given - wanted).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        inputs.grad = None
        return loss.item()

    return step


def _inner(width: int) -> int:
    """The inner width of a block, eight thirds of the outer, in whole heads."""
    return round(8 * width / 3 / HEAD_WIDTH) * HEAD_WIDTH
