"""Weights on the disk: written whole or not at all, and known by their digest."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file


def save_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], about: dict[str, str] | None = None
) -> None:
    """Put `tensors`, and texts `about` them, as safetensors in the place of `path`.

    They are written beside, flushed to the disk and then renamed. OSError or SafetensorError if
    the disk does not take them: what was at `path` is still there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        plain = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        save_file(plain, beside, metadata=about)
        flush(beside)
        os.replace(beside, path)
        flush(path.parent)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def flush(path: Path) -> None:
    """Make the operating system write a file, or a folder's entries, to the disk."""
    if path.is_dir() and os.name == "nt":  # Windows has no such thing for folders
        return
    number = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def digest(labelled: Iterable[tuple[str, torch.Tensor]]) -> str:
    """SHA-256 of tensors, each with what is to be said of it, in this order."""
    found = hashlib.sha256()
    for label, tensor in labelled:
        found.update(label.encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()
