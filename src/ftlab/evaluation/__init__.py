"""How good is it, and how sure are we."""

from ftlab.evaluation.intervals import (
    BOOTSTRAP_DRAWS,
    LEVEL,
    Estimate,
    bootstrap_interval,
    exact,
    mean_interval,
    paired_difference,
    ratio_interval,
    seeds_interval,
    unpaired_difference,
)
from ftlab.evaluation.metrics import (
    accuracy,
    correct,
    exact_match,
    macro_f1,
    matches,
    normalise,
)

__all__ = [
    "BOOTSTRAP_DRAWS",
    "LEVEL",
    "Estimate",
    "accuracy",
    "bootstrap_interval",
    "correct",
    "exact",
    "exact_match",
    "macro_f1",
    "matches",
    "mean_interval",
    "normalise",
    "paired_difference",
    "ratio_interval",
    "seeds_interval",
    "unpaired_difference",
]
