"""Notebook 03: the code that it shows is the code that the package runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import LATE, ORDERS
from torch import nn

from ftlab.common.paths import project_root
from ftlab.data import collate, encode
from ftlab.models import load_classifier, load_tokenizer
from ftlab.models.layers import blocks
from ftlab.notebook.files import read_notebook
from ftlab.tuning import lora

NOTEBOOK = project_root() / "notebooks" / "03_lora.ipynb"
SHAPES = pytest.mark.parametrize(("inputs", "outputs"), [(6, 6), (7, 4), (3, 9)])


def cell(name: str) -> str:
    """The source of a cell of the notebook, by its id."""
    found = [cell.source for cell in read_notebook(NOTEBOOK).cells if cell.id == name]
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """What the cell that writes LoRA out defines."""
    names: dict[str, Any] = {"math": math, "torch": torch, "nn": nn, "blocks": blocks}
    exec(compile(cell("lora-written-out"), "lora-written-out", "exec"), names)
    return names


def alike(shown: dict[str, Any], inputs: int, outputs: int) -> tuple[Any, Any]:
    """The notebook's layer and the package's, with the same numbers in them."""
    torch.manual_seed(0)
    bases = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)
    bases[1].load_state_dict(bases[0].state_dict())
    layers = [
        kind(base, rank=2, alpha=6)
        for kind, base in zip((shown["LoRALinear"], lora.LoRALinear), bases, strict=True)
    ]
    with torch.no_grad():
        layers[0].B.normal_()
        layers[1].A.copy_(layers[0].A)
        layers[1].B.copy_(layers[0].B)
    return layers[0], layers[1]


@SHAPES
def test_the_shown_layer_is_the_packages(shown: dict[str, Any], inputs: int, outputs: int) -> None:
    theirs, ours = alike(shown, inputs, outputs)
    x = torch.randn(5, inputs)
    seen = [x.clone().requires_grad_(), x.clone().requires_grad_()]
    results = [layer(text) for layer, text in zip((theirs, ours), seen, strict=True)]
    torch.testing.assert_close(*results)
    for result in results:
        result.square().sum().backward()
    torch.testing.assert_close(seen[0].grad, seen[1].grad)
    torch.testing.assert_close(theirs.A.grad, ours.A.grad)
    torch.testing.assert_close(theirs.B.grad, ours.B.grad)
    for moving in (theirs.A, theirs.B):
        assert moving.grad.abs().sum() > 0
    for layer in (theirs, ours):
        assert layer.base.weight.grad is None
    torch.testing.assert_close(theirs.change(), ours.change())
    assert theirs.change().shape == theirs.base.weight.shape


@SHAPES
def test_both_begin_with_the_same_numbers(shown: dict[str, Any], inputs: int, outputs: int) -> None:
    begun = []
    for kind in (shown["LoRALinear"], lora.LoRALinear):
        torch.manual_seed(1)
        begun.append(kind(nn.Linear(inputs, outputs), rank=3, alpha=3))
    assert torch.equal(begun[0].A, begun[1].A)
    assert all(not layer.B.any() for layer in begun)
    assert begun[0].scale == begun[1].scale == 1.0


def test_the_shown_loop_puts_lora_where_the_package_does(
    shown: dict[str, Any], tiny_model_dir: Callable[[str], Path]
) -> None:
    folder = str(tiny_model_dir("llama"))
    theirs, ours = (load_classifier(folder, ["fine", "late"]) for _ in range(2))
    tokenizer = load_tokenizer(folder)
    batch = collate(encode(tokenizer, ORDERS[:4], LATE[:4], max_length=32), tokenizer.pad_token_id)
    with torch.inference_mode():
        bare = theirs(**batch).logits.clone()
    shown["insert"](theirs, 2, 4.0)
    lora.add_lora(ours, rank=2, alpha=4.0)
    with torch.inference_mode():
        assert torch.equal(theirs(**batch).logits, bare)
    moving = [{n for n, p in m.named_parameters() if p.requires_grad} for m in (theirs, ours)]
    assert moving[0] == moving[1]


def levels() -> dict[str, Any]:
    """What the cell that rounds weights defines: its functions, without what it goes on to do."""
    source = cell("lora-round").partition("def on_rounded")[0]
    names: dict[str, Any] = {"torch": torch, "nn": nn, "blocks": blocks}
    exec(compile(source, "lora-round", "exec"), names)
    return names


def test_the_levels_are_those_of_nf4() -> None:
    # As in QLoRA's own code (bitsandbytes), to four digits.
    expected = [-1, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0]
    expected += [0.0796, 0.1609, 0.2461, 0.3379, 0.4407, 0.5626, 0.7230, 1]
    torch.testing.assert_close(
        levels()["normal_levels"](), torch.tensor(expected, dtype=torch.float32), rtol=0, atol=1e-4
    )


def test_rounded_weights_are_the_nearest_levels(tiny_model_dir: Callable[[str], Path]) -> None:
    model = load_classifier(str(tiny_model_dir("llama")), ["fine", "late"])
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    shown = levels()
    shown["round_weights"](model)
    matrices = {name for name, p in before.items() if ".layers." in name and p.ndim == 2}
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == matrices
    for name in matrices:
        old, new = before[name].flatten(), dict(model.named_parameters())[name].detach().flatten()
        for begin in range(0, len(old), 64):
            block, rounded = old[begin : begin + 64], new[begin : begin + 64]
            steps = shown["normal_levels"]() * block.abs().max()
            nearest = (block[:, None] - steps).abs().min(1).values
            torch.testing.assert_close((block - rounded).abs(), nearest, rtol=1e-4, atol=1e-6)
