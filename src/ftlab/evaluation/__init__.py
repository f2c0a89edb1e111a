"""How good is it, and how sure are we: metrics, intervals, calibration, errors; skills, forgetting,
timing and cost.
"""

from ftlab.evaluation.calibration import (
    cheapest_threshold,
    expected_calibration_error,
    fit_temperature,
    reliability,
    softmax,
)
from ftlab.evaluation.comparing import items_needed, mcnemar
from ftlab.evaluation.cost import costs
from ftlab.evaluation.forgetting import ForgettingProbe, forgetting_probe
from ftlab.evaluation.inspecting import by_loss, doubtful_labels, slices
from ftlab.evaluation.intervals import (
    BOOTSTRAP_DRAWS,
    LEVEL,
    Estimate,
    bootstrap_interval,
    exact,
    mean_interval,
    paired_difference,
    ratio_interval,
    recomputed,
    seeds_interval,
    single,
    unpaired_difference,
    wilson,
)
from ftlab.evaluation.metrics import (
    CLASS_SCORES,
    accuracy,
    class_scores,
    correct,
)
from ftlab.evaluation.skills import answers_to, recall_items
from ftlab.evaluation.texts import bleu, matches, normalise
from ftlab.evaluation.timing import time_side_by_side, weight_change

__all__ = [
    "BOOTSTRAP_DRAWS",
    "CLASS_SCORES",
    "LEVEL",
    "Estimate",
    "ForgettingProbe",
    "accuracy",
    "answers_to",
    "bleu",
    "bootstrap_interval",
    "by_loss",
    "cheapest_threshold",
    "class_scores",
    "correct",
    "costs",
    "doubtful_labels",
    "exact",
    "expected_calibration_error",
    "fit_temperature",
    "forgetting_probe",
    "items_needed",
    "matches",
    "mcnemar",
    "mean_interval",
    "normalise",
    "paired_difference",
    "ratio_interval",
    "recall_items",
    "recomputed",
    "reliability",
    "seeds_interval",
    "single",
    "slices",
    "softmax",
    "time_side_by_side",
    "unpaired_difference",
    "weight_change",
    "wilson",
]
