"""Fair comparisons: the same task, the same rules, as many candidates for all."""

from ftlab.experiments import freezing
from ftlab.experiments.baselines import (
    FrozenFeatures,
    Majority,
    TfidfRegression,
    all_baselines,
    baselines,
)
from ftlab.experiments.depth_figure import depth_plot
from ftlab.experiments.effort import EFFORTS, Effort
from ftlab.experiments.estimators import FineTuning, FittedModel, fine_tunings
from ftlab.experiments.fair import fair_comparison
from ftlab.experiments.freezing_methods import cut_words, with_own_tokens
from ftlab.experiments.keeping import Training, Trainings
from ftlab.experiments.learning_curve import cost_until, over_seeds, seed_ratio
from ftlab.experiments.memory import PARTS, memory_parts
from ftlab.experiments.putting_back import PutBack, put_back
from ftlab.experiments.results import FULL, FairComparison
from ftlab.experiments.searching import Choices
from ftlab.experiments.sources import TaskSource
from ftlab.experiments.table import comparison_table
from ftlab.experiments.trading import LearnedForgotten
from ftlab.training.budget import TrainingBudget

__all__ = [
    "EFFORTS",
    "FULL",
    "PARTS",
    "Choices",
    "Effort",
    "FairComparison",
    "FineTuning",
    "FittedModel",
    "FrozenFeatures",
    "LearnedForgotten",
    "Majority",
    "PutBack",
    "TaskSource",
    "TfidfRegression",
    "Training",
    "TrainingBudget",
    "Trainings",
    "all_baselines",
    "baselines",
    "comparison_table",
    "cost_until",
    "cut_words",
    "depth_plot",
    "fair_comparison",
    "fine_tunings",
    "freezing",
    "memory_parts",
    "over_seeds",
    "put_back",
    "seed_ratio",
    "with_own_tokens",
]
