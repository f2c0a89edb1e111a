"""Checkpoints that survive a kill at any moment, a full disk, and a mistaken folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file

from ftlab.common.errors import LabError
from ftlab.common.files import flush
from ftlab.models.storing import save_tensors

TENSORS, STATE = "tensors.safetensors", "state.json"
PREFIX, UNFINISHED, LOCK = "step-", ".unfinished-", ".lock"


class Checkpoints:
    """The newest state of one run in `folder`, as `step-<number>/`.

    A checkpoint is written beside, flushed to the disk and then renamed: it is there whole or not
    at all. The one before goes only when the new one is in place. `fingerprint` says what the run
    is made of; a checkpoint of another run is refused.
    """

    def __init__(self, folder: Path, fingerprint: dict[str, Any]) -> None:
        self.folder = folder
        self.fingerprint = json.loads(json.dumps(fingerprint))  # as it will be read back
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabError(f"The checkpoint folder cannot be created: {error}.") from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Within it no other run reads or writes here; LabError if one does already.

        The lock is the operating system's, which frees it when its holder ends, however that
        happens; its file stays.
        """
        lock = FileLock(self.folder / LOCK, timeout=0, is_singleton=False)
        try:
            lock.acquire()
        except Timeout:
            raise LabError(
                f"Another run is writing its checkpoints to {self.folder}: wait until it has "
                "finished, or choose another checkpoint_dir."
            ) from None
        except OSError as error:
            raise LabError(f"The checkpoint folder cannot be used: {error}.") from error
        try:
            yield
        finally:
            lock.release()

    def load(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
        """State and tensors of the newest checkpoint; None if there is none."""
        newest = max(self._existing(), default=None)
        if newest is None:
            return None
        try:
            content = json.loads((newest / STATE).read_text(encoding="utf-8"))
            made_of, state = content["fingerprint"], content["state"]
            tensors = load_file(newest / TENSORS)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise LabError(
                f"The checkpoint {newest} cannot be read ({error}): delete {self.folder} to start "
                "from the beginning."
            ) from error
        self._compare(made_of)
        return state, tensors

    def save(self, step: int, state: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        """Put a new checkpoint in the place of the last; LabError if the disk does not take it."""
        for left in self.folder.glob(f"{UNFINISHED}*"):  # of a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        older = self._existing()
        beside = self.folder / f"{UNFINISHED}{os.getpid()}"
        try:
            beside.mkdir()
            save_tensors(beside / TENSORS, tensors)
            content = {"fingerprint": self.fingerprint, "state": state}
            (beside / STATE).write_text(json.dumps(content), encoding="utf-8")
            for path in (beside / STATE, beside):
                flush(path)
            beside.rename(self.folder / f"{PREFIX}{step:08d}")
            flush(self.folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(beside, ignore_errors=True)
            kept = f"; {max(older).name} is intact" if older else ""
            raise LabError(
                f"The checkpoint of step {step} could not be written to {self.folder} "
                f"({error}){kept}: free some disk space and call fit() again to "
                "continue from there."
            ) from error
        for path in older:
            # Renamed first: a kill in the middle of removing must not leave half a checkpoint.
            doomed = self.folder / f"{UNFINISHED}{path.name}"
            path.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)

    def _existing(self) -> list[Path]:
        return [path for path in self.folder.glob(f"{PREFIX}*") if path.is_dir()]

    def _compare(self, made_of: dict[str, Any]) -> None:
        different = [key for key, value in self.fingerprint.items() if made_of.get(key) != value]
        if not different:
            return
        first = different[0]
        was, now = made_of.get(first), self.fingerprint[first]
        values = "" if isinstance(now, str) and len(now) == 64 else f" ({was} then, {now} now)"
        more = f" and {len(different) - 1} more" if len(different) > 1 else ""
        remedy = "load the model again" if first == "starting weights" else "use the same as before"
        raise LabError(
            f"The checkpoint in {self.folder} belongs to another run, which differs in its "
            f"{first}{values}{more}: {remedy}, or choose another checkpoint_dir."
        )
