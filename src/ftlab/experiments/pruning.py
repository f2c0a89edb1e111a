"""Removing kept trainings that no run uses any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from ftlab.common.errors import LabError

DAY = 86_400  # seconds


def remove_unused(folder: Path, days: float, remove: bool) -> Iterator[str]:
    """Remove the trainings in `folder` that no run has used for so many days, with their networks,
    or only say how many there are. A comparison that wants one of them again trains it anew.

    A training that is used, or kept, is of today; after a change of the code, the data or the base
    model, those of before are never used again. LabError if a file cannot be removed.
    """
    files: dict[str, list[Path]] = {}
    for file in folder.glob("*") if folder.is_dir() else ():
        # Of a process that was killed while it wrote: .NAME.npz.PROCESS
        files.setdefault(file.name.removeprefix(".").partition(".")[0], []).append(file)
    then = time.time() - days * DAY
    stats = {key: [file.stat() for file in own] for key, own in files.items()}
    old = [key for key, own in stats.items() if max(one.st_mtime for one in own) < then]
    size = sum(one.st_size for key in old for one in stats[key])
    for file in (file for key in old for file in files[key]) if remove else ():
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise LabError(f"Cannot remove {file}: {error.strerror or error}.") from error
    done = "removed" if remove else "would remove"
    yield (
        f"{done} {len(old)} of {len(files)} kept trainings ({size / 1e6:.1f} MB), not used for "
        f"{days:g} days" + ("" if remove or not old else "; --yes")
    )
