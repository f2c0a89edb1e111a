"""Loads a base model: safetensors only, no remote code."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ftlab.common.errors import LabError
from ftlab.common.libraries import quiet
from ftlab.models.folders import (
    BASE_MODEL,
    check_tokenizer,
    check_weights,
    explained,
    model_folder,
)
from ftlab.models.rng import private_rng

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def load_tokenizer(base_model: str = BASE_MODEL) -> PreTrainedTokenizerBase:
    """The tokenizer of a base model, padding on the right. LabError if there is none.

    One that has no padding token pads with its end-of-text token, and a warning says so: padding
    is masked, so this changes no result.
    """
    folder = model_folder(base_model)
    check_tokenizer(folder, base_model)
    from transformers import AutoTokenizer

    with explained("The tokenizer", base_model), quiet():
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # what the library makes of no vocabulary
        raise LabError(
            f"The tokenizer of {base_model} is empty: {folder} has no vocabulary for it."
        )
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise LabError(
                f"The tokenizer of {base_model} has neither a padding nor an end-of-text token."
            )
        tokenizer.pad_token = tokenizer.eos_token
        warnings.warn(
            f"The tokenizer of {base_model} has no padding token: its end-of-text token "
            f"{tokenizer.eos_token!r} is used, and masked.",
            stacklevel=2,
        )
    tokenizer.padding_side = "right"
    return tokenizer


def load_causal_lm(
    base_model: str = BASE_MODEL, *, random_weights: bool = False, seed: int = 0
) -> PreTrainedModel:
    """A causal language model in fp32, in evaluation mode.

    `random_weights` takes the architecture alone and draws the weights from `seed`.
    """
    from transformers import AutoModelForCausalLM

    return _load(AutoModelForCausalLM, base_model, random_weights, seed)


def load_trunk(base_model: str, *, random_weights: bool = False, seed: int = 0) -> PreTrainedModel:
    """The network below any head, of a causal language model or of an encoder, in fp32."""
    from transformers import AutoModel

    return _load(AutoModel, base_model, random_weights, seed)


def max_length(model: Any, wanted: int) -> int:
    """The tokens a text may have: `wanted`, or what the model's positions allow if that is less.

    `model` is a model or its configuration.
    """
    config = getattr(model, "config", model)
    positions = getattr(config, "max_position_embeddings", None)
    if not positions or positions < 1:  # relative positions have no end
        return wanted
    if "roberta" in config.model_type or config.model_type in ("camembert", "mpnet"):
        positions -= config.pad_token_id + 1  # these count positions from behind the padding's
    return min(wanted, positions)


def _load(auto: Any, base_model: str, random_weights: bool, seed: int) -> PreTrainedModel:
    folder = model_folder(base_model)
    if not random_weights:
        check_weights(folder, base_model)
    from transformers import AutoModelForCausalLM

    config = _config(base_model, folder)
    if auto is AutoModelForCausalLM:
        _check_causal(config, base_model)
    elif config.is_encoder_decoder:
        raise LabError(f"{base_model} is an encoder-decoder model, which the lab does not support.")
    with explained("The model", base_model), quiet(), private_rng(seed):
        if random_weights:
            model = auto.from_config(config, dtype=torch.float32, trust_remote_code=False)
            missing: list[str] = []
        else:
            model, report = auto.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,  # whatever the file's: training small steps needs it
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
            missing = sorted(report["missing_keys"])
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # BERT's and RoBERTa's: the lab pools by itself
        missing = [key for key in missing if not key.startswith("pooler.")]
    if missing:
        raise LabError(
            f"The weights of {base_model} do not fit its config.json: {missing[0]} is missing "
            f"({len(missing)} in all)."
        )
    return model.eval()


def is_causal_lm(base_model: str) -> bool:
    """Whether a base model can continue a text; an encoder cannot."""
    return _is_causal(_config(base_model, model_folder(base_model)))


def _config(base_model: str, folder: Path) -> PretrainedConfig:
    from transformers import AutoConfig

    with explained("The configuration", base_model), quiet():
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)


def _is_causal(config: PretrainedConfig) -> bool:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        MODEL_MAPPING_NAMES,
    )

    kind = config.model_type
    encoder = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False)
    # Saved as a trunk alone, as a classifier's is: only the embeddings can give its head back.
    trunk = config.architectures == [MODEL_MAPPING_NAMES.get(kind)]
    headless = trunk and not getattr(config, "tie_word_embeddings", True)
    return not encoder and not headless and kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


def _check_causal(config: PretrainedConfig, name: str) -> None:
    if not _is_causal(config):
        raise LabError(
            f"{name} is not a causal language model (its type is {config.model_type!r}, saved as "
            f"{' and '.join(config.architectures or ['only a configuration'])}): it cannot "
            "continue a text, but a classifier can be built on it."
        )
