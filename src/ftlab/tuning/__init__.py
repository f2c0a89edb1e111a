"""Ways to move a model: freezing, LoRA, L2-SP, the list of methods, and supervised fine-tuning."""

from ftlab.tuning import freezing, lora
from ftlab.tuning.l2sp import anchor
from ftlab.tuning.methods import (
    FULL_FINE_TUNING,
    HEAD_ONLY,
    SEARCH_FACTORS,
    TuningMethod,
    all_methods,
    bottom_blocks,
    layer_methods,
    peft_methods,
    rates_by_depth,
    schedule_methods,
    single_block,
    top_blocks,
    with_lora,
)
from ftlab.tuning.sft import (
    LONGEST,
    WORTH_PROCESSES,
    Generations,
    SFTConfig,
    SFTResult,
    fine_tune,
    fine_tune_all,
    generate_answers,
)

__all__ = [
    "FULL_FINE_TUNING",
    "HEAD_ONLY",
    "LONGEST",
    "SEARCH_FACTORS",
    "WORTH_PROCESSES",
    "Generations",
    "SFTConfig",
    "SFTResult",
    "TuningMethod",
    "all_methods",
    "anchor",
    "bottom_blocks",
    "fine_tune",
    "fine_tune_all",
    "freezing",
    "generate_answers",
    "layer_methods",
    "lora",
    "peft_methods",
    "rates_by_depth",
    "schedule_methods",
    "single_block",
    "top_blocks",
    "with_lora",
]
