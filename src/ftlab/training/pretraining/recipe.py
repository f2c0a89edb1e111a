"""The recipe: the network, the order of its lessons, and every number that shapes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ftlab.training.pretraining.batches import Shape

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


TEXTS = Shape(windows=32, length=128, predicted=2560)
EXERCISES = Shape(windows=8, length=384, predicted=1280)
LATER_TEXTS = Shape(windows=64, length=128, predicted=5120)
LATER_EXERCISES = Shape(windows=20, length=384, predicted=3200)


@dataclass(frozen=True)
class Job:
    """One batch of a step: `part` numbers the batches of a kind, `weight` is that of its loss."""

    shape: Shape
    part: int
    weight: float
    texts: bool = False


@dataclass(frozen=True)
class Recipe:
    """Architecture and schedule of a base model of the Llama family.

    Training begins with copying random token strings, until the loss is below `copy_until` or
    `copy_steps` are done: without it no amount of notes taught a small network to read. Then every
    step has two batches of `exercises` and, from `texts_from` on, two of `texts`. The learning rate
    warms up, stays, and falls to zero over the last `decay` share of the steps until `restart`.
    From there it warms up again and falls to zero at `steps`, and a step has one larger batch of
    each kind: a text's half is told from more others, `contrast` and texts weigh more, and the
    exercises that follow forms and orders get more of the tokens.
    """

    layers: int = 4
    width: int = 256
    feed_forward: int = 576
    heads: int = 8
    vocabulary: int = 8192
    context: int = 512
    rope_theta: float = 100_000.0
    initializer_range: float = 0.04
    steps: int = 5500
    restart: int = 3900
    learning_rate: float = 2e-3
    warmup: int = 100
    decay: float = 0.3
    weight_decay: float = 0.1
    clip: float = 1.0
    texts: Shape = TEXTS
    exercises: Shape = EXERCISES
    later_texts: Shape = LATER_TEXTS
    later_exercises: Shape = LATER_EXERCISES
    texts_from: int = 600
    ramp: int = 200
    text_weights: tuple[float, float] = (1.0, 1.5)  # before and after the restart, as below
    contrast: tuple[float, float] = (0.5, 1.0)
    copy_steps: int = 800
    copy_until: float = 0.1
    wired: bool = True
    seed: int = 0

    def later(self, step: int) -> bool:
        """Whether the rate has begun anew, with other batches."""
        return step >= self.restart

    def rate(self, step: int) -> float:
        """Learning rate of a step of the main stage."""
        begin, end, decay = 0, min(self.steps, self.restart), self.decay
        if self.later(step):
            begin, end, decay = self.restart, self.steps, 1.0
        left = (end - step) / max(1, round(decay * (end - begin)))
        return self.learning_rate * min(1.0, (step - begin + 1) / self.warmup, left)

    def jobs(self, step: int) -> list[Job]:
        """The batches of a step, in such an order that two processes have as much to do each."""
        if self.later(step):
            texts = Job(self.later_texts, 0, self.text_weights[1], texts=True)
            return [texts, Job(self.later_exercises, 0, 1.0)]
        # The texts' weight grows: all at once would cost the young network its copying.
        weight = self.text_weights[0] * min(1.0, max(0, step - self.texts_from) / self.ramp)
        exercises = [Job(self.exercises, part, 0.5) for part in range(2)]
        if not weight:
            return exercises
        first, second = (Job(self.texts, part, 0.5 * weight, texts=True) for part in range(2))
        return [first, *exercises, second]

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
