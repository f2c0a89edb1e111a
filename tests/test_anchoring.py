"""Decay towards the start: nothing changes at first, and strong decay keeps the model there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import LATE, ORDERS

from ftlab.data import collate, encode
from ftlab.models import Classifier, load_classifier
from ftlab.training import fit
from ftlab.tuning.l2sp import anchor


@pytest.fixture
def classifier(tiny_model_dir: Any) -> Classifier:
    return load_classifier(str(tiny_model_dir("llama")), ["fine", "late"], dropout=0.0)


def test_anchored_weights_are_drawn_to_their_start(
    classifier: Classifier, tiny_tokenizer: Any
) -> None:
    features = encode(tiny_tokenizer, ORDERS, LATE)
    batch = collate(features[:4], tiny_tokenizer.pad_token_id)
    start = {name: p.detach().clone() for name, p in classifier.trunk.named_parameters()}
    with torch.no_grad():
        before = classifier(**batch).logits
    anchor(classifier.trunk)
    with torch.no_grad():
        assert torch.allclose(classifier(**batch).logits, before, atol=1e-5)
    # A rate times decay of one half in every step: zero would be reached at once.
    fit(
        classifier,
        features,
        pad_id=tiny_tokenizer.pad_token_id,
        learning_rate=1e-4,
        weight_decay=5000.0,
        max_steps=20,
        schedule="constant",
        progress=False,
    )
    matrices = [name for name, p in start.items() if p.ndim >= 2]
    assert matrices
    for name in matrices:
        now = _weight(classifier, name)
        assert (now - start[name]).abs().max() < 1e-3, name
        assert not torch.equal(now, start[name]), f"{name} was never trained"


def _weight(classifier: Classifier, name: str) -> torch.Tensor:
    module, _, leaf = name.rpartition(".")
    weight = getattr(classifier.trunk.get_submodule(module), leaf)
    assert isinstance(weight, torch.Tensor)
    return weight.detach()
