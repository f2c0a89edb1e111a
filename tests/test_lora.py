"""LoRA: a no-op at first, little that moves, and the same as `peft` does."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import CAUSAL, FAMILIES, LATE, ORDERS, refused
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ftlab.data import collate, encode
from ftlab.models import load_causal_lm, load_classifier, load_tokenizer, storing
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
    drawn = {name: tensor.clone() for name, tensor in lora.adapter(model).items()}
    train(model, folder)
    assert not torch.equal(logits(model, folder), bare)
    moved = set(lora.adapter(model))
    assert moved > {"head.weight", "head.bias"}
    assert {name.rpartition(".")[2] for name in moved - {"head.weight", "head.bias"}} == {"A", "B"}
    for name, tensor in model.state_dict().items():
        plain = name.replace(".base.", ".")
        if name not in moved:
            assert torch.equal(tensor, started[plain]), name
    still = [n for n, tensor in lora.adapter(model).items() if torch.equal(tensor, drawn[n])]
    assert not still
    assert all(layer.B.abs().sum() > 0 for layer in lora.lora_layers(model).values())
    matrices = [p for p in blocks(classifier(folder)).parameters() if p.ndim == 2]
    assert len(lora.lora_layers(model)) == len(matrices)


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
    layer.merge()
    torch.testing.assert_close(layer.eval()(x), dense)
    torch.testing.assert_close(base(x), dense)


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
from ftlab.models import load_classifier
from ftlab.tuning import lora
model = load_classifier(sys.argv[1], ["fine", "late"], seed=5)  # another head: it is overwritten
lora.load_adapter(model, sys.argv[2])
torch.save(model.state_dict(), sys.argv[3])
"""


@pytest.mark.slow
def test_an_adapter_is_read_by_another_process(llama: Path, tmp_path: Path) -> None:
    model = lora.add_lora(classifier(llama), rank=2)
    train(model, llama)
    lora.save_adapter(model, tmp_path / "adapter")
    assert [p.name for p in (tmp_path / "adapter").iterdir()] == [lora.ADAPTER]
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


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_leaves_the_earlier_adapter(
    failure: Exception, llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = lora.add_lora(classifier(llama), rank=2)
    train(model, llama)
    lora.save_adapter(model, tmp_path / "adapter")
    said = logits(model, llama)
    train(model, llama)

    def full(tensors: Any, path: Path, **more: Any) -> None:
        path.write_bytes(b"half")
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(storing, "save_file", full)
        words = "No space left on device", "earlier one there is intact"
        refused(lambda: lora.save_adapter(model, tmp_path / "adapter"), *words)
        refused(lambda: lora.save_adapter(model, tmp_path / "new"), "could not be written")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(failure))
        refused(lambda: lora.save_adapter(model, tmp_path / "adapter"), *words)
    assert [path.name for path in (tmp_path / "adapter").iterdir()] == [lora.ADAPTER]
    assert not list((tmp_path / "new").iterdir())
    assert torch.equal(
        logits(lora.load_adapter(classifier(llama), tmp_path / "adapter"), llama), said
    )
    (tmp_path / "file").write_text("")
    refused(lambda: lora.save_adapter(model, tmp_path / "file"), "could not be written")


KILLED = """
import os, sys
from ftlab.models import load_classifier
from ftlab.tuning import lora
model = lora.add_lora(load_classifier(sys.argv[1], ["fine", "late"]), rank=4, seed=1)
os.replace = lambda *paths: os._exit(9)
lora.save_adapter(model, sys.argv[2])
"""


@pytest.mark.slow
def test_a_save_that_is_killed_leaves_the_earlier_adapter(llama: Path, tmp_path: Path) -> None:
    lora.save_adapter(lora.add_lora(classifier(llama), rank=2), tmp_path)
    done = subprocess.run([sys.executable, "-c", KILLED, str(llama), str(tmp_path)])
    assert done.returncode == 9
    assert len(list(tmp_path.iterdir())) == 2  # the new one was written, but not yet in its place
    model = lora.load_adapter(classifier(llama), tmp_path)
    assert {layer.A.shape[0] for layer in lora.lora_layers(model).values()} == {2}


def test_an_adapter_that_does_not_fit_is_refused(llama: Path, tmp_path: Path) -> None:
    lora.save_adapter(lora.add_lora(classifier(llama), rank=2), tmp_path)
    three = load_classifier(str(llama), ["a", "b", "c"])
    head = three.head.weight.clone()
    refused(lambda: lora.load_adapter(three, tmp_path), "head.weight is (2, 64)", "(3, 64)")
    assert torch.equal(three.head.weight, head)
    assert not lora.lora_layers(three)
    file = tmp_path / lora.ADAPTER
    with safe_open(file, framework="pt") as content:
        about = content.metadata()
        tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    gone = next(name for name in tensors if name.endswith(".A"))
    save_file({n: t for n, t in tensors.items() if n != gone}, file, metadata=about)
    refused(lambda: lora.load_adapter(classifier(llama), tmp_path), f"{gone} is missing")
    for broken in ({}, {lora.ABOUT: "[]"}, {lora.ABOUT: '{"rank": null}'}, {lora.ABOUT: "{"}):
        save_file(tensors, file, metadata=broken)
        refused(lambda: lora.load_adapter(classifier(llama), tmp_path), "cannot be read")


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
    narrowest = min(min(p.shape) for p in blocks(model).parameters() if p.ndim == 2)
    refused(lambda: lora.add_lora(model, rank=narrowest + 1), f"rank {narrowest + 1}", "_proj has")
    assert all(p.requires_grad for p in model.parameters())  # a refused rank has changed nothing
    refused(lambda: lora.add_lora(model, targets=["q_prj"]), "'q_prj'", "q_proj")
    refused(lambda: lora.save_adapter(model, tmp_path), "no LoRA")
    lora.add_lora(model)
    refused(lambda: lora.add_lora(model), "already")
    lora.merge(model)
    refused(lambda: lora.save_adapter(model, tmp_path), "unmerge")


def test_a_merged_adapter_is_not_trained(llama: Path) -> None:
    model = lora.add_lora(classifier(llama))
    lora.merge(model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    refused(lambda: train(model, llama), "merged into the weights", "unmerge")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    lora.unmerge(model)
    train(model, llama)
    assert all(layer.B.any() for layer in lora.lora_layers(model).values())


@pytest.mark.parametrize("family", CAUSAL)
def test_a_language_model_learns_through_lora_and_its_tie_stays_as_it_was(
    family: str, tiny_model_dir: ModelDir, tmp_path: Path
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
    assert not any("lm_head" in name or "embed" in name for name in lora.adapter(model))
    lora.save_adapter(model, tmp_path)
    for one in (model, lora.load_adapter(load_causal_lm(folder), tmp_path)):
        lora.merge(one)
        now = [one.get_input_embeddings().weight, one.lm_head.weight]
        assert all(map(torch.equal, now, before))
        assert (now[0] is now[1]) == (embeddings is head)
    assert model.get_input_embeddings().weight is embeddings
