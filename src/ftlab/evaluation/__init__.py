"""How good is it, and how sure are we: metrics, intervals, calibration, errors; skills, probes,
forgetting, timing and cost.
"""

from ftlab.evaluation.calibration import (
    cheapest_threshold,
    expected_calibration_error,
    fit_temperature,
    reliability,
    softmax,
)
from ftlab.evaluation.comparing import items_needed, mcnemar, spread_of
from ftlab.evaluation.cost import (
    TABLES,
    Prices,
    break_even_prompt_tokens,
    break_even_requests,
    costs,
    request_cost,
    training_cost,
)
from ftlab.evaluation.forgetting import ForgettingProbe, forgetting_probe, forgotten
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
from ftlab.evaluation.probing import cka, layer_vectors, probe
from ftlab.evaluation.skills import answers_to, recall_items
from ftlab.evaluation.texts import bleu, chrf, matches, normalise, token_f1
from ftlab.evaluation.timing import latencies, time_side_by_side, weight_change

__all__ = [
    "BOOTSTRAP_DRAWS",
    "CLASS_SCORES",
    "LEVEL",
    "TABLES",
    "Estimate",
    "ForgettingProbe",
    "Prices",
    "accuracy",
    "answers_to",
    "bleu",
    "bootstrap_interval",
    "break_even_prompt_tokens",
    "break_even_requests",
    "by_loss",
    "cheapest_threshold",
    "chrf",
    "cka",
    "class_scores",
    "correct",
    "costs",
    "doubtful_labels",
    "exact",
    "exact_match",
    "expected_calibration_error",
    "fit_temperature",
    "forgetting_probe",
    "forgotten",
    "items_needed",
    "latencies",
    "layer_vectors",
    "matches",
    "mcnemar",
    "mean_interval",
    "normalise",
    "paired_difference",
    "probe",
    "ratio_interval",
    "recall_items",
    "recomputed",
    "reliability",
    "request_cost",
    "seeds_interval",
    "single",
    "slices",
    "softmax",
    "spread_of",
    "time_side_by_side",
    "token_f1",
    "training_cost",
    "unpaired_difference",
    "weight_change",
    "wilson",
]
