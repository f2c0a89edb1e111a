"""`fit()`: it learns, repeats itself exactly, survives being killed, and says what is wrong."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from conftest import CAUSAL, FAMILIES, refused
from killable_fit import examples
from kinds import KINDS
from safetensors import SafetensorError

from ftlab.common import progress
from ftlab.common.errors import LabError
from ftlab.data import encode, encode_pairs
from ftlab.models import (
    Classifier,
    generate,
    load_causal_lm,
    load_classifier,
    load_tokenizer,
    sequence_logprob,
    storing,
)
from ftlab.training import Fit, choose_device, choose_precision, fit, predict
from ftlab.training.fingerprint import describe, hash_weights
from ftlab.training.loop import Run

ModelDir = Callable[[str], Path]
LABELS = ["a", "b", "c"]


@pytest.fixture
def classifier(tiny_model_dir: ModelDir) -> Callable[..., Classifier]:
    """A tiny classifier, the same each time; without dropout unless asked."""

    def make(dropout: float = 0.0) -> Classifier:
        return load_classifier(str(tiny_model_dir("llama")), LABELS, dropout=dropout)

    return make


def quick_fit(model: Any, train: list[dict[str, Any]] | None = None, **changes: Any) -> Fit:
    settings: dict[str, Any] = {
        "pad_id": 0,
        "learning_rate": 0.01,
        "max_steps": 6,
        "batch_size": 4,
        "progress": False,
        **changes,
    }
    return fit(model, examples(24, seed=1) if train is None else train, **settings)


def weights_of(model: Any) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def lm_examples(number: int, seed: int) -> list[dict[str, Any]]:
    """Rows of different length, of which different shares are to be learned."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(number):
        ids = rng.integers(2, 300, rng.integers(4, 20)).tolist()
        prompt = int(rng.integers(0, len(ids) - 1))
        rows.append({"input_ids": ids, "labels": [-100] * prompt + ids[prompt:]})
    return rows


# --- it learns


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_fitted_saved_and_reloaded(
    family: str, tiny_model_dir: ModelDir, tmp_path: Path
) -> None:
    folder = str(tiny_model_dir(family))
    tokenizer = load_tokenizer(folder)
    texts = ["where is my parcel?", "they charged me twice", "brass", "is it a lamp?"]
    features = encode(tokenizer, texts, [0, 1, 2, 2])
    model = load_classifier(folder, LABELS)
    before = predict(model, features, tokenizer.pad_token_id)
    done = quick_fit(model, features, pad_id=tokenizer.pad_token_id, max_steps=3)
    assert done.steps == len(done.history) == 3
    after = predict(model, features, tokenizer.pad_token_id)
    assert np.abs(after - before).max() > 1e-3
    model.save_pretrained(tmp_path, tokenizer)
    again = Classifier.load(tmp_path)
    np.testing.assert_array_equal(predict(again, features, tokenizer.pad_token_id), after)


@pytest.mark.parametrize("family", CAUSAL)
def test_every_causal_family_learns_an_answer(family: str, tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir(family))
    model, tokenizer = load_causal_lm(folder), load_tokenizer(folder)
    prompts, answers = ["Question: what is it?\nAnswer:", "My parcel"], [" brass", " is late"]
    features = encode_pairs(tokenizer, prompts, answers, max_length=64)
    before = sequence_logprob(model, tokenizer, prompts, answers)
    done = quick_fit(model, features, pad_id=tokenizer.pad_token_id, max_steps=40)
    assert done.history["loss"].iloc[-1] < 0.1 < done.history["loss"].iloc[0]
    assert (sequence_logprob(model, tokenizer, prompts, answers) > before).all()
    assert generate(model, tokenizer, prompts, max_new_tokens=12) == answers


def test_a_learnable_task_is_learned(classifier: Callable[..., Classifier]) -> None:
    model, train, held_out = classifier(), examples(200, seed=1), examples(60, seed=1)
    done = quick_fit(model, train, max_steps=None, epochs=8, batch_size=8, validation=held_out)
    labels = np.array([feature["labels"] for feature in held_out])
    assert (predict(model, held_out, 0).argmax(1) == labels).mean() > 0.9
    history = done.history
    evaluated = history["validation_loss"].dropna()
    assert evaluated.index.tolist() == [25 * epoch - 1 for epoch in range(1, 9)]  # each epoch's end
    assert evaluated.iloc[-1] < evaluated.iloc[0]
    assert history["examples"].iloc[-1] == 8 * 200
    assert history["tokens"].iloc[-1] == 8 * sum(len(row["input_ids"]) for row in train)
    assert history["seconds"].is_monotonic_increasing
    assert not model.training


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_learning_rate_rises_and_falls(
    schedule: str, classifier: Callable[..., Classifier]
) -> None:
    rates = quick_fit(classifier(), max_steps=10, warmup=0.2, schedule=schedule).history[
        "learning_rate"
    ]
    assert rates[:2].tolist() == pytest.approx([0.005, 0.01])
    fall = {
        "linear": [1 - i / 8 for i in range(8)],
        "cosine": [(1 + math.cos(math.pi * i / 8)) / 2 for i in range(8)],
        "constant": [1.0] * 8,
    }[schedule]
    assert rates[2:].tolist() == pytest.approx([0.01 * share for share in fall])


def test_frozen_parameters_stay(classifier: Callable[..., Classifier]) -> None:
    model = classifier()
    model.trunk.requires_grad_(False)
    before, head = weights_of(model.trunk).clone(), model.head.weight.detach().clone()
    quick_fit(model, weight_decay=0.5)
    assert torch.equal(weights_of(model.trunk), before)
    assert not torch.equal(model.head.weight, head)
    model.requires_grad_(False)
    refused(lambda: quick_fit(model), "every parameter", "frozen")


def test_weight_decay_spares_norms_and_biases(classifier: Callable[..., Classifier]) -> None:
    plain, decayed = classifier(), classifier()
    quick_fit(plain, max_steps=1, weight_decay=0.0)
    quick_fit(decayed, max_steps=1, weight_decay=0.9)
    assert not torch.equal(plain.head.weight, decayed.head.weight)
    assert torch.equal(plain.head.bias, decayed.head.bias)
    assert torch.equal(plain.trunk.norm.weight, decayed.trunk.norm.weight)


# --- one step is one step, however it is split; the same seed gives the same weights
# (in fp32: where the processor computes in bf16, sums in another order differ sooner)


@pytest.mark.parametrize("kind", ["classifier", "language model"])
def test_accumulated_batches_equal_one_large_batch(kind: str, tiny_model_dir: ModelDir) -> None:
    results = []
    for split in ({"batch_size": 8}, {"batch_size": 2, "accumulate": 4}):
        if kind == "classifier":
            model: Any = load_classifier(str(tiny_model_dir("llama")), LABELS, dropout=0)
            train = examples(21, seed=1)  # the last step of an epoch has fewer examples
        else:
            model, train = load_causal_lm(str(tiny_model_dir("llama"))), lm_examples(21, seed=1)
        done = quick_fit(
            model, train, weight_decay=0, learning_rate=0.001, precision="fp32", **split
        )
        history = done.history
        results.append((weights_of(model), history))
    (whole, one), (parts, many) = results
    np.testing.assert_allclose(many["loss"], one["loss"], rtol=1e-4)
    np.testing.assert_allclose(many["gradient_norm"], one["gradient_norm"], rtol=1e-3)
    assert (whole - parts).abs().max() < 1e-4
    assert one["examples"].iloc[-1] == many["examples"].iloc[-1] == 42


def test_language_model_loss_is_the_mean_over_tokens(tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir("llama"))
    model, tokenizer = load_causal_lm(folder), load_tokenizer(folder)
    prompts, answers = ["My parcel", "Is it a lamp?"], [" has not arrived yet", " no"]
    features = encode_pairs(tokenizer, prompts, answers, max_length=64)
    with_end = [answer + tokenizer.eos_token for answer in answers]
    tokens = sum(len(tokenizer(answer)["input_ids"]) for answer in with_end)
    expected = -sequence_logprob(model, tokenizer, prompts, with_end).sum() / tokens
    done = quick_fit(
        model, features, max_steps=1, learning_rate=1e-9, validation=features, precision="fp32"
    )
    assert done.history["loss"][0] == pytest.approx(expected, rel=1e-4)
    assert done.history["validation_loss"][0] == pytest.approx(expected, rel=1e-4)


def test_the_same_seed_gives_the_same_weights(classifier: Callable[..., Classifier]) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    models = [classifier(dropout=0.3) for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        quick_fit(model, seed=seed)
    assert torch.equal(torch.rand(3), expected)  # the caller's random numbers went on
    assert torch.equal(weights_of(models[0]), weights_of(models[1]))
    assert not torch.equal(weights_of(models[0]), weights_of(models[2]))


# --- early stopping


def test_early_stopping_restores_the_best_weights(classifier: Callable[..., Classifier]) -> None:
    model = classifier()
    held_out = examples(30, seed=9)
    for feature in held_out:  # what is learned in training is wrong here
        feature["labels"] = (feature["labels"] + 1) % 3
    done = quick_fit(
        model,
        validation=held_out,
        max_steps=60,
        eval_every=2,
        patience=3,
        learning_rate=0.003,
        precision="fp32",  # as in predict() below
    )
    losses = done.history["validation_loss"].dropna()
    assert done.stopped_early
    assert done.steps < 60
    assert done.best_step == done.history["step"][losses.idxmin()] == done.steps - 6
    logits = torch.tensor(predict(model, held_out, 0))
    labels = torch.tensor([feature["labels"] for feature in held_out])
    restored = torch.nn.functional.cross_entropy(logits, labels).item()
    assert restored == pytest.approx(losses.min(), abs=1e-5)


def test_a_metric_decides_if_given(classifier: Callable[..., Classifier]) -> None:
    falling = iter([0.5, 0.9, 0.8, 0.7])
    seen = []

    def metric(logits: np.ndarray, labels: np.ndarray) -> float:
        seen.append((logits.shape, labels.tolist()))
        return next(falling)

    held_out = examples(10, seed=2)
    done = quick_fit(classifier(), validation=held_out, eval_every=1, patience=2, metric=metric)
    assert (done.steps, done.best_step) == (4, 2)
    assert seen[0] == ((10, 3), [feature["labels"] for feature in held_out])
    assert done.history["validation_metric"].tolist() == [0.5, 0.9, 0.8, 0.7]


# --- a run that leaves the numbers


def test_a_diverging_run_stops_and_keeps_its_last_good_weights(
    classifier: Callable[..., Classifier],
) -> None:
    diverging: dict[str, Any] = {"learning_rate": 1e30, "warmup": 0, "schedule": "constant"}
    once, model = classifier(), classifier()
    quick_fit(once, max_steps=1, **diverging)
    refused(lambda: quick_fit(model, **diverging), "step 2", "1e+30", "weights of step 1")
    assert torch.equal(weights_of(model), weights_of(once))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_diverging_run_restores_the_best_weights(classifier: Callable[..., Classifier]) -> None:
    model, held_out = classifier(), examples(10, seed=2)
    start = weights_of(model).clone()
    diverging: dict[str, Any] = {"learning_rate": 1e12, "warmup": 0.5, "max_steps": 20}
    with pytest.raises(LabError, match="lower learning rate"):
        quick_fit(model, validation=held_out, eval_every=1, patience=50, **diverging)
    assert weights_of(model).isfinite().all()
    assert not torch.equal(weights_of(model), start)


# --- checkpoints


class Runner:
    """Starts `fit()` in a process of its own each time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.expect("ready")

    def start(self, *words: Any) -> int:
        """The id of the process that now runs."""
        assert self.process.stdin is not None
        print(*words, file=self.process.stdin, flush=True)
        return int(self.expect())

    def expect(self, line: str = "") -> str:
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        assert said == line or (said and not line)
        return said


@pytest.fixture(scope="module")
def runner(tiny_model_dir: ModelDir) -> Iterator[Runner]:
    with subprocess.Popen(
        [sys.executable, Path(__file__).with_name("killable_fit.py"), tiny_model_dir("llama")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # forks cannot share a pool of threads
    ) as process:
        yield Runner(process)
        assert process.stdin is not None
        process.stdin.close()


def _names(folder: Path, prefix: str) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(name for name in os.listdir(folder) if name.startswith(prefix))


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 300  # only reached if something is broken
    while not until() and time.monotonic() < end:
        time.sleep(0.0005)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("what", ["last", "best", "dpo", "images"])
def test_a_killed_run_goes_on_to_the_same_weights(
    what: str, runner: Runner, tmp_path: Path, tiny_model_dir: ModelDir
) -> None:
    folder, result, moments = tmp_path / "checkpoints", tmp_path / "resumed", random.Random(0)
    killed, killed_in_writing = 0, 0
    reached: list[str] = []
    runner.start(what, "-", tmp_path / "undisturbed")
    runner.expect("0")
    for attempt in range(6):
        before = _names(folder, "step-")
        process = runner.start(what, folder, result)
        if attempt % 3 == 2:
            time.sleep(moments.uniform(0, 0.1))
        else:
            _wait(lambda before=before: result.exists() or _names(folder, "step-") != before)
            time.sleep(moments.uniform(0, 0.05))
        if attempt % 3 == 1:
            _wait(lambda: result.exists() or bool(_names(folder, ".unfinished-")))
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        if runner.expect() == "0":
            break
        killed += 1
        killed_in_writing += bool(_names(folder, ".unfinished-"))
        reached += _names(folder, "step-")[-1:]
    runner.start(what, folder, result)
    runner.expect("0")
    assert killed >= 3
    assert killed_in_writing >= 1
    assert len(set(reached)) >= 2  # so that it went on from one kill to the next
    undisturbed = json.loads((tmp_path / "undisturbed").read_text())
    if what in KINDS:  # its loss is known for the same in another process
        loss = KINDS[what](str(tiny_model_dir("llama"))).arguments["loss"]
        assert undisturbed["loss"] == describe(loss)
    else:
        assert undisturbed["best_step"] == 2
    assert json.loads(result.read_text()) == undisturbed
    assert sorted(os.listdir(folder)) == [".lock", "step-00000018"]


def test_a_finished_run_returns_at_once(
    classifier: Callable[..., Classifier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = classifier(), classifier()
    done = quick_fit(first, checkpoint_dir=tmp_path)
    monkeypatch.setattr(Run, "_step", lambda *_: pytest.fail("trained again"))
    again = quick_fit(second, checkpoint_dir=tmp_path)
    assert torch.equal(weights_of(first), weights_of(second))
    assert again.history.equals(done.history)
    assert again.seconds == done.seconds


def test_checkpoints_of_another_run_are_refused(
    classifier: Callable[..., Classifier], tmp_path: Path
) -> None:
    quick_fit(classifier(), checkpoint_dir=tmp_path)

    def again(model: Classifier | None = None, **changes: Any) -> Callable[[], Fit]:
        return lambda: quick_fit(model or classifier(), checkpoint_dir=tmp_path, **changes)

    refused(again(train=examples(24, seed=2)), "another run", "training examples", str(tmp_path))
    refused(again(validation=examples(5, seed=2)), "another run", "validation examples")
    refused(again(learning_rate=0.02), "learning_rate (0.01 then, 0.02 now)")
    refused(again(seed=1, batch_size=8), "batch_size (4 then, 8 now) and 1 more")
    refused(again(model=load_other(classifier())), "starting weights", "load the model again")
    half_frozen = classifier()
    half_frozen.trunk.requires_grad_(False)
    refused(again(model=half_frozen), "starting weights")
    again()()  # the right one still goes


def test_a_checkpoint_knows_its_metric_by_what_it_computes(
    classifier: Callable[..., Classifier], tmp_path: Path
) -> None:
    def again(metric: Any) -> Fit:
        more: dict[str, Any] = {"validation": examples(5, seed=2), "checkpoint_dir": tmp_path}
        return quick_fit(classifier(), metric=metric, **more)

    def at_least(share: float) -> Any:
        return lambda logits, labels: float((logits.max(1) > share).mean())

    again(at_least(0.5))
    again(at_least(0.5))  # another function object that computes the same
    refused(lambda: again(at_least(0.6)), "another run", "metric")
    refused(lambda: again(lambda logits, labels: 0.0), "another run", "metric")


def test_two_runs_do_not_share_a_folder(
    classifier: Callable[..., Classifier], tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "validation": examples(5, seed=2),
        "eval_every": 2,
        "checkpoint_dir": tmp_path,
        "checkpoint_every": 1,
    }
    tried = []

    def metric(logits: np.ndarray, labels: np.ndarray) -> float:
        if not tried:  # while the first run is under way
            tried.append(True)
            (tmp_path / ".unfinished-of-the-first").mkdir()
            refused(
                lambda: quick_fit(classifier(), metric=metric, **settings),
                "Another run",
                str(tmp_path),
                "checkpoint_dir",
            )
            assert (tmp_path / ".unfinished-of-the-first").is_dir()
        return 0.0

    done = quick_fit(classifier(), metric=metric, **settings)
    assert tried
    assert done.steps == 6
    assert _names(tmp_path, "step-") == ["step-00000006"]


def load_other(model: Classifier) -> Classifier:
    torch.nn.init.ones_(model.head.weight)
    return model


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_leaves_the_last_checkpoint(
    failure: Exception,
    classifier: Callable[..., Classifier],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_file, saved = storing.save_file, []

    def full(tensors: Any, path: Path, **more: Any) -> None:
        saved.append(path)
        if len(saved) == 3:
            path.write_bytes(b"half")
            raise failure
        save_file(tensors, path, **more)

    monkeypatch.setattr(storing, "save_file", full)
    settings: dict[str, Any] = {"checkpoint_dir": tmp_path, "checkpoint_every": 1}
    refused(
        lambda: quick_fit(classifier(), **settings),
        "step 3",
        "No space left on device",
        "step-00000002",
    )
    assert sorted(os.listdir(tmp_path)) == [".lock", "step-00000002"]
    undisturbed, resumed = classifier(), classifier()
    quick_fit(undisturbed)
    quick_fit(resumed, **settings)
    assert torch.equal(weights_of(resumed), weights_of(undisturbed))


def test_unreadable_checkpoints_are_refused(
    classifier: Callable[..., Classifier], tmp_path: Path
) -> None:
    quick_fit(classifier(), checkpoint_dir=tmp_path)
    (tmp_path / "step-00000006" / "tensors.safetensors").write_bytes(b"broken")
    refused(lambda: quick_fit(classifier(), checkpoint_dir=tmp_path), "cannot be read", "delete")
    file = tmp_path / "file"
    file.write_text("")
    refused(lambda: quick_fit(classifier(), checkpoint_dir=file), "cannot be created")


# --- device, precision, output


def test_precision_follows_the_processor(
    monkeypatch: pytest.MonkeyPatch, classifier: Callable[..., Classifier]
) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    for able, expected in ((False, "fp32"), (True, "bf16")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda able=able: able)
        kind, reason = choose_precision(cpu)
        assert kind == expected
        assert "bf16" in reason
    model = classifier()
    done = quick_fit(model, device="cpu")
    assert (done.device, done.precision) == ("cpu", "bf16")
    assert done.reason.startswith("Computed on cpu")
    assert done.reason.count(".") == 1  # one sentence
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    in_fp32 = classifier()
    quick_fit(in_fp32, device="cpu", precision="fp32")
    difference = (weights_of(model) - weights_of(in_fp32)).abs().max()
    assert 0 < difference < 0.1


def test_device_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    device, reason = choose_device()
    assert device.type == "cpu"
    assert "no GPU" in reason
    assert f"{torch.get_num_threads()} thread" in reason
    refused(lambda: choose_device("cuda"), "cuda", "no such device")
    refused(lambda: choose_device("tpu"), "auto, cuda, mps, cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device()[0].type == "mps"


def test_output_is_one_sentence_or_nothing(
    classifier: Callable[..., Classifier], capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    quick_fit(classifier())
    assert capfd.readouterr() == ("", "")
    done = quick_fit(classifier(), progress=True)
    out, err = capfd.readouterr()
    assert out.count("\n") == 1
    assert done.reason in out
    assert err == ""  # no bar where nobody watches


def test_a_notebook_keeps_one_line_of_progress(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import IPython.display

    class Handle:
        lines: ClassVar[list[str]] = []

        def update(self, data: dict[str, str], raw: bool) -> None:
            self.lines.append(data["text/plain"])

    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", lambda *_, **__: Handle())
    capfd.readouterr()
    with progress.progress_bar(3, 0, shown=True) as advance:
        for _ in range(3):
            advance("loss 0.5")
    assert "3/3" in Handle.lines[-1]
    assert "loss 0.5" in Handle.lines[-1]
    assert all("\n" not in line and "\r" not in line for line in Handle.lines)
    assert capfd.readouterr() == ("", "")


# --- predict


def test_predictions_are_in_order_and_of_each_text_alone(
    classifier: Callable[..., Classifier],
) -> None:
    model, features = classifier(dropout=0.9), examples(9, seed=3)
    model.train()
    together = predict(model, features, 0, batch_size=4)
    assert model.training
    alone = np.concatenate([predict(model, [feature], 0) for feature in features])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3
    refused(lambda: predict(model, [], 0), "no examples")


def test_language_models_have_no_predictions(tiny_model_dir: ModelDir) -> None:
    model = load_causal_lm(str(tiny_model_dir("llama")))
    refused(lambda: predict(model, lm_examples(2, seed=0), 0), "not a classifier")


# --- what cannot be used is refused before anything is done


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learning_rate": 0}, ["learning_rate", "above 0"]),
        ({"learning_rate": math.nan}, ["learning_rate", "above 0"]),
        ({"batch_size": 0}, ["batch_size", "1 or more"]),
        ({"max_steps": None, "epochs": 1.5}, ["epochs", "1.5"]),
        ({"accumulate": True}, ["accumulate"]),
        ({"warmup": 1}, ["warmup", "below 1"]),
        ({"schedule": "stairs"}, ["schedule", "cosine", "stairs"]),
        ({"clip": 0}, ["clip"]),
        ({"eval_every": "hour"}, ["eval_every", "epoch"]),
        ({"seed": -1}, ["seed"]),
        ({"checkpoint_every": 0}, ["checkpoint_every"]),
        ({"precision": "fp16"}, ["precision", "bf16"]),
        ({"patience": 2}, ["patience", "validation"]),
        ({"metric": lambda logits, labels: 0.0}, ["metric", "validation"]),
        ({"train": []}, ["no training examples"]),
        ({"validation": []}, ["no validation examples"]),
    ],
)
def test_wrong_settings_are_refused(
    changes: dict[str, Any], words: list[str], classifier: Callable[..., Classifier]
) -> None:
    model = classifier()
    before = hash_weights(model)
    refused(lambda: quick_fit(model, **changes), *words)
    assert hash_weights(model) == before


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ({"input_ids": [], "labels": 0}, ["no tokens"]),
        ({"input_ids": [5, 320], "labels": 0}, ["320", "this tokenizer is not the model's"]),
        ({"input_ids": [5] * 65, "labels": 0}, ["65 tokens", "64"]),
        ({"input_ids": [5]}, ["no label"]),
        ({"input_ids": [5], "labels": 3}, ["label 3", "0 to 2"]),
        ({"input_ids": [5], "labels": [5]}, ["classifier"]),
    ],
)
def test_wrong_examples_are_named(
    feature: dict[str, Any], words: list[str], classifier: Callable[..., Classifier]
) -> None:
    train = [*examples(3, seed=0), feature]
    refused(lambda: quick_fit(classifier(), train), "training example 3", *words)


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ({"input_ids": [5, 6], "labels": 1}, ["label for each token"]),
        ({"input_ids": [5, 6]}, ["label for each token"]),
        ({"input_ids": [5, 6], "labels": [5]}, ["2 tokens but 1 label"]),
        ({"input_ids": [5, 6], "labels": [5, -100]}, ["nothing to train on"]),
    ],
)
def test_wrong_language_model_examples_are_named(
    feature: dict[str, Any], words: list[str], tiny_model_dir: ModelDir
) -> None:
    model = load_causal_lm(str(tiny_model_dir("llama")))
    train = [*lm_examples(2, seed=0), feature]
    refused(lambda: quick_fit(model, train), "training example 2", *words)
