"""Runs a comparison of tiny networks that a test kills.

python killable_comparison.py MODEL_FOLDER FOLDER_OF_TRAININGS
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from ftlab.data import Task
from ftlab.experiments import FineTuning, Majority, TrainingBudget, Trainings, fair_comparison
from ftlab.tuning.methods import with_lora

TINY = TrainingBudget(
    epochs=1, min_steps=3, max_steps=3, max_length=16, batch_size=8, eval_points=2
)


def rivals(base: str, task: Task) -> list[Any]:
    """A baseline, and a network with a search for its learning rate."""
    return [Majority(task), FineTuning("LoRA 2", base, task, TINY, (1e-3, 2e-3), with_lora(2))]


if __name__ == "__main__":
    from test_keeping import words

    base, folder = sys.argv[1:]
    trainings = Trainings(Path(folder))
    fair_comparison(words, partial(rivals, base), seeds=[0, 1, 2], trainings=trainings)
