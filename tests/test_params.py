"""The contract of the parameters: what is refused, in which words, and what opening gives."""

from __future__ import annotations

import ast
import hashlib
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from ftlab.lab import open_lab
from ftlab.notebook.environment import weights_sha256
from ftlab.notebook.parameters import (
    CONTRACT,
    NOTEBOOKS,
    ParameterError,
    check_parameters,
    parameters_source,
)

NOTEBOOK = "01_pretraining_vs_finetuning"
DEFAULTS = NOTEBOOKS[NOTEBOOK]


@pytest.fixture
def namespace(
    tiny_model_dir: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """A notebook's globals after its parameters cell, with a tiny base model."""
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path / "results"))
    base_model = str(tiny_model_dir("llama"))
    return {
        **DEFAULTS,
        "base_model": base_model,
        "__name__": "__main__",
        "_i1": "",
        "In": [""],
        "Out": {},
        "open_lab": open_lab,
        "sys": sys,
    }


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_the_parameters_cell_is_plain_assignments_with_a_comment_each(notebook: str) -> None:
    source = parameters_source(notebook)
    for line in source.splitlines():
        assert len(line) <= 100
        assert "  # " in line
    values: dict[str, Any] = {}
    for statement in ast.parse(source).body:
        assert isinstance(statement, ast.Assign)
        assert isinstance(statement.targets[0], ast.Name)
        values[statement.targets[0].id] = ast.literal_eval(statement.value)
    assert values == NOTEBOOKS[notebook]
    assert list(values)[:2] == ["profile", "seed"]
    assert "base_model" in values
    assert check_parameters(notebook, values) == values


def test_every_parameter_of_the_contract_is_used() -> None:
    assert {name for names in NOTEBOOKS.values() for name in names} == set(CONTRACT)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("seed", "3", "'seed' must be a whole number from 0 to 2147483647, not '3' (a text)"),
        ("seed", True, "'seed' must be a whole number"),
        ("seed", 1.0, "not 1.0"),
        ("seed", -1, "not -1"),
        ("seed", None, "not None"),
        ("seeds", 101, "from 0 to 100, not 101"),
        ("profile", "quik", "one of 'smoke', 'quick', 'full', not 'quik'"),
        ("profile", ["quick"], "'profile' must be one of"),
        ("task_labels", 1, "a whole number of at least 2, or 0, not 1"),
        ("task_labels", False, "'task_labels' must be a whole number"),
        ("base_model", " ", "'base_model' must be a text that is not empty, not ' '"),
        ("text_column", 7, "'text_column' must be a text, not 7"),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: object, words: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_parameters(NOTEBOOK, {**DEFAULTS, name: value})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("notebook", "name", "value", "words"),
    [
        ("02_layer_freezing", "texts_per_label", -1, "a whole number of at least 1, or 0, not -1"),
        ("03_lora", "rank", 0, "a whole number of at least 1, not 0"),
        ("03_lora", "rank", 4.0, "'rank' must be a whole number"),
        ("03_lora", "learning_rate", -0.1, "a number from 1e-07 to 1, or 0, not -0.1"),
        ("03_lora", "learning_rate", 2, "not 2"),
        ("03_lora", "other_ways", 0, "'other_ways' must be True or False, not 0"),
        ("04_retrieval", "k", 51, "a whole number from 1 to 50, or 0, not 51"),
        ("04_retrieval", "chunk_size", 3, "a whole number from 4 to 1000, or 0, not 3"),
    ],
)
def test_what_a_sweep_may_not_try_is_refused(
    notebook: str, name: str, value: object, words: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        check_parameters(notebook, {**NOTEBOOKS[notebook], name: value})
    assert words in str(caught.value)


def test_whole_numbers_pass_as_numbers() -> None:
    from ftlab.notebook.parameters import Parameter

    share = Parameter("share", float, "", low=0, high=1)
    share.check(1)
    share.check(0.5)
    for wrong in (True, float("nan"), "0.5", 1.5):
        with pytest.raises(ParameterError):
            share.check(wrong)


def test_an_unknown_name_is_refused_with_the_nearest_one(namespace: dict[str, Any]) -> None:
    namespace["task_lables"] = 5
    with pytest.raises(ParameterError) as caught:
        open_lab(NOTEBOOK, namespace)
    message = str(caught.value)
    assert "'task_lables' is not a parameter" in message
    assert "did you mean 'task_labels'?" in message
    assert all(name in message for name in DEFAULTS)
    open_lab(NOTEBOOK, namespace)  # the corrected cell runs, without a restart


def test_a_missing_parameter_is_refused(namespace: dict[str, Any]) -> None:
    del namespace["seed"]
    with pytest.raises(ParameterError, match=r"'seed' is not set: run the cell tagged"):
        open_lab(NOTEBOOK, namespace)


def test_an_unknown_notebook_is_refused() -> None:
    with pytest.raises(ParameterError, match="00_start_here"):
        open_lab("99_nothing", {})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("base_model", "./nowhere", "nowhere"),
        ("base_model", "nobody/no-such-model", "neither"),
        ("task_data", "nowhere.csv", "nowhere.csv"),
        ("task_data", "some/where/data.jsonl", "some/where/data.jsonl"),
        ("task_data", "nobody/no-such-data", "nobody/no-such-data"),
        ("label_column", "colour", "colour"),
    ],
)
def test_a_model_or_data_that_cannot_be_had_is_refused_at_once(
    namespace: dict[str, Any], name: str, value: str, words: str
) -> None:
    namespace[name] = value
    with pytest.raises(ParameterError) as caught:
        open_lab(NOTEBOOK, namespace)
    assert words in str(caught.value)
    assert ("base_model" if name == "base_model" else "task_data") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_with_a_classifier_of_ones_own_opens_the_lab_if_it_is_whole(
    namespace: dict[str, Any], tmp_path: Path
) -> None:
    from ftlab.models import load_classifier, load_tokenizer

    base, folder = namespace["base_model"], tmp_path / "own"
    load_classifier(base, ["a", "b"]).save_pretrained(folder, load_tokenizer(base))
    open_lab(NOTEBOOK, {**namespace, "base_model": str(folder)})
    for names, words in (
        ("tokenizer*", "has no tokenizer: there is no tokenizer.json"),
        ("model.safetensors", "has no weights: there is no model.safetensors"),  # beside the head's
    ):
        for file in folder.glob(names):
            file.unlink()
        with pytest.raises(ParameterError, match=f"^Parameter 'base_model': {folder} {words} in"):
            open_lab(NOTEBOOK, {**namespace, "base_model": str(folder)})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"documents": "nowhere"}, "documents and questions belong together"),
        ({"documents": "nowhere", "questions": "q.jsonl"}, "nowhere"),
        ({"encoder": "./nowhere"}, "nowhere"),
    ],
)
def test_documents_and_encoders_that_cannot_be_had_are_refused_at_once(
    namespace: dict[str, Any], changes: dict[str, str], words: str
) -> None:
    defaults = NOTEBOOKS["04_retrieval"] | {"base_model": namespace["base_model"]}
    for name in DEFAULTS:
        del namespace[name]
    with pytest.raises(ParameterError, match=words):
        open_lab("04_retrieval", {**namespace, **defaults, **changes})


def test_a_folder_of_records_that_is_not_there_is_refused_at_once(
    namespace: dict[str, Any], tmp_path: Path
) -> None:
    defaults = NOTEBOOKS["99_verdicts"] | {"base_model": namespace["base_model"]}
    for name in DEFAULTS:
        del namespace[name]
    with pytest.raises(ParameterError, match="'records': there is no folder nowhere"):
        open_lab("99_verdicts", {**namespace, **defaults, "records": "nowhere"})
    open_lab("99_verdicts", {**namespace, **defaults, "records": str(tmp_path)})


def test_opening_seeds_everything_and_describes_the_run(
    namespace: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    drawn = []
    for _ in range(2):
        lab = open_lab(NOTEBOOK, {**namespace, "seed": 7})
        drawn.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert drawn[0] == drawn[1]
    assert lab.seeds == [7, 8, 9]
    assert lab.profile == "quick"
    assert lab.pick(smoke=1, quick=2, full=3) == 2
    weights = Path(namespace["base_model"]) / "model.safetensors"
    environment = lab.record.environment
    assert set(environment) - {"gpu"} == {
        "code",
        "python",
        "torch",
        "transformers",
        "cpu",
        "device",
        "threads",
        "precision",
        "git",
        "base_model_sha256",
    }
    assert environment["base_model_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    printed = capsys.readouterr().out
    assert f"{environment['threads']}" in printed
    assert "Training runs on" in printed
    assert lab.record.parameters == {
        **DEFAULTS,
        "seed": 7,
        "base_model": namespace["base_model"],
    }


@pytest.mark.parametrize(
    ("profile", "seeds", "expected"), [("smoke", 0, 1), ("full", 0, 5), ("quick", 2, 2)]
)
def test_the_profile_says_how_many_seeds_unless_told(
    namespace: dict[str, Any], profile: str, seeds: int, expected: int
) -> None:
    lab = open_lab(NOTEBOOK, {**namespace, "profile": profile, "seeds": seeds})
    assert lab.seeds == list(range(expected))


def test_the_lab_can_be_opened_again_in_a_used_notebook(namespace: dict[str, Any]) -> None:
    namespace["lab"] = open_lab(NOTEBOOK, namespace)
    namespace["epochs"] = 3  # the notebook's own variable
    namespace["lab"] = open_lab(NOTEBOOK, namespace)
    assert namespace["epochs"] == 3


def test_a_model_without_weights_has_no_hash(tmp_path: Path) -> None:
    assert weights_sha256(tmp_path) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sede", "3", "did you mean 'seed'?"),
        ("base_model", "models/missing", "models/missing"),
    ],
)
def test_papermill_ends_with_one_sentence_and_an_error_code(
    tmp_path: Path, name: str, value: str, words: str
) -> None:
    notebook = "00_start_here"
    cells = [
        nbformat.v4.new_code_cell(parameters_source(notebook)),
        nbformat.v4.new_code_cell(
            f'from ftlab.lab import open_lab\nlab = open_lab("{notebook}", globals())'
        ),
        nbformat.v4.new_code_cell("raise SystemExit('not reached')"),
    ]
    cells[0].metadata["tags"] = ["parameters"]
    metadata = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), tmp_path / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "-p", name, value]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ParameterError: ")
    assert words in last
    error = [
        out
        for cell in nbformat.read(tmp_path / "out.ipynb", 4).cells
        for out in cell.get("outputs", [])
        if out.output_type == "error"
    ]
    assert error[0].ename == "ParameterError"
    assert error[0].evalue == last.removeprefix("ParameterError: ")
