"""What to compute on and in which precision, chosen automatically and explained."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from ftlab.common.errors import LabError

DEVICES = ("auto", "cuda", "mps", "cpu")
PRECISIONS = ("auto", "fp32", "bf16")


def choose_device(wanted: str = "auto") -> tuple[torch.device, str]:
    """The device, and why: a CUDA GPU, else Apple's (mps), else the CPU."""
    if wanted not in DEVICES:
        raise LabError(f"device must be one of {', '.join(DEVICES)}, not {wanted!r}.")
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        if cuda:
            return torch.device("cuda"), f"on cuda, as there is a {torch.cuda.get_device_name()}"
        if mps:
            return torch.device("mps"), "on mps, as there is an Apple GPU"
        return torch.device("cpu"), f"on the CPU, as there is no GPU, with {_threads()}"
    if (wanted == "cuda" and not cuda) or (wanted == "mps" and not mps):
        raise LabError(f"device is {wanted!r}, but torch finds no such device here.")
    return torch.device(wanted), f"on {wanted}, as given" + (
        f", with {_threads()}" if wanted == "cpu" else ""
    )


def choose_precision(device: torch.device, wanted: str = "auto") -> tuple[str, str]:
    """ "fp32" or "bf16" (autocast; the weights stay in fp32), and why.

    bf16 is chosen where the hardware computes in it: elsewhere it is emulated, and slower.
    """
    if wanted not in PRECISIONS:
        raise LabError(f"precision must be one of {', '.join(PRECISIONS)}, not {wanted!r}.")
    if wanted != "auto":
        return wanted, f"in {wanted}, as given"
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "in bf16, which this GPU computes in"
        return "fp32", "in fp32, as this GPU has no bf16"
    if device.type == "cpu":
        if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
            return "bf16", "in bf16, which this CPU computes in"
        return "fp32", "in fp32, as this CPU has no bf16 instructions (avx512_bf16 or amx)"
    return "fp32", f"in fp32, the safe choice on {device.type}"


@contextmanager
def autocast(device: torch.device, precision: str) -> Iterator[None]:
    """The context in which to run the model forward.

    In bf16 on a CPU attention is computed step by step: the backward pass of torch's fused one
    (2.13) takes most of a training step there, on short texts nearly half of it.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    half = precision == "bf16"
    slow = half and device.type == "cpu"
    with (
        torch.autocast(device.type, torch.bfloat16, enabled=half),
        sdpa_kernel(SDPBackend.MATH) if slow else nullcontext(),
    ):
        yield


def _threads() -> str:
    number = torch.get_num_threads()
    source = "OMP_NUM_THREADS" if "OMP_NUM_THREADS" in os.environ else "torch's default"
    return f"{number} thread{'' if number == 1 else 's'} ({source})"
