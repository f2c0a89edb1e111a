"""Datasets by Hub name, from the network or from the local cache."""

from __future__ import annotations

from typing import Any

from ftlab.common.errors import LabError
from ftlab.common.hub import go_offline_if_unreachable
from ftlab.common.libraries import quiet
from ftlab.data.tables import SIDES, Table
from ftlab.data.wording import quoted


def read_hub_dataset(name: str, notes: list[str]) -> dict[str, Table]:
    """Tables "train" and, where the dataset has them, "validation" and "test".

    `name` is "org/name", or "org/name:configuration" where a dataset has several. Offline, both
    what `load_dataset` prepared earlier and a downloaded copy of the repository will do. Class
    numbers become their names. LabError says in one sentence what is missing and what to do.
    """
    offline = go_offline_if_unreachable()
    repository, _, configuration = name.partition(":")
    with quiet("datasets", bars=not offline):
        loaded = _load(repository, configuration or None, offline)
    if offline:
        notes.append(f"{name}: read from the local Hub cache, as {offline}.")
    tables: dict[str, Table] = {}
    for split_name, split in loaded.items():
        side = SIDES.get(split_name.lower())
        if side and side not in tables:
            tables[side] = _as_table(f"{name} ({split_name})", split)
        else:
            notes.append(f"{name}: its split '{split_name}' is not used.")
    if "train" not in tables:
        raise LabError(f"{name}: has no train split, only {quoted(loaded)}.")
    return tables


def _load(repository: str, configuration: str | None, offline: str) -> Any:
    import datasets
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

    if repository in _PACKAGED_DATASETS_MODULES:  # 'csv' would read whatever files lie around here
        raise LabError(f"'{repository}' is a file format, not a dataset.")
    try:
        return datasets.load_dataset(repository, configuration)
    except Exception as error:  # `datasets` has no base class for all that can go wrong here
        loaded = _load_snapshot(repository, configuration) if offline else None
        if loaded is not None:
            return loaded
        if offline and isinstance(error, ConnectionError | FileNotFoundError):
            from huggingface_hub import constants

            raise LabError(
                f"The dataset '{repository}' is not in the local Hub cache "
                f"({constants.HF_HUB_CACHE}), and {offline}: load it once with a network, or give "
                "a CSV or JSON Lines file."
            ) from error
        raise _explained(repository, error) from error


def _load_snapshot(repository: str, configuration: str | None) -> Any:
    """From the repository's files in the Hub cache, where `datasets` itself does not look.

    None if they are not there.
    """
    import datasets
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(repository, repo_type="dataset", local_files_only=True)
        return datasets.load_dataset(folder, configuration)
    except (LocalEntryNotFoundError, FileNotFoundError, HFValidationError):
        return None
    except Exception as error:
        raise _explained(repository, error) from error


def _explained(repository: str, error: Exception) -> LabError:
    """One sentence for what `datasets` reports in several lines."""
    message = " ".join(str(error).split())
    kind = type(error).__name__
    if kind == "DatasetNotFoundError":
        return LabError(
            f"There is no dataset '{repository}' on the Hub that can be read without logging in: "
            "check the name at https://huggingface.co/datasets."
        )
    if "onfig" in message and isinstance(error, ValueError):
        return LabError(
            f"The dataset '{repository}' needs one of its configurations, given as "
            f"'{repository}:configuration' ({message[:300]})."
        )
    return LabError(f"The dataset '{repository}' cannot be loaded ({kind}: {message[:300]}).")


def _as_table(name: str, split: Any) -> Table:
    import datasets

    columns: dict[str, Any] = {}
    for column, feature in split.features.items():
        if isinstance(feature, datasets.ClassLabel):
            # A number below 0 or None marks a row whose label is withheld.
            numbers = split[column][:]
            columns[column] = [
                feature.names[number] if number is not None and number >= 0 else None
                for number in numbers
            ]
        elif not isinstance(feature, datasets.Image | datasets.Audio | datasets.Video):
            columns[column] = split[column]
    return Table(name, "row", columns, range(1, len(split) + 1))
