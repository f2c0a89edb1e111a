"""What a frozen trunk saves: `fit()` running it once a text, against running it in every step.

    python benchmarks/frozen_speed.py

The same classifier is trained for ten epochs with all but the head frozen, and with all but the
last block and the head frozen. Both ways take turns; ratios are medians over the turns. Prints
how far the two ways' losses and weights lie apart, and writes benchmarks/frozen_speed.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ftlab.data import encode, load_task
from ftlab.models import load_classifier, load_tokenizer
from ftlab.training import fit
from ftlab.training.loop import Run
from ftlab.tuning import freezing


def train(options: argparse.Namespace, blocks: int, remembered: bool, seed: int) -> tuple[Any, Any]:
    """One training; returns the model and what `fit()` gave."""
    task, tokenizer = load_task(options.task), load_tokenizer(options.base_model)
    model = load_classifier(options.base_model, task.label_names, seed=seed)
    wanted = freezing.top(model, blocks) if blocks else ["head"]
    freezing.train_only(model, wanted)
    texts, labels = task.train["text"].tolist(), task.train["label"].tolist()
    features = encode(tokenizer, texts, labels, options.max_length)
    often = patch.object(Run, "_frozen_trunk", lambda self: None)
    with nullcontext() if remembered else often:
        run = fit(
            model,
            features,
            pad_id=tokenizer.pad_token_id,
            learning_rate=options.learning_rate,
            epochs=options.epochs,
            seed=seed,
            progress=False,
        )
    return model, run


def measure(options: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {"settings": {k: v for k, v in vars(options).items() if k != "output"}}
    for blocks in (0, 1):
        ratios, apart, losses = [], [], []
        for turn in range(options.turns):
            (once, fast), (often, slow) = (
                train(options, blocks, remembered, turn) for remembered in (True, False)
            )
            ratios.append(slow.seconds / fast.seconds)
            losses.append(float((fast.history.loss - slow.history.loss).abs().max()))
            other = often.state_dict()
            apart.append(
                max(float((w - other[k]).abs().max()) for k, w in once.state_dict().items())
            )
        name = "head alone" if not blocks else f"top {blocks} and head"
        result[name] = {
            "times_faster": statistics.median(ratios),
            "turns": ratios,
            "largest_difference_of_a_weight": max(apart),
            "largest_difference_of_a_loss": max(losses),
        }
        print(f"{name}: {result[name]['times_faster']:.1f} times faster; weights differ by at most "
              f"{max(apart):.1e}, losses by {max(losses):.1e}", flush=True)  # fmt: skip
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-model", default="lab")
    parser.add_argument("--task", default="tickets")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--output", default=str(Path(__file__).with_suffix(".json")))
    options = parser.parse_args()
    result = measure(options)
    Path(options.output).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
