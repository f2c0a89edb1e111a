"""Frozen layers stay as they are, and are not run again where that changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import FAMILIES, LATE, ORDERS, refused

from ftlab.data import encode
from ftlab.models import Classifier, load_causal_lm, load_classifier, load_tokenizer
from ftlab.models.layers import blocks, layers
from ftlab.training import fit
from ftlab.training.frozen import FrozenTrunk, frozen_depth
from ftlab.training.loop import Run
from ftlab.training.optimizer import make_optimizer
from ftlab.tuning import freezing

ModelDir = Callable[[str], Path]


def without_dropout(folder: str) -> Any:
    model = load_classifier(folder, ["fine", "late"], dropout=0.0)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for name in model.config.to_dict():
        if "drop" in name or name.endswith("pdrop"):
            setattr(model.config, name, 0.0)
    return model


def bits(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def train(model: Any, folder: str, **more: Any) -> Any:
    tokenizer = load_tokenizer(folder)
    features = encode(tokenizer, ORDERS, LATE, max_length=32)
    return fit(
        model,
        features[:16],
        pad_id=tokenizer.pad_token_id,
        learning_rate=5e-3,
        validation=features[16:],
        epochs=3,
        batch_size=4,
        progress=False,
        **more,
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("wanted", ["head", "last block"])
def test_a_remembered_trunk_gives_the_numbers_of_one_that_is_run(
    family: str, wanted: str, tiny_model_dir: ModelDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tiny_model_dir(family))
    histories, results = [], []
    for remembered in (True, False):
        if not remembered:
            monkeypatch.setattr(Run, "_frozen_trunk", lambda self: None)
        model = without_dropout(folder)
        freezing.train_only(model, ["head"] if wanted == "head" else ["block 2", "head"])
        run = train(model, folder)
        assert ("run once a text" in run.reason) == remembered
        histories.append(run.history)
        results.append(bits(model))
    for column in ("loss", "validation_loss", "gradient_norm"):
        np.testing.assert_allclose(histories[0][column], histories[1][column], rtol=2e-4, atol=2e-5)
    for name, tensor in results[0].items():
        torch.testing.assert_close(tensor, results[1][name], rtol=2e-3, atol=2e-4)
    assert "forward" not in vars(blocks(model)[0])  # nothing is left of the replay
    assert "pool" not in vars(model)


@pytest.mark.parametrize("wanted", [["head"], ["block 2", "last norm", "head"]])
def test_what_would_be_kept_is_counted_to_the_byte(
    wanted: list[str], tiny_model_dir: ModelDir
) -> None:
    folder = str(tiny_model_dir("llama"))
    model, tokenizer = without_dropout(folder), load_tokenizer(folder)
    freezing.train_only(model, wanted)
    trunk, features = FrozenTrunk(model), encode(tokenizer, ORDERS[:5], max_length=32)
    kept = trunk.remember(features, tokenizer.pad_token_id)
    assert trunk.bytes_for(features) == sum(row.numel() * row.element_size() for row in kept)


def test_the_frozen_part_is_run_once_a_text(
    tiny_model_dir: ModelDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tiny_model_dir("llama"))
    model = without_dropout(folder)
    freezing.train_only(model, ["head"])
    seen = []
    blocks(model)[0].register_forward_hook(lambda m, given, out: seen.append(len(out)))
    train(model, folder)
    assert sum(seen) == 24  # 16 to learn from and 8 to validate, over three epochs


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_dropout_below_is_not_replayed(family: str, tiny_model_dir: ModelDir) -> None:
    model = load_classifier(str(tiny_model_dir(family)), ["a", "b"])
    freezing.train_only(model, ["head"])
    assert frozen_depth(model) == (0 if family == "bert" else 2)


def test_too_much_to_remember_is_run_again(
    tiny_model_dir: ModelDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftlab.training.loop.MOST_BYTES", 1000)
    folder = str(tiny_model_dir("llama"))
    model = without_dropout(folder)
    freezing.train_only(model, ["head"])
    assert "run once" not in train(model, folder).reason


@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_tensors_keep_their_bits(family: str, tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir(family))
    model = load_classifier(folder, ["fine", "late"])
    freezing.train_only(model, freezing.top(model, 1))
    before = bits(model)
    train(model, folder)
    moved = {name for name, tensor in bits(model).items() if not torch.equal(tensor, before[name])}
    layers = freezing.layer_of(dict(model.named_parameters()))
    wanted = {name for name, layer in layers.items() if layer in freezing.top(model, 1)}
    assert moved == wanted
    assert {layers[name] for name in wanted} >= {"block 2", "head"}


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_of_every_family_from_the_embeddings_up(
    family: str, tiny_model_dir: ModelDir
) -> None:
    model = load_classifier(str(tiny_model_dir(family)), ["a", "b"])
    found = list(layers(model))
    assert found[:3] == ["embeddings", "block 1", "block 2"]
    assert found[-1] == "head"
    assert sum(p.numel() for ps in layers(model).values() for p in ps) == sum(
        p.numel() for p in model.parameters()
    )


def test_norms_and_biases_alone(tiny_model_dir: ModelDir) -> None:
    model = load_classifier(str(tiny_model_dir("bert")), ["a", "b"])
    freezing.train_vectors(model)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert "head.weight" in trained
    assert all(
        p.ndim == 1 for name, p in model.named_parameters() if name in trained - {"head.weight"}
    )


def test_a_language_model_is_replayed_too(
    tiny_model_dir: ModelDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tiny_model_dir("llama"))
    tokenizer = load_tokenizer(folder)
    rows = [{**f, "labels": f["input_ids"]} for f in encode(tokenizer, ORDERS, max_length=32)]
    losses = []
    for remembered in (True, False):
        if not remembered:
            monkeypatch.setattr(Run, "_frozen_trunk", lambda self: None)
        model = load_causal_lm(folder)
        freezing.train_only(model, freezing.top(model, 1))
        run = fit(model, rows, pad_id=0, learning_rate=1e-3, epochs=2, batch_size=8, progress=False)
        assert ("run once a text" in run.reason) == remembered
        losses.append(run.history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_a_layer_that_is_not_there(tiny_model_dir: ModelDir) -> None:
    model = load_classifier(str(tiny_model_dir("llama")), ["a", "b"])
    refused(
        lambda: freezing.train_only(model, ["block 9"]),
        "no layer 'block 9'; it has embeddings, block 1, block 2, last norm, head",
    )
    refused(lambda: freezing.top(model, 3), "has 2 blocks, so it cannot train 3")
    assert freezing.bottom(model, 1) == ["block 1", "head"]
    assert freezing.top(model, 0) == ["last norm", "head"]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_has_the_rate_of_its_layer(family: str, tiny_model_dir: ModelDir) -> None:
    model = load_classifier(str(tiny_model_dir(family)), ["a", "b"])
    factors = {"embeddings": 0.125, "block 1": 0.25, "block 2": 0.5}
    model.head.bias.requires_grad_(False)
    optimizer = make_optimizer(model, 0.01, factors)
    given = {id(p): group["factor"] for group in optimizer.param_groups for p in group["params"]}
    named = dict(model.named_parameters())
    for name, layer in freezing.layer_of(named).items():
        if name == "head.bias":
            assert id(named[name]) not in given
        else:
            assert given.pop(id(named[name])) == factors.get(layer, 1.0), name
    assert not given


def test_learning_rates_by_depth_reach_the_optimizer(tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir("llama"))
    moved = {}
    for factor in (1.0, 1e-3):
        model = without_dropout(folder)
        before = bits(model)
        train(model, folder, rate_factors={"embeddings": factor, "block 1": factor})
        for name, layer in freezing.layer_of(dict(model.named_parameters())).items():
            change = (model.state_dict()[name] - before[name]).norm().item()
            moved[layer, factor] = moved.get((layer, factor), 0.0) + change
    for layer in ("embeddings", "block 1"):
        assert moved[layer, 1e-3] < 0.01 * moved[layer, 1.0]
    for layer in ("block 2", "head"):
        assert moved[layer, 1e-3] > 0.3 * moved[layer, 1.0]
    model = without_dropout(folder)
    refused(lambda: train(model, folder, rate_factors={"block 7": 0.1}), "rate_factors", "block 7")
    refused(lambda: train(model, folder, rate_factors={"head": 0.0}), "rate_factors", "above 0")


def test_a_model_without_a_list_of_blocks_is_trained_as_ever() -> None:
    from transformers import AlbertConfig, AlbertModel

    config = AlbertConfig(
        vocab_size=50, hidden_size=16, embedding_size=8, intermediate_size=16,
        num_hidden_layers=3, num_attention_heads=2, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = Classifier(AlbertModel(config), ["a", "b"])
    rows = [{"input_ids": [2 + i, 3, 4], "labels": i % 2} for i in range(8)]
    freezing.train_only(model, ["head"])
    run = fit(model, rows, pad_id=0, learning_rate=1e-2, epochs=2, progress=False)
    assert "run once" not in run.reason
    refused(lambda: freezing.top(model, 1), "no list of blocks")
