"""What the memory of a training step is made of, method by method, and drawn."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ftlab.data import Task, collate, encode
from ftlab.evaluation.cost import ADAM_STATES, costs
from ftlab.models import load_classifier, load_tokenizer
from ftlab.tuning import TuningMethod

PARTS = ("weights", "gradients", "optimizer state", "kept for the backward pass")


def memory_parts(
    base_model: str,
    task: Task,
    methods: Sequence[TuningMethod],
    *,
    batch_size: int = 16,
    max_length: int = 64,
) -> pd.DataFrame:
    """Megabytes that one step on the first texts of `task` takes: one method a row, and a column
    for the weights, their gradients, the optimizer's numbers, and what the forward pass keeps for
    the backward pass. Counted, so the same on every machine."""
    tokenizer = load_tokenizer(base_model)
    some = task.train[:batch_size]
    features = encode(tokenizer, list(some.text), list(some.label), max_length=max_length)
    batch = collate(features, tokenizer.pad_token_id)
    rows = {}
    for method in methods:
        model = load_classifier(base_model, task.label_names)
        method.prepare(model, 0)
        found = costs(model, batch)
        weights = sum(p.numel() * p.element_size() for p in model.parameters())
        gradients = found["stored_bytes"]
        kept = found["memory_bytes"] - weights - (1 + ADAM_STATES) * gradients
        rows[method.name] = [weights, gradients, ADAM_STATES * gradients, kept]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(PARTS)) / 1e6
