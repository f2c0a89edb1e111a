"""Base models of every family: found, loaded, asked and scored, and refused when unusable."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import math
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CAUSAL, ENCODERS, FAMILIES, POSITIONS, refused
from safetensors.torch import load_file, save_file

from ftlab.common.errors import LabError
from ftlab.data import collate, encode
from ftlab.models import (
    Classifier,
    bits_per_character,
    complete_folder,
    count_parameters,
    folders,
    generate,
    is_causal_lm,
    load_causal_lm,
    load_classifier,
    load_tokenizer,
    max_length,
    sequence_logprob,
    starting_rate,
)

ModelDir = Callable[[str], Path]
TEXTS = ["Where is it?", "The lamp is made of brass, and it costs forty crowns, they say.", "No."]
PROMPTS = [
    "Question: what is the lamp made of?\nAnswer:",
    "My parcel",
    "They charged me twice for",
]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[str]]:
    """`hub(answer)`: a Hub that is there and answers so; returns the names it is asked for."""
    import huggingface_hub

    def set_up(answer: Any) -> list[str]:
        asked: list[str] = []

        def snapshot_download(name: str, **settings: Any) -> str:
            asked.append(name)
            if isinstance(answer, BaseException):
                raise answer
            return str(answer)

        monkeypatch.setattr(folders, "_fetched", {})
        monkeypatch.setattr(folders, "go_offline_if_unreachable", lambda: "")
        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
        return asked

    return set_up


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The Hub out of reach, as by HF_HUB_OFFLINE=1; returns the folder of its local cache."""
    monkeypatch.setattr(folders, "_fetched", {})
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("ftlab.common.hub._went_offline", False)
    return cache


def copy_of(folder: Path, to: Path, without: str = "") -> Path:
    shutil.copytree(folder, to)
    if without:
        (to / without).unlink()
    return to


def logits_of(model: Any, tokenizer: Any, texts: list[str]) -> torch.Tensor:
    batch = collate(encode(tokenizer, texts), tokenizer.pad_token_id)
    with torch.inference_mode():
        return model(**batch).logits


# --- the network block that all tests rely on


@pytest.mark.parametrize("address", ["192.0.2.1", "huggingface.co"])
def test_the_network_is_blocked(address: str) -> None:
    with pytest.raises(ConnectionError, match="tests may not reach"):
        socket.create_connection((address, 443), timeout=1)


def test_the_network_is_blocked_in_child_processes() -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 443), timeout=1)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert child.returncode != 0
    assert "NetworkBlocked" in child.stderr


def test_loopback_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()


# --- loading


@pytest.mark.parametrize("family", FAMILIES)
def test_classifier_ignores_padding_and_survives_saving(
    family: str, tiny_model_dir: ModelDir, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_model_dir(family)
    capfd.readouterr()
    tokenizer = load_tokenizer(str(folder))
    model = load_classifier(str(folder), ["a", "b", "c"], seed=1)
    together = logits_of(model, tokenizer, TEXTS)
    alone = torch.cat([logits_of(model, tokenizer, [text]) for text in TEXTS])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3  # it does read the texts

    model.save_pretrained(tmp_path / "saved", tokenizer)
    again = Classifier.load(tmp_path / "saved")
    assert again.label_names == ["a", "b", "c"]
    torch.testing.assert_close(logits_of(again, tokenizer, TEXTS), together, rtol=0, atol=0)
    assert not list((tmp_path / "saved").glob("*.bin"))
    output = capfd.readouterr()
    assert output.out + output.err == ""  # no bars, no tables of missing keys


def test_a_full_disk_leaves_the_earlier_classifier_intact(
    tiny_model_dir: ModelDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = str(tiny_model_dir("llama"))
    tokenizer = load_tokenizer(base)
    earlier = load_classifier(base, ["a", "b"], seed=1)
    earlier.save_pretrained(tmp_path / "saved", tokenizer)

    def full(*args: Any) -> None:  # the head comes after the trunk: half is written by then
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ftlab.models.classifier.save_file", full)
    later = load_classifier(base, ["a", "b"], random_weights=True, seed=2)
    refused(lambda: later.save_pretrained(tmp_path / "saved", tokenizer), "No space left", "saved")
    kept = Classifier.load(tmp_path / "saved").state_dict()
    for name, tensor in earlier.state_dict().items():
        torch.testing.assert_close(kept[name], tensor, rtol=0, atol=0)
    assert not list((tmp_path / "saved").glob(".saving*"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_classifier_serves_as_a_base_model(
    family: str, tiny_model_dir: ModelDir, tmp_path: Path
) -> None:
    base, saved = str(tiny_model_dir(family)), str(tmp_path / "saved")
    tokenizer, model = load_tokenizer(base), load_classifier(base, ["a", "b"])
    with torch.no_grad():
        for parameter in model.trunk.parameters():
            parameter.mul_(1.01)
    model.save_pretrained(saved, tokenizer)
    assert complete_folder(saved) == Path(saved)
    again = load_tokenizer(saved)
    assert again(TEXTS)["input_ids"] == tokenizer(TEXTS)["input_ids"]
    next_one = load_classifier(saved, ["x", "y", "z"])
    for name, tensor in model.trunk.state_dict().items():
        assert torch.equal(next_one.trunk.state_dict()[name], tensor), name
    # Of a causal model the head is not saved: without a tie to the embeddings it is gone.
    if is_causal_lm(saved):
        continuing = load_causal_lm(saved)
        assert torch.equal(continuing.lm_head.weight, model.get_input_embeddings().weight)
    else:
        assert family in (*ENCODERS, "llama-untied")
        refused(lambda: load_causal_lm(saved), "not a causal language model", saved)


def test_a_kill_while_saving_never_mixes_two_classifiers(
    tiny_model_dir: ModelDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, folder = str(tiny_model_dir("llama")), tmp_path / "saved"
    models = {
        "earlier": load_classifier(base, ["a", "b"], seed=1),
        "later": load_classifier(base, ["c", "d"], random_weights=True, seed=2),
    }
    tokenizers = {which: load_tokenizer(base) for which in models}
    tokenizers["later"].add_tokens(["lamp"])

    def loaded() -> tuple[str, str]:
        """Which of the two the folder holds, as a classifier and as a base model."""
        found = ["refused", "refused"]
        with contextlib.suppress(LabError):
            again = Classifier.load(folder)
            found[0] = "mixed"
            for which, model in models.items():
                if model.label_names == again.label_names and same(model, again):
                    found[0] = which
        with contextlib.suppress(LabError):
            words = len(load_tokenizer(str(complete_folder(str(folder)))))
            again = load_classifier(str(folder), ["a", "b"])
            found[1] = "mixed"
            for which, model in models.items():
                if len(tokenizers[which]) == words and same(model.trunk, again.trunk):
                    found[1] = which
        return found[0], found[1]

    def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
        return all(map(torch.equal, one.parameters(), other.parameters()))

    met: list[tuple[str, str]] = []
    while not met or met[-1] != ("later", "later"):
        models["earlier"].save_pretrained(folder, tokenizers["earlier"])
        assert loaded() == ("earlier", "earlier")  # whatever the last kill left there
        assert not list(folder.glob(".saving*"))
        with monkeypatch.context() as patched, contextlib.suppress(Killed):
            die_at_step(len(met), patched)
            models["later"].save_pretrained(folder, tokenizers["later"])
        met.append(loaded())
    assert met[0] == ("earlier", "earlier")
    assert not any("mixed" in outcome for outcome in met)
    assert met.count(("refused", "refused")) > 3


class Killed(BaseException):
    """The process is no more."""


def die_at_step(last: int, patched: pytest.MonkeyPatch) -> None:
    """After `last` renamed or removed files, nothing else is: what would clean up is dead too."""
    left = iter(range(last))

    def dying(change: Callable[..., None], *given: Any, **named: Any) -> None:
        if next(left, None) is None:
            raise Killed
        change(*given, **named)

    for name in ("replace", "unlink", "rmdir"):
        patched.setattr(os, name, functools.partial(dying, getattr(os, name)))


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_of_the_greatest_length_fit(family: str, tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir(family))
    tokenizer, model = load_tokenizer(folder), load_classifier(folder, ["a", "b"])
    longest = max_length(model, 10_000)
    assert longest == (POSITIONS - 1 if family == "roberta" else POSITIONS)
    assert max_length(model.config, 8) == 8
    features = encode(tokenizer, ["lamp " * 500], max_length=longest)
    assert len(features[0]["input_ids"]) == longest
    assert model(**collate(features, 0)).logits.isfinite().all()


def test_random_weights_depend_on_the_seed_alone(tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir("llama"))

    def weights(seed: int) -> torch.Tensor:
        model = load_classifier(folder, ["a", "b"], random_weights=True, seed=seed)
        return torch.cat([p.flatten() for p in model.parameters()])

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = weights(0)
    assert torch.equal(torch.rand(3), expected)  # the caller's random numbers went on
    assert torch.equal(weights(0), first)
    assert not torch.equal(weights(1), first)
    pretrained = load_classifier(folder, ["a", "b"], seed=0)
    assert not torch.equal(torch.cat([p.flatten() for p in pretrained.parameters()]), first)


def test_the_head_depends_on_the_seed(tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir("bert"))
    heads = [load_classifier(folder, ["a", "b"], seed=seed).head.weight for seed in (0, 0, 1)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_half_precision_files_load_in_fp32(tiny_model_dir: ModelDir, tmp_path: Path) -> None:
    load_causal_lm(str(tiny_model_dir("llama"))).half().save_pretrained(tmp_path)
    assert {t.dtype for t in load_file(tmp_path / "model.safetensors").values()} == {torch.float16}
    for model in (load_causal_lm(str(tmp_path)), load_classifier(str(tmp_path), ["a", "b"])):
        assert {p.dtype for p in model.parameters()} == {torch.float32}
    random = load_causal_lm(str(tmp_path), random_weights=True)
    assert {p.dtype for p in random.parameters()} == {torch.float32}


def test_parameters_and_bytes_are_those_of_the_file(
    tiny_model_dir: ModelDir, tmp_path: Path
) -> None:
    folder = tiny_model_dir("llama")
    model = load_causal_lm(str(folder))
    stored = load_file(folder / "model.safetensors")
    numbers = sum(tensor.numel() for tensor in stored.values())
    assert count_parameters(model) == {"total": numbers, "trainable": numbers}
    model.get_input_embeddings().weight.requires_grad_(False)
    frozen = model.config.vocab_size * model.config.hidden_size
    assert count_parameters(model) == {"total": numbers, "trainable": numbers - frozen}


def test_larger_models_start_at_smaller_rates() -> None:
    assert starting_rate(load_causal_lm("lab")) == 1e-3
    with torch.device("meta"):
        rates = [
            starting_rate(torch.nn.Linear(1000, n, bias=False)) for n in (10_000, 130_000, 400_000)
        ]
    assert rates == sorted(rates, reverse=True)
    assert 5e-5 <= rates[1] <= 2e-4  # where guides begin for models of this size


def test_tokenizer_without_padding_token(tiny_model_dir: ModelDir, tmp_path: Path) -> None:
    folder = copy_of(tiny_model_dir("gpt2"), tmp_path / "model")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["pad_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.warns(UserWarning, match="no padding token"):
        tokenizer = load_tokenizer(str(folder))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    model = load_causal_lm(str(folder))
    usual = load_tokenizer(str(tiny_model_dir("gpt2")))
    assert generate(model, tokenizer, PROMPTS, max_new_tokens=6) == generate(
        model, usual, PROMPTS, max_new_tokens=6
    )


# --- what cannot be used is refused in one sentence


def test_missing_folders_are_refused(tmp_path: Path, tiny_model_dir: ModelDir) -> None:
    missing = str(tmp_path / "nowhere")
    for load in (load_tokenizer, load_causal_lm, lambda name: load_classifier(name, ["a", "b"])):
        refused(lambda load=load: load(missing), "no model folder", missing)
    refused(lambda: load_causal_lm(str(tmp_path)), "no config.json", str(tmp_path))
    config = tiny_model_dir("llama") / "config.json"
    refused(lambda: load_causal_lm(str(config)), "is a file")


def test_pickled_weights_are_refused(tiny_model_dir: ModelDir, tmp_path: Path) -> None:
    folder = copy_of(tiny_model_dir("bert"), tmp_path / "model", without="model.safetensors")
    refused(lambda: load_classifier(str(folder), ["a", "b"]), "no model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"anything")
    refused(lambda: load_classifier(str(folder), ["a", "b"]), "pytorch_model.bin", "safetensors")
    load_classifier(str(folder), ["a", "b"], random_weights=True)  # which needs none


def test_broken_files_are_refused(tiny_model_dir: ModelDir, tmp_path: Path) -> None:
    original = tiny_model_dir("llama")
    cut = copy_of(original, tmp_path / "cut")
    content = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(content[: len(content) // 2])
    refused(lambda: load_causal_lm(str(cut)), str(cut), "cannot be loaded")

    lacking = copy_of(original, tmp_path / "lacking")
    weights = load_file(lacking / "model.safetensors")
    gone = next(name for name in weights if "layers.1" in name)
    del weights[gone]
    save_file(weights, lacking / "model.safetensors", metadata={"format": "pt"})
    refused(lambda: load_causal_lm(str(lacking)), gone.removeprefix("model."), "missing")
    refused(lambda: load_classifier(str(lacking), ["a", "b"]), "layers.1", "missing")

    unknown = copy_of(original, tmp_path / "unknown")
    (unknown / "config.json").write_text('{"model_type": "no_such_family"}')
    refused(lambda: load_causal_lm(str(unknown)), "no_such_family")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_without_a_tokenizer_is_refused(
    family: str, tiny_model_dir: ModelDir, tmp_path: Path
) -> None:
    """The library makes up an empty one for most families, which would split no text."""
    folder = copy_of(tiny_model_dir(family), tmp_path / "model", without="tokenizer.json")
    refused(lambda: load_tokenizer(str(folder)), "tokenizer", str(folder))
    (folder / "tokenizer_config.json").unlink()
    for load in (load_tokenizer, complete_folder):
        refused(lambda load=load: load(str(folder)), "has no tokenizer", str(folder))


def test_a_model_that_lacks_a_part_of_its_weights_is_refused(
    tiny_model_dir: ModelDir, tmp_path: Path
) -> None:
    folder, base = tmp_path / "model", str(tiny_model_dir("llama"))
    load_causal_lm(base).save_pretrained(folder, max_shard_size="20KB")
    load_tokenizer(base).save_pretrained(folder)
    parts = sorted(folder.glob("model-*.safetensors"))
    assert len(parts) > 1
    assert complete_folder(str(folder)) == folder
    load_classifier(str(folder), ["a", "b"])
    parts[1].unlink()
    refused(lambda: complete_folder(str(folder)), parts[1].name, str(folder))
    refused(lambda: load_classifier(str(folder), ["a", "b"]), parts[1].name, str(folder))


@pytest.mark.parametrize("family", ENCODERS)
def test_encoders_cannot_continue_a_text(family: str, tiny_model_dir: ModelDir) -> None:
    refused(lambda: load_causal_lm(str(tiny_model_dir(family))), "not a causal language model")


def test_remote_code_is_never_run(tiny_model_dir: ModelDir, tmp_path: Path) -> None:
    folder = copy_of(tiny_model_dir("llama"), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    refused(lambda: load_classifier(str(folder), ["a", "b"]), "cannot be loaded")
    assert not (tmp_path / "ran").exists()


def test_hub_names_come_from_the_local_cache(offline: Path, tiny_model_dir: ModelDir) -> None:
    refused(lambda: load_causal_lm("someone/tiny"), "someone/tiny", "cache", "HF_HUB_OFFLINE")
    repository = offline / "models--someone--tiny"
    commit = "0" * 40
    copy_of(tiny_model_dir("llama"), repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    model, tokenizer = load_causal_lm("someone/tiny"), load_tokenizer("someone/tiny")
    local = load_causal_lm(str(tiny_model_dir("llama")))
    expected = logits_of(local, tokenizer, TEXTS[:1])
    assert torch.equal(logits_of(model, tokenizer, TEXTS[:1]), expected)


def test_hub_names_without_a_network_are_refused() -> None:
    """Nothing says that we are offline: the blocked network has to be noticed."""
    refused(lambda: load_causal_lm("someone/tiny"), "someone/tiny", "cannot be reached")


def test_the_hub_is_asked_once_for_a_name(hub: Any, tiny_model_dir: ModelDir) -> None:
    asked = hub(tiny_model_dir("llama"))
    load_tokenizer("someone/tiny")
    for _ in range(2):
        load_classifier("someone/tiny", ["a", "b"])
    assert is_causal_lm("someone/tiny")
    load_causal_lm("someone/other")
    assert asked == ["someone/tiny", "someone/other"]


def failures_of_the_hub() -> dict[str, Exception]:
    """What the libraries raise, by what is to be said of it."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    response: Any = SimpleNamespace(headers={}, request=None, status_code=429)
    busy = HfHubHTTPError("429 Too Many\nRequests", response=response)
    nothing_here = LocalEntryNotFoundError("Cannot find a snapshot")
    nothing_here.__cause__ = HfHubHTTPError("503 Service Unavailable", response=response)
    return {
        "HfHubHTTPError: 429 Too Many Requests": busy,
        "HfHubHTTPError: 503 Service Unavailable": nothing_here,
        "TimeoutError: The read operation timed out": TimeoutError("The read operation timed out"),
        "No space left on device": OSError(errno.ENOSPC, "No space left on device"),
        "RuntimeError: Data processing error": RuntimeError("Data processing error"),
    }


@pytest.mark.parametrize("words", failures_of_the_hub())
def test_whatever_goes_wrong_at_the_hub_is_told_in_one_sentence(hub: Any, words: str) -> None:
    failure = failures_of_the_hub()[words]
    asked = hub(failure)
    for _ in range(2):  # a failure is not kept: the next one to ask may be luckier
        with pytest.raises(LabError) as error:
            load_classifier("someone/tiny", ["a", "b"])
        assert words in str(error.value)
        assert "'someone/tiny'" in str(error.value)
        assert "\n" not in str(error.value)
        assert type(error.value.__cause__) is type(failure)
    assert asked == ["someone/tiny"] * 2


@pytest.mark.parametrize("names", [[], ["one"], ["a", "b", "a"]])
def test_a_classifier_needs_different_labels(names: list[str], tiny_model_dir: ModelDir) -> None:
    refused(lambda: load_classifier(str(tiny_model_dir("bert")), names), "different labels")


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError()])
def test_want_of_memory_is_not_told_as_a_spoilt_model(
    error: Exception, tiny_model_dir: ModelDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", fail)
    with pytest.raises(type(error)):
        load_causal_lm(str(tiny_model_dir("llama")))


# --- asking and scoring


@pytest.mark.parametrize("family", CAUSAL)
def test_generation_is_greedy_decoding_of_each_prompt_alone(
    family: str, tiny_model_dir: ModelDir, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = str(tiny_model_dir(family))
    model, tokenizer = load_causal_lm(folder), load_tokenizer(folder)
    expected = []
    capfd.readouterr()
    for prompt in PROMPTS:
        ids = tokenizer(prompt)["input_ids"]
        new: list[int] = []
        while len(new) < 8 and tokenizer.eos_token_id not in new:
            with torch.inference_mode():
                new.append(int(model(torch.tensor([ids + new])).logits[0, -1].argmax()))
        expected.append(tokenizer.decode(new, skip_special_tokens=True))
    assert generate(model, tokenizer, PROMPTS, max_new_tokens=8, stop="") == expected
    assert generate(model, tokenizer, PROMPTS, max_new_tokens=8, stop="", batch_size=1) == expected
    letter = expected[0].strip()[1]  # stops in the middle of a token as well
    stopped = generate(model, tokenizer, PROMPTS, max_new_tokens=8, stop=letter)
    assert stopped == [text.split(letter)[0] for text in expected]
    across = PROMPTS[0][-1] + expected[0][0]  # begins in the prompt: the model has not written it
    unstopped = generate(model, tokenizer, PROMPTS, max_new_tokens=8, stop=across)
    assert unstopped == [text.split(across)[0] for text in expected]
    assert capfd.readouterr().err == ""


def test_generation_ends_when_every_row_has_stopped(
    tiny_model_dir: ModelDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tiny_model_dir("llama"))
    model, tokenizer = load_causal_lm(folder), load_tokenizer(folder)
    forward, calls = model.forward, []
    monkeypatch.setattr(model, "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    first = generate(model, tokenizer, PROMPTS[:1], max_new_tokens=40, stop="")[0][0]
    assert len(calls) > 1
    calls.clear()
    assert generate(model, tokenizer, PROMPTS[:1], max_new_tokens=40, stop=first) == [""]
    assert len(calls) == 1


def test_sampling_depends_on_the_seed_alone(tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir("llama"))
    model, tokenizer = load_causal_lm(folder), load_tokenizer(folder)

    def sample(seed: int) -> list[str]:
        return generate(model, tokenizer, PROMPTS, max_new_tokens=8, temperature=1.0, seed=seed)

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = sample(0)
    assert torch.equal(torch.rand(3), expected)
    assert sample(0) == first
    assert sample(1) != first


def test_generation_keeps_mode_order_and_empty_prompts(tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir("llama"))
    model, tokenizer = load_causal_lm(folder), load_tokenizer(folder)
    model.train()
    backwards = generate(model, tokenizer, PROMPTS[::-1], max_new_tokens=5)
    assert backwards == generate(model, tokenizer, PROMPTS, max_new_tokens=5)[::-1]
    assert model.training
    assert len(generate(model, tokenizer, ["", "a"], max_new_tokens=3, stop="")) == 2
    assert generate(model, tokenizer, [], max_new_tokens=3) == []


def test_prompts_too_long_are_refused(tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir("gpt2"))
    model, tokenizer = load_causal_lm(folder), load_tokenizer(folder)
    prompts = ["short", "lamp " * 100]
    refused(lambda: generate(model, tokenizer, prompts, max_new_tokens=4), "Prompt 1", "60")
    refused(lambda: sequence_logprob(model, tokenizer, prompts, [" a", " b"]), "Prompt 1", "64")


@pytest.mark.parametrize("family", CAUSAL)
def test_sequence_logprob_is_the_sum_over_the_continuation(
    family: str, tiny_model_dir: ModelDir
) -> None:
    folder = str(tiny_model_dir(family))
    model, tokenizer = load_causal_lm(folder), load_tokenizer(folder)
    prompts = [*PROMPTS, "", "lamp"]
    continuations = [" brass", " has not arrived yet.", " the same order", "They say", ""]
    expected = []
    for prompt, continuation in zip(prompts, continuations, strict=True):
        before = tokenizer(prompt)["input_ids"] or [tokenizer.eos_token_id]
        after = tokenizer(continuation)["input_ids"]
        with torch.inference_mode():
            logprobs = model(torch.tensor([before + after])).logits[0].log_softmax(-1)
        places = range(len(before) - 1, len(before) + len(after) - 1)
        expected.append(
            sum(float(logprobs[i, token]) for i, token in zip(places, after, strict=True))
        )
    result = sequence_logprob(model, tokenizer, prompts, continuations)
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_scoring_in_several_batches_gives_the_same(
    tiny_model_dir: ModelDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ftlab.models import scoring

    folder = str(tiny_model_dir("llama"))
    model, tokenizer = load_causal_lm(folder), load_tokenizer(folder)
    answers = [" brass", " twice", "!"]
    together = sequence_logprob(model, tokenizer, PROMPTS, answers)
    monkeypatch.setattr(scoring, "BATCH_LOGITS", 1)
    apart = sequence_logprob(model, tokenizer, PROMPTS, answers)
    np.testing.assert_allclose(apart, together, atol=1e-4)


def test_bits_per_character_of_a_model_that_knows_nothing(tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir("llama"))
    model, tokenizer = load_causal_lm(folder), load_tokenizer(folder)
    torch.nn.init.zeros_(model.lm_head.weight)  # every token is equally likely
    texts = ["The lamp in the shop", "é" * 300]  # the second is longer than the model takes
    tokens = sum(len(tokenizer(text)["input_ids"]) for text in texts)
    assert tokens > POSITIONS
    expected = tokens * math.log2(len(tokenizer)) / sum(map(len, texts))
    assert bits_per_character(model, tokenizer, texts) == pytest.approx(expected, rel=1e-5)
    refused(lambda: bits_per_character(model, tokenizer, ["", ""]), "empty")
