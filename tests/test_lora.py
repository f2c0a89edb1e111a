"""LoRA: a no-op at first, little that moves, and the same as `peft` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import CAUSAL, FAMILIES, LATE, ORDERS, refused

from ftlab.data import collate, encode
from ftlab.models import load_causal_lm, load_classifier, load_tokenizer
from ftlab.models.layers import blocks
from ftlab.training import fit
from ftlab.tuning import lora

ModelDir = Callable[[str], Path]
TEXTS, LABELS = ORDERS[:8], LATE[:8]


def classifier(folder: Path) -> Any:
    return load_classifier(str(folder), ["fine", "late"])


def batch(folder: Path) -> dict[str, torch.Tensor]:
    tokenizer = load_tokenizer(str(folder))
    return collate(encode(tokenizer, TEXTS, LABELS, max_length=32), tokenizer.pad_token_id)


def logits(model: Any, folder: Path) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(**batch(folder)).logits.clone()


def train(model: Any, folder: Path, **more: Any) -> Any:
    tokenizer = load_tokenizer(str(folder))
    rows = encode(tokenizer, TEXTS, LABELS, max_length=32)
    settings = {"learning_rate": 1e-2, "epochs": 3, "batch_size": 4, **more}
    return fit(model, rows, pad_id=tokenizer.pad_token_id, progress=False, **settings)


def adapter(model: Any) -> dict[str, torch.Tensor]:
    """All that training moves: A and B of every layer, and the head."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def lora_layers(model: Any) -> dict[str, lora.LoRALinear]:
    return {name: m for name, m in model.named_modules() if isinstance(m, lora.LoRALinear)}


@pytest.fixture
def llama(tiny_model_dir: ModelDir) -> Path:
    return tiny_model_dir("llama")


@pytest.mark.parametrize("family", FAMILIES)
def test_at_first_nothing_changes_and_then_only_the_adapter_and_the_head_move(
    family: str, tiny_model_dir: ModelDir
) -> None:
    folder = tiny_model_dir(family)
    model = classifier(folder)
    bare, started = logits(model, folder), classifier(folder).state_dict()
    lora.add_lora(model, rank=2, alpha=4)
    assert torch.equal(logits(model, folder), bare)
    drawn = {name: tensor.clone() for name, tensor in adapter(model).items()}
    train(model, folder)
    assert not torch.equal(logits(model, folder), bare)
    moved = set(adapter(model))
    assert moved > {"head.weight", "head.bias"}
    assert {name.rpartition(".")[2] for name in moved - {"head.weight", "head.bias"}} == {"A", "B"}
    for name, tensor in model.state_dict().items():
        plain = name.replace(".base.", ".")
        if name not in moved:
            assert torch.equal(tensor, started[plain]), name
    still = [n for n, tensor in adapter(model).items() if torch.equal(tensor, drawn[n])]
    assert not still
    assert all(layer.B.abs().sum() > 0 for layer in lora_layers(model).values())
    matrices = [p for p in blocks(classifier(folder)).parameters() if p.ndim == 2]
    assert len(lora_layers(model)) == len(matrices)


def test_the_number_of_parameters_is_that_of_the_formula(llama: Path) -> None:
    model = classifier(llama)
    shapes = [m.weight.shape for m in blocks(model).modules() if isinstance(m, torch.nn.Linear)]
    lora.add_lora(model, rank=4)
    trained = sum(t.numel() for name, t in adapter(model).items() if "head" not in name)
    assert trained == sum(4 * (inputs + outputs) for outputs, inputs in shapes)


def layer_of(base: Any, rank: int, alpha: float, A: torch.Tensor) -> lora.LoRALinear:
    layer = lora.LoRALinear(base, rank, alpha)
    with torch.no_grad():
        layer.A.copy_(A)
    return layer


def first_change(layer: lora.LoRALinear, x: torch.Tensor, optimizer: Any) -> torch.Tensor:
    """What one step away from B = 0 does to the outputs."""
    stepping = optimizer([layer.A, layer.B], lr=1e-2)
    before = layer(x).detach()
    (layer(x) * torch.linspace(-1, 1, before.numel()).view_as(before)).sum().backward()
    stepping.step()
    return layer(x).detach() - before


def test_the_scale_is_alpha_over_rank() -> None:
    """Twice both: the same scale, so rows of A and B that are nothing change nothing, neither in
    the outputs nor in the first step."""
    torch.manual_seed(0)
    base, x = torch.nn.Linear(6, 4), torch.randn(5, 6)
    A, nothing = torch.randn(2, 6), torch.zeros(2, 6)
    for optimizer in (torch.optim.SGD, torch.optim.Adam):
        one = layer_of(base, 2, 4, A)
        two = layer_of(base, 4, 8, torch.cat([A, nothing]))
        assert one.scale == two.scale == 2
        torch.testing.assert_close(
            first_change(one, x, optimizer), first_change(two, x, optimizer), rtol=1e-4, atol=1e-6
        )
        with torch.no_grad():  # any product of the same B and A, not only that of one step
            one.B.normal_()
            two.A.copy_(torch.cat([one.A, nothing]))
            two.B.copy_(torch.cat([one.B, torch.randn(4, 2)], 1))
        torch.testing.assert_close(one(x), two(x))
        torch.testing.assert_close(one(x) - base(x), 2 * (x @ one.A.T @ one.B.T))


def test_the_first_step_of_adam_depends_on_alpha_and_not_on_the_rank() -> None:
    """Each row of A once more: the rank doubles. With alpha as it was Adam's first step changes
    the outputs as before; with twice alpha, too, it changes them twice as much. Under plain
    gradient descent, whose steps grow with the scale, they are half and twice."""
    torch.manual_seed(0)
    base, x, A = torch.nn.Linear(6, 4), torch.randn(5, 6), torch.randn(2, 6)
    for optimizer, same_alpha, twice_alpha in (
        (torch.optim.Adam, 1.0, 2.0),
        (torch.optim.SGD, 0.5, 2.0),
    ):
        change = first_change(layer_of(base, 2, 4, A), x, optimizer)
        assert change.abs().max() > 1e-3
        for alpha, times in ((4, same_alpha), (8, twice_alpha)):
            repeated = first_change(layer_of(base, 4, alpha, torch.cat([A, A])), x, optimizer)
            torch.testing.assert_close(repeated, times * change, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), [(6, 4), (4, 6)])
def test_a_layer_is_its_dense_matrix(transposed: bool, inputs: int, outputs: int) -> None:
    from transformers.pytorch_utils import Conv1D

    torch.manual_seed(0)
    base: Any = Conv1D(outputs, inputs) if transposed else torch.nn.Linear(inputs, outputs)
    weight = (base.weight.T if transposed else base.weight).clone()
    layer, x = lora.LoRALinear(base, rank=3, alpha=6), torch.randn(2, 5, inputs)
    assert (layer.A.shape, layer.B.shape) == ((3, inputs), (outputs, 3))
    with torch.no_grad():
        layer.B.normal_()
    dense = x @ (weight + 2.0 * layer.B @ layer.A).T + base.bias
    torch.testing.assert_close(layer(x), dense)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
@pytest.mark.filterwarnings("ignore")
def test_peft_gives_the_same_outputs_and_gradients(family: str, tiny_model_dir: ModelDir) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    folder = tiny_model_dir(family)
    targets = {"llama": ["q_proj", "up_proj"], "gpt2": ["c_attn", "c_proj"], "bert": ["query"]}
    own = lora.add_lora(classifier(folder), rank=2, alpha=6, targets=targets[family])
    theirs = inject_adapter_in_model(
        LoraConfig(r=2, lora_alpha=6, lora_dropout=0.0, target_modules=targets[family]),
        classifier(folder),
    )
    pairs = []
    generator = torch.Generator().manual_seed(1)
    for name, layer in lora_layers(own).items():
        other = theirs.get_submodule(name)
        for mine, their in (
            (layer.A, other.lora_A["default"].weight),
            (layer.B, other.lora_B["default"].weight),
        ):
            with torch.no_grad():
                mine.copy_(torch.randn(mine.shape, generator=generator))
                their.copy_(mine)
            pairs.append((mine, their))
    assert len(pairs) == 2 * len(lora_layers(own)) > 0
    outputs = [model.eval()(**batch(folder)) for model in (own, theirs)]
    torch.testing.assert_close(outputs[0].logits, outputs[1].logits, rtol=1e-5, atol=1e-5)
    for output in outputs:
        output.loss.backward()
    for mine, their in pairs:
        torch.testing.assert_close(mine.grad, their.grad, rtol=1e-4, atol=1e-6)


def test_what_cannot_be_is_refused(llama: Path) -> None:
    model = classifier(llama)
    refused(lambda: lora.add_lora(model, rank=0), "rank of at least 1")
    narrowest = min(min(p.shape) for p in blocks(model).parameters() if p.ndim == 2)
    refused(lambda: lora.add_lora(model, rank=narrowest + 1), f"rank {narrowest + 1}", "_proj has")
    assert all(p.requires_grad for p in model.parameters())  # a refused rank has changed nothing
    refused(lambda: lora.add_lora(model, targets=["q_prj"]), "'q_prj'", "q_proj")
    lora.add_lora(model)
    refused(lambda: lora.add_lora(model), "already")


@pytest.mark.parametrize("family", CAUSAL)
def test_a_language_model_learns_through_lora_and_its_tie_stays_as_it_was(
    family: str, tiny_model_dir: ModelDir
) -> None:
    folder = str(tiny_model_dir(family))
    model = load_causal_lm(folder)
    embeddings, head = model.get_input_embeddings().weight, model.lm_head.weight
    assert (embeddings is head) == (family != "llama-untied")
    before = [embeddings.clone(), head.clone()]
    lora.add_lora(model, rank=4, alpha=8)
    tokenizer = load_tokenizer(folder)
    rows = [{**f, "labels": f["input_ids"]} for f in encode(tokenizer, TEXTS, max_length=32)]
    run = fit(
        model, rows, pad_id=0, learning_rate=1e-2, epochs=6, batch_size=4, warmup=0, progress=False
    )
    assert run.history["loss"].iloc[-2:].mean() < run.history["loss"].iloc[:2].mean() - 0.1
    assert not any("lm_head" in name or "embed" in name for name in adapter(model))
    now = [model.get_input_embeddings().weight, model.lm_head.weight]
    assert all(map(torch.equal, now, before))
    assert (now[0] is now[1]) == (embeddings is head)
    assert model.get_input_embeddings().weight is embeddings
