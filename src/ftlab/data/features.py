"""From texts to batches: tokens, padding, and an order that wastes little of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ftlab.common.errors import LabError

if TYPE_CHECKING:
    import torch

IGNORED = -100  # the label that torch's cross-entropy leaves out
Feature = dict[str, Any]


def encode(
    tokenizer: Any, texts: Sequence[str], labels: Sequence[int] | None = None, max_length: int = 128
) -> list[Feature]:
    """One feature a text: `input_ids`, at most `max_length` of them, and `label`s if given.

    What is longer is cut at its end. A text of which the tokenizer leaves nothing becomes one
    token, so that no sequence is empty. `labels` holds an int for each text.
    """
    texts = [str(text) for text in texts]
    if labels is not None and len(labels) != len(texts):
        raise LabError(f"encode: {len(texts)} texts but {len(labels)} labels.")
    if not texts:
        return []
    blank = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.unk_token_id
    ids = tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
    features: list[Feature] = [{"input_ids": list(row) or [blank or 0]} for row in ids]
    for feature, label in zip(features, labels if labels is not None else [], strict=False):
        feature["labels"] = int(label)
    return features


def encode_pairs(
    tokenizer: Any, prompts: Sequence[str], answers: Sequence[str], max_length: int = 256
) -> list[Feature]:
    """Demonstrations for a causal language model: `input_ids` and `labels` of equal length.

    A row is the tokens of the prompt, of the answer and the end-of-text token; the loss is on the
    answer and the end alone (labels of the prompt are -100). Prompt and answer are tokenised apart,
    as they are when the model is asked, and joined as they stand: a space between them belongs to
    one of them. What exceeds `max_length` is cut from the prompt's beginning, then from the end.
    """
    if len(prompts) != len(answers):
        raise LabError(f"encode_pairs: {len(prompts)} prompts but {len(answers)} answers.")
    end = tokenizer.eos_token_id
    if end is None:
        raise LabError("encode_pairs: this tokenizer has no end-of-text token to end answers with.")
    if not prompts:
        return []
    prompt_ids = tokenizer(list(prompts))["input_ids"]
    answer_ids = tokenizer(list(answers), add_special_tokens=False)["input_ids"]
    features: list[Feature] = []
    for prompt, answer in zip(prompt_ids, answer_ids, strict=True):
        if prompt and prompt[-1] == end:  # some tokenizers end every text
            prompt = prompt[:-1]
        answer = [*answer, end][: max_length - 1]  # one token before it, to predict it from
        prompt = prompt[max(0, len(prompt) + len(answer) - max_length) :]
        labels = [IGNORED] * len(prompt) + answer
        features.append({"input_ids": [*prompt, *answer], "labels": labels})
    return features


def collate(features: Sequence[Feature], pad_id: int) -> dict[str, torch.Tensor]:
    """One batch of int64 tensors, padded on the right to its longest row.

    `input_ids` and `attention_mask` are (batch, length); `labels`, if the features have them, is
    (batch,) for one label a text, or (batch, length) with -100 on the padding for labelled tokens.
    """
    import torch

    length = max(len(feature["input_ids"]) for feature in features)

    def padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
        return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows])

    ids = [feature["input_ids"] for feature in features]
    batch = {
        "input_ids": padded(ids, pad_id),
        "attention_mask": padded([[1] * len(row) for row in ids], 0),
    }
    if "labels" in features[0]:
        labels = [feature["labels"] for feature in features]
        batch["labels"] = (
            padded(labels, IGNORED) if isinstance(labels[0], list) else torch.tensor(labels)
        )
    return batch


def batches_by_length(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Indices of texts from the shortest to the longest, so that batches hold little padding."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for begin in range(0, len(order), batch_size):
        yield order[begin : begin + batch_size]


def bucketed_batches(
    lengths: Sequence[int], batch_size: int, seed: int, epoch: int
) -> list[list[int]]:
    """Indices of each batch of one epoch, texts of like length together, every index once.

    Random in which texts meet (lengths are blurred by a tenth before sorting, within chunks of 32
    batches) and in the order of batches. A pure function of its arguments, so that a resumed run
    sees the batches that the first one would have seen. All but one batch are full.
    """
    if batch_size < 1:
        raise LabError(f"batch_size must be at least 1, not {batch_size}.")
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    blurred = np.asarray(lengths, dtype=float) * rng.uniform(0.9, 1.1, len(lengths))
    batches: list[list[int]] = []
    for begin in range(0, len(order), 32 * batch_size):
        chunk = order[begin : begin + 32 * batch_size]
        chunk = chunk[np.argsort(blurred[chunk], kind="stable")]
        batches += [chunk[i : i + batch_size].tolist() for i in range(0, len(chunk), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]
