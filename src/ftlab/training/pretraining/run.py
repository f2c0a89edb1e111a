"""One run of the recipe: its tokenizer and prose, and each of its processes."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

from ftlab.training.pretraining.recipe import Recipe

if TYPE_CHECKING:
    from ftlab.training.pretraining.texts import Prose

DOCUMENTS, TOKENS = "documents.jsonl", "prose.npz"


def prepare(work: Path, recipe: Recipe, weights: dict[str, float]) -> None:
    """Tokenizer and prose tokens in `work` from its documents, made once.

    `weights`: how often a token of a source is read, compared with those of others.
    """
    import numpy as np
    from tokenizers import Tokenizer

    from ftlab.training.pretraining.tokenizer import train_tokenizer

    if (work / TOKENS).exists():
        return
    with (work / DOCUMENTS).open(encoding="utf-8") as file:
        documents = [json.loads(line) for line in file]
    paragraphs = [p for d in documents for p in d["paragraphs"]]
    print(f"{len(paragraphs):,} paragraphs, {sum(map(len, paragraphs)) / 1e6:.1f} MB", flush=True)
    # A source that is read more often counts more for what becomes a piece, too.
    rng = random.Random(recipe.seed)
    often = [weights.get(d["source"], 1.0) for d in documents for _ in d["paragraphs"]]
    counted = rng.choices(paragraphs, often, k=len(paragraphs))
    train_tokenizer(counted, recipe.seed, recipe.vocabulary).save(str(work / "tokenizer.json"))
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    newline = tokenizer.encode("\n", add_special_tokens=False).ids
    tokens: list[np.ndarray] = []
    starts, owner, chance = [], [], []
    total = 0
    for number, document in enumerate(documents):
        weight = weights.get(document["source"], 1.0)
        encoded = tokenizer.encode_batch(document["paragraphs"], add_special_tokens=False)
        for paragraph in encoded:
            ids = [*paragraph.ids, *newline]
            starts.append(total)
            owner.append(number)
            chance.append(weight * len(ids))
            tokens.append(np.array(ids, dtype=np.uint16))
            total += len(ids)
    print(f"{total / 1e6:.1f} M tokens of prose", flush=True)
    with (work / "prose.part").open("wb") as file:
        np.savez(
            file,
            tokens=np.concatenate(tokens),
            starts=np.array(starts),
            document=np.array(owner),
            chance=np.array(chance) / sum(chance),
        )
    os.replace(work / "prose.part", work / TOKENS)


def load_prose(work: Path) -> Prose:
    """What `prepare` made of the documents."""
    import numpy as np

    from ftlab.training.pretraining.texts import Prose

    with np.load(work / TOKENS) as kept:
        return Prose(**{name: kept[name] for name in kept.files})


def train(rank: int, ranks: int, work: Path, recipe: Recipe) -> None:
    """One of the processes of a run."""
    import torch
    from tokenizers import Tokenizer

    from ftlab.training.pretraining.corpus import Corpus
    from ftlab.training.pretraining.loop import Pretraining
    from ftlab.training.pretraining.tokenizer import END, PAD

    if ranks > 1:
        import torch.distributed as dist

        torch.set_num_threads(1)
        dist.init_process_group(
            "gloo", init_method=f"file://{work / 'rendezvous'}", rank=rank, world_size=ranks
        )
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    vocabulary = tokenizer.get_vocab()
    corpus = Corpus(tokenizer, load_prose(work), vocabulary[END], vocabulary[PAD], seed=recipe.seed)
    Pretraining(recipe, corpus, work, rank, ranks).run()
