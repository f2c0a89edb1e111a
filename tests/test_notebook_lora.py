"""Notebook 03: the code that it shows is the code that the package runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ftlab.common.paths import project_root
from ftlab.models import load_causal_lm, load_tokenizer
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
    """What the cells that write LoRA out define."""
    names: dict[str, Any] = {"math": math, "torch": torch, "nn": nn, "blocks": blocks}
    exec(compile(cell("lora-written-out"), "lora-written-out", "exec"), names)
    function, _, _ = cell("lora-insert").partition("\n\n\n")
    exec(compile(function, "lora-insert", "exec"), names)
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


@SHAPES
def test_both_begin_with_the_same_numbers(shown: dict[str, Any], inputs: int, outputs: int) -> None:
    begun = []
    for kind in (shown["LoRALinear"], lora.LoRALinear):
        torch.manual_seed(1)
        begun.append(kind(nn.Linear(inputs, outputs), rank=3, alpha=3))
    assert torch.equal(begun[0].A, begun[1].A)
    assert all(not layer.B.any() for layer in begun)
    assert begun[0].scale == begun[1].scale == 1.0


def test_the_shown_loop_puts_lora_where_the_package_and_peft_do(
    shown: dict[str, Any], tiny_model_dir: Callable[[str], Path]
) -> None:
    import peft

    folder = str(tiny_model_dir("llama"))
    theirs, ours, bare, library = (load_causal_lm(folder) for _ in range(4))
    shown["insert"](theirs, 2, 4.0)
    lora.add_lora(ours, rank=2, alpha=4.0)
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", task_type="CAUSAL_LM")
    wrapped = peft.get_peft_model(library, config)
    moving = [{n for n, p in m.named_parameters() if p.requires_grad} for m in (theirs, ours)]
    assert moving[0] == moving[1]
    layers = {n for n, m in theirs.named_modules() if isinstance(m, shown["LoRALinear"])}
    adapted = {n for n, m in wrapped.get_base_model().named_modules() if hasattr(m, "lora_A")}
    assert layers == adapted
    text = load_tokenizer(folder)("The lamp arrived.", return_tensors="pt")
    with torch.inference_mode():
        assert torch.equal(theirs(**text).logits, bare(**text).logits)
