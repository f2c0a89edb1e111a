"""Fair comparisons: the same task, the same rules, as many candidates for all."""

from ftlab.experiments.baselines import (
    FrozenFeatures,
    Majority,
    TfidfRegression,
    all_baselines,
    baselines,
)
from ftlab.experiments.comparison import TUNING_SEEDS, Comparison, compare
from ftlab.experiments.effort import EFFORTS, Effort
from ftlab.experiments.estimators import FineTuning, FittedModel, fine_tunings
from ftlab.experiments.fair import fair_comparison
from ftlab.experiments.keeping import Training, Trainings
from ftlab.experiments.learning_curve import cost_until, labels_needed, over_seeds, seed_ratio
from ftlab.experiments.results import FULL, FairComparison
from ftlab.experiments.searching import Choices
from ftlab.experiments.table import comparison_table
from ftlab.training.budget import TrainingBudget

__all__ = [
    "EFFORTS",
    "FULL",
    "TUNING_SEEDS",
    "Choices",
    "Comparison",
    "Effort",
    "FairComparison",
    "FineTuning",
    "FittedModel",
    "FrozenFeatures",
    "Majority",
    "TfidfRegression",
    "Training",
    "TrainingBudget",
    "Trainings",
    "all_baselines",
    "baselines",
    "compare",
    "comparison_table",
    "cost_until",
    "fair_comparison",
    "fine_tunings",
    "labels_needed",
    "over_seeds",
    "seed_ratio",
]
