"""How likely a causal language model finds a text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ftlab.common.errors import LabError
from ftlab.data.features import IGNORED, Feature, collate, encode_pairs
from ftlab.models.generation import start_token
from ftlab.models.loading import max_length
from ftlab.models.modes import evaluation_mode

WINDOW = 1024  # tokens of a long text that are read at once
BATCH_LOGITS = 2**24  # logits of a batch, at most: 64 MB in fp32
BATCH_TOKENS = 2**14


def sequence_logprob(
    model: Any, tokenizer: Any, prompts: Sequence[str], continuations: Sequence[str]
) -> np.ndarray:
    """ln p(continuation | prompt) in nats, summed over its tokens: a float for each pair.

    Prompt and continuation are tokenised as in training (`ftlab.data.encode_pairs`): the space
    between them belongs to one of the two. After an empty prompt the text stands at its beginning.
    """
    pairs = encode_pairs(tokenizer, prompts, continuations, max_length=10**9)
    rows = []
    for feature in pairs:
        tokens, labels = feature["input_ids"][:-1], feature["labels"][:-1]  # without the end
        if not labels or labels[0] != IGNORED:  # no prompt
            tokens, labels = [start_token(tokenizer), *tokens], [IGNORED, *labels]
        rows.append({"input_ids": tokens, "labels": labels})
    limit = max_length(model, 10**9)
    for number, row in enumerate(rows):
        if len(row["input_ids"]) > limit:
            raise LabError(
                f"Prompt {number} and its continuation have {len(row['input_ids'])} tokens; the "
                f"model takes at most {limit}."
            )
    return _logprobs(model, rows, tokenizer.pad_token_id)


def bits_per_character(model: Any, tokenizer: Any, texts: Sequence[str]) -> float:
    """How many bits the model needs for a character of these texts: -log2 p / characters.

    It does not depend on the tokenizer, so models with different ones can be compared. Texts of
    more tokens than the model takes (or than `WINDOW`) are read in windows that each begin anew.
    """
    characters = sum(map(len, texts))
    if not characters:
        raise LabError("bits_per_character: the texts are empty.")
    size = max_length(model, WINDOW) - 1
    rows = []
    for tokens in tokenizer(list(texts), add_special_tokens=False)["input_ids"]:
        for begin in range(0, len(tokens), size):
            window = tokens[begin : begin + size]
            rows.append(
                {"input_ids": [start_token(tokenizer), *window], "labels": [IGNORED, *window]}
            )
    nats = -_logprobs(model, rows, tokenizer.pad_token_id).sum()
    return float(nats / math.log(2) / characters)


def _logprobs(model: Any, rows: list[Feature], pad_id: int) -> np.ndarray:
    """The sum of ln p over the labelled tokens of each row (none of them its first)."""
    sums = np.zeros(len(rows))
    with evaluation_mode(model), torch.inference_mode():
        for chosen in _batches(rows, model.config.vocab_size):
            batch = collate([rows[i] for i in chosen], pad_id)
            labels = batch.pop("labels")
            # Only these last positions are turned into logits, the dearest part of the model.
            keep = labels.shape[1] - min(_first_scored(rows[i]) for i in chosen) + 1
            inputs = {name: tensor.to(model.device) for name, tensor in batch.items()}
            output = model(**inputs, logits_to_keep=keep, use_cache=False)
            logits = output.logits[:, -keep:-1].float()
            wanted = labels[:, 1:][:, -(keep - 1) :].to(model.device)
            chosen_logits = logits.gather(-1, wanted.clamp(min=0).unsqueeze(-1)).squeeze(-1)
            logprobs = (chosen_logits - logits.logsumexp(-1)) * (wanted != IGNORED)
            sums[chosen] = logprobs.double().sum(1).cpu().numpy()
    return sums


def _first_scored(row: Feature) -> int:
    labels = row["labels"]
    return next((i for i, label in enumerate(labels) if label != IGNORED), len(labels) - 1)


def _batches(rows: list[Feature], vocabulary: int) -> Iterator[list[int]]:
    """Rows of like length together, as many as memory allows."""
    lengths = [len(row["input_ids"]) for row in rows]
    batch: list[int] = []
    first = 0
    for i in sorted(range(len(rows)), key=lambda i: lengths[i]):
        grown = [*batch, i]
        first_grown = min(first, _first_scored(rows[i])) if batch else _first_scored(rows[i])
        logits = len(grown) * (lengths[i] - first_grown + 1) * vocabulary
        if batch and (len(grown) * lengths[i] > BATCH_TOKENS or logits > BATCH_LOGITS):
            yield batch
            grown, first_grown = [i], _first_scored(rows[i])
        batch, first = grown, first_grown
    if batch:
        yield batch
