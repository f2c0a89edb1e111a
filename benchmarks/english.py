"""How much a base model's English is worth on real messages.

    python benchmarks/english.py DATA [--labels 10] [--base-model lab] [--budgets 20] [--json FILE]

DATA is whatever `load_task` reads: a folder with train.csv and test.csv (Banking77's, for example),
"tickets" or "letters". Fine-tuned, the same network from random weights, frozen features and TF-IDF
learn from so many labels a class (0: all), with hyperparameters chosen on the validation part, and
are compared on the test part. Intervals are over seeds and test texts.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from ftlab.data import load_task
from ftlab.experiments import FineTuning, FrozenFeatures, TfidfRegression, compare
from ftlab.models import load_causal_lm, load_tokenizer
from ftlab.models.scoring import bits_per_character
from ftlab.training import TrainingBudget

RATES = (5e-4, 1e-3, 2e-3)
STRENGTHS = (0.1, 1.0, 10.0)
HEAD_STRENGTHS = (0.001, 0.01, 0.1)
TUNED, RANDOM, FROZEN, COUNTS = "fine-tuned", "random weights", "frozen features", "TF-IDF"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--labels", type=int, default=0)
    parser.add_argument("--base-model", default="lab")
    parser.add_argument("--budgets", type=int, nargs="+", default=[20])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs=2, default=[150, 600], help="least and most")
    parser.add_argument("--prose", type=Path, help="a text file: bits per character")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    logging.disable(logging.INFO)
    report: dict[str, Any] = {}
    if given.prose:
        texts = given.prose.read_text(encoding="utf-8").split("\n\n")
        model, tokenizer = load_causal_lm(given.base_model), load_tokenizer(given.base_model)
        report["bits_per_character"] = bits_per_character(model, tokenizer, texts)
        print(f"bits per character of {given.prose.name}: {report['bits_per_character']:.3f}")
    for data in given.data:
        labels = 0 if data in ("tickets", "letters") else given.labels
        task = load_task(data, labels=labels)
        budget = TrainingBudget(epochs=15, min_steps=given.steps[0], max_steps=given.steps[1])
        shared = {"base_model": given.base_model, "task": task, "training_budget": budget}
        methods = [
            TfidfRegression(STRENGTHS, name=COUNTS),
            FrozenFeatures(name=FROZEN, candidates=HEAD_STRENGTHS, **shared),
            FineTuning(name=RANDOM, candidates=RATES, random_weights=True, **shared),
            FineTuning(name=TUNED, candidates=RATES, **shared),
        ]
        made = compare(task, methods, range(given.seeds), budgets=given.budgets, tuning_seeds=1)
        for labels_a_class in given.budgets:
            lines = {m.name: made.accuracy(m.name, labels_a_class) for m in methods}
            for other in (COUNTS, RANDOM, FROZEN):
                lines[f"{TUNED} - {other}"] = made.difference(TUNED, other, labels_a_class)
            lines[f"{FROZEN} - {COUNTS}"] = made.difference(FROZEN, COUNTS, labels_a_class)
            print(f"{task.name}, {labels_a_class or 'all'} labels a class", flush=True)
            for name, estimate in lines.items():
                low, high = estimate.low, estimate.high
                print(f"  {name:32} {estimate.value:6.3f} [{low:.3f}, {high:.3f}]", flush=True)
                key = f"{task.name}/{labels_a_class}/{name}"
                report[key] = [round(v, 4) for v in (estimate.value, low, high)]
        chosen = made.tried.loc[made.tried.groupby(["method", "budget"]).validation.idxmax()]
        print(chosen.to_string(index=False), flush=True)
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
