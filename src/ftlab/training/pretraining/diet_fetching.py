"""Source packages of the base model's reading: fetched with the ordinary clients, and unpacked.

Debian packages come from `apt-get download`, Python packages from `pip download`; nothing is
installed or run. What was fetched stays in the work folder.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ftlab.common.errors import LabError
from ftlab.common.files import sha256_of

CLIENTS = ("apt", "pip", "installed")
INSTALLED = (
    "torch", "transformers", "tokenizers", "datasets", "evaluate", "accelerate", "peft", "sklearn",
    "scipy", "numpy", "pandas", "matplotlib", "huggingface_hub", "papermill", "nbclient",
    "nbformat", "nbconvert", "jupyterlab", "jupyter_server", "jupyter_client", "IPython",
    "ipywidgets", "ipykernel", "traitlets", "tornado", "requests", "click", "jinja2", "networkx",
    "sympy", "pytest", "psutil", "joblib", "PIL", "fsspec", "rich", "aiohttp", "httpx",
)  # fmt: skip


def fetch(
    client: str, name: str, version: str, sha256: str, folder: Path, say: Callable[[str], None]
) -> Path:
    """The package's file, alone in `folder`, fetched unless it is there already.

    If the archive no longer offers `version`, the one that it offers is taken and said; only a file
    of `version` itself must have the checksum. LabError: no client, no network, another content.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = _only_file(folder)
    if file is None:
        command = {"apt": ["apt-get", "download", "-q"], "pip": _pip()}[client]
        mark = {"apt": "=", "pip": "=="}[client]
        if shutil.which(command[0]) is None:
            raise LabError(
                f"Source {name} is a Debian package, but this machine has no {command[0]}: run the "
                "recipe on Debian 12, for example in its container."
            )
        problem = _run([*command, f"{name}{mark}{version}"], folder)
        if problem:
            other = _run([*command, name], folder)
            if other:
                raise LabError(
                    f"{client} cannot download {name} {version} ({problem}): check the network "
                    "and, for Debian packages, run 'apt-get update'."
                )
            say(f"{name}: version {version} is no longer offered")
        file = _only_file(folder)
        if file is None:
            raise LabError(f"{client} said nothing, but left no file for {name} in {folder}.")
    if not _has_version(file, version):
        say(f"{name}: takes {file.name} in place of version {version}; its text may differ")
    elif (found := sha256_of(file)) != sha256:
        raise LabError(
            f"{file} has the SHA-256 {found}, but the manifest says {sha256} for {name} "
            f"{version}: delete the file and run again, or correct the manifest."
        )
    return file


def unpack(file: Path, folder: Path) -> Path:
    """The content of a .deb, .whl, .zip or .tar.gz in `folder`, which is made whole or not at all;
    LabError if the file cannot be read."""
    if folder.is_dir():
        return folder
    beside = folder.with_name(f".{folder.name}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        if file.suffix == ".deb":
            if problem := _run(["dpkg-deb", "-x", str(file), str(beside)], beside):
                raise LabError(f"dpkg-deb cannot unpack {file} ({problem}).")
        elif file.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(file) as archive:
                archive.extractall(beside)
        else:
            with tarfile.open(file) as archive:
                archive.extractall(beside, filter="data")
    except (OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise LabError(f"Cannot unpack {file} ({error}): delete it and run again.") from error
    beside.rename(folder)
    return folder


def installed_modules() -> Iterator[Path]:
    """The modules of the standard library and of the dependencies, in a fixed order."""
    paths = sysconfig.get_paths()
    standard = Path(paths["stdlib"])
    for path in sorted(standard.rglob("*.py")):
        parts = path.relative_to(standard).parts
        if not {"site-packages", "test", "tests", "idle_test", "lib2to3"} & set(parts):
            yield path
    for package in INSTALLED:
        yield from sorted((Path(paths["purelib"]) / package).rglob("*.py"))


def _pip() -> list[str]:
    quiet = ["--quiet", "--disable-pip-version-check"]
    return [sys.executable, "-m", "pip", "download", *quiet, "--no-deps"]


def _only_file(folder: Path) -> Path | None:
    files = [f for f in sorted(folder.iterdir()) if f.suffix in (".deb", ".whl", ".gz", ".zip")]
    return files[0] if files else None


def _has_version(file: Path, version: str) -> bool:
    return f"-{version}" in file.name or f"_{version.replace(':', '%3a')}_" in file.name


def _run(command: list[str], folder: Path) -> str:
    """Run in `folder`; what went wrong, in one line, or an empty text."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    if done.returncode == 0:
        return ""
    errors = [line for line in done.stderr.splitlines() if line.startswith(("E:", "ERROR"))]
    line = (errors or done.stderr.splitlines() or [f"exit status {done.returncode}"])[-1]
    return re.sub(r"^E(RROR)?:\s*", "", line).strip().rstrip(".")
