"""Where a run happens: seeds set, libraries quiet, and a description for its record."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from ftlab.common.files import sha256_of
from ftlab.common.paths import project_root

SHOWN_DIGITS = 12  # of a hash that is printed; kept outputs are compared with records by them


def describe_environment(model_folder: Path) -> tuple[dict[str, Any], str]:
    """The environment as the record keeps it, and one sentence on what training runs on and why."""
    import torch
    import transformers

    from ftlab.training import choose_device, choose_precision

    device, device_reason = choose_device()
    precision, precision_reason = choose_precision(device)
    environment = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cpu": f"{_cpu_name()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "precision": precision,
        "git": _git_commit(),
        "base_model_sha256": weights_sha256(model_folder),
    }
    return environment, f"Training runs {device_reason}, {precision_reason}."


def weights_sha256(folder: Path) -> str | None:
    """SHA-256 over the model's safetensors files in the order of their names; None without any."""
    files = sorted(folder.glob("*.safetensors"))
    return sha256_of(*files) if files else None


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
