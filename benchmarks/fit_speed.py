"""How fast is `fit()`? Against `transformers.Trainer` and loops written by hand, in one run.

    python benchmarks/fit_speed.py

The same classifier is fine-tuned on the training split of a task, with the same batch size,
learning rate, schedule, clipping and number of epochs, by

    trainer     transformers.Trainer with its defaults: fp32, random order
    fit         ftlab.training.fit()
    hand_bf16   a bare loop under bf16 autocast, texts of like length together
    hand        the same loop in the precision that fit() chose

The four take turns, so that a machine that is busy for a while treats them alike; ratios are
medians over the turns. Beside examples a second (wall clock) it counts examples per second of
processor time, which other programs disturb less. Writes a table, and benchmarks/fit_speed.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftlab.data import bucketed_batches, collate, encode, load_task
from ftlab.models import (
    Classifier,
    count_parameters,
    load_classifier,
    load_tokenizer,
    max_length,
    private_rng,
)
from ftlab.training import choose_device, choose_precision, fit, predict
from ftlab.training.optimizer import make_optimizer

METHODS = ("trainer", "fit", "hand_bf16", "hand")
WARMUP, WEIGHT_DECAY, CLIP = 0.1, 0.01, 1.0  # those of fit(), given to all
Features = list[dict[str, Any]]


def by_trainer(
    model: Classifier, train: Features, tokenizer: Any, options: argparse.Namespace, seed: int
) -> None:
    from transformers import Trainer, TrainingArguments

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=options.batch_size,
            num_train_epochs=options.epochs,
            learning_rate=options.learning_rate,
            warmup_steps=WARMUP,
            weight_decay=WEIGHT_DECAY,
            max_grad_norm=CLIP,
            seed=seed,
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=choose_device()[0].type == "cpu",
        )
        trainer = Trainer(
            model=model, args=arguments, train_dataset=train, processing_class=tokenizer
        )
        trainer.train()


def by_fit(
    model: Classifier, train: Features, tokenizer: Any, options: argparse.Namespace, seed: int
) -> None:
    fit(
        model,
        train,
        pad_id=tokenizer.pad_token_id,
        learning_rate=options.learning_rate,
        epochs=options.epochs,
        batch_size=options.batch_size,
        warmup=WARMUP,
        weight_decay=WEIGHT_DECAY,
        clip=CLIP,
        seed=seed,
        progress=False,
    )


def by_hand(precision: str) -> Callable[..., None]:
    import torch

    def loop(
        model: Classifier, train: Features, tokenizer: Any, options: argparse.Namespace, seed: int
    ) -> None:
        device = choose_device()[0]
        model.to(device).train()
        optimizer = make_optimizer(model, WEIGHT_DECAY)
        lengths = [len(feature["input_ids"]) for feature in train]
        total = options.epochs * -(-len(train) // options.batch_size)
        rising = round(WARMUP * total)
        step = 0
        for epoch in range(options.epochs):
            for chosen in bucketed_batches(lengths, options.batch_size, seed, epoch):
                batch = collate([train[i] for i in chosen], tokenizer.pad_token_id)
                batch = {name: tensor.to(device) for name, tensor in batch.items()}
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                    loss = model(**batch).loss
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
                share = (step + 1) / rising if step < rising else (total - step) / (total - rising)
                for group in optimizer.param_groups:
                    group["lr"] = options.learning_rate * share
                optimizer.step()
                optimizer.zero_grad()
                step += 1

    return loop


def cross_entropy(model: Classifier, features: Features, pad_id: int) -> float:
    import torch

    logits = torch.tensor(predict(model, features, pad_id))
    labels = torch.tensor([feature["labels"] for feature in features])
    return float(torch.nn.functional.cross_entropy(logits, labels))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    task, tokenizer = load_task(options.task), load_tokenizer(options.base_model)
    device, why_there = choose_device()
    precision, why_so = choose_precision(device)
    runs: dict[str, Callable[..., None]] = {
        "trainer": by_trainer,
        "fit": by_fit,
        "hand_bf16": by_hand("bf16"),
        "hand": by_hand(precision),
    }
    turns: dict[str, list[dict[str, float]]] = {method: [] for method in METHODS}
    for turn in range(-1, options.turns):  # the turn -1 warms up and is not counted
        for method in METHODS:
            # Each turn has its own seed: the losses of one order of examples differ by chance.
            seed = options.seed + max(turn, 0)
            model = load_classifier(options.base_model, task.label_names, seed=seed)
            length = max_length(model, options.max_length)
            train, validation = (
                encode(tokenizer, split["text"].tolist(), split["label"].tolist(), length)
                for split in (task.train, task.validation)
            )
            if turn < 0:
                train = train[: 4 * options.batch_size]
            with private_rng(seed, device):
                wall, processor = time.perf_counter(), time.process_time()
                runs[method](model, train, tokenizer, options, seed)
                wall, processor = time.perf_counter() - wall, time.process_time() - processor
            if turn < 0:
                continue
            examples = len(train) * options.epochs
            turns[method].append(
                {
                    "examples_per_second": examples / wall,
                    "examples_per_processor_second": examples / processor,
                    "train_loss": cross_entropy(model, train, tokenizer.pad_token_id),
                    "validation_loss": cross_entropy(model, validation, tokenizer.pad_token_id),
                }
            )
            shown = ", ".join(f"{key} {value:.3g}" for key, value in turns[method][-1].items())
            print(f"turn {turn + 1}, {method}: {shown}", flush=True)
    lengths = [len(feature["input_ids"]) for feature in train]
    return {
        "settings": {key: value for key, value in vars(options).items() if key != "output"},
        "parameters": count_parameters(model)["total"],
        "texts": len(train),
        "tokens": {"mean": statistics.mean(lengths), "longest": max(lengths)},
        "chosen": f"{why_there}, {why_so}",
        "machine": {"processor": platform.processor() or platform.machine(), **versions()},
        "threads": torch.get_num_threads(),
        "turns": turns,
        "fit_to_others": {
            measure: {
                method: statistics.median(
                    ours[measure] / theirs[measure]
                    for ours, theirs in zip(turns["fit"], turns[method], strict=True)
                )
                for method in METHODS
                if method != "fit"
            }
            for measure in ("examples_per_second", "examples_per_processor_second")
        },
    }


def versions() -> dict[str, str]:
    import torch
    import transformers

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def table(result: dict[str, Any]) -> str:
    keys = list(result["turns"]["fit"][0])
    lines = ["".join(["method".ljust(12), *(key.rjust(32) for key in keys)])]
    for method, turns in result["turns"].items():
        medians = [statistics.median(turn[key] for turn in turns) for key in keys]
        lines.append("".join([method.ljust(12), *(f"{value:32.3f}" for value in medians)]))
    for measure, ratios in result["fit_to_others"].items():
        shown = ", ".join(f"{ratio:.2f} x {method}" for method, ratio in ratios.items())
        lines.append(f"fit(), {measure}: {shown}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-model", default="lab")
    parser.add_argument("--task", default="tickets")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default=str(Path(__file__).with_suffix(".json")))
    options = parser.parse_args()
    result = measure(options)
    Path(options.output).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table(result))


if __name__ == "__main__":
    main()
