"""Ways to move a model: freezing, LoRA, L2-SP, the list of methods, and supervised fine-tuning."""

from ftlab.tuning import freezing, lora
from ftlab.tuning.l2sp import anchor
from ftlab.tuning.methods import (
    FULL_FINE_TUNING,
    HEAD_ONLY,
    SEARCH_FACTORS,
    TuningMethod,
    bottom_blocks,
    peft_methods,
    rates_by_depth,
    schedule_methods,
    single_block,
    top_blocks,
    with_lora,
)
from ftlab.tuning.sft import (
    LONGEST,
    Generations,
    SFTConfig,
    fine_tune,
    generate_answers,
)

__all__ = [
    "FULL_FINE_TUNING",
    "HEAD_ONLY",
    "LONGEST",
    "SEARCH_FACTORS",
    "Generations",
    "SFTConfig",
    "TuningMethod",
    "anchor",
    "bottom_blocks",
    "fine_tune",
    "freezing",
    "generate_answers",
    "lora",
    "peft_methods",
    "rates_by_depth",
    "schedule_methods",
    "single_block",
    "top_blocks",
    "with_lora",
]
