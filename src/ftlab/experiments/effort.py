"""How much a run of each profile may spend on one training, and on the search for its settings."""

from __future__ import annotations

from dataclasses import dataclass

from ftlab.training.budget import TrainingBudget


@dataclass(frozen=True)
class Effort:
    """`training_budget` for each network, and with how many `candidates`, at most three, each
    method begins its search. With one there is no search."""

    training_budget: TrainingBudget
    candidates: int


EFFORTS = {
    # Shows that everything runs, and nothing else.
    "smoke": Effort(TrainingBudget(1, 4, 4, max_length=32, eval_points=1), 1),
    # Few trainings, but finished ones.
    "quick": Effort(TrainingBudget(8, 48, 240, max_length=64, eval_points=8, patience=4), 1),
    # Patient: a network that begins with random weights stays at chance for a while.
    "full": Effort(TrainingBudget(15, 120, 500, eval_points=12, patience=6), 3),
}
