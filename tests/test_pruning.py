"""Kept trainings that nobody uses any more can be removed; those that are used stay."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_keeping import all_simple

from ftlab.cli import main
from ftlab.experiments import FairComparison, Trainings, fair_comparison

DAY = 86_400


def age(files: Any, days: float) -> None:
    for file in files:
        os.utime(file, (time.time() - days * DAY,) * 2)


def test_what_no_run_has_used_for_a_while_is_removed_and_trained_anew_if_wanted_again(
    root: Path, word_task: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    task = word_task()
    folder = root / "results" / "trainings"

    def compared(seeds: list[int]) -> FairComparison:
        return fair_comparison(task, all_simple, seeds=seeds, trainings=Trainings())

    first = compared([0, 1])
    files = {*folder.iterdir()}
    age(files, 31)
    compared([0])  # what is used is of today
    used = {file for file in files if file.stat().st_mtime > time.time() - DAY}
    assert 0 < len(used) < len(files)
    unused = len(files) - len(used)
    assert main(["clean"]) == 0
    said = capsys.readouterr().out
    assert f"would remove {unused} of {len(files)} kept trainings" in said
    assert said.strip().endswith("not used for 30 days; --yes")
    assert {*folder.iterdir()} == files
    assert main(["clean", "--yes"]) == 0
    assert {*folder.iterdir()} == used
    again = compared([0, 1])
    assert again.rows.drop(columns="seconds").equals(first.rows.drop(columns="seconds"))
    assert {*folder.iterdir()} == files
    assert main(["clean", "--days", "40", "--yes"]) == 0
    assert {*folder.iterdir()} == files


def test_a_network_goes_with_its_training_and_what_was_half_written_goes_too(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainings = Trainings()
    for key in ("aa", "bb"):
        trainings.store_network(key, torch.nn.Linear(2, 2))
        (trainings.folder / f"{key}.npz").write_bytes(b"a training")
    (trainings.folder / ".cc.npz.123").write_bytes(b"half")
    age(trainings.folder.iterdir(), 31)
    assert trainings.has_network("bb")  # its use keeps the training as well
    assert main(["clean", "--yes"]) == 0
    assert {file.name for file in trainings.folder.iterdir()} == {"bb.npz", "bb.safetensors"}
    assert "removed 2 of 3 kept trainings" in capsys.readouterr().out


def test_where_nothing_was_trained_there_is_nothing_to_remove(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["clean", "--yes"]) == 0
    assert "removed 0 of 0" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["clean", "--days", "-1"])
