"""One run of the recipe: its tokenizer and prose, and each of its processes."""

from __future__ import annotations

import os
from pathlib import Path

from ftlab.training.pretraining.recipe import Recipe


def prepare(work: Path) -> None:
    """Tokenizer and prose tokens in `work`, made once."""
    import numpy as np
    from tokenizers import Tokenizer

    from ftlab.training.pretraining.prose import paragraphs
    from ftlab.training.pretraining.tokenizer import train_tokenizer

    if (work / "prose.npy").exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    prose = paragraphs()
    print(f"{len(prose):,} paragraphs of prose, {sum(map(len, prose)) / 1e6:.1f} MB", flush=True)
    train_tokenizer(prose).save(str(work / "tokenizer.json"))
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    ids = np.array([i for e in tokenizer.encode_batch(prose) for i in e.ids], dtype=np.int32)
    with (work / "prose.part").open("wb") as file:
        np.save(file, ids)
    os.replace(work / "prose.part", work / "prose.npy")


def train(rank: int, ranks: int, work: Path, recipe: Recipe) -> None:
    import numpy as np
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
    end_id, pad_id = vocabulary[END], vocabulary[PAD]
    corpus = Corpus(tokenizer, np.load(work / "prose.npy"), end_id, seed=recipe.seed)
    Pretraining(recipe, corpus, work, pad_id, rank, ranks).run()
