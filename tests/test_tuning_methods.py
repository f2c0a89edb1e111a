"""Tuning methods: each trains what it says and nothing else, and its costs are the true ones."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import CAUSAL, ENCODERS, FAMILIES, LATE, ORDERS, refused

from ftlab.data import collate, encode, load_task
from ftlab.evaluation.cost import costs
from ftlab.experiments import FineTuning, TrainingBudget
from ftlab.models import bits_per_character, load_causal_lm, load_classifier, load_tokenizer
from ftlab.models.classifier import as_language_model
from ftlab.models.layers import layers as layers_of
from ftlab.training import fit
from ftlab.tuning import freezing
from ftlab.tuning.methods import (
    FULL_FINE_TUNING,
    HEAD_ONLY,
    TuningMethod,
    bottom_blocks,
    peft_methods,
    schedule_methods,
    single_block,
    top_blocks,
    with_lora,
)

ModelDir = Callable[[str], Path]
TEXTS, LABELS = ORDERS[:8], LATE[:8]
METHODS = {
    method.name: method
    for method in (
        HEAD_ONLY,
        *peft_methods(),
        *map(with_lora, (1, 4)),
        *map(single_block, (1, 2)),
        *map(top_blocks, (1, 2)),
        bottom_blocks(1),
        *schedule_methods(),
        FULL_FINE_TUNING,
    )
}

pytestmark = pytest.mark.filterwarnings("ignore")  # peft's remarks about versions


def prepared(folder: Path, method: TuningMethod) -> Any:
    model = load_classifier(str(folder), ["fine", "late"])
    method.prepare(model, 0)
    return model


def rows(folder: Path) -> list[Any]:
    return encode(load_tokenizer(str(folder)), TEXTS, LABELS, max_length=32)


# Every method on a decoder and an encoder; on the others those that look into the model: LoRA for
# its matrices, two of peft's for the family. (Freezing does so family by family in its own tests.)
# A classifier has no use for the head of a language model: tied or not, it is the same network.
EACH = [(name, family) for family in ("llama", "bert") for name in METHODS] + [
    (name, family)
    for family in FAMILIES
    for name in ("LoRA 4", "IA3", "prefix")
    if family not in ("llama", "llama-untied", "bert")
]


@pytest.mark.parametrize(("name", "family"), EACH)
def test_a_method_trains_what_it_says_and_nothing_else(
    name: str, family: str, tiny_model_dir: ModelDir
) -> None:
    folder, method = tiny_model_dir(family), METHODS[name]
    if family == "distilbert" and name in ("IA3", "prefix", "soft prompt"):
        refused(lambda: prepared(folder, method), "peft has no", "distilbert")
        return
    model = prepared(folder, method)
    wanted = {name for name, p in model.named_parameters() if p.requires_grad}
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    factors = method.rate_factors(model) if method.rate_factors else None
    fit(
        model,
        rows(folder),
        pad_id=0,
        learning_rate=1e-2,
        epochs=2,
        batch_size=4,
        rate_factors=factors,
        progress=False,
    )
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    # An encoder's pooler has no part in this.
    assert moved == {n for n in wanted if "pooler" not in n}
    assert any(n.startswith("head.") for n in moved)


def test_another_fault_of_peft_is_not_told_as_an_unknown_family(
    tiny_model_dir: ModelDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any) -> None:
        raise ValueError("a fault of its own")

    monkeypatch.setattr("peft.get_peft_model", fail)
    with pytest.raises(ValueError, match=r"^a fault of its own$"):
        prepared(tiny_model_dir("llama"), METHODS["prefix"])


def test_methods_are_listed_by_what_they_train(tiny_model_dir: ModelDir) -> None:
    folder = tiny_model_dir("llama")
    counted = {
        name: costs(prepared(folder, r), collate(rows(folder), 0)) for name, r in METHODS.items()
    }
    size = {name: cost["trainable"] for name, cost in counted.items()}
    assert size["head"] == 2 * (2 * 32) + 2  # mean and maximum, and two biases
    assert (
        size["head"] < size["IA3"] < size["LoRA 1"] < size["LoRA 4"] < size["top 1"] < size["full"]
    )
    assert counted["full"]["share"] == 1.0
    memory = {name: cost["memory_bytes"] for name, cost in counted.items()}
    assert memory["head"] < memory["top 1"] < memory["block 1"] < memory["full"]
    for cost in counted.values():
        assert cost["optimizer_bytes"] == 2 * cost["stored_bytes"] == 8 * cost["trainable"]


def test_memory_counts_what_is_kept_for_the_backward_pass() -> None:
    class One(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 4, bias=False)

        def forward(self, x: torch.Tensor) -> Any:
            import types

            return types.SimpleNamespace(loss=self.layer(x).sum())

    # Weights, gradients and two states of AdamW, and the input, which the gradient needs.
    assert costs(One(), {"x": torch.randn(16, 8)})["memory_bytes"] == 4 * (4 * 32 + 16 * 8)  # type: ignore[arg-type]


def test_counting_costs_leaves_the_callers_random_numbers_alone(tiny_model_dir: ModelDir) -> None:
    folder = tiny_model_dir("llama")
    model, batch = prepared(folder, METHODS["full"]), collate(rows(folder), 0)
    before = torch.get_rng_state()
    costs(model, batch)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradual_unfreezing_trains_exactly_the_layers_of_its_stage(
    family: str, tiny_model_dir: ModelDir
) -> None:
    folder, method = tiny_model_dir(family), METHODS["gradual unfreezing"]
    model = prepared(folder, method)
    assert method.stages is not None
    stages = method.stages(model)
    after = [layer for layer in layers_of(model) if layer in ("last norm", "head")]
    assert after == (["head"] if family in ENCODERS else ["last norm", "head"])
    assert stages == [
        after,
        ["block 2", *after],
        ["block 1", "block 2", *after],
        ["embeddings", "block 1", "block 2", *after],
    ]
    for stage in stages:
        freezing.train_only(model, stage)
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        fit(model, rows(folder), pad_id=0, learning_rate=1e-2, epochs=1, progress=False)
        layers = freezing.layer_of(before)
        moved = {layers[n] for n, p in model.named_parameters() if not torch.equal(p, before[n])}
        assert moved == set(stage)


def test_rates_fall_towards_the_embeddings(tiny_model_dir: ModelDir) -> None:
    method = METHODS["rates by depth"]
    assert method.rate_factors is not None
    factors = method.rate_factors(prepared(tiny_model_dir("llama"), method))
    assert factors["head"] == 1.0
    assert 1.0 > factors["block 2"] > factors["block 1"] > factors["embeddings"] > 0.2


@pytest.mark.parametrize("family", ["llama", "llama-untied"])
@pytest.mark.parametrize("name", ["full", "head", "LoRA 4"])
def test_what_a_classifier_forgot(name: str, family: str, tiny_model_dir: ModelDir) -> None:
    folder = tiny_model_dir(family)
    tokenizer, model = load_tokenizer(str(folder)), prepared(folder, METHODS[name])
    known = bits_per_character(load_causal_lm(str(folder)), tokenizer, TEXTS)

    def forgotten() -> float:
        now = bits_per_character(as_language_model(str(folder), model), tokenizer, TEXTS)
        return abs(now - known)

    assert forgotten() < 1e-5
    fit(model, rows(folder), pad_id=0, learning_rate=2e-2, epochs=5, progress=False)
    change = forgotten()
    assert change < 1e-5 if name == "head" else change > 1e-3


@pytest.mark.parametrize("family", CAUSAL)
def test_a_language_model_is_wholly_where_its_trained_network_is(
    family: str, tiny_model_dir: ModelDir
) -> None:
    folder = str(tiny_model_dir(family))
    classifier = load_classifier(folder, ["fine", "late"]).to("meta")  # as after fit() on a GPU
    model = as_language_model(folder, classifier)
    assert model.base_model is classifier.trunk
    tensors = [*model.named_parameters(), *model.named_buffers()]
    assert not [name for name, tensor in tensors if tensor.device.type != "meta"]


def test_a_soft_prompt_is_for_one_task(tiny_model_dir: ModelDir) -> None:
    folder = tiny_model_dir("llama")
    model = prepared(folder, METHODS["soft prompt"])
    refused(lambda: as_language_model(str(folder), model), "wrapped")


def test_stages_share_the_steps_and_make_one_history(tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir("llama"))
    task = load_task("reviews")
    budget = TrainingBudget(epochs=1, min_steps=9, max_steps=9, max_length=16, eval_points=2)
    some = task.train.sample(20, random_state=0)
    method = METHODS["gradual unfreezing"]
    watched = (len(some),)
    estimator = FineTuning("gradual", folder, task, budget, tuning=method, watched=watched)
    fitted = estimator.fit(some, 1e-3, 0)
    assert fitted.steps == 8  # four stages of two steps
    assert fitted.history is not None
    assert list(fitted.history["step"]) == list(range(1, 9))
    assert fitted.history["seconds"].is_monotonic_increasing
    assert fitted.seconds == fitted.history["seconds"].iloc[-1]
    assert all(p.requires_grad for p in fitted.model.parameters())


@pytest.mark.parametrize("name", ["gradual unfreezing", "rates by depth", "no warm-up"])
def test_a_schedule_reaches_the_training(
    name: str, tiny_model_dir: ModelDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a method tells `fit`, and what moves in each of its stages."""
    folder, method = str(tiny_model_dir("llama")), METHODS[name]
    task = load_task("reviews")
    budget = TrainingBudget(epochs=1, min_steps=8, max_steps=8, max_length=16)
    told, moved = [], []

    def watched(model: Any, *arguments: Any, **settings: Any) -> Any:
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        run = fit(model, *arguments, **settings)
        layers = freezing.layer_of(before)
        changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
        moved.append({layers[n] for n in changed})
        told.append(settings)
        return run

    monkeypatch.setattr("ftlab.training.fit", watched)
    estimator = FineTuning("m", folder, task, budget, tuning=method)
    estimator.fit(task.train.sample(20, random_state=0), 1e-3, 0)
    everything = {"embeddings", "block 1", "block 2", "last norm", "head"}
    if name == "gradual unfreezing":
        assert moved == [
            {"last norm", "head"},
            everything - {"block 1", "embeddings"},
            everything - {"embeddings"},
            everything,
        ]
        assert len({settings["seed"] for settings in told}) == 4
    else:
        assert moved == [everything]
    factors = told[0]["rate_factors"]
    assert (factors is not None) == (name == "rates by depth")
    assert factors is None or factors["embeddings"] < factors["block 2"] < factors["head"]
    assert told[0]["warmup"] == (0.0 if name == "no warm-up" else 0.1)


@pytest.mark.parametrize("name", ["LoRA 4", "head", "norms and biases", "soft prompt"])
def test_a_method_begins_where_the_model_is(name: str, tiny_model_dir: ModelDir) -> None:
    """What is put in changes nothing before it is trained; only a prompt can not but be read."""
    folder = tiny_model_dir("llama")
    batch = collate(rows(folder), 0)
    bare = load_classifier(str(folder), ["fine", "late"])
    with torch.inference_mode():
        logits = [model.eval()(**batch).logits for model in (bare, prepared(folder, METHODS[name]))]
    assert torch.equal(*logits) == (name != "soft prompt")


@pytest.mark.parametrize("name", METHODS)
def test_a_method_can_be_sent_to_another_process(name: str, tiny_model_dir: ModelDir) -> None:
    again = pickle.loads(pickle.dumps(METHODS[name]))
    models = [prepared(tiny_model_dir("llama"), method) for method in (METHODS[name], again)]
    trained = [{n for n, p in m.named_parameters() if p.requires_grad} for m in models]
    assert trained[0] == trained[1]
    assert again.name == name
