"""Finds the folder of a base model, here or on the Hub, and checks what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ftlab.common.errors import LabError
from ftlab.common.hub import go_offline_if_unreachable, is_hub_name
from ftlab.common.paths import data_dir

BASE_MODEL = "lab"  # the model that the lab brings, in data/base_model
# What a model needs, and none of the copies in other formats that a repository may hold.
WANTED_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
WEIGHTS = "model.safetensors"
TOKENIZERS = ("tokenizer*", "vocab*", "*.model")  # every family has some file of such a name
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")

# Hub names and their folders: asked for once, as one busy minute of the Hub must not end a run
# that loads its model a hundred times.
_fetched: dict[str, Path] = {}


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
        raise LabError(f"{base_model} is a file: give the folder of the model.")
    if not is_hub_name(base_model):
        raise LabError(f"There is no model folder {base_model!r}.")
    return _checked(_from_hub(base_model), base_model)


def complete_folder(base_model: str) -> Path:
    """As `model_folder`, for a model that is to be used with its weights and its tokenizer.

    LabError says in one sentence which of them is missing.
    """
    folder = model_folder(base_model)
    check_weights(folder, base_model)
    check_tokenizer(folder, base_model)
    return folder


def _from_hub(name: str) -> Path:
    if name in _fetched:
        return _fetched[name]
    offline = go_offline_if_unreachable()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        IncompleteSnapshotError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        found = snapshot_download(
            name,
            allow_patterns=WANTED_FILES,
            ignore_patterns="*/*",
            local_files_only=bool(offline),
        )
    except IncompleteSnapshotError as error:  # what is there may do: it is checked next
        return Path(error.snapshot_path)
    except (GatedRepoError, RepositoryNotFoundError) as error:
        raise LabError(
            f"There is no folder {name!r}, and no model of that name on the Hub that can be read "
            "without logging in: check it at https://huggingface.co/models."
        ) from error
    except Exception as error:  # of the Hub, the connection or the disk: no common base class
        absent = isinstance(error, LocalEntryNotFoundError)
        if absent and offline:
            raise LabError(
                f"The model {name!r} is neither a folder here nor in the local Hub cache, and "
                f"{offline}: load it once with a network, or give a folder."
            ) from error
        first = error.__cause__ if absent else None  # what the Hub answered, before the cache
        raise LabError(
            f"The model {name!r} could not be downloaded from the Hub ({_reason(first or error)}): "
            "try again later, or give a folder."
        ) from error
    _fetched[name] = Path(found)
    return _fetched[name]


def _checked(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise LabError(f"{name} is missing: there is no folder {folder}.")
    if not (folder / "config.json").is_file():
        raise LabError(f"{name} is not a model: {folder} has no config.json.")
    return folder


def check_weights(folder: Path, name: str) -> None:
    """LabError unless all weights of the model `name` are in its `folder`, as safetensors."""
    if (folder / WEIGHTS).is_file():
        return
    index = folder / f"{WEIGHTS}.index.json"
    if index.is_file():
        with explained("The list of weights", name):
            parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        missing = sorted(part for part in parts if not (folder / part).is_file())
        if missing:
            raise LabError(
                f"{name} is incomplete: there is no weights file {missing[0]} in {folder}."
            )
        return
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise LabError(
            f"{name} has its weights only as {pickles[0]}: the lab only reads safetensors, because "
            "other formats can run code when they are opened."
        )
    raise LabError(f"{name} has no weights: there is no {WEIGHTS} in {folder}.")


def check_tokenizer(folder: Path, name: str) -> None:
    """LabError unless there is a tokenizer: the library would make up an empty one."""
    if not any(path for pattern in TOKENIZERS for path in folder.glob(pattern)):
        raise LabError(
            f"{name} has no tokenizer: there is no tokenizer.json in {folder}; save the tokenizer "
            "that the model was trained with in that folder."
        )


@contextmanager
def explained(what: str, base_model: str) -> Iterator[None]:
    """One sentence for whatever the libraries raise about unusable files.

    Want of memory is no fault of theirs, and stays what it is.
    """
    try:
        yield
    except (LabError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # they have no common base class
        raise LabError(f"{what} of {base_model} cannot be loaded ({_reason(error)}).") from error


def _reason(error: BaseException) -> str:
    """What a library says, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
