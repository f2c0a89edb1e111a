"""Weights on the disk: written whole or not at all, and known by their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from ftlab.common.files import written_whole


def save_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], about: dict[str, str] | None = None
) -> None:
    """Put `tensors`, and texts `about` them, as safetensors in the place of `path`.

    OSError or SafetensorError if the disk does not take them: what was at `path` is still there.
    """
    plain = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    with written_whole(path) as beside:
        save_file(plain, beside, metadata=about)


def digest(labelled: Iterable[tuple[str, torch.Tensor]]) -> str:
    """SHA-256 of tensors, each with what is to be said of it, in this order."""
    found = hashlib.sha256()
    for label, tensor in labelled:
        found.update(label.encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()
