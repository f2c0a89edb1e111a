"""How much a run of each profile may spend on one training, and on the search for its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from ftlab.training.budget import TrainingBudget

T = TypeVar("T")


@dataclass(frozen=True)
class Effort:
    """`training_budget` for each network, and with how many `candidates`, at most three, each
    method begins its search. With one there is no search."""

    training_budget: TrainingBudget
    candidates: int

    def pick(self, *, smoke: T, quick: T, full: T) -> T:
        """The value for an effort of this size: without patience it shows nothing but that
        everything runs, without a search it is short."""
        if self.training_budget.patience is None:
            return smoke
        return quick if self.candidates == 1 else full


EFFORTS = {
    # Shows that everything runs, and nothing else.
    "smoke": Effort(TrainingBudget(1, 4, 4, max_length=32, eval_points=1), 1),
    # Few trainings, but finished ones.
    "quick": Effort(TrainingBudget(8, 48, 240, max_length=64, eval_points=8, patience=4), 1),
    # Patient: a network that begins with random weights stays at chance for a while.
    "full": Effort(TrainingBudget(15, 120, 500, eval_points=12, patience=6), 3),
}
