"""Decay towards the start: nothing changes at first, and strong decay keeps the model there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import CAUSAL, LATE, ORDERS

from ftlab.data import collate, encode
from ftlab.models import load_causal_lm, load_classifier
from ftlab.training import fit
from ftlab.tuning.l2sp import anchor


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("head", ["classifier", "language model"])
def test_anchored_weights_are_drawn_to_their_start(
    head: str, family: str, tiny_model_dir: Any, tiny_tokenizer: Any
) -> None:
    folder = str(tiny_model_dir(family))
    if head == "classifier":
        model: Any = load_classifier(folder, ["fine", "late"], dropout=0.0)
        anchored = model.trunk
        features = encode(tiny_tokenizer, ORDERS, LATE)
    else:
        model = anchored = load_causal_lm(folder)
        features = [
            {**row, "labels": row["input_ids"]} for row in encode(tiny_tokenizer, ORDERS[:8])
        ]
    batch = collate(features[:4], tiny_tokenizer.pad_token_id)
    start = {
        name: p.detach().clone()
        for name, p in anchored.named_parameters(remove_duplicate=False)
        if p.ndim >= 2
    }
    with torch.no_grad():
        before = model(**batch).logits
        anchor(anchored)
        torch.testing.assert_close(model(**batch).logits, before, rtol=0, atol=1e-5)
    # A rate times decay of one half in every step: zero would be reached at once.
    fit(
        model,
        features,
        pad_id=tiny_tokenizer.pad_token_id,
        learning_rate=1e-4,
        weight_decay=5000.0,
        max_steps=20,
        schedule="constant",
        progress=False,
    )
    assert start
    for name, matrix in start.items():
        now = _weight(anchored, name)
        assert (now - matrix).abs().max() < 1e-3, name
        assert not torch.equal(now, matrix), f"{name} was never trained"


@pytest.mark.parametrize("family", CAUSAL)
def test_a_tied_matrix_stays_tied_when_it_is_anchored(family: str, tiny_model_dir: Any) -> None:
    model = load_causal_lm(str(tiny_model_dir(family)))
    tied = model.lm_head.weight is model.get_input_embeddings().weight
    numbers = sum(p.numel() for p in model.parameters())
    anchor(model)
    assert sum(p.numel() for p in model.parameters()) == numbers
    fit(
        model,
        [{"input_ids": [5, 6, 7], "labels": [5, 6, 7]}],
        pad_id=0,
        learning_rate=1e-2,
        max_steps=2,
        progress=False,
    )
    assert torch.equal(model.lm_head.weight, model.get_input_embeddings().weight) == tied


def _weight(model: Any, name: str) -> torch.Tensor:
    module, _, leaf = name.rpartition(".")
    weight = getattr(model.get_submodule(module), leaf)
    assert isinstance(weight, torch.Tensor)
    return weight.detach()
