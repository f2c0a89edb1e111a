"""Asks a causal language model: many prompts at once, the same answers every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ftlab.common.errors import LabError
from ftlab.common.libraries import quiet
from ftlab.data.features import batches_by_length, encode_pairs
from ftlab.models.loading import max_length
from ftlab.models.modes import evaluation_mode
from ftlab.models.rng import private_rng


def start_token(tokenizer: Any) -> int:
    """What a text begins after: the beginning-of-text token, or else the end of the one before."""
    begin = tokenizer.bos_token_id
    return tokenizer.eos_token_id if begin is None else begin


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    batch_size: int = 64,
    stop: str = "\n",
) -> list[str]:
    """The new text after each prompt, up to its end, to `stop`, or to `max_new_tokens` tokens.

    `temperature` 0 takes the likeliest token each time; above it, tokens are drawn, and `seed`
    decides them. `stop` itself is not returned; "" stops at the end-of-text token alone. Prompts
    too long for the model are refused: cutting them would answer another question.
    """
    from transformers import GenerationConfig

    limit = max_length(model, 10**9) - max_new_tokens
    rows = [
        feature["input_ids"][:-1] or [start_token(tokenizer)]
        for feature in encode_pairs(tokenizer, prompts, [""] * len(prompts), max_length=10**9)
    ]
    for number, row in enumerate(rows):
        if len(row) > limit:
            raise LabError(
                f"Prompt {number} has {len(row)} tokens; with {max_new_tokens} new ones, the "
                f"model takes a prompt of at most {limit}."
            )
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=temperature > 0,
        temperature=temperature or 1.0,
        # The model's probabilities as they are, whatever its own defaults for chatting say.
        top_k=0,
        top_p=1.0,
        repetition_penalty=1.0,
        num_beams=1,
        eos_token_id=_end_tokens(model, tokenizer),
        pad_token_id=tokenizer.pad_token_id,
    )
    answers = [""] * len(rows)
    with (
        evaluation_mode(model),
        quiet(),
        private_rng(seed, model.device),
        torch.inference_mode(),
    ):
        for chosen in batches_by_length([len(row) for row in rows], batch_size):
            new = _continue(model, tokenizer, [rows[i] for i in chosen], config, stop)
            for i, tokens in zip(chosen, new, strict=True):
                answers[i] = _as_text(tokenizer, tokens, config.eos_token_id, stop)
    return answers


def _continue(
    model: Any, tokenizer: Any, rows: list[list[int]], config: Any, stop: str
) -> list[list[int]]:
    # Padding stands on the left: the new tokens then follow the last real one in every row.
    width = max(map(len, rows))
    ids = torch.tensor([[config.pad_token_id] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    criteria = [_StopText(tokenizer, stop, width)] if stop else None
    output = model.generate(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        generation_config=config,
        stopping_criteria=criteria,
    )
    return output[:, width:].tolist()


class _StopText:
    """Tells `generate` which rows have written the stop text; it may span several tokens.

    transformers' own `stop_strings` also counts a stop that begins in the prompt.
    """

    def __init__(self, tokenizer: Any, stop: str, prompt_width: int) -> None:
        self.tokenizer, self.stop, self.prompt_width = tokenizer, stop, prompt_width
        self.span = len(stop.encode())  # tokens it can be spread over, a byte each

    def __call__(
        self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any
    ) -> torch.Tensor:
        tail = input_ids[:, max(self.prompt_width, input_ids.shape[1] - self.span) :]
        done = [self.stop in text for text in self.tokenizer.batch_decode(tail.tolist())]
        return torch.tensor(done, device=input_ids.device)


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """The tokenizer's end-of-text token and whatever else the model itself ends an answer with."""
    own = model.generation_config.eos_token_id
    own = own if isinstance(own, list) else [own]
    return sorted({token for token in (*own, tokenizer.eos_token_id) if token is not None})


def _as_text(tokenizer: Any, tokens: list[int], end: list[int], stop: str) -> str:
    length = next((i for i, token in enumerate(tokens) if token in end), len(tokens))
    text = tokenizer.decode(tokens[:length], skip_special_tokens=True)
    return text.split(stop, 1)[0] if stop else text
