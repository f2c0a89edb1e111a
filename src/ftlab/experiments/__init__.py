"""Fair comparisons: the same task, the same rules, as many candidates for all."""

from ftlab.experiments.baselines import FrozenFeatures, Majority, TfidfRegression, baselines
from ftlab.experiments.comparison import FULL, TUNING_SEEDS, Comparison, compare
from ftlab.experiments.estimators import FineTuning, FittedModel, fine_tunings
from ftlab.experiments.learning_curve import cost_until, labels_needed, over_seeds, seed_ratio
from ftlab.experiments.table import comparison_table
from ftlab.training.budget import TrainingBudget

__all__ = [
    "FULL",
    "TUNING_SEEDS",
    "Comparison",
    "FineTuning",
    "FittedModel",
    "FrozenFeatures",
    "Majority",
    "TfidfRegression",
    "TrainingBudget",
    "baselines",
    "compare",
    "comparison_table",
    "cost_until",
    "fine_tunings",
    "labels_needed",
    "over_seeds",
    "seed_ratio",
]
