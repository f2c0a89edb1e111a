"""Runs `fit()` in forked copies of itself, so that a test can kill one at any moment, quickly.

    python killable_fit.py MODEL_FOLDER

Reads lines "WHAT CHECKPOINT_FOLDER RESULT_FILE": "last" or "best" for a classifier that ends with
these weights, or one of `kinds.KINDS`; and "-" for no checkpoints. Writes, for each, the process id
of the run, and its exit status when it has ended.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from typing import Any

import numpy as np
from kinds import KINDS

from ftlab.models import load_classifier
from ftlab.training import fit
from ftlab.training.fingerprint import describe, hash_weights


def examples(number: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    rows = [rng.integers(2, 300, rng.integers(2, 20)).tolist() for _ in range(number)]
    return [{"input_ids": row, "labels": row[0] % 3} for row in rows]


def caution(logits: np.ndarray, labels: np.ndarray) -> float:
    """Best at the first evaluation, as logits only grow; slow, which gives the killer time."""
    time.sleep(0.03)
    return -float(logits.std())


class Slowly:
    """A loss that takes a while, which gives the killer time."""

    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def __call__(self, model: Any, batch: Any) -> Any:
        time.sleep(0.005)
        return self.loss(model, batch)


def training(model_folder: str, what: str) -> tuple[Any, Any, dict[str, Any]]:
    """Model, rows to learn from, and the other arguments of `fit()`."""
    if what in KINDS:
        kind = KINDS[what](model_folder)
        more = {**kind.arguments, "loss": Slowly(kind.arguments["loss"]), "patience": 100}
        return kind.model, kind.train, {"validation": kind.held_out, **more}
    model = load_classifier(model_folder, ["a", "b", "c"], dropout=0.3)
    more = {"pad_id": 0, "metric": caution, "patience": 100 if what == "best" else None}
    return model, examples(48, seed=1), {"validation": examples(10, seed=2), **more}


def train(model_folder: str, what: str, checkpoints: str, result: str) -> None:
    model, rows, more = training(model_folder, what)
    done = fit(
        model,
        rows,
        epochs=3,
        batch_size=4,
        accumulate=2,
        learning_rate=0.01,
        eval_every=2,
        device="cpu",
        precision="fp32",
        checkpoint_dir=None if checkpoints == "-" else checkpoints,
        checkpoint_every=1,
        progress=False,
        **more,
    )
    history = done.history.drop(columns="seconds").to_json(double_precision=15)
    outcome = {
        "weights": hash_weights(model),
        "history": history,
        "best_step": done.best_step,
        "loss": describe(more.get("loss") and more["loss"].loss),
    }
    with open(result, "w", encoding="utf-8") as file:
        json.dump(outcome, file)


def main() -> None:
    train(
        sys.argv[1], "last", "-", os.devnull
    )  # so that every import is done before the first fork
    print("ready", flush=True)
    for line in sys.stdin:
        what, checkpoints, result = line.split()
        child = os.fork()
        if not child:
            try:
                train(sys.argv[1], what, checkpoints, result)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
