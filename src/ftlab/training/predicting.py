"""Runs a model over rows without learning: losses, logits, and whatever else it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch

from ftlab.common.errors import LabError
from ftlab.common.hardware import autocast
from ftlab.data.features import batches_by_length
from ftlab.models.modes import evaluation_mode
from ftlab.training.examples import Examples
from ftlab.training.objective import Collate, Objective

BATCH_SIZE = 64
Replay = Callable[[list[int]], AbstractContextManager[None]]


def predict(
    model: Any,
    rows: Sequence[Any],
    pad_id: int | None = None,
    batch_size: int = BATCH_SIZE,
    *,
    output: Callable[[Any, Any], torch.Tensor] | None = None,
    collate: Collate | None = None,
    length: Callable[[Any], int] | None = None,
) -> np.ndarray:
    """A classifier's logits, (rows, labels) in fp32, in the order of `rows`.

    With `output`, a function of model and batch, what it gives: a tensor of (rows, ...). Rows,
    `pad_id`, `collate` and `length` are those of `fit()`; labels of texts are left out. Rows of
    like length share a batch; dropout is off; the model stays on its device.

    LabError if there are no rows, if some do not make a batch, and if the model is no classifier.
    """
    objective = Objective(pad_id=pad_id, collate=collate, length=length)
    objective.check("predict", rows)
    if objective.texts:
        rows = [{"input_ids": feature["input_ids"]} for feature in rows]
    examples = Examples("predict", "", rows, objective)
    device = next(model.parameters()).device
    found: np.ndarray | None = None
    with _inference(model, "fp32"):
        for chosen in batches_by_length(examples.lengths, batch_size):
            batch = examples.batch(chosen, device)
            given: Any = output(model, batch) if output else getattr(model(**batch), "logits", None)
            if output is None and (given is None or given.ndim != 2):
                raise LabError("predict: the model is not a classifier: give an output.")
            if given.ndim < 1 or len(given) != len(chosen):
                raise LabError(
                    f"predict: the output for {len(chosen)} examples has the shape "
                    f"{tuple(given.shape)}: it must have one row for each example."
                )
            part = given.float().cpu().numpy()
            if found is None:
                found = np.empty((len(rows), *part.shape[1:]), part.dtype)
            found[chosen] = part
    assert found is not None
    return found


def evaluate(
    model: Any,
    examples: Examples,
    batch_size: int,
    precision: str,
    replay: Replay,
    moment: str,
    logits: bool,
) -> tuple[float, tuple[np.ndarray, np.ndarray] | None]:
    """The weighted mean of the loss; and a classifier's `logits` and labels, if they are wanted.

    `replay(indices)` is entered for the forward pass of these rows; `moment` is for errors.
    """
    device = next(model.parameters()).device
    total = 0.0
    order: list[int] = []
    outputs: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    with _inference(model, precision):
        for chosen in batches_by_length(examples.lengths, batch_size):
            batch = examples.batch(chosen, device)
            with replay(chosen):
                loss, output = examples.objective(model, batch, moment)
            total += loss.item() * examples.weight(chosen)
            if logits:
                order += chosen
                outputs.append(output.logits.float().cpu().numpy())
                labels.append(batch["labels"].cpu().numpy())
    mean = total / sum(examples.weights)
    if not logits:
        return mean, None
    places = np.argsort(order)
    return mean, (np.concatenate(outputs)[places], np.concatenate(labels)[places])


@contextmanager
def _inference(model: Any, precision: str) -> Iterator[None]:
    device = next(model.parameters()).device
    with evaluation_mode(model), torch.inference_mode(), autocast(device, precision):
        yield
