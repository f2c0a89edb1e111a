"""How much of the machine a step of pretraining uses.

    python benchmarks/pretraining_speed.py [--threads 1]

Prints and writes to benchmarks/pretraining_speed.json, all from one run: the matrix products a
second that the machine reaches in bf16 (or fp32, where it has no bf16) on 1024 x 1024 matrices,
and for a step on texts and one on exercises the tokens a second and the share of that peak, as the
recipe has it and with one thing taken away at a time. Counted are the products of the forward and
the backward pass: 6 for a weight and token, those of attention, and the output layer where a token
is predicted.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from ftlab.common.paths import data_dir
from ftlab.training.pretraining import network
from ftlab.training.pretraining.batches import Batch
from ftlab.training.pretraining.corpus import Corpus
from ftlab.training.pretraining.loop import Pretraining
from ftlab.training.pretraining.recipe import BASE
from ftlab.training.pretraining.texts import Prose
from ftlab.training.pretraining.tokenizer import END, PAD
from ftlab.world import shoptalk

REPEATS = 5


def seconds(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The median of `repeats` runs, after one that does not count."""
    work()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def peak() -> float:
    """Operations a second of a large matrix product."""
    matrix = torch.randn(1024, 1024).to(network.fast_dtype())
    return 2 * 1024**3 / seconds(lambda: matrix @ matrix, 40)


def operations(batch: Batch) -> float:
    """Operations of the forward and the backward pass on a batch, padding included."""
    layer = 4 * BASE.width**2 + 3 * BASE.width * BASE.feed_forward
    length = batch.ids.shape[1]
    body = 6 * BASE.layers * (layer + 2 * length * BASE.width) * batch.ids.numel()
    return float(body + 6 * BASE.width * BASE.vocabulary * len(batch.places))


def shop_talk(tokenizer: Tokenizer) -> Prose:
    """Prose enough for batches of the right shape; what it says makes no difference here."""
    rng = random.Random(0)
    texts = [" ".join(shoptalk.talk(rng) for _ in range(8)) for _ in range(200)]
    ids = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    starts = np.cumsum([0, *(len(i) for i in ids[:-1])])
    tokens = np.array([i for text in ids for i in text], dtype=np.uint16)
    return Prose(tokens, starts, np.arange(len(ids)), np.full(len(ids), 1 / len(ids)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    tokenizer = Tokenizer.from_file(str(data_dir() / "base_model" / "tokenizer.json"))
    ids = tokenizer.get_vocab()
    corpus = Corpus(tokenizer, shop_talk(tokenizer), ids[END], ids[PAD])
    batches = {
        "texts": corpus.texts(BASE.texts, 1000, 0),
        "exercises": corpus.exercises(BASE.exercises, 1000, 0),
    }
    report: dict[str, Any] = {"threads": given.threads, "dtype": str(network.fast_dtype())}
    fast = network.fast_dtype
    for name, compiled, attention, dtype in (
        ("as in the recipe", True, "eager", fast()),
        ("not compiled", False, "eager", fast()),
        ("fused attention, not compiled", False, "sdpa", fast()),
        ("fp32", True, "eager", torch.float32),
    ):
        network.fast_dtype = lambda dtype=dtype: dtype
        with tempfile.TemporaryDirectory() as folder:
            run = Pretraining(BASE, corpus, Path(folder), compiled=compiled)
        run.model.set_attn_implementation(attention)
        for kind, batch in batches.items():
            taken = seconds(partial(run._update, [(batch, float(kind == "texts"))], 1e-4))
            network.fast_dtype = fast
            best = peak()
            row = {
                "tokens_per_second": round(batch.tokens / taken),
                "share_of_peak": round(operations(batch) / taken / best, 3),
                "peak_gflops": round(best / 1e9),
            }
            report[f"{name}, {kind}"] = row
            print(f"{name}, {kind}: {row}", flush=True)
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
