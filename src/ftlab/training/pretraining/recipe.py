"""The recipe: the network, the order of its lessons, and every number that shapes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ftlab.training.pretraining.batches import Shape

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


TEXTS = Shape(windows=32, length=128, predicted=2560)
EXERCISES = Shape(windows=8, length=384, predicted=1280)


@dataclass(frozen=True)
class Recipe:
    """Architecture and schedule of a base model of the Llama family.

    The learning rate warms up, stays, and falls to zero over the last `decay` share of the
    steps. Training begins with copying random token strings, until the loss is
    below `copy_until` or `copy_steps` are done: without it no amount of notes taught a small
    network to read. Every step has `parts` batches of `exercises` and, from `texts_from` on, as
    many of `texts`; the processes share them. `contrast` is the weight of finding halves of texts.
    """

    layers: int = 4
    width: int = 256
    feed_forward: int = 576
    heads: int = 8
    vocabulary: int = 8192
    context: int = 512
    rope_theta: float = 100_000.0
    initializer_range: float = 0.04
    steps: int = 6000
    learning_rate: float = 2e-3
    warmup: int = 100
    decay: float = 0.3
    weight_decay: float = 0.1
    clip: float = 1.0
    parts: int = 2
    texts: Shape = TEXTS
    exercises: Shape = EXERCISES
    texts_from: int = 600
    ramp: int = 200
    contrast: float = 0.5
    copy_steps: int = 800
    copy_until: float = 0.1
    wired: bool = True
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate of a step of the main stage."""
        left = (self.steps - step) / max(1, round(self.decay * self.steps))
        return self.learning_rate * min(1.0, (step + 1) / self.warmup, left)

    def text_weight(self, step: int) -> float:
        """Weight of the texts' loss: all at once would cost the young network its copying."""
        return min(1.0, max(0, step - self.texts_from) / self.ramp)

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
SIBLING = replace(BASE, layers=2, width=128, heads=4, feed_forward=352, steps=120, copy_steps=0)
