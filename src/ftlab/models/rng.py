"""Random numbers that a seed decides, beside those of the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

CPU = torch.device("cpu")


def reseed(seed: int, device: torch.device = CPU) -> None:
    """Start torch's random numbers anew, on the CPU and on `device`, and nowhere else."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def private_rng(seed: int, device: torch.device = CPU) -> Iterator[None]:
    """Inside, torch's random numbers depend on `seed` alone; afterwards the caller's go on.

    So loading or training a model never changes what a notebook draws next.
    """
    backend = {"cuda": torch.cuda, "mps": torch.mps}.get(device.type)
    on_cpu = torch.get_rng_state()
    on_device = backend.get_rng_state() if backend else None
    reseed(seed, device)
    try:
        yield
    finally:
        torch.set_rng_state(on_cpu)
        if backend and on_device is not None:
            backend.set_rng_state(on_device)
