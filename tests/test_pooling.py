"""One vector for a text: padding has no say in it, whatever the pooling."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import CAUSAL, FAMILIES, ORDERS, refused

from ftlab.data import collate, encode
from ftlab.models import Classifier, load_classifier, load_tokenizer
from ftlab.models.pooling import POOLINGS, pool, pooled_width
from ftlab.tuning.methods import peft_methods

ModelDir = Callable[[str], Path]


def texts(lengths: tuple[int, ...], width: int = 6) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    # Below zero throughout: a padding of zeros would win every maximum.
    return [-1 - torch.rand(n, width, generator=draw) for n in lengths]


def batch(rows: list[torch.Tensor], side: str, padding: float) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows)) + 2
    hidden = torch.full((len(rows), longest, rows[0].shape[1]), padding)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for i, row in enumerate(rows):
        place = slice(0, len(row)) if side == "right" else slice(longest - len(row), longest)
        hidden[i, place], mask[i, place] = row, 1
    return hidden, mask


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("padding", [0.0, 1e4, torch.inf, torch.nan])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_has_no_say_on_either_side_nor_have_the_texts_beside(
    pooling: str, padding: float, side: str
) -> None:
    rows = texts((5, 1, 3))
    together = pool(*batch(rows, side, padding), pooling)
    assert together.shape == (3, pooled_width(6, pooling))
    for row, vector in zip(rows, together, strict=True):
        alone = pool(row[None], torch.ones(1, len(row), dtype=torch.long), pooling)
        torch.testing.assert_close(vector[None], alone)


def test_each_pooling_by_hand() -> None:
    hidden = torch.tensor([[[1.0, -2.0, 9.0], [3.0, -4.0, 5.0], [50.0, 60.0, -70.0]]])
    mask = torch.tensor([[1, 1, 0]])
    assert pool(hidden, mask, "mean").tolist() == [[2, -3, 7]]
    assert pool(hidden, mask, "max").tolist() == [[3, -2, 9]]
    assert pool(hidden, mask, "last").tolist() == [[3, -4, 5]]
    mean, largest = torch.tensor([2.0, -3, 7]), torch.tensor([3.0, -2, 9])
    parts = [(x - x.mean()) / x.std(correction=0) for x in (mean, largest)]
    torch.testing.assert_close(pool(hidden, mask), torch.cat(parts)[None])


def test_mean_and_maximum_weigh_the_same_whatever_their_size() -> None:
    hidden, mask = batch(texts((9, 4)), "right", 0.0)
    hidden = 40 * hidden * torch.randn(hidden.shape, generator=torch.Generator().manual_seed(1))
    mean, largest = pool(hidden, mask).chunk(2, dim=-1)
    torch.testing.assert_close(mean.norm(dim=-1), largest.norm(dim=-1), rtol=1e-3, atol=0)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_text_without_a_token_gives_zeros_and_harms_no_gradient(pooling: str) -> None:
    hidden = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = torch.tensor([[0, 0, 0], [1, 1, 0]])
    vectors = pool(hidden, mask, pooling)
    assert vectors[0].tolist() == [0.0] * pooled_width(4, pooling)
    vectors.square().sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()
    assert not hidden.grad[0].any()  # nothing to learn from what is padding
    assert not hidden.grad[1, 2].any()


def test_tokens_that_tie_for_the_maximum_share_its_gradient() -> None:
    hidden = torch.tensor([[[2.0], [2.0], [1.0], [2.0]]], requires_grad=True)
    pool(hidden, torch.tensor([[1, 1, 1, 0]]), "max").sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.flatten().tolist() == [0.5, 0.5, 0, 0]


def test_half_precision_is_summed_in_full() -> None:
    hidden = torch.full((1, 4096, 2), 1.001).bfloat16()
    vectors = pool(hidden, torch.ones(1, 4096), "mean")
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors, hidden[:, 0].float())


def test_what_stands_before_the_text_is_left_out() -> None:
    hidden, mask = batch(texts((5, 3)), "right", 0.0)
    behind_a_prompt = torch.cat([torch.full((2, 4, 6), 9.0), hidden], dim=1)
    for pooling in POOLINGS:
        expected = pool(hidden, mask, pooling)
        assert torch.equal(pool(behind_a_prompt, mask, pooling), expected)


def test_an_unknown_pooling_is_refused(tiny_model_dir: ModelDir) -> None:
    hidden, mask = batch(texts((2,)), "right", 0.0)
    wanted = ["'median'", "mean+max, mean, max, last"]
    refused(lambda: pool(hidden, mask, "median"), *wanted)
    folder = str(tiny_model_dir("llama"))
    refused(lambda: load_classifier(folder, ["a", "b"], pooling="median"), *wanted)


# --- in a classifier


def logits_of(model: Classifier, folder: str) -> torch.Tensor:
    tokenizer = load_tokenizer(folder)
    rows = collate(encode(tokenizer, [*ORDERS[:3], "lamp"]), tokenizer.pad_token_id)
    with torch.no_grad():
        return model(**rows).logits


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_saved_classifier_pools_as_it_did(
    family: str, pooling: str, tiny_model_dir: ModelDir, tmp_path: Path
) -> None:
    folder = str(tiny_model_dir(family))
    model = load_classifier(folder, ["a", "b"], pooling=pooling)
    assert model.head.in_features == model.width == pooled_width(32, pooling)
    expected = logits_of(model, folder)
    model.save_pretrained(tmp_path, load_tokenizer(folder))
    again = Classifier.load(tmp_path)
    assert again.pooling == pooling
    assert torch.equal(logits_of(again, folder), expected)


def test_a_classifier_saved_before_poolings_were_named_takes_the_mean(
    tiny_model_dir: ModelDir, tmp_path: Path
) -> None:
    folder = str(tiny_model_dir("llama"))
    model = load_classifier(folder, ["a", "b"], pooling="mean")
    model.save_pretrained(tmp_path, load_tokenizer(folder))
    path = tmp_path / "classifier.json"
    about: dict[str, Any] = json.loads(path.read_text())
    del about["pooling"]
    path.write_text(json.dumps(about))
    again = Classifier.load(tmp_path)
    assert again.pooling == "mean"
    assert torch.equal(logits_of(again, folder), logits_of(model, folder))


def test_a_saved_classifier_of_an_unknown_pooling_is_refused(
    tiny_model_dir: ModelDir, tmp_path: Path
) -> None:
    folder = str(tiny_model_dir("llama"))
    load_classifier(folder, ["a", "b"]).save_pretrained(tmp_path, load_tokenizer(folder))
    path = tmp_path / "classifier.json"
    path.write_text(path.read_text().replace("mean+max", "median"))
    refused(lambda: Classifier.load(tmp_path), "'median'", str(tmp_path))


@pytest.mark.parametrize("family", CAUSAL)
def test_a_soft_prompt_is_read_by_the_text_but_not_pooled(
    family: str, tiny_model_dir: ModelDir
) -> None:
    folder = str(tiny_model_dir(family))
    model = load_classifier(folder, ["a", "b"])
    bare = logits_of(model, folder)
    peft_methods()[0].prepare(model, 0)
    lengths = []
    model.trunk.register_forward_hook(
        lambda module, given, out: lengths.append(out.last_hidden_state.shape[1])
    )
    prompted = logits_of(model.eval(), folder)
    tokenizer = load_tokenizer(folder)
    assert lengths[0] > max(len(row) for row in tokenizer(ORDERS[:3])["input_ids"])
    assert prompted.isfinite().all()
    assert not torch.allclose(prompted, bare)
