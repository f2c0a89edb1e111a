"""`fit()` with a loss and batches of one's own: rewards, preferences, images, numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import refused
from kinds import (
    DPO,
    KINDS,
    ConvNet,
    Kind,
    bradley_terry,
    image_loss,
    images,
    of_pair,
    pairs,
    put_pairs,
)
from torch import nn

from ftlab.models import load_classifier
from ftlab.training import Fit, fit, predict
from ftlab.training.fingerprint import describe, digest_of, hash_weights
from ftlab.tuning import freezing

ModelDir = Callable[[str], Path]
KindOf = Callable[[str], Kind]


@pytest.fixture
def kind_of(tiny_model_dir: ModelDir) -> KindOf:
    """A training of this name, the same each time."""
    return lambda name: KINDS[name](str(tiny_model_dir("llama")))


def quick_fit(kind: Kind, **changes: Any) -> Fit:
    settings: dict[str, Any] = {
        **kind.arguments,
        "learning_rate": 0.01,
        "batch_size": 4,
        "epochs": 2,
        "precision": "fp32",
        "device": "cpu",
        "progress": False,
        **changes,
    }
    train = settings.pop("train", kind.train)
    return fit(kind.model, train, **settings)


def image_fit(model: Any = None, **changes: Any) -> Fit:
    arguments = {"loss": image_loss, **changes}
    return quick_fit(Kind(model or ConvNet(), images(8, 1), [], arguments, lambda *_: 0.0))


# --- it learns


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_learns_what_it_is_taught(name: str, kind_of: KindOf) -> None:
    kind = kind_of(name)
    kind.model.eval()
    before = kind.score(kind.model, kind.held_out)
    done = quick_fit(kind, validation=kind.held_out, epochs=8)
    losses = done.history["validation_loss"].dropna()
    assert len(losses) == 8
    assert losses.iloc[-1] < losses.iloc[0]
    assert kind.score(kind.model, kind.held_out) > max(before, 0.8)
    assert not kind.model.training
    assert done.history["examples"].iloc[-1] == 8 * 48


def test_the_reference_of_a_preference_loss_stays(kind_of: KindOf) -> None:
    kind = kind_of("dpo")
    before = hash_weights(kind.arguments["loss"].reference)
    done = quick_fit(kind)
    assert done.history["loss"][0] == pytest.approx(math.log(2), abs=1e-5)  # both are alike yet
    assert hash_weights(kind.arguments["loss"].reference) == before


def test_a_model_with_its_own_loss_needs_none() -> None:
    class WithLoss(ConvNet):
        def forward(self, image: Any, label: Any) -> Any:  # type: ignore[override]
            logits = self.layers(image)
            return SimpleNamespace(loss=nn.functional.cross_entropy(logits, label), logits=logits)

    done = image_fit(WithLoss(), loss=None)
    expected = image_fit()
    assert done.history["loss"].equals(expected.history["loss"])


def test_rows_may_be_pairs_of_tensors() -> None:
    rows = torch.utils.data.TensorDataset(
        torch.stack([row["image"] for row in images(8, 1)]),
        torch.tensor([row["label"] for row in images(8, 1)]),
    )

    def loss(model: Any, batch: Any) -> torch.Tensor:
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    done = image_fit(train=rows, loss=loss)
    assert done.history["loss"].equals(image_fit().history["loss"])


# --- the same numbers, however it goes


@pytest.mark.parametrize("name", KINDS)
def test_an_interrupted_run_goes_on_to_the_same_bits(
    name: str, kind_of: KindOf, tmp_path: Path
) -> None:
    def trained(stop_at: int, **more: Any) -> tuple[str, Any, int]:
        kind = kind_of(name)
        loss, left = kind.arguments["loss"], [stop_at]

        def counted(model: Any, batch: Any) -> torch.Tensor:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            return loss(model, batch)

        done = quick_fit(
            kind,
            validation=kind.held_out,
            accumulate=2,
            eval_every=3,
            patience=50,
            loss=counted,
            **more,
        )
        history = done.history.drop(columns="seconds")
        return hash_weights(kind.model), history.to_json(double_precision=15), done.best_step

    folder: dict[str, Any] = {"checkpoint_dir": tmp_path, "checkpoint_every": 1}
    for stop_at in (8, 19):  # within a step, and within an evaluation
        with pytest.raises(KeyboardInterrupt):
            trained(stop_at, **folder)
    assert trained(-1, **folder) == trained(-1)


@pytest.mark.parametrize("name", ["reward", "regression"])
def test_accumulated_parts_equal_one_large_batch(name: str, kind_of: KindOf) -> None:
    results = []
    for split in ({"batch_size": 8}, {"batch_size": 2, "accumulate": 4}):
        kind = kind_of(name)
        kind.model.dropout.p = 0.0
        done = quick_fit(kind, train=kind.train[:21], learning_rate=0.001, **split)
        results.append((torch.cat([p.detach().flatten() for p in kind.model.parameters()]), done))
    (whole, one), (parts, many) = results
    np.testing.assert_allclose(many.history["loss"], one.history["loss"], rtol=1e-4)
    assert (whole - parts).abs().max() < 1e-4


def test_a_weight_says_what_a_row_counts() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.zeros(1))

    def loss(model: Any, batch: Any) -> torch.Tensor:  # of rows of 1 and 3 numbers, in parts
        numbers = torch.cat(batch)
        return ((model.value - numbers) ** 2).mean()

    rows = [torch.tensor([1.0]), torch.tensor([2.0, 3.0, 4.0])]

    def first_losses(**more: Any) -> tuple[float, float]:
        done = fit(
            Constant(),
            rows,
            validation=rows,
            loss=loss,
            collate=list,
            learning_rate=1e-9,
            batch_size=1,
            accumulate=2,
            max_steps=1,
            progress=False,
            **more,
        )
        return done.history["loss"][0], done.history["validation_loss"][0]

    assert first_losses(weight=len) == pytest.approx(((1 + 4 + 9 + 16) / 4,) * 2, abs=1e-5)
    assert first_losses() == pytest.approx(((1 + 29 / 3) / 2,) * 2, abs=1e-5)  # one a row


def test_early_stopping_restores_the_best_weights_and_what_a_batch_norm_has_seen() -> None:
    model, held_out = ConvNet(), images(12, 9)
    for row in held_out:
        row["label"] = 1 - row["label"]  # what is learned in training is wrong here
    done = image_fit(model, validation=held_out, epochs=40, eval_every=1, patience=3)
    losses = done.history["validation_loss"]
    assert done.stopped_early
    assert done.best_step == losses.idxmin() + 1 == done.steps - 3
    logits = torch.tensor(predict(model, held_out, output=lambda m, batch: m(batch["image"])))
    restored = nn.functional.cross_entropy(logits, torch.tensor([r["label"] for r in held_out]))
    assert restored.item() == pytest.approx(losses.min(), abs=1e-6)


def test_rows_of_like_length_share_a_batch_and_are_counted(kind_of: KindOf) -> None:
    widths: dict[bool, int] = {}
    for measured in (True, False):
        kind, seen = kind_of("reward"), []

        def watched(rows: list[Any], seen: list[int] = seen) -> Any:
            batch = put_pairs(rows)
            seen.append(batch["input_ids"].numel())
            return batch

        length = of_pair if measured else None
        done = quick_fit(kind, length=length, collate=watched, epochs=1)
        widths[measured] = sum(seen[-12:])
        total = done.history["tokens"].iloc[-1]
        assert total == sum(map(of_pair, kind.train)) if measured else math.isnan(total)
    assert widths[True] < widths[False]


def test_random_numbers_of_a_collate_are_its_runs_own() -> None:
    def noisy(rows: list[Any]) -> dict[str, torch.Tensor]:
        batch = torch.utils.data.default_collate(rows)
        return {**batch, "image": batch["image"] + torch.randn_like(batch["image"])}

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, two = (image_fit(collate=noisy).history["loss"] for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert one.equals(two)


# --- the frozen trunk is replayed for a model's own loss alone


def test_a_loss_of_ones_own_runs_the_whole_model(tiny_model_dir: ModelDir) -> None:
    def own(model: Any, batch: Any) -> torch.Tensor:
        return (
            model(**batch).loss + 0 * model(batch["input_ids"][:1], torch.ones(1, 1)).logits.sum()
        )

    rows = [{"input_ids": [5 + i, 6, 7], "labels": i % 2} for i in range(8)]
    reasons = []
    for loss in (None, own):
        model = load_classifier(str(tiny_model_dir("llama")), ["a", "b"], dropout=0.0)
        freezing.train_only(model, ["head"])
        done = fit(model, rows, pad_id=0, loss=loss, learning_rate=0.01, progress=False)
        reasons.append("run once a text" in done.reason)
    assert reasons == [True, False]


# --- predict


def test_an_output_of_ones_own_comes_in_the_order_of_the_rows(kind_of: KindOf) -> None:
    kind = kind_of("regression")
    scores = predict(
        kind.model, kind.train, 0, batch_size=5, output=lambda model, batch: model(**batch)
    )
    assert scores.shape == (48,)
    alone = [predict(kind.model, [row], 0, output=lambda m, b: m(**b))[0] for row in kind.train]
    np.testing.assert_allclose(scores, alone, atol=1e-5)
    refused(
        lambda: predict(kind.model, kind.train, 0, output=lambda m, b: m(**b).mean()),
        "one row for each example",
    )
    refused(
        lambda: predict(ConvNet(), images(2, 0), output=None, collate=stacked), "not a classifier"
    )
    assert not torch.is_inference_mode_enabled()


def stacked(rows: list[Any]) -> dict[str, torch.Tensor]:
    return {"image": torch.stack([row["image"] for row in rows])}


# --- checkpoints know what they are made of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], [2, 1]),
        ([[1], [2, 3]], [[1, 2], [3]]),
        ({"a": [1]}, {"b": [1]}),
        (1, 1.0),
        (1, True),
        ("1", 1),
        (0.1, 0.1 + 2**-54),
        (torch.tensor([1.0]), torch.tensor([[1.0]])),
        (torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.bfloat16)),
        (torch.zeros(2), np.zeros(2, np.float32)),
        (np.array([1, 2]), np.array([1, 3])),
        (np.array(["a"], object), np.array(["b"], object)),
        ({"x": {"y": (1, "a")}}, {"x": {"y": (1, "b")}}),
        ({"a", "b"}, {"a", "c"}),
        (None, "None"),
        ([2**70], [2**71]),
    ],
)
def test_different_rows_have_different_digests(one: Any, other: Any) -> None:
    assert digest_of(one) != digest_of(other)


def test_equal_rows_have_equal_digests() -> None:
    ids = [3, 4]
    assert digest_of({"a": ids, "b": ids}) == digest_of({"b": [3, 4], "a": [3, 4]})
    assert digest_of(torch.arange(9)[2:4]) == digest_of(torch.tensor([2, 3]))
    assert digest_of(np.arange(9).reshape(3, 3).T) == digest_of(np.arange(9).reshape(3, 3).T.copy())
    assert digest_of({"x", "y", "z"}) == digest_of({"z", "y", "x"})


SCALE = 2.0


def scaled(model: Any, batch: Any) -> torch.Tensor:
    return SCALE * image_loss(model, batch)


def test_functions_are_known_by_what_they_compute(
    kind_of: KindOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_margin(margin: float) -> Any:
        return lambda model, batch: model(batch) - margin

    assert describe(with_margin(1.0)) == describe(with_margin(1.0))
    assert describe(with_margin(1.0)) != describe(with_margin(2.0))
    assert describe(lambda a, b: a) != describe(lambda a, b: b)
    assert describe(partial(bradley_terry, model=1)) != describe(partial(bradley_terry, model=2))
    assert describe(None) != describe(bradley_terry) != describe(image_loss)
    before = describe(scaled)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert describe(scaled) != before
    reference = kind_of("dpo").model
    gentle = describe(DPO(reference, beta=0.1))
    assert gentle == describe(DPO(reference, beta=0.1))
    assert gentle != describe(DPO(reference, beta=0.2))
    assert gentle != describe(DPO(kind_of("reward").model, beta=0.1))
    assert describe(DPO(reference).forward) != describe(DPO(reference).train)

    def itself(depth: int) -> Any:
        return itself(depth - 1) if depth else None

    assert describe(itself) == describe(itself)
    log: list[float] = []

    def logging(model: Any, batch: Any) -> Any:
        log.append(1.0)

    before = describe(logging)
    logging(None, None)
    assert describe(logging) == before  # what it has logged makes it no other loss


def test_checkpoints_of_another_loss_or_other_rows_are_refused(tmp_path: Path) -> None:
    def again(**changes: Any) -> Callable[[], Fit]:
        return lambda: image_fit(checkpoint_dir=tmp_path, **changes)

    again()()
    refused(again(loss=scaled), "another run", "loss")
    refused(again(train=images(8, 2)), "another run", "training examples")
    refused(again(collate=torch.utils.data.default_collate), "another run", "collate")
    refused(again(weight=lambda row: 1 + row["label"]), "another run", "weights")
    refused(again(length=lambda row: 1 + row["label"]), "another run", "lengths")
    again()()
    odd = [{**row, "from": object()} for row in images(4, 1)]
    refused(
        again(train=odd, collate=stacked, loss=lambda model, batch: model(batch["image"]).mean()),
        "training example 0 holds a builtins.object",
        "checkpoint_dir",
    )


# --- what cannot be is refused, and said


def test_what_makes_no_batch_is_named(kind_of: KindOf) -> None:
    def ask(rows: list[Any], **changes: Any) -> Callable[[], Fit]:
        return lambda: image_fit(train=rows, **changes)

    good = images(6, 1)
    wide = {"image": torch.zeros(1, 6, 7), "label": 0}
    refused(ask([*good, wide]), "training example 6", "one batch with example 0", "[1, 6, 7]")
    refused(ask(good, validation=[*good, wide]), "validation example 6")
    refused(ask([*good, {"label": 0}]), "training example 6", "image")
    refused(ask([*good, wide], collate=lambda rows: 1 / 0), "training example 0", "Division")
    refused(ask([]), "no training examples")
    refused(ask(good, length=lambda row: row["width"]), "example 0", "no length", "KeyError")
    refused(ask(good, length=lambda row: -1), "example 0", "length -1")
    refused(ask(good, weight=lambda row: row["label"]), "example 0", "weight 0")
    refused(ask([{"input_ids": [1], "labels": 0}]), "pad_id")
    refused(ask(good, pad_id=0, collate=stacked), "pad_id", "collate")
    refused(ask(good, loss=None), "does not accept these batches", "'label'", "loss")

    def of_three(rows: list[Any]) -> Any:
        if len(rows) > 2:
            raise RuntimeError("too many")
        return torch.utils.data.default_collate(rows)

    refused(ask(good, collate=of_three), "the training examples ", "RuntimeError: too many")
    kind = kind_of("regression")
    rows = [*kind.train, {"input_ids": [5, 6]}]  # without a label
    refused(lambda: quick_fit(kind, train=rows), "training example 48", "one batch with example 0")


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda m, b: m(b["image"]).sum(1), ["step 1", "float32 of shape (4,)", "the mean"]),
        (lambda m, b: 0.5, ["step 1", "float"]),
        (lambda m, b: m(b["image"]).argmax(), ["step 1", "int64"]),
        (lambda m, b: m(b["image"]).mean().detach(), ["step 1", "no gradient"]),
        (lambda m, b: (b["image"] * torch.ones(1, requires_grad=True)).mean(), ["no gradient"]),
        (lambda m, b: m(b["image"]).mean() * math.nan, ["nan", "step 1", "training examples "]),
    ],
)
def test_a_loss_that_teaches_nothing_is_refused(loss: Any, words: list[str]) -> None:
    model = ConvNet()
    before = hash_weights(model.layers[0])
    refused(lambda: image_fit(model, loss=loss), *words)
    assert hash_weights(model.layers[0]) == before
    assert not model.training


def test_what_a_loss_of_ones_own_cannot_have_is_refused(kind_of: KindOf) -> None:
    class Learnable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.temperature = nn.Parameter(torch.ones(()))

        def forward(self, model: Any, batch: Any) -> torch.Tensor:
            return image_loss(model, batch) * self.temperature

    refused(lambda: image_fit(loss=Learnable()), "would not be trained", "requires_grad_")
    refused(
        lambda: image_fit(validation=images(4, 1), metric=lambda logits, labels: 0.0),
        "metric",
        "validation loss",
    )
    silent = SimpleNamespace(logits=torch.zeros(1))

    class WithoutLoss(ConvNet):
        def forward(self, image: Any, label: Any) -> Any:  # type: ignore[override]
            return silent

    refused(lambda: image_fit(WithoutLoss(), loss=None), "step 1", "the model returns no loss")


def test_a_validation_that_leaves_the_numbers_is_refused(kind_of: KindOf) -> None:
    kind = kind_of("reward")

    def loss(model: Any, batch: Any) -> torch.Tensor:
        value = bradley_terry(model, batch)
        return value if model.training else value * math.inf

    refused(
        lambda: quick_fit(kind, loss=loss, validation=pairs(3, 1), max_steps=2, eval_every=1),
        "the validation loss became inf at step 1",
    )
