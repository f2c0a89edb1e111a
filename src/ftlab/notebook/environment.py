"""Where a run happens: described for its record, and looked over for what may be amiss."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlab.common.files import sha256_of
from ftlab.common.paths import project_root, results_dir

SHOWN_DIGITS = 12  # of a hash that is printed; kept outputs are compared with records by them
FEW_CORES = 2
LITTLE_MEMORY, LITTLE_DISK = 3.0, 1.0  # GB


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `advice` is "" where all is well."""

    what: str
    found: str
    advice: str = ""


def describe_environment(model_folder: Path) -> tuple[dict[str, Any], str]:
    """The environment as the record keeps it, and one sentence on what training runs on and why."""
    import torch
    import transformers

    from ftlab.common.hardware import choose_device, choose_precision

    device, device_reason = choose_device()
    precision, precision_reason = choose_precision(device)
    environment = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cpu": f"{_cpu_name()}, {os.cpu_count()} cores",
        **_device(device),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "git": _git_commit(),
        "base_model_sha256": weights_sha256(model_folder),
    }
    return environment, f"Training runs {device_reason}, {precision_reason}."


def check_up() -> list[Finding]:
    """Look at cores, load, memory, disk, precision and versions; nothing is changed or fetched."""
    from ftlab.common.hardware import choose_device, choose_precision

    cores = os.cpu_count() or 1
    device, _ = choose_device()
    _, precision = choose_precision(device)
    on_cpu = device.type == "cpu"
    computes_on = f"CPU, {cores} core{'s' * (cores > 1)}" if on_cpu else device.type
    slow = "Expect twice the minutes stated." if on_cpu and cores < FEW_CORES else ""
    return [
        Finding("Python", platform.python_version()),
        Finding("computes on", computes_on, slow),
        Finding("precision", precision),
        *_load(cores),
        _memory(),
        _disk(),
        _versions(),
    ]


def weights_sha256(folder: Path) -> str | None:
    """SHA-256 over the model's safetensors files in the order of their names; None without any."""
    files = sorted(folder.glob("*.safetensors"))
    return sha256_of(*files) if files else None


def _device(device: Any) -> dict[str, str]:
    """What training runs on: "cpu", "cuda:0" or "mps", and the GPU's name if it is one."""
    import torch

    if device.type == "cuda":
        number = torch.cuda.current_device()
        return {"device": f"cuda:{number}", "gpu": torch.cuda.get_device_name(number)}
    return {"device": device.type} | ({"gpu": "Apple GPU"} if device.type == "mps" else {})


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git_commit() -> str | None:
    """The checkout's commit, '+' behind it when files differ; None outside a git checkout."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return done.stdout.strip()


def _load(cores: int) -> list[Finding]:
    if not hasattr(os, "getloadavg"):  # Windows
        return []
    busy = os.getloadavg()[0]
    advice = "Other programs keep the cores busy: close them, or be patient."
    return [Finding("busy cores", f"{busy:.1f} of {cores}", advice if busy > 0.75 * cores else "")]


def _memory() -> Finding:
    import psutil

    free = psutil.virtual_memory().available / 1e9
    advice = "Close other programs or notebooks: the lab wants about 3 GB."
    return Finding("free memory", f"{free:.1f} GB", advice if free < LITTLE_MEMORY else "")


def _disk() -> Finding:
    folder = results_dir()
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    advice = "Make room, or set FTLAB_RESULTS to a folder on another disk."
    return Finding("free disk", f"{free:.0f} GB", advice if free < LITTLE_DISK else "")


def _versions() -> Finding:
    """Installed libraries against those that requirements.txt names as tested together."""
    lines = (project_root() / "requirements.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if "==" in line)
    other = []
    for name, version in tested.items():
        try:
            installed = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != version:
            other.append(f"{name} {installed} (tested: {version})")
    if not other:
        return Finding("libraries", f"all {len(tested)} as tested")
    advice = "Most notebooks will run all the same; if one does not: make setup."
    return Finding("libraries", ", ".join(other), advice)
