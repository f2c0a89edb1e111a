"""The notebooks of the ladder with the reader's own data and models: parameters alone."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import LATE, ORDERS

from ftlab.batch import run_notebook
from ftlab.paths import project_root
from ftlab.records import read_record

ModelDir = Callable[[str], Path]


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "messages.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["body", "team"])
        for text, late in zip(ORDERS, LATE, strict=True):
            writer.writerow([text, "late" if late else "fine"])
    return path


@pytest.mark.parametrize("family", ["qwen3", "distilbert"])
@pytest.mark.parametrize("name", ["02_layer_freezing", "03_lora"])
def test_own_messages_and_another_model_by_parameters_alone(
    name: str,
    family: str,
    messages: Path,
    tiny_model_dir: ModelDir,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path))
    outcome = run_notebook(
        project_root() / "notebooks" / f"{name}.ipynb",
        {
            "profile": "smoke",
            "base_model": str(tiny_model_dir(family)),
            "task_data": str(messages),
            "text_column": "body",
            "texts_per_label": 5,
            "label_column": "team",
        },
    )
    assert outcome.failure == ""
    record = read_record(outcome.executed.with_suffix(".json"))
    rungs = {row["method"]: row for row in record["metrics"] if row["name"] == "ladder"}
    assert {row["task"] for row in rungs.values()} == {"messages"}
    assert rungs["full"]["share"] == 1.0
    forgotten = rungs["full"]["forgotten"]
    assert (forgotten is None) == (family == "distilbert")
