"""The recipe: the network, the order of its lessons, and every number that shapes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


@dataclass(frozen=True)
class Recipe:
    """Architecture and schedule of a base model of the Llama family.

    The learning rate warms up, stays, and falls to zero over the last `decay` share of the
    steps. Training begins with copying random token strings: without it no amount of notes
    taught this small network to read. `copy_levels` are (pieces, shortest, longest): how many
    different tokens the strings are drawn from, and how long they are. A level ends once its loss
    is below `copy_until`, or after `copy_steps`.
    """

    layers: int = 4
    width: int = 192
    feed_forward: int = 512
    heads: int = 6
    vocabulary: int = 4096
    context: int = 512
    rope_theta: float = 100_000.0
    initializer_range: float = 0.04
    steps: int = 4700
    learning_rate: float = 2e-3
    warmup: int = 100
    decay: float = 0.3
    weight_decay: float = 0.1
    clip: float = 1.0
    copy_levels: tuple[tuple[int, int, int], ...] = ((4096, 4, 28),)
    copy_steps: int = 800
    copy_until: float = 0.1
    wired: bool = True
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate of a step of the main stage."""
        left = (self.steps - step) / max(1, round(self.decay * self.steps))
        return self.learning_rate * min(1.0, (step + 1) / self.warmup, left)

    def network(self, pad_id: int, end_id: int) -> LlamaForCausalLM:
        """The network with random weights, seeded."""
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        from ftlab.training.pretraining.wiring import wire_induction

        config = LlamaConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.width,
            intermediate_size=self.feed_forward,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.heads,
            max_position_embeddings=self.context,
            rope_parameters={"rope_type": "default", "rope_theta": self.rope_theta},
            initializer_range=self.initializer_range,
            tie_word_embeddings=True,
            pad_token_id=pad_id,
            bos_token_id=end_id,
            eos_token_id=end_id,
        )
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            model = LlamaForCausalLM(config)
        if self.wired:
            wire_induction(model, self.seed)
        return model

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


BASE = Recipe()
# Small enough to be pretrained in front of the reader, on the same kind of text.
SIBLING = replace(BASE, layers=2, width=128, feed_forward=352, heads=4, steps=120, copy_levels=())
