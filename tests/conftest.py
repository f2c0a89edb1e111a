"""Shared by all tests: no network, and tiny models of every family with a tiny tokenizer."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NETBLOCK = Path(__file__).parent / "_netblock"
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(NETBLOCK), *filter(None, [os.environ.get("PYTHONPATH")])]
)
sys.path.insert(0, str(NETBLOCK))
sys.modules.pop("sitecustomize", None)  # some systems bring one of their own
import sitecustomize  # noqa: E402, F401

sys.path.remove(str(NETBLOCK))

if "PYTEST_XDIST_WORKER" in os.environ:  # workers side by side: one thread each, before torch
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import ftlab  # noqa: E402, F401  (its environment defaults come before the libraries)

CAUSAL = ("llama", "llama-untied", "qwen2", "qwen3", "gpt2")
ENCODERS = ("bert", "distilbert", "roberta")
FAMILIES = (*CAUSAL, *ENCODERS)
QUICK = ("llama", "gpt2", "bert")  # families of the quick tests: two decoders and an encoder
POSITIONS = 64

SENTENCES = [
    "The lamp in the shop on the corner is made of brass, and it costs forty crowns.",
    "My parcel has not arrived yet. Where is it? I ordered three weeks ago!",
    "Question: what is the lamp made of?\nAnswer: brass\n",
    "They charged me twice for the same order; please send the money back.",
]


# Texts of two labels, and which is which: enough for a tiny classifier to learn from.
ORDERS = [
    f"Order {i}: the lamp number {i * 7} {'is late' if i % 2 else 'is fine'}" for i in range(24)
]
LATE = [i % 2 for i in range(24)]


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if parameters.get("family", QUICK[0]) not in QUICK:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a lab of its own, with empty folders for data and notebooks."""
    monkeypatch.setenv("FTLAB_ROOT", str(tmp_path))
    monkeypatch.delenv("FTLAB_RESULTS", raising=False)
    (tmp_path / "data").mkdir()
    (tmp_path / "notebooks").mkdir()
    return tmp_path


# Other values than the notebook's own, which tests/test_own_data.py leaves as they are.
SMOKE: dict[str, dict[str, Any]] = {
    "03_lora": {"rank": 2, "learning_rate": 0.004, "other_ways": False},
    "04_retrieval": {"k": 3, "chunk_size": 24},
}


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`smoke_run(name)`: the executed copy of a shipped notebook in the smoke profile with the
    values of `SMOKE`, its record beside it. It is run once for all tests of all workers, with one
    thread; AssertionError, with the reason, if the run failed."""
    from filelock import FileLock

    from ftlab.batch.running import run_notebook
    from ftlab.common.paths import project_root

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each worker's own lies in the one of all
    folder = folder / "smoke"
    folder.mkdir(exist_ok=True)

    def make(name: str) -> Path:
        told = folder / f"{name}.json"
        with FileLock(folder / f"{name}.lock"), pytest.MonkeyPatch.context() as patch:
            if not told.exists():
                patch.setenv("FTLAB_RESULTS", str(folder))
                patch.setenv("OMP_NUM_THREADS", "1")
                values = {"profile": "smoke", **SMOKE.get(name, {})}
                outcome = run_notebook(project_root() / "notebooks" / f"{name}.ipynb", values)
                told.write_text(json.dumps([str(outcome.executed), outcome.failure]))
        executed, failure = json.loads(told.read_text())
        assert failure == ""
        return Path(executed)

    return make


def full_record(notebook: str, **changes: Any) -> dict[str, Any]:
    """The record of a full run of a notebook that measured nothing."""
    from ftlab.notebook.parameters import NOTEBOOKS

    return {
        "schema": 2,
        "notebook": notebook,
        "run_id": "run-full",
        "profile": "full",
        "seed": 0,
        "parameters": {**NOTEBOOKS[notebook], "profile": "full"},
        "started": "2026-01-01T00:00:00Z",
        "seconds": 600.0,
        "environment": {},
        "metrics": [],
        "candidates": [],
        "claims": [],
        "skipped": {},
        "items": None,
        **changes,
    }


def judged_claim(claim_id: str, **changes: Any) -> dict[str, Any]:
    """A claim as a record holds it: a difference of shares above 0.02, supported."""
    return {
        "id": claim_id,
        "statement": "Little is much.",
        "metric": "test accuracy: a - b",
        "kind": "measured",
        "unit": "difference of shares",
        "null": 0.0,
        "direction": "above",
        "effect": 0.02,
        "rule": "above 0.02",
        "estimate": 0.1,
        "ci_low": 0.05,
        "ci_high": 0.15,
        "seeds": 5,
        "verdict": "supported",
        **changes,
    }


@pytest.fixture(scope="session")
def word_task(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Any]:
    """`word_task()`: colours and numbers, a new task each time, which counting words solves."""
    words = {"colour": "red blue green grey".split(), "number": "one two six ten".split()}
    path = tmp_path_factory.mktemp("words") / "words.csv"
    lines = [f"{w} thing {i},{label}" for label in words for w in words[label] for i in range(12)]
    path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")

    def make() -> Any:
        from ftlab.data import load_task

        return load_task(str(path), seed=0)

    return make


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Byte-level BPE with 320 tokens: <pad> 0, <eos> 1."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="<eos>")


@pytest.fixture(scope="session")
def tiny_model_dir(
    tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """`tiny_model_dir(family)`: a saved model with random weights and the tiny tokenizer.

    Causal families are saved as language models, encoders as masked language models. The head of
    a language model shares the matrix of its embeddings, except in "llama-untied".
    """
    made: dict[str, Path] = {}

    def make(family: str) -> Path:
        if family not in made:
            made[family] = _save_tiny(family, tiny_tokenizer, tmp_path_factory.mktemp(family))
        return made[family]

    return make


def _save_tiny(family: str, tokenizer: Any, folder: Path) -> Path:
    import torch
    import transformers

    from ftlab.models import private_rng

    common: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
    }
    usual = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": POSITIONS,
    }
    grouped = {"num_key_value_heads": 1, "head_dim": 16, "tie_word_embeddings": True}
    config = {
        "llama": lambda: transformers.LlamaConfig(**common, **usual, **grouped),
        "llama-untied": lambda: transformers.LlamaConfig(
            **common, **usual, **grouped | {"tie_word_embeddings": False}
        ),
        "qwen2": lambda: transformers.Qwen2Config(**common, **usual, **grouped),
        "qwen3": lambda: transformers.Qwen3Config(**common, **usual, **grouped),
        "gpt2": lambda: transformers.GPT2Config(
            **common, n_embd=32, n_layer=2, n_head=2, n_positions=POSITIONS
        ),
        "bert": lambda: transformers.BertConfig(**common, **usual),
        "distilbert": lambda: transformers.DistilBertConfig(
            **common, dim=32, hidden_dim=48, n_layers=2, n_heads=2, max_position_embeddings=64
        ),
        "roberta": lambda: transformers.RobertaConfig(**common, **usual),
    }[family]()
    auto = (
        transformers.AutoModelForCausalLM if family in CAUSAL else transformers.AutoModelForMaskedLM
    )
    with private_rng(0):
        model = auto.from_config(config)
        with torch.no_grad():  # wider than usual, so that different inputs differ visibly
            for parameter in model.parameters():
                if parameter.ndim >= 2:
                    parameter.mul_(5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def refused(action: Callable[[], Any], *words: str) -> None:
    """`action` raises LabError with these words, in one line."""
    from ftlab.common.errors import LabError

    with pytest.raises(LabError) as error:
        action()
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message
