"""How long a network is trained, by the number of its texts."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingBudget:
    """How long a network is trained: `epochs` over its texts, but within the bounds on steps.

    Without the lower bound a network would see eight texts a label too rarely to learn anything;
    without the upper one the whole of a task would take too long. `eval_points` is how many times
    validation accuracy is measured during a training that is watched. With `patience` a training
    ends after so many of them without a better one, and goes back to the best.
    """

    epochs: int
    min_steps: int
    max_steps: int
    max_length: int = 128
    batch_size: int = 16
    eval_points: int = 8
    patience: int | None = None

    def steps(self, rows: int) -> int:
        """Steps for so many training texts."""
        wanted = self.epochs * math.ceil(rows / self.batch_size)
        return max(self.min_steps, min(wanted, self.max_steps))
