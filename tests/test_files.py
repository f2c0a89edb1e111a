"""Files are written whole or not at all, and nothing is left beside them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from conftest import refused

from ftlab.common.files import write_atomically, written_whole


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A file that is there already."""
    path = tmp_path / "kept.txt"
    path.write_text("before")
    return path


def full(*arguments: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_new_file_appears_at_the_end_of_the_block_and_not_before(kept: Path) -> None:
    with written_whole(kept) as beside:
        beside.write_text("half ")
        assert kept.read_text() == "before"
        beside.write_text("half and half")
    assert kept.read_text() == "half and half"
    assert os.listdir(kept.parent) == [kept.name]


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_fault_in_the_middle_leaves_the_old_file_and_nothing_beside(
    fault: type[BaseException], kept: Path
) -> None:
    with pytest.raises(fault), written_whole(kept) as beside:  # noqa: PT012
        beside.write_text("half")
        raise fault
    assert kept.read_text() == "before"
    assert os.listdir(kept.parent) == [kept.name]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_end_leaves_the_old_file(
    step: str, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        refused(lambda: write_atomically(kept, "after"), str(kept), "No space left")
    assert kept.read_text() == "before"
    assert os.listdir(kept.parent) == [kept.name]
    write_atomically(kept, "after")
    assert kept.read_text() == "after"


def test_bytes_are_on_the_disk_before_the_name_points_at_them(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, fsync, replace = [], os.fsync, os.replace

    def seen(number: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    monkeypatch.setattr(os, "fsync", seen)
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("replace") or replace(*paths))
    write_atomically(kept, "after")
    assert done == (["file", "replace"] if os.name == "nt" else ["file", "replace", "folder"])


def test_nothing_was_there_and_nothing_is_after_a_fault(tmp_path: Path) -> None:
    new = tmp_path / "a folder" / "of its own" / "new.txt"
    with pytest.raises(ValueError, match="why"), written_whole(new) as beside:  # noqa: PT012
        beside.write_text("half")
        raise ValueError("why")
    assert os.listdir(new.parent) == []
    write_atomically(new, "whole\n")
    assert new.read_bytes() == b"whole\n"


def test_a_folder_that_cannot_be_made_is_named(kept: Path) -> None:
    refused(lambda: write_atomically(kept / "below.txt", "text"), f"Cannot write {kept}")
