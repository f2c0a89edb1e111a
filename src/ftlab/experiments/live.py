"""A small network pretrained in front of the reader, and what the base model's own log tells."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from ftlab import training
from ftlab.data import Task, encode
from ftlab.experiments.effort import Effort
from ftlab.models import (
    Classifier,
    bits_per_character,
    count_parameters,
    generate,
    is_causal_lm,
    load_causal_lm,
    load_tokenizer,
    model_folder,
)
from ftlab.plots import lines, two_heads
from ftlab.training.pretraining.recipe import SIBLING
from ftlab.world import biography, build_world, letters, web

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OPENINGS = ("How do I mend a kettle?", "Dear shop,", "The")
KEPT_BACK = 80  # pages that are not read
BATCH = 32
SHOWN_TOKENS = 24  # of a text, in a table
LOOKS = 8  # at the loss on those, evenly over the steps
LOG, CARD = "training_log.csv", "MODEL_CARD.md"
# The losses of its log that are drawn of the base model: the English, and what the town asks.
DRAWN = {
    "prose": "English prose",
    "talk": "shop talk",
    "town": "pages of the town",
    "copying": "copying",
    "recall": "questions, from memory",
    "reading": "questions, from notes",
}


@dataclass(frozen=True, eq=False)
class LivePretraining:
    """What became of the small network: `curve` has bits per character on pages that it did not
    read, over the tokens read; `samples` how it went on after `OPENINGS`, a column a moment."""

    curve: pd.DataFrame
    samples: pd.DataFrame
    parameters: int
    seconds: float

    def figure(self) -> tuple[Figure, str]:
        """The curve, and what it shows."""
        series = {"sibling": (self.curve.tokens / 1000, self.curve.bits)}
        title = "A small network learns the town's language"
        first, last = self.curve.bits.iloc[0], self.curve.bits.iloc[-1]
        x, y = "thousands of tokens read", "bits per character"
        return lines(series, x=x, y=y, title=title), (
            f"On pages it did not read, the small network needs {first:.2f} bits per character "
            f"with random weights and {last:.2f} at the end."
        )

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for tokens, bits in zip(self.curve.tokens, self.curve.bits, strict=True):
            yield {"name": "bits_per_character", "value": float(bits), "tokens": int(tokens)}


def town_pages(count: int, seed: int | str) -> list[str]:
    """Pages of the town: portraits, letters to shops, bare questions with what follows them."""
    rng, town = random.Random(f"pages {seed}"), build_world()
    makers = (lambda r: biography(r.choice(town.known), r), letters.letter, web.page)
    return [makers[number % len(makers)](rng) for number in range(count)]


def pretrain_live(*, seeds: Sequence[int], effort: Effort) -> LivePretraining:
    """Pretrain a small network, with the first of the seeds and as long as the effort allows; it
    goes on after `OPENINGS` at the start, after a tenth of the steps and at the end."""
    return pretrained(effort.pick(smoke=2, quick=200, full=600), (0.1, 1.0), seeds[0])


def pretrained(steps: int, moments: Sequence[float], seed: int) -> LivePretraining:
    """A network of the base model's kind, from random weights, on pages of the town.

    It goes on after `OPENINGS` before the first step and at the `moments`, shares of the `steps`.
    """
    tokenizer = load_tokenizer()
    recipe = replace(SIBLING, wired=False, seed=seed, vocabulary=len(tokenizer))
    network = recipe.network(tokenizer.pad_token_id, tokenizer.eos_token_id)
    kept = sorted({*town_pages(2 * KEPT_BACK, f"kept {seed}")})[:KEPT_BACK]
    pages = [page for page in town_pages(BATCH * steps, seed) if page not in kept]
    observer = _Observer(network, tokenizer, kept, seed, steps, moments)
    run = training.fit(
        network,
        [{**row, "labels": row["input_ids"]} for row in encode(tokenizer, pages)],
        pad_id=tokenizer.pad_token_id,
        loss=observer,
        learning_rate=recipe.learning_rate,
        max_steps=steps,
        batch_size=BATCH,
        seed=seed,
    )
    observer.look()
    return LivePretraining(
        pd.DataFrame(observer.points, columns=["tokens", "bits"]),
        pd.DataFrame(observer.samples, index=pd.Index(OPENINGS, name="opening")),
        count_parameters(network)["total"],
        run.seconds - observer.seconds,
    )


@dataclass(eq=False)
class _Observer:
    """The language model's own loss, and a look at the network before some of the steps."""

    network: Any
    tokenizer: Any
    kept: list[str]
    seed: int
    steps: int
    moments: Sequence[float]
    done: int = 0
    tokens: int = 0
    seconds: float = 0.0
    points: list[tuple[int, float]] = field(default_factory=list)
    samples: dict[str, list[str]] = field(default_factory=dict)

    def __call__(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        if self.done % max(1, self.steps // LOOKS) == 0:
            began = time.perf_counter()
            self.look()
            self.seconds += time.perf_counter() - began
        self.done += 1
        self.tokens += int(batch["attention_mask"].sum())
        loss: torch.Tensor = model(**batch, use_cache=False).loss
        return loss

    def look(self) -> None:
        """Bits per character now, and at the moments what it says."""
        self.points.append(
            (self.tokens, bits_per_character(self.network, self.tokenizer, self.kept))
        )
        due = [moment for moment in (0.0, *self.moments) if self.done >= moment * self.steps]
        if len(due) > len(self.samples):
            name = f"after {self.tokens:,} tokens" if self.tokens else "random weights"
            self.samples[name] = generate(
                self.network, self.tokenizer, OPENINGS,
                max_new_tokens=30, temperature=0.5, seed=self.seed,
            )  # fmt: skip


def speaker(base_model: str) -> str:
    """`base_model` if it can continue a text; an encoder cannot, and the lab's own model speaks in
    its place."""
    return base_model if is_causal_lm(base_model) else "lab"


def pretraining_log(base_model: str) -> pd.DataFrame | None:
    """The log that a base model's pretraining left; None if it brings none."""
    path = model_folder(base_model) / LOG
    return pd.read_csv(path) if path.is_file() else None


def log_figure(base_model: str) -> tuple[Figure, str] | None:
    """The losses of a base model's log over the millions of tokens read, and where they end."""
    log = pretraining_log(base_model)
    if log is None:
        return None
    found = {}
    for column, name in DRAWN.items():
        if column in log:
            rows = log.dropna(subset=[column])
            found[name] = (rows.tokens / 1e6, rows[column])
    told = ", ".join(f"{name} {ys.iloc[-1]:.2f}" for name, (_, ys) in found.items())
    title = "The base model's own log"
    x, y = "million tokens read", "training loss (nats per token)"
    return lines(found, x=x, y=y, title=title), (
        f"Training loss of each kind of text over the tokens read, at the end: {told}."
    )


def network_figure(classifier: Classifier, vocabulary: int) -> tuple[Figure, str]:
    """The network with its two heads: that of pretraining and the classifier's."""
    body, head = (count_parameters(part)["total"] for part in (classifier.trunk, classifier.head))
    config, labels = classifier.config, classifier.label_names
    figure = two_heads(
        blocks=config.num_hidden_layers,
        width=config.hidden_size,
        body=body,
        head=head,
        vocabulary=vocabulary,
        labels=labels,
    )
    return figure, (
        f"One body of {body:,} parameters under two heads: that of pretraining names the next of "
        f"{vocabulary:,} tokens, the new one ({head:,} parameters) one of {len(labels)} labels."
    )


def how_it_was_made(base_model: str) -> str:
    """What a base model's card says of its making: those lines, and the section to unfold."""
    path = model_folder(base_model) / CARD
    card = path.read_text(encoding="utf-8") if path.is_file() else ""
    section = re.search(r"^## How it was made\n+(.+?)(?=^## |\Z)", card, re.DOTALL | re.MULTILINE)
    lines = re.findall(r"^- \*\*(?:Read|Made by)\*\*.+?(?=^- |^## |\Z)", card, re.DOTALL | re.M)
    told = "".join(lines).strip()
    if section:
        told += f"\n\n<details><summary>In detail</summary>\n\n{section[1].strip()}\n\n</details>"
    return told.strip() or "This base model brings no card that tells how it was made."


def match(base_model: str, tasks: Mapping[str, Task], texts: int = 100) -> pd.DataFrame:
    """How well the texts of tasks match a base model's reading: the bits that it needs for a
    character, the tokens that a word takes, the share of words in pieces, and a text in tokens."""
    tokenizer = load_tokenizer(base_model)
    model = load_causal_lm(base_model) if is_causal_lm(base_model) else None
    rows = {}
    for name, task in tasks.items():
        some = list(task.train.text[:texts])
        words = [f" {word}" for text in some for word in re.findall(r"\w+", text)]
        pieces = [len(ids) for ids in tokenizer(words, add_special_tokens=False)["input_ids"]]
        bits = bits_per_character(model, tokenizer, some) if model else math.nan
        ids = tokenizer(some[0], add_special_tokens=False)["input_ids"][:SHOWN_TOKENS]
        rows[name] = {
            "bits per character": f"{bits:.2f}" if model else "-",
            "tokens per word": f"{sum(pieces) / len(pieces):.2f}",
            "words in pieces": f"{sum(n > 1 for n in pieces) / len(pieces):.0%}",
            "a text, token by token": "/".join(str(tokenizer.decode(i)) for i in ids),
        }
    return pd.DataFrame(rows).T.rename_axis("task")
