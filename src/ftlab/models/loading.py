"""Finds a base model, checks it, and loads it: safetensors only, no remote code."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ftlab.common.errors import LabError
from ftlab.common.hub import go_offline_if_unreachable, is_hub_name
from ftlab.common.libraries import quiet
from ftlab.common.paths import data_dir
from ftlab.models.rng import private_rng

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

BASE_MODEL = "lab"  # the model that the lab brings, in data/base_model
# What a model needs, and none of the copies in other formats that a repository may hold.
WANTED_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")


def load_tokenizer(base_model: str = BASE_MODEL) -> PreTrainedTokenizerBase:
    """The tokenizer of a base model, padding on the right.

    One that has no padding token pads with its end-of-text token, and a warning says so: padding
    is masked, so this changes no result.
    """
    folder = model_folder(base_model)
    from transformers import AutoTokenizer

    with _explained("The tokenizer", base_model), quiet():
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
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


def model_folder(base_model: str) -> Path:
    """Where the files of a base model are: "lab", a folder, or a Hub name (fetched if need be).

    LabError says in one sentence what is missing.
    """
    if base_model == BASE_MODEL:
        return _checked(data_dir() / "base_model", "The lab's own base model")
    folder = Path(base_model).expanduser()
    if folder.is_dir():
        return _checked(folder, base_model)
    if folder.exists():
        raise LabError(f"{base_model} is a file: base_model takes the folder that holds the model.")
    if not is_hub_name(base_model):
        raise LabError(f"There is no model folder {base_model!r}.")
    return _checked(_from_hub(base_model), base_model)


def _from_hub(name: str) -> Path:
    offline = go_offline_if_unreachable()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        IncompleteSnapshotError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(
            snapshot_download(
                name,
                allow_patterns=WANTED_FILES,
                ignore_patterns="*/*",
                local_files_only=bool(offline),
            )
        )
    except IncompleteSnapshotError as error:  # what is there may do: it is checked next
        return Path(error.snapshot_path)
    except LocalEntryNotFoundError:
        raise LabError(
            f"The model {name!r} is neither a folder here nor in the local Hub cache, and "
            f"{offline or 'the Hub does not answer'}: load it once with a network, or give "
            "base_model a folder."
        ) from None
    except (GatedRepoError, RepositoryNotFoundError):
        raise LabError(
            f"There is no folder {name!r}, and no model of that name on the Hub that may be read "
            "without logging in: check it at https://huggingface.co/models."
        ) from None


def _checked(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise LabError(f"{name} is missing: there is no folder {folder}.")
    if not (folder / "config.json").is_file():
        raise LabError(f"{name} is no model: {folder} has no config.json.")
    return folder


def _check_weights(folder: Path, name: str) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise LabError(
            f"{name} has its weights only as {pickles[0]}: the lab reads safetensors alone, since "
            "other formats can run code when they are opened."
        )
    raise LabError(f"{name} has no weights: there is no model.safetensors in {folder}.")


def _load(auto: Any, base_model: str, random_weights: bool, seed: int) -> PreTrainedModel:
    folder = model_folder(base_model)
    if not random_weights:
        _check_weights(folder, base_model)
    from transformers import AutoModelForCausalLM

    config = _config(base_model, folder)
    if auto is AutoModelForCausalLM:
        _check_causal(config, base_model)
    elif config.is_encoder_decoder:
        raise LabError(f"{base_model} is an encoder-decoder model: the lab has no use for those.")
    with _explained("The model", base_model), quiet(), private_rng(seed):
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

    with _explained("The configuration", base_model), quiet():
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)


def _is_causal(config: PretrainedConfig) -> bool:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    kind = config.model_type
    encoder = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False)
    return not encoder and kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


def _check_causal(config: PretrainedConfig, name: str) -> None:
    if not _is_causal(config):
        raise LabError(
            f"{name} is not a causal language model (its type is {config.model_type!r}): it cannot "
            "continue a text. A classifier can be built on an encoder."
        )


@contextmanager
def _explained(what: str, base_model: str) -> Iterator[None]:
    """One sentence for whatever the libraries raise about unusable files."""
    try:
        yield
    except LabError:
        raise
    except Exception as error:  # they have no common base class
        reason = " ".join(str(error).split())[:300]
        raise LabError(
            f"{what} of {base_model} cannot be loaded ({type(error).__name__}: {reason})."
        ) from error
