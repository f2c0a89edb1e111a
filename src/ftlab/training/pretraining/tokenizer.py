"""The lab's tokenizer: byte-level BPE, so that any text in any script can be encoded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ftlab.world import exercises, facts, letters, shoptalk, web

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 8192
END, PAD = "<|end|>", "<|pad|>"
_PROSE_CHARACTERS = 25_000_000
TALKS = 80  # texts of shop talk for each exercise: their words are to be whole pieces


def _texts(prose: list[str], seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    total = 0
    for paragraph in prose:
        yield paragraph
        total += len(paragraph)
        if total > _PROSE_CHARACTERS:
            break
    world = facts.build_world()
    for _ in range(1500):
        done = exercises.reading(rng, entities=3, split="training", asked=4)
        yield "\n".join([done.notes, *done.questions])
        known = exercises.conflict(rng, rng.choice(world.known), asked=4)
        yield "\n".join([known.notes, *known.questions])
        yield exercises.sorting(rng, split="training").prompt(8)
        yield web.page(rng)
        yield letters.letter(rng)
        for _ in range(TALKS):
            yield shoptalk.talk(rng)


def train_tokenizer(prose: list[str], seed: int = 0, vocabulary: int = VOCABULARY) -> Tokenizer:
    """A tokenizer with `vocabulary` pieces learned from `prose` and from the town's own texts.

    It puts the end token before every text; the same token ends a text.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(prose, seed), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", pair=f"{END} $A {END} $B", special_tokens=[(END, 1)]
    )
    return tokenizer
