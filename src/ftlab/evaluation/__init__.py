"""How good is it, and how sure are we."""

from ftlab.evaluation.calibration import (
    cheapest_threshold,
    expected_calibration_error,
    fit_temperature,
    reliability,
    softmax,
)
from ftlab.evaluation.comparing import items_needed, mcnemar, spread_of
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
    exact_match,
)
from ftlab.evaluation.texts import bleu, chrf, matches, normalise, token_f1

__all__ = [
    "BOOTSTRAP_DRAWS",
    "CLASS_SCORES",
    "LEVEL",
    "Estimate",
    "accuracy",
    "bleu",
    "bootstrap_interval",
    "by_loss",
    "cheapest_threshold",
    "chrf",
    "class_scores",
    "correct",
    "doubtful_labels",
    "exact",
    "exact_match",
    "expected_calibration_error",
    "fit_temperature",
    "items_needed",
    "matches",
    "mcnemar",
    "mean_interval",
    "normalise",
    "paired_difference",
    "ratio_interval",
    "recomputed",
    "reliability",
    "seeds_interval",
    "single",
    "slices",
    "softmax",
    "spread_of",
    "token_f1",
    "unpaired_difference",
    "wilson",
]
