"""Models, data, documents and folders that parameters name: refused in one sentence, before a
kernel starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftlab.cli import main
from ftlab.lab import open_lab
from ftlab.notebook.parameters import NOTEBOOKS, ParameterError, own_names
from ftlab.notebook.sources import check_sources

TASK = "task_data"


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object, **more: object) -> None:
        raise AssertionError("a kernel would have started")

    # In this order: `sweeping`, first imported here, would else keep the `execute` that fails.
    monkeypatch.setattr("ftlab.batch.sweeping.sweep", fail)
    monkeypatch.setattr("ftlab.batch.running.execute", fail)
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path / "results"))
    monkeypatch.chdir(tmp_path)


REFUSED = [
    ("01", TASK, "tikets", ["Parameter 'task_data'", "did you mean 'tickets'?"]),
    ("06", TASK, "leters", ["did you mean 'letters'?", "tickets, reviews, near, far"]),
    ("02", TASK, "Dialekt", ["did you mean 'dialect'?"]),
    ("01", TASK, "town", ["'task_data' cannot be 'town' in 01", "tickets, reviews, near, far"]),
    ("01", TASK, "nobody/no-such-data", ["Parameter 'task_data'", "'nobody/no-such-data'"]),
    ("01", TASK, "nosuchname", ["Parameter 'task_data'", "letters", "tickets", "dialect"]),
    ("01", TASK, "bad.csv", ["Parameter 'task_data'", "bad.csv"]),
    ("01", "label_column", "colour", ["colour"]),
    ("02", TASK, "town", ["'task_data' cannot be 'town' in 02", "near, far, dialect"]),
    ("01", "base_model", "labs", ["Parameter 'base_model'", "did you mean 'lab'?"]),
    ("01", "base_model", "nobody/no-such-model", ["Parameter 'base_model'", "or give a folder"]),
    ("04", "encoder", "nobody/encoder", ["Parameter 'encoder'", "or give a folder"]),
    ("04", "encoder", "empty", ["Parameter 'encoder'", "has no config.json"]),
    ("04", "index", "x.txt", ["'index' must be a path ending in .db or .npz", "'x.txt'"]),
    ("04", "documents", "twon", ["Parameter 'documents'", "did you mean 'town'?"]),
    ("04", "documents", "empty", ["documents and questions belong together"]),
    ("99", "records", "nowhere", ["Parameter 'records'", "nowhere"]),
]


@pytest.mark.parametrize(("number", "name", "value", "words"), REFUSED)
def test_a_source_that_cannot_be_is_refused_before_a_kernel_starts(
    number: str,
    name: str,
    value: str,
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.csv").write_text("one,two\n1,2\n")
    assert main(["run", number, "-p", name, value]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for word in words:
        assert word in said
    for other in {"base_model", "encoder", "documents"} - {name}:
        assert other not in said
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("value", ["tikets", "nobody/no-such-data"])
def test_a_sweep_is_refused_like_a_run(
    value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = f"notebook: 01\nfixed: {{profile: smoke}}\ngrid:\n  task_data: [reviews, {value}]\n"
    (tmp_path / "own.yaml").write_text(sweep)
    assert main(["sweep", "own.yaml", "--jobs", "1"]) == 2
    said = capsys.readouterr().err
    assert "Parameter 'task_data'" in said
    assert value in said


@pytest.mark.parametrize(("number", "name", "value", "words"), REFUSED[:4])
def test_a_notebook_says_the_same_when_it_opens_the_lab(
    number: str,
    name: str,
    value: str,
    words: list[str],
    tiny_model_dir: Callable[[str], Path],
) -> None:
    notebook = next(notebook for notebook in NOTEBOOKS if notebook.startswith(number))
    values: dict[str, Any] = {**NOTEBOOKS[notebook], "base_model": str(tiny_model_dir("llama"))}
    with pytest.raises(ParameterError) as caught:
        open_lab(notebook, {**values, name: value})
    assert all(word in str(caught.value) for word in words)


def test_a_file_may_be_called_nearly_like_something_of_the_labs(tmp_path: Path) -> None:
    (tmp_path / "ticket").mkdir()
    rows = [f"{text} {i},{label}" for i in range(20) for text, label in (("good", 1), ("bad", 0))]
    (tmp_path / "ticket" / "train.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    values = NOTEBOOKS["01_pretraining_vs_finetuning"] | {TASK: "ticket"}
    check_sources("01_pretraining_vs_finetuning", values, own=False)


def test_what_the_lab_brings_is_not_even_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLAB_ROOT", str(tmp_path))  # where nothing could be found
    for notebook, values in NOTEBOOKS.items():
        check_sources(notebook, values, own=False)


def test_every_default_is_a_name_that_its_notebook_takes() -> None:
    for notebook, values in NOTEBOOKS.items():
        for name in {TASK, "base_model", "encoder", "documents"} & values.keys():
            assert values[name] in own_names(notebook, name)
