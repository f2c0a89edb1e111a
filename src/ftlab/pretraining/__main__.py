"""`python -m ftlab.pretraining`: make the lab's base model again, from nothing.

Checkpoints are written to the working folder; the same command resumes a run that was stopped.
With more than one process the rows of every step are shared out and the gradients averaged.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ftlab.paths import data_dir, project_root
from ftlab.pretraining.recipe import BASE, Recipe


def _prepare(work: Path) -> None:
    """Tokenizer and prose tokens in `work`, made once."""
    import numpy as np
    from tokenizers import Tokenizer

    from ftlab.pretraining.prose import paragraphs
    from ftlab.pretraining.tokenizer import train_tokenizer

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


def _train(rank: int, ranks: int, work: Path, recipe: Recipe) -> None:
    import numpy as np
    import torch
    from tokenizers import Tokenizer

    from ftlab.pretraining.corpus import Corpus
    from ftlab.pretraining.loop import Pretraining
    from ftlab.pretraining.tokenizer import END, PAD

    if ranks > 1:
        import torch.distributed as dist

        torch.set_num_threads(1)
        dist.init_process_group(
            "gloo", init_method=f"file://{work / 'rendezvous'}", rank=rank, world_size=ranks
        )
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    end_id, pad_id = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)
    corpus = Corpus(tokenizer, np.load(work / "prose.npy"), end_id, seed=recipe.seed)
    Pretraining(recipe, corpus, work, pad_id, rank, ranks).run()


def main(argv: list[str] | None = None) -> None:
    """Command line of the recipe."""
    parser = argparse.ArgumentParser(prog="python -m ftlab.pretraining", description=__doc__)
    parser.add_argument("--work", type=Path, default=project_root() / "build" / "pretraining")
    parser.add_argument("--output", type=Path, default=data_dir() / "base_model")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--steps", type=int, default=BASE.steps)
    parser.add_argument("--seed", type=int, default=BASE.seed)
    given: Any = parser.parse_args(argv)
    recipe = replace(BASE, steps=given.steps, seed=given.seed)
    work = given.work.resolve()
    _prepare(work)
    (work / "rendezvous").unlink(missing_ok=True)
    (work / "recipe.json").write_text(json.dumps(recipe.as_dict(), indent=1) + "\n")
    if given.processes > 1:
        import torch.multiprocessing as mp

        mp.spawn(_train, (given.processes, work, recipe), nprocs=given.processes)
    else:
        _train(0, 1, work, recipe)
    from ftlab.pretraining.export import export

    export(work, given.output, recipe, given.processes)


if __name__ == "__main__":
    main()
