"""Files that are written whole or not at all, whatever happens to the process or the disk; and
their contents told apart by a hash."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ftlab.common.errors import LabError


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A name beside `path` to write a file to, in a folder that is made if needed.

    When the block ends, the file is flushed to the disk and takes the name `path`, in one step of
    the file system. Whatever is raised in the block or by the disk (OSError) is passed on, the
    file beside is removed, and what was at `path` is still there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        flush(beside)  # the name must never point at bytes still on their way
        os.replace(beside, path)
        flush(path.parent)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def write_atomically(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` whole or not at all, making its folder if needed."""
    try:
        with written_whole(path) as beside:
            beside.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise LabError(f"Cannot write {path}: {error.strerror or error}.") from error


def flush(path: Path) -> None:
    """Make the operating system write a file, or a folder's entries, to the disk."""
    if path.is_dir() and os.name == "nt":  # Windows has no such thing for folders
        return
    number = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def sha256_of(*paths: Path) -> str:
    """SHA-256 over the contents of these files, one behind the other; OSError if one cannot be
    read."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):  # a file may be larger than the memory
                digest.update(block)
    return digest.hexdigest()


def package_sha256(modules: Mapping[str, Path] | None = None) -> str:
    """Hash of this package's own modules, its version among them, or of some of them by name; the
    same on every platform."""
    if modules is None:
        folder = Path(__file__).parents[1]
        modules = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*.py")}
    hashes = {name: _module_sha256(file) for name, file in modules.items()}
    text = json.dumps(hashes, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def _module_sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
