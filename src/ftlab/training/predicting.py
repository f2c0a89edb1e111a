"""Runs a model over features without learning: losses and logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from ftlab.common.errors import LabError
from ftlab.common.hardware import autocast
from ftlab.data.features import IGNORED, Feature, batches_by_length, collate
from ftlab.models.modes import evaluation_mode

BATCH_SIZE = 64
Replay = Callable[[list[int]], AbstractContextManager[None]]


def predict(
    model: Any, features: Sequence[Feature], pad_id: int, batch_size: int = BATCH_SIZE
) -> np.ndarray:
    """A classifier's logits, (features, labels) in fp32, in the order of `features`.

    Texts of like length share a batch; dropout is off; the model stays on its device.
    """
    if not features:
        raise LabError("predict: there are no examples.")
    inputs = [{"input_ids": feature["input_ids"]} for feature in features]
    logits: np.ndarray | None = None
    for chosen, output in _outputs(model, inputs, pad_id, batch_size, "fp32"):
        part = output.logits.float().cpu().numpy()
        if part.ndim != 2:
            raise LabError("predict: the model is no classifier.")
        if logits is None:
            logits = np.empty((len(features), part.shape[1]), part.dtype)
        logits[chosen] = part
    assert logits is not None
    return logits


def evaluate(
    model: Any,
    features: Sequence[Feature],
    pad_id: int,
    batch_size: int,
    precision: str,
    replay: Replay,
) -> tuple[float, np.ndarray | None]:
    """The mean loss, over texts or over labelled tokens, and a classifier's logits.

    `replay(indices)` is entered for the forward pass of these features.
    """
    by_token = isinstance(features[0]["labels"], list)
    total = 0.0
    logits: list[tuple[list[int], np.ndarray]] = []
    for chosen, output in _outputs(model, features, pad_id, batch_size, precision, replay):
        total += output.loss.item() * sum(weight(features[i]) for i in chosen)
        if not by_token:
            logits.append((chosen, output.logits.float().cpu().numpy()))
    loss = total / sum(map(weight, features))
    if by_token:
        return loss, None
    order = np.argsort(np.concatenate([chosen for chosen, _ in logits]))
    return loss, np.concatenate([part for _, part in logits])[order]


def weight(feature: Feature) -> int:
    """What a feature counts in a mean loss: its learned tokens, or 1 for a labelled text.

    A causal model never predicts the first token, so its label does not count.
    """
    labels = feature["labels"]
    return sum(label != IGNORED for label in labels[1:]) if isinstance(labels, list) else 1


def model_loss(model: Any, batch: dict[str, torch.Tensor]) -> Any:
    """The model's output for a batch; a language model keeps nothing for a continuation."""
    by_token = "labels" in batch and batch["labels"].ndim == 2
    return model(**batch, use_cache=False) if by_token else model(**batch)


def _outputs(
    model: Any,
    features: Sequence[Feature],
    pad_id: int,
    batch_size: int,
    precision: str,
    replay: Replay = lambda chosen: nullcontext(),
) -> Iterator[tuple[list[int], Any]]:
    device = next(model.parameters()).device
    lengths = [len(feature["input_ids"]) for feature in features]
    with evaluation_mode(model), torch.inference_mode(), autocast(device, precision):
        for chosen in batches_by_length(lengths, batch_size):
            batch = collate([features[i] for i in chosen], pad_id)
            with replay(chosen):
                output = model_loss(model, {k: v.to(device) for k, v in batch.items()})
            yield chosen, output
