"""How much a base model's English is worth on real messages.

    python benchmarks/english.py DATA ... [--labels 10] [--base-model lab] [--budgets 20 0]
        [--prose FILE ...] [--json FILE]

DATA is whatever `load_task` reads: a folder with train.csv and test.csv (Banking77's, for example),
"tickets" or "letters". Fine-tuned, the same network from random weights, frozen features and TF-IDF
learn from so many labels a class (0: all), with hyperparameters chosen for each seed on the
validation part, and are compared on the test part. Intervals are over seeds and test texts.

Of a text FILE with paragraphs between empty lines, in any language, it tells the bits per character
and how often the rest of a paragraph is among the five nearest to its first sentence, by the
untaught network's own vectors, out of 500.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
from functools import partial
from pathlib import Path
from typing import Any

from ftlab.data import Task, load_task
from ftlab.evaluation.town_search import vectors
from ftlab.experiments import FineTuning, FrozenFeatures, TfidfRegression, fair_comparison
from ftlab.models import load_causal_lm, load_tokenizer
from ftlab.models.scoring import bits_per_character
from ftlab.training.budget import TrainingBudget

RATES = (5e-4, 1e-3, 2e-3)
STRENGTHS = (0.1, 1.0, 10.0)
PASSAGES = 500
HEAD_STRENGTHS = (0.001, 0.01, 0.1)
TUNED, RANDOM, FROZEN, COUNTS = "fine-tuned", "random weights", "frozen features", "TF-IDF"


def prose(base_model: str, paragraphs: list[str]) -> dict[str, float]:
    """Bits per character, and recall@5 of the rest of a paragraph by its first sentence."""
    model, tokenizer = load_causal_lm(base_model), load_tokenizer(base_model)
    end = r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])"
    halves = [re.split(end, paragraph, maxsplit=1) for paragraph in paragraphs]
    pairs = [(first, rest) for first, rest in (h for h in halves if len(h) == 2) if rest.strip()]
    pairs = random.Random(0).sample(pairs, min(PASSAGES, len(pairs)))
    near = vectors(model, tokenizer, [first for first, _ in pairs])
    near = near @ vectors(model, tokenizer, [rest for _, rest in pairs]).T
    best = near.topk(5, dim=1).indices.tolist()
    return {
        "bits per character": bits_per_character(model, tokenizer, paragraphs),
        "recall@5": sum(i in row for i, row in enumerate(best)) / len(pairs),
        "passages": len(pairs),
    }


def rivals(base_model: str, budget: TrainingBudget, task: Task) -> list[Any]:
    shared = {"base_model": base_model, "task": task, "training_budget": budget}
    return [
        TfidfRegression(STRENGTHS, name=COUNTS),
        FrozenFeatures(name=FROZEN, candidates=HEAD_STRENGTHS, **shared),
        FineTuning(name=RANDOM, candidates=RATES, random_weights=True, **shared),
        FineTuning(name=TUNED, candidates=RATES, **shared),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--labels", type=int, default=0)
    parser.add_argument("--base-model", default="lab")
    parser.add_argument("--budgets", type=int, nargs="+", default=[20])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs=2, default=[150, 600], help="least and most")
    parser.add_argument("--prose", type=Path, nargs="+", default=[])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    logging.disable(logging.INFO)
    report: dict[str, Any] = {}
    for file in given.prose:
        made = prose(given.base_model, file.read_text(encoding="utf-8").split("\n\n"))
        report |= {f"{file.name}/{name}": round(value, 4) for name, value in made.items()}
        print(f"{file.name}: " + ", ".join(f"{n} {v:.3f}" for n, v in made.items()), flush=True)
    for data in given.data:
        labels = 0 if data in ("tickets", "letters") else given.labels
        task = load_task(data, labels=labels)
        budget = TrainingBudget(epochs=15, min_steps=given.steps[0], max_steps=given.steps[1])
        methods = partial(rivals, given.base_model, budget)
        made = fair_comparison(task, methods, seeds=range(given.seeds), budgets=given.budgets)
        for labels_a_class in given.budgets:
            lines = {name: made.estimate(name, budget=labels_a_class) for name in made.methods}
            for one, other in (*((TUNED, o) for o in (COUNTS, RANDOM, FROZEN)), (FROZEN, COUNTS)):
                lines[f"{one} - {other}"] = made.difference(one, other, budget=labels_a_class)
            print(f"{task.name}, {labels_a_class or 'all'} labels a class", flush=True)
            for name, estimate in lines.items():
                low, high = estimate.low, estimate.high
                print(f"  {name:32} {estimate.value:6.3f} [{low:.3f}, {high:.3f}]", flush=True)
                key = f"{task.name}/{labels_a_class}/{name}"
                report[key] = [round(v, 4) for v in (estimate.value, low, high)]
        tried = made.tries()
        chosen = tried[tried.chosen].drop(columns=["task", "chosen"])
        print(chosen.to_string(index=False), flush=True)
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
