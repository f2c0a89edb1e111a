"""LoRA: a no-op at first, little that moves, and the same as `peft` does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import FAMILIES, LATE, ORDERS, refused

from ftlab import lora
from ftlab.data import collate, encode
from ftlab.models import load_causal_lm, load_classifier, load_tokenizer
from ftlab.models.layers import blocks
from ftlab.training import fit

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
    train(model, folder)
    assert not torch.equal(logits(model, folder), bare)
    moved = set(lora.adapter(model))
    assert {name.rpartition(".")[2] for name in moved - {"head.weight", "head.bias"}} == {"A", "B"}
    for name, tensor in model.state_dict().items():
        plain = name.replace(".base.", ".")
        if name not in moved:
            assert torch.equal(tensor, started[plain]), name
    assert not torch.equal(model.state_dict()["head.weight"], started["head.weight"])
    assert all(layer.B.abs().sum() > 0 for layer in lora.lora_layers(model).values())


@pytest.mark.parametrize("family", FAMILIES)
def test_merged_is_unmerged_and_the_base_comes_back(family: str, tiny_model_dir: ModelDir) -> None:
    folder = tiny_model_dir(family)
    model = lora.add_lora(classifier(folder), rank=3, alpha=6)
    train(model, folder)
    digest, with_adapter = lora.base_digest(model), logits(model, folder)
    lora.merge(model)
    lora.merge(model)  # twice is once
    torch.testing.assert_close(logits(model, folder), with_adapter, rtol=1e-4, atol=1e-4)
    assert lora.base_digest(model) != digest
    lora.unmerge(model)
    assert torch.equal(logits(model, folder), with_adapter)
    assert lora.base_digest(model) == digest == lora.base_digest(classifier(folder))
    lora.merge(model)
    merged = logits(model, folder)
    assert not lora.lora_layers(lora.remove_lora(model))
    assert torch.equal(logits(model, folder), merged)


def test_the_number_of_parameters_is_that_of_the_formula(llama: Path) -> None:
    model = classifier(llama)
    shapes = [m.weight.shape for m in blocks(model).modules() if isinstance(m, torch.nn.Linear)]
    lora.add_lora(model, rank=4)
    trained = sum(t.numel() for name, t in lora.adapter(model).items() if "head" not in name)
    assert trained == sum(4 * (inputs + outputs) for outputs, inputs in shapes)


def test_twice_rank_and_alpha_is_the_same_step() -> None:
    torch.manual_seed(0)
    base, x = torch.nn.Linear(6, 4), torch.randn(5, 6)
    one = lora.LoRALinear(base, rank=2, alpha=4)
    two = lora.LoRALinear(base, rank=4, alpha=8)
    with torch.no_grad():
        one.B.normal_()
        two.A.copy_(torch.cat([one.A, torch.zeros(2, 6)]))
        two.B.copy_(torch.cat([one.B, torch.zeros(4, 2)], 1))
    torch.testing.assert_close(one(x), two(x))


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
    for name, layer in lora.lora_layers(own).items():
        other = theirs.get_submodule(name)
        for mine, their in (
            (layer.A, other.lora_A["default"].weight),
            (layer.B, other.lora_B["default"].weight),
        ):
            with torch.no_grad():
                mine.copy_(torch.randn(mine.shape, generator=generator))
                their.copy_(mine)
            pairs.append((mine, their))
    assert len(pairs) == 2 * len(lora.lora_layers(own)) > 0
    outputs = [model.eval()(**batch(folder)) for model in (own, theirs)]
    torch.testing.assert_close(outputs[0].logits, outputs[1].logits, rtol=1e-5, atol=1e-5)
    for output in outputs:
        output.loss.backward()
    for mine, their in pairs:
        torch.testing.assert_close(mine.grad, their.grad, rtol=1e-4, atol=1e-6)


READ_AGAIN = """
import sys, torch
from ftlab import lora
from ftlab.models import load_classifier
model = load_classifier(sys.argv[1], ["fine", "late"], seed=5)  # another head: it is overwritten
lora.load_adapter(model, sys.argv[2])
torch.save(model.state_dict(), sys.argv[3])
"""


def test_an_adapter_is_read_by_another_process(llama: Path, tmp_path: Path) -> None:
    model = lora.add_lora(classifier(llama), rank=2)
    train(model, llama)
    lora.save_adapter(model, tmp_path / "adapter")
    assert {p.suffix for p in (tmp_path / "adapter").iterdir()} == {".safetensors", ".json"}
    arguments = [str(llama), str(tmp_path / "adapter"), str(tmp_path / "state.pt")]
    subprocess.run([sys.executable, "-c", READ_AGAIN, *arguments], check=True)
    read = torch.load(tmp_path / "state.pt", weights_only=True)
    assert read.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, read[name]), name


def test_many_adapters_on_one_base(llama: Path, tmp_path: Path) -> None:
    said = {}
    for seed in (0, 1):
        model = lora.add_lora(classifier(llama), rank=2, seed=seed)
        train(model, llama, seed=seed)
        said[seed] = logits(model, llama)
        lora.save_adapter(model, tmp_path / str(seed))
    model = classifier(llama)
    for seed in (0, 1, 0):
        lora.load_adapter(model, tmp_path / str(seed))
        assert torch.equal(logits(model, llama), said[seed])
        lora.merge(model)  # also a merged one can be exchanged


def test_an_adapter_of_another_base_is_refused(llama: Path, tmp_path: Path) -> None:
    model = lora.add_lora(classifier(llama))
    lora.save_adapter(model, tmp_path)
    other = load_classifier(str(llama), ["fine", "late"], random_weights=True, seed=3)
    refused(lambda: lora.load_adapter(other, tmp_path), "another base model")
    (tmp_path / lora.ADAPTER).write_bytes(b"half a fi")
    refused(lambda: lora.load_adapter(classifier(llama), tmp_path), "cannot be read")
    refused(lambda: lora.load_adapter(classifier(llama), tmp_path / "none"), "cannot be read")


def test_what_cannot_be_is_refused(llama: Path, tmp_path: Path) -> None:
    model = classifier(llama)
    refused(lambda: lora.add_lora(model, rank=0), "rank of at least 1")
    refused(lambda: lora.add_lora(model, targets=["q_prj"]), "'q_prj'", "q_proj")
    refused(lambda: lora.save_adapter(model, tmp_path), "no LoRA")
    lora.add_lora(model)
    refused(lambda: lora.add_lora(model), "already")
    lora.merge(model)
    refused(lambda: lora.save_adapter(model, tmp_path), "unmerge")


def test_a_tied_language_model_learns_through_lora(llama: Path) -> None:
    model = load_causal_lm(str(llama))
    tied = model.get_input_embeddings().weight
    before = tied.clone()
    lora.add_lora(model, rank=4, alpha=8)
    tokenizer = load_tokenizer(str(llama))
    rows = [{**f, "labels": f["input_ids"]} for f in encode(tokenizer, TEXTS, max_length=32)]
    run = fit(
        model, rows, pad_id=0, learning_rate=1e-2, epochs=6, batch_size=4, warmup=0, progress=False
    )
    assert run.history["loss"].iloc[-2:].mean() < run.history["loss"].iloc[:2].mean() - 0.1
    assert torch.equal(tied, before)
    assert model.lm_head.weight is model.get_input_embeddings().weight
