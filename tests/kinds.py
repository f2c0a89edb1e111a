"""Four trainings that are no classification of texts, each as `fit()` takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, logsigmoid, mse_loss

from ftlab.data import collate as collate_texts
from ftlab.models import load_causal_lm, private_rng
from ftlab.models.loading import load_trunk
from ftlab.models.modes import evaluation_mode
from ftlab.models.pooling import pool


@dataclass
class Kind:
    """A model, its rows, the arguments of `fit()`, and how well rows are done: 1 is best."""

    model: Any
    train: list[Any]
    held_out: list[Any]
    arguments: dict[str, Any]
    score: Callable[[Any, list[Any]], float]


def tokens(rng: np.random.Generator, low: int, high: int) -> list[int]:
    return rng.integers(low, high, rng.integers(3, 9)).tolist()


# --- a reward model: of two texts the one with small token ids is the better one


class Scorer(nn.Module):
    """One number a text."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        with private_rng(0):
            self.trunk = load_trunk(folder)
            self.dropout = nn.Dropout(0.1)
            self.head = nn.Linear(self.trunk.config.hidden_size, 1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states = self.trunk(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mean = pool(states, attention_mask, "mean")  # a share of the tokens is a mean
        return self.head(self.dropout(mean)).float().squeeze(-1)


def put_pairs(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    return collate_texts([{"input_ids": row[k]} for k in ("good", "bad") for row in rows], pad_id=0)


def bradley_terry(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    good, bad = model(**batch).chunk(2)
    return -logsigmoid(good - bad).mean()


def pairs(number: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [{"good": tokens(rng, 2, 60), "bad": tokens(rng, 60, 300)} for _ in range(number)]


def of_pair(row: dict[str, Any]) -> int:
    return len(row["good"]) + len(row["bad"])


def better(model: Any, rows: list[Any]) -> float:
    with evaluation_mode(model), torch.no_grad():
        good, bad = model(**put_pairs(rows)).chunk(2)
    return float((good > bad).float().mean())


def reward(folder: str) -> Kind:
    arguments = {"loss": bradley_terry, "collate": put_pairs, "length": of_pair}
    return Kind(Scorer(folder), pairs(48, 1), pairs(12, 2), arguments, better)


# --- preferences without a reward model (DPO, Rafailov et al. 2023)


def put_answers(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    return collate_texts(
        [
            {
                "input_ids": row["prompt"] + row[k],
                "labels": [-100] * len(row["prompt"]) + row[k],
            }
            for k in ("good", "bad")
            for row in rows
        ],
        pad_id=0,
    )


def log_probability(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    logits = model(batch["input_ids"], batch["attention_mask"]).logits[:, :-1].float()
    labels = batch["labels"][:, 1:]
    losses = cross_entropy(logits.transpose(1, 2), labels, reduction="none")  # 0 where ignored
    return -losses.sum(1)


class DPO(nn.Module):
    """The loss, with the model that the trained one must not leave too far behind."""

    def __init__(self, reference: Any, beta: float = 0.5) -> None:
        super().__init__()
        self.reference, self.beta = reference.requires_grad_(False).eval(), beta

    def forward(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        with torch.no_grad():
            before = log_probability(self.reference, batch)
        good, bad = (log_probability(model, batch) - before).chunk(2)
        return -logsigmoid(self.beta * (good - bad)).mean()


def prefers(model: Any, rows: list[Any]) -> float:
    with evaluation_mode(model), torch.no_grad():
        good, bad = log_probability(model, put_answers(rows)).chunk(2)
    return float((good > bad).float().mean())


def dpo(folder: str) -> Kind:
    rows, held_out = (
        [{"prompt": [5 + i % 9, 7], **row} for i, row in enumerate(pairs(number, seed))]
        for number, seed in ((48, 3), (12, 4))
    )
    loss = DPO(load_causal_lm(folder))
    arguments = {"loss": loss, "collate": put_answers, "length": of_pair}
    return Kind(load_causal_lm(folder), rows, held_out, arguments, prefers)


# --- images: is the bar upright?


class ConvNet(nn.Module):
    """Logits (images, 2) of images (images, 1, 6, 6); has no configuration and gives no loss."""

    def __init__(self) -> None:
        super().__init__()
        with private_rng(0):
            self.layers = nn.Sequential(
                nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
                nn.Dropout(0.1), nn.Linear(8 * 16, 2),
            )  # fmt: skip

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.layers(image)


def images(number: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(number):
        image = rng.normal(0, 0.3, (1, 6, 6)).astype(np.float32)
        place = rng.integers(0, 6)
        image[0][(slice(None), place) if i % 2 else (place, slice(None))] += 1
        rows.append({"image": torch.from_numpy(image), "label": i % 2})
    return rows


def image_loss(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return cross_entropy(model(batch["image"]), batch["label"])


def accuracy(model: Any, rows: list[Any]) -> float:
    with evaluation_mode(model), torch.no_grad():
        found = model(torch.stack([row["image"] for row in rows])).argmax(1)
    return float((found == torch.tensor([row["label"] for row in rows])).float().mean())


def image_classifier(folder: str) -> Kind:
    return Kind(ConvNet(), images(48, 5), images(12, 6), {"loss": image_loss}, accuracy)


# --- regression on texts: the share of small token ids


def text_of(rng: np.random.Generator) -> dict[str, Any]:
    ids = rng.integers(2, 10, rng.integers(3, 9)).tolist()
    return {"input_ids": ids, "labels": sum(i < 6 for i in ids) / len(ids)}


def square(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return mse_loss(model(batch["input_ids"], batch["attention_mask"]), batch["labels"])


def near(model: Any, rows: list[Any]) -> float:
    """1 - the mean square error in parts of the variance (R squared)."""
    batch = collate_texts(rows, pad_id=0)
    with evaluation_mode(model), torch.no_grad():
        error = mse_loss(model(batch["input_ids"], batch["attention_mask"]), batch["labels"])
    return 1 - float(error / batch["labels"].var(unbiased=False))


def regression(folder: str) -> Kind:
    rng = np.random.default_rng(7)
    rows = [text_of(rng) for _ in range(60)]
    return Kind(Scorer(folder), rows[:48], rows[48:], {"loss": square, "pad_id": 0}, near)


KINDS: dict[str, Callable[[str], Kind]] = {
    "reward": reward,
    "dpo": dpo,
    "images": image_classifier,
    "regression": regression,
}
