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


@dataclass(frozen=True)
class Cycle:
    """Steps until `until`, over which the rate rises, stays, and falls to zero: once in a recipe
    or several times. A step has `parts` batches of each kind; `contrast` is the weight of finding
    a text's other half, within the texts' own."""

    until: int
    texts: Shape
    exercises: Shape
    parts: int
    text_weight: float
    contrast: float
    decay: float  # share of the cycle's steps over which the rate falls


CYCLES = (
    Cycle(3900, TEXTS, EXERCISES, parts=2, text_weight=1.0, contrast=0.5, decay=0.3),
    Cycle(
        5500,
        LATER_TEXTS,
        Shape(windows=20, length=384, predicted=3200),
        parts=1,
        text_weight=1.5,
        contrast=1.0,
        decay=1.0,
    ),
    Cycle(
        6400,
        LATER_TEXTS,
        Shape(windows=28, length=384, predicted=4480),
        parts=1,
        text_weight=1.5,
        contrast=1.0,
        decay=1.0,
    ),
)


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
    step has batches of exercises and, from `texts_from` on, of texts. In each of `cycles` the
    learning rate warms up, stays, and falls to zero; `steps` ends the last, or an earlier one.
    From the second on a text's half is told from more others, texts weigh more, and the exercises
    that follow forms and orders get more of the tokens (`corpus.MIXES`).
    """

    layers: int = 4
    width: int = 256
    feed_forward: int = 576
    heads: int = 8
    vocabulary: int = 8192
    context: int = 512
    rope_theta: float = 100_000.0
    initializer_range: float = 0.04
    steps: int = CYCLES[-1].until
    cycles: tuple[Cycle, ...] = CYCLES
    learning_rate: float = 2e-3
    warmup: int = 100
    weight_decay: float = 0.1
    clip: float = 1.0
    texts_from: int = 600
    ramp: int = 200
    copy_steps: int = 800
    copy_until: float = 0.1
    wired: bool = True
    seed: int = 0

    def cycle(self, step: int) -> int:
        """Number of the cycle that a step belongs to; the last goes on for as long as it must."""
        return sum(step >= cycle.until for cycle in self.cycles[:-1])

    def rate(self, step: int) -> float:
        """Learning rate of a step of the main stage."""
        number = self.cycle(step)
        begin = self.cycles[number - 1].until if number else 0
        last = number == len(self.cycles) - 1
        end = self.steps if last else min(self.steps, self.cycles[number].until)
        left = (end - step) / max(1, round(self.cycles[number].decay * (end - begin)))
        return self.learning_rate * min(1.0, (step - begin + 1) / self.warmup, left)

    def jobs(self, step: int) -> list[Job]:
        """The batches of a step, in such an order that two processes have as much to do each."""
        cycle = self.cycles[self.cycle(step)]
        share = 1 / cycle.parts
        # The texts' weight grows: all at once would cost the young network its copying.
        weight = cycle.text_weight * min(1.0, max(0, step - self.texts_from) / self.ramp)
        parts = range(cycle.parts)
        exercises = [Job(cycle.exercises, part, share) for part in parts]
        texts = [Job(cycle.texts, part, share * weight, texts=True) for part in parts]
        return [*texts[:1], *exercises, *texts[1:]] if weight else exercises

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
