"""Probes and CKA: on vectors whose answer is known, and on every family's layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CAUSAL, FAMILIES, ORDERS, refused

from ftlab.evaluation.probing import cka, layer_vectors, probe
from ftlab.models import load_classifier, load_tokenizer
from ftlab.tuning import freezing

ModelDir = Callable[[str], Path]


def test_cka_is_blind_to_rotation_and_scale_and_sees_everything_else() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 8))
    rotation, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    assert cka(vectors, 3 * vectors @ rotation + 5) == pytest.approx(1.0)
    assert cka(vectors, rng.normal(size=(200, 8))) < 0.2
    half = np.concatenate([vectors[:, :4], rng.normal(size=(200, 4))], axis=1)
    assert 0.2 < cka(vectors, half) < 0.8
    refused(lambda: cka(vectors, vectors[:100]), "same texts")


def test_a_probe_reads_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    vectors, test = rng.normal(size=(300, 6)), rng.normal(size=(100, 6))
    labels, wanted = (vectors[:, 2] > 0).astype(int), (test[:, 2] > 0).astype(int)
    assert (probe(vectors, list(labels), test) == wanted).mean() > 0.9
    hidden = (test[:, 0] * test[:, 1] > 0).astype(int)  # no linear probe can see this
    product = (vectors[:, 0] * vectors[:, 1] > 0).astype(int)
    assert (probe(vectors, list(product), test) == hidden).mean() < 0.7


@pytest.mark.parametrize("family", FAMILIES)
def test_layer_vectors_come_from_the_text_alone(family: str, tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir(family))
    tokenizer = load_tokenizer(folder)
    trunk = load_classifier(folder, ["fine", "late"]).trunk
    texts = [*ORDERS[:5], "Order"]  # the short one is padded beside the long ones
    together = layer_vectors(trunk, tokenizer, texts, max_length=48)
    assert together.shape == (3, 6, 64)
    alone = layer_vectors(trunk, tokenizer, texts[-1:], max_length=48)
    np.testing.assert_allclose(together[:, -1:], alone, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_layers_vectors_depend_on_what_comes_before_them_alone(
    family: str, tiny_model_dir: ModelDir
) -> None:
    folder = str(tiny_model_dir(family))
    tokenizer = load_tokenizer(folder)
    classifier = load_classifier(folder, ["fine", "late"])
    parts = {name: part for name, part in freezing.layers(classifier).items() if name != "head"}
    assert ("last norm" in parts) == (family in CAUSAL)
    before = layer_vectors(classifier.trunk, tokenizer, ORDERS[:5])
    for first, (name, parameters) in enumerate(parts.items()):
        kept = [parameter.detach().clone() for parameter in parameters]
        with torch.no_grad():
            for parameter in parameters:
                parameter.mul_(1.5).add_(0.01)
        after = layer_vectors(classifier.trunk, tokenizer, ORDERS[:5])
        changed = [not np.array_equal(*pair) for pair in zip(before, after, strict=True)]
        # Embeddings are layer 0; the norm behind the last block is part of none.
        assert changed == [layer >= first for layer in range(3)], name
        with torch.no_grad():
            for parameter, values in zip(parameters, kept, strict=True):
                parameter.copy_(values)
