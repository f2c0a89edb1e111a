"""What a tuned model forgets: bits go up on the pages it knew, by as much as was counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import LATE, ORDERS

from ftlab.data import encode
from ftlab.evaluation.forgetting import ForgettingProbe
from ftlab.models import bits_per_character, load_causal_lm, load_classifier, load_tokenizer
from ftlab.models.classifier import as_language_model
from ftlab.training import fit
from ftlab.tuning import freezing

PAGES = 2


@pytest.fixture(scope="module")
def learned(
    tiny_model_dir: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str]:
    """A tiny language model before and after it has learned the pages that the probe asks for."""
    before = str(tiny_model_dir("llama"))
    tokenizer, model = load_tokenizer(before), load_causal_lm(before)
    rows = [
        {"input_ids": row["input_ids"][i : i + 32], "labels": row["input_ids"][i : i + 32]}
        for row in encode(tokenizer, ForgettingProbe(before, PAGES, 0).pages)
        for i in range(0, len(row["input_ids"]) - 1, 32)
    ]
    fit(model, rows, pad_id=0, learning_rate=1e-2, epochs=30, batch_size=8, progress=False)
    after = tmp_path_factory.mktemp("learned")
    model.save_pretrained(after)
    tokenizer.save_pretrained(after)
    return before, str(after)


def tuned(folder: str, layers: list[str] | None = None) -> Any:
    """A classifier that has learned to tell late orders, with these layers alone if given."""
    model, tokenizer = load_classifier(folder, ["fine", "late"]), load_tokenizer(folder)
    if layers:
        freezing.train_only(model, layers)
    rows = encode(tokenizer, ORDERS, LATE, max_length=32)
    fit(model, rows, pad_id=0, learning_rate=2e-2, epochs=5, batch_size=8, progress=False)
    return model


def test_tuning_on_other_texts_costs_bits_on_the_pages_that_were_known(
    learned: tuple[str, str],
) -> None:
    _, folder = learned
    memory, model = ForgettingProbe(folder, PAGES, 0), tuned(folder)
    after = bits_per_character(
        as_language_model(folder, model), load_tokenizer(folder), memory.pages
    )
    assert after > memory.bits + 0.5
    assert memory.after(model)["forgotten"] == pytest.approx(after - memory.bits)


def test_a_head_alone_forgets_nothing(learned: tuple[str, str]) -> None:
    _, folder = learned
    memory = ForgettingProbe(folder, PAGES, 0)
    assert memory.after(tuned(folder, ["head"]))["forgotten"] == pytest.approx(0, abs=1e-5)


def test_who_has_learned_the_pages_has_forgotten_less_than_nothing(
    learned: tuple[str, str],
) -> None:
    before, after = learned
    lost = ForgettingProbe(before, PAGES, 0).after(load_classifier(after, ["fine", "late"]))
    assert lost["forgotten"] is not None
    assert lost["forgotten"] < -1
