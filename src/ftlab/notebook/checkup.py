"""Is this computer ready for the lab? What was found, and plain advice where something is amiss."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ftlab.common.paths import project_root, results_dir

FEW_CORES = 2
LITTLE_MEMORY, LITTLE_DISK = 3.0, 1.0  # GB


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `advice` is "" where all is well."""

    what: str
    found: str
    advice: str = ""


def check_up() -> list[Finding]:
    """Look at cores, load, memory, disk, precision and versions; nothing is changed or fetched."""
    from ftlab.training import choose_device, choose_precision

    cores = os.cpu_count() or 1
    device, _ = choose_device()
    _, precision = choose_precision(device)
    slow = device.type == "cpu" and cores < FEW_CORES
    found = [
        Finding("Python", platform.python_version()),
        Finding("computes on", device.type if device.type != "cpu" else f"CPU, {cores} cores"),
        Finding("precision", precision),
    ]
    if slow:
        found[1] = Finding("computes on", "CPU, 1 core", "Expect twice the minutes stated.")
    return [*found, *_load(cores), *_memory(), _disk(), _versions()]


def _load(cores: int) -> list[Finding]:
    if not hasattr(os, "getloadavg"):  # Windows
        return []
    busy = os.getloadavg()[0]
    advice = "Other programs keep the cores busy: close them, or be patient."
    return [Finding("busy cores", f"{busy:.1f} of {cores}", advice if busy > 0.75 * cores else "")]


def _memory() -> list[Finding]:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:  # told on Linux only
        return []
    free = int(re.search(r"MemAvailable:\s+(\d+)", text)[1]) / 1e6  # type: ignore[index]
    advice = "Close other programs or notebooks: the lab wants about 3 GB."
    return [Finding("free memory", f"{free:.1f} GB", advice if free < LITTLE_MEMORY else "")]


def _disk() -> Finding:
    folder = results_dir()
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    advice = "Make room, or set FTLAB_RESULTS to a folder on another disk."
    return Finding("free disk", f"{free:.0f} GB", advice if free < LITTLE_DISK else "")


def _versions() -> Finding:
    """Installed libraries against those that requirements.txt names as tested together."""
    tested = dict(
        re.findall(
            r"^([\w.-]+)==(\S+)",
            (project_root() / "requirements.txt").read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
    )
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
