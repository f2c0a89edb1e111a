"""Supervised fine-tuning of a language model on pairs or pages, and its answers afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ftlab.data import encode_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LONGEST = 44  # tokens of an answer, at most: the dialect takes the most
Pairs = Sequence[tuple[str, str]]  # prompt and answer; a page to read is an answer to ""


@dataclass(frozen=True)
class SFTConfig:
    """How a base model is fine-tuned: `steps` of `batch_size` pairs.

    The learning rate is `learning_rate_factor` times the model's `starting_rate`, at which a
    search for full fine-tuning would start. `rank` above 0 is LoRA, alpha twice that.
    """

    steps: int
    learning_rate_factor: float
    rank: int = 0
    batch_size: int = 16


@dataclass(frozen=True)
class Generations:
    """Greedy answers to prompts, and the tokens of both, (prompts,)."""

    texts: list[str]
    prompt_tokens: np.ndarray
    new_tokens: np.ndarray


def fine_tune(
    base_model: str, pairs: Pairs, config: SFTConfig, seed: int
) -> tuple[PreTrainedModel, float, int]:
    """The base model, fine-tuned; the seconds of its training; how many parameters were trained."""
    from ftlab import training
    from ftlab.models import count_parameters, load_causal_lm, load_tokenizer, starting_rate
    from ftlab.tuning import lora

    tokenizer, model = load_tokenizer(base_model), load_causal_lm(base_model)
    learning_rate = config.learning_rate_factor * starting_rate(model)
    if config.rank:
        lora.add_lora(model, config.rank, 2 * config.rank, seed=seed)
    # The space between prompt and answer belongs to the answer, as the model was pretrained.
    answers = [f" {answer}" if prompt else answer for prompt, answer in pairs]
    run = training.fit(
        model,
        encode_pairs(tokenizer, [prompt for prompt, _ in pairs], answers),
        pad_id=tokenizer.pad_token_id,
        learning_rate=learning_rate,
        max_steps=config.steps,
        batch_size=config.batch_size,
        seed=seed,
        progress=False,
    )
    return model, run.seconds, count_parameters(model)["trainable"]


def generate_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int = LONGEST,
) -> Generations:
    """Answers of one line each, many prompts at a time."""
    from ftlab.models import generate

    texts = generate(model, tokenizer, list(prompts), max_new_tokens=max_new_tokens)
    return Generations(
        [text.strip() for text in texts],
        np.array([len(ids) for ids in tokenizer(list(prompts))["input_ids"]]),
        # The end of the line is written too.
        np.array([len(ids) + 1 for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]),
    )
