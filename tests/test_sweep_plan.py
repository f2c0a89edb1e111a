"""Sweeps before anything runs: what is asked for, how runs are named, what is refused and where."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import full_record

import ftlab.batch.run_id as run_id_module
from ftlab.batch import imports
from ftlab.batch.parameters import complete_parameters, contract_of, parse_value
from ftlab.batch.plan import Plan, estimated_seconds, read_plan
from ftlab.batch.run_id import run_id, run_ids
from ftlab.common.errors import LabError
from ftlab.common.files import write_atomically
from ftlab.notebook.parameters import CONTRACT, NOTEBOOKS, ParameterError, parameters_source

LORA = NOTEBOOKS["03_lora"]
LORA_IN_1 = "notebook: 03_lora\n"
CODE_LIKE = "__import__('os').system('touch pwned')"


def write_notebook(
    path: Path, contract: str = "03_lora", parameters: str = "", code: str = "", **about: Any
) -> Path:
    """A notebook with the contract's parameters cell, or another, that opens the lab and goes on
    with `code`."""
    source = parameters or parameters_source(contract)
    cells = [
        nbformat.v4.new_markdown_cell("# Title", id="a"),
        nbformat.v4.new_code_cell(source, id="b", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            "%matplotlib inline\nfrom ftlab.lab import open_lab\n"
            f'lab = open_lab("{contract}", globals())',
            id="c",
        ),
        *([nbformat.v4.new_code_cell(code, id="d")] if code else []),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=about), path)
    return path


@pytest.fixture
def notebook(root: Path) -> Path:
    (root / "data" / "tickets.csv").write_text("text,label\n", encoding="utf-8")
    write_notebook(root / "notebooks" / "04_rag.ipynb", "04_rag")
    return write_notebook(root / "notebooks" / "03_lora.ipynb")


@pytest.fixture
def sweeps(notebook: Path, tmp_path: Path) -> Path:
    """The folder of the sweep files."""
    (tmp_path / "sweeps").mkdir()
    return tmp_path / "sweeps"


def plan_of(folder: Path, text: str, **options: Any) -> Plan:
    path = folder / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return read_plan(path, **options)


def varied(plan: Plan) -> list[tuple[object, ...]]:
    return [tuple(run.parameters[name] for name in plan.swept) for run in plan.runs]


# --- which parameters are asked for


def test_a_copied_notebook_keeps_its_contract(notebook: Path, tmp_path: Path) -> None:
    copy = tmp_path / "my own.ipynb"
    copy.write_bytes(notebook.read_bytes())
    assert contract_of(copy) == "03_lora"
    assert complete_parameters(copy, {"seed": 4}, tmp_path) == {**LORA, "seed": 4}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "Cannot read .*: No such file"),
        ('{"cells": [', "cannot be read as a notebook"),
        (
            '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
            "no cell calls",
        ),
    ],
)
def test_what_opens_no_lab_is_refused(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "x.ipynb"
    if content:
        path.write_text(content)
    with pytest.raises(LabError, match=words) as caught:
        contract_of(path)
    assert str(path) in str(caught.value)


def test_a_lab_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "x.ipynb", "07_other", "seed = 1")
    with pytest.raises(
        LabError, match="opens the lab as '07_other', which is not one of its notebooks"
    ):
        contract_of(path)


def test_edited_defaults_hold_and_given_values_lie_over_them(tmp_path: Path) -> None:
    edited = (
        parameters_source("03_lora").replace("seed = 0", "seed = 7").replace('"quick"', '"full"')
    )
    path = write_notebook(tmp_path / "x.ipynb", parameters=edited)
    assert complete_parameters(path, {"profile": "smoke"}, tmp_path) == {
        **LORA,
        "seed": 7,
        "profile": "smoke",
    }


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seed = 0", "seed = int('3')", "does not set 'seed' to a plain value"),
        ("seed = 0", "seed = -1", "in its parameters cell: Parameter 'seed' must be"),
        ("seed = 0", "sead = 0", "sets 'sead', which is not a parameter of 03_lora"),
        ("seed = 0", "seed = = 0", "its parameters cell is not plain Python"),
        ('task_data = "letters"', 'task_data = "nix.csv"', "no file or folder 'nix.csv'"),
    ],
)
def test_wrong_defaults_are_found_in_the_file(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = write_notebook(
        tmp_path / "x.ipynb", parameters=parameters_source("03_lora").replace(old, new)
    )
    with pytest.raises(LabError, match=words) as caught:
        complete_parameters(path, {}, tmp_path)
    assert str(path) in str(caught.value)


def test_a_repeated_run_of_an_executed_copy_has_its_values(notebook: Path, tmp_path: Path) -> None:
    executed = nbformat.read(notebook, 4)
    injected = nbformat.v4.new_code_cell("seed = 5", metadata={"tags": ["injected-parameters"]})
    executed.cells.insert(2, injected)
    nbformat.write(executed, tmp_path / "run.ipynb")
    assert complete_parameters(tmp_path / "run.ipynb", {}, tmp_path)["seed"] == 5


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sead": 1}, "'sead' is not a parameter of 03_lora: did you mean 'seed'"),
        ({"seed": "1"}, "must be a whole number"),
        ({"seed": 1.5}, "must be a whole number"),
        ({"seed": -1}, "not -1"),
        ({"profile": "fast"}, "one of 'smoke', 'quick', 'full'"),
    ],
)
def test_a_wrong_name_or_value_is_refused(
    notebook: Path, tmp_path: Path, values: dict[str, object], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        complete_parameters(notebook, values, tmp_path)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400])
def test_a_number_that_no_record_can_hold_is_refused(
    notebook: Path, tmp_path: Path, value: float
) -> None:
    rag = notebook.with_name("04_rag.ipynb")
    with pytest.raises(ParameterError, match="'price_input' must be a number"):
        complete_parameters(rag, {"price_input": value}, tmp_path)


def test_a_whole_number_is_a_number(notebook: Path, tmp_path: Path) -> None:
    rag = notebook.with_name("04_rag.ipynb")
    whole, other = (
        complete_parameters(rag, {"price_input": value}, tmp_path) for value in (1, 1.0)
    )
    assert repr(whole["price_input"]) == repr(other["price_input"]) == "1.0"
    assert run_id(rag, whole) == run_id(rag, other)
    assert repr(complete_parameters(rag, {"price_input": -0.0}, tmp_path)["price_input"]) == "0.0"


def test_the_contract_knows_the_names_of_the_labs_own_data() -> None:
    from ftlab.data.tasks import DISTANCES, LETTERS, SHIPPED_TASKS, TOWN
    from ftlab.models.loading import BASE_MODEL
    from ftlab.rag.stores import SERVERS

    index = CONTRACT["index"].source
    assert index
    assert index.servers == SERVERS

    for name, own in {
        "task_data": {*SHIPPED_TASKS, TOWN, *DISTANCES, LETTERS},
        "base_model": {BASE_MODEL},
        "encoder": {BASE_MODEL},
    }.items():
        source = CONTRACT[name].source
        assert source
        assert {*source.own} == own


def test_files_are_found_from_here_then_beside_the_notebook(notebook: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    for folder, name in ((here, "a.csv"), (notebook.parent, "a.csv"), (notebook.parent, "b.csv")):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("text,label\n")

    def found(value: str) -> object:
        return complete_parameters(notebook, {"task_data": value}, here)["task_data"]

    assert found("a.csv") == found("./a.csv") == found(str(here / "a.csv")) == str(here / "a.csv")
    assert found("b.csv") == str(notebook.parent / "b.csv")
    assert found("../here") == str(here)
    (here / "tickets").mkdir()
    for name in (
        "tickets",
        "someone/data",
        "someone/data:part",
        "imdb",
    ):  # the lab's, and the Hub's
        assert found(name) == name
    for lost in ("c.csv", "./c", "../c", "/c/d", "C:/d", "C:\\d", "a\\b", "~/c d", "x/y/z", "x.db"):
        with pytest.raises(LabError, match="Parameter 'task_data': there is no file or folder"):
            found(lost)


def test_an_index_need_not_be_there_and_documents_must(notebook: Path, tmp_path: Path) -> None:
    rag = notebook.with_name("04_rag.ipynb")
    assert complete_parameters(rag, {"index": "new.db"}, tmp_path)["index"] == str(
        tmp_path / "new.db"
    )
    for kept in ("", "http://127.0.0.1:19530"):
        assert complete_parameters(rag, {"index": kept}, tmp_path)["index"] == kept
    for name in ("documents", "questions"):  # these cannot come from the Hub
        with pytest.raises(
            LabError, match=f"Parameter '{name}': there is no file or folder 'mine'"
        ):
            complete_parameters(rag, {name: "mine"}, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("seed", "8", 8),
        ("price_input", "0.01", 0.01),
        ("price_input", "1e-3", 0.001),
        ("price_input", "2", 2.0),
        ("base_model", "007", "007"),
        ("base_model", "1e-3", "1e-3"),
        ("base_model", "true", "true"),
        ("base_model", " x ", " x "),
        ("documents", CODE_LIKE, CODE_LIKE),
    ],
)
def test_a_text_becomes_what_the_contract_says(
    notebook: Path, name: str, text: str, value: object
) -> None:
    found = parse_value(notebook.with_name("04_rag.ipynb"), name, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("seed", "8.0"),
        ("seed", "1_0"),
        ("seed", "9" * 5000),
        ("seed", "-1"),
        ("seed", ""),
        ("price_input", "nan"),
        ("price_input", "1e999"),
        ("price_input", "cheap"),
        ("profile", "fast"),
        ("sead", "1"),
    ],
)
def test_a_text_that_cannot_become_that_is_refused(notebook: Path, name: str, text: str) -> None:
    with pytest.raises(ParameterError, match=f"'{name}'"):
        parse_value(notebook.with_name("04_rag.ipynb"), name, text)


def test_truths_are_read_from_words(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ftlab.notebook.parameters import Parameter

    monkeypatch.setitem(CONTRACT, "seed", Parameter("seed", bool, ""))
    for text, value in (("True", True), ("true", True), ("false", False)):
        assert parse_value(notebook, "seed", text) is value
    with pytest.raises(ParameterError, match="must be True or False, not 'yes'"):
        parse_value(notebook, "seed", "yes")


# --- how runs are named


def test_a_name_is_made_of_code_parameters_and_contents(notebook: Path, tmp_path: Path) -> None:
    data = tmp_path / "x.csv"
    data.write_text("text,label\n")
    parameters = complete_parameters(notebook, {"task_data": "x.csv"}, tmp_path)
    first = run_id(notebook, parameters)
    assert re.fullmatch(r"03_lora-[0-9a-f]{16}", first)
    assert run_id(notebook, dict(reversed(parameters.items()))) == first
    assert run_id(notebook, {**parameters, "seed": 1}) != first

    moved = tmp_path / "moved"
    moved.mkdir()
    copy = moved / notebook.name
    copy.write_bytes(notebook.read_bytes())
    (moved / "C:\\data\\x.csv").write_text("text,label\n")  # a path on Windows, a name elsewhere
    given = complete_parameters(copy, {"task_data": "C:\\data\\x.csv"}, moved)
    assert given["task_data"] != parameters["task_data"]
    assert run_id(copy, given) == first

    data.write_text("text,label,more\n")
    assert run_id(notebook, parameters) != first
    data.write_text("text,label\n")
    write_notebook(notebook, parameters=parameters_source("03_lora") + "\n# changed")
    assert run_id(notebook, parameters) != first


def test_a_folder_is_what_its_files_hold(notebook: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "train.csv").write_text("text,label\n")
    (two / ".DS_Store").write_text("of no account")

    def name(folder: Path) -> str:
        return run_id(notebook, complete_parameters(notebook, {"task_data": str(folder)}, tmp_path))

    assert name(one) == name(two)
    (two / "deep" / "train.csv").rename(two / "deep" / "test.csv")
    assert name(one) != name(two)


def test_the_labs_own_names_stand_for_its_data(
    notebook: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = complete_parameters(notebook, {"task_data": "tickets"}, root)
    first = run_id(notebook, parameters)
    assert run_id(notebook, {**parameters, "task_data": "reviews"}) != first
    (root / "data" / "reference").mkdir()
    (root / "data" / "reference" / "03_lora.json").write_text("{}")
    run_id_module._data_sha256.cache_clear()
    assert run_id(notebook, parameters) == first
    (root / "data" / "tickets.csv").write_text("text,label\nchanged,1\n")
    run_id_module._data_sha256.cache_clear()
    assert run_id(notebook, parameters) != first


@pytest.fixture
def named_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], str]:
    """`named_with(notebook, module)`: a run's name where a comment was added to that module of the
    package; "" changes nothing."""
    package = imports.PACKAGE
    copies = itertools.count()

    def name(notebook: Path, module: str) -> str:
        copy = tmp_path / f"copy-{next(copies)}" / "ftlab"
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if module:
            with (copy / module).open("a") as file:
                file.write("# changed\n")
        monkeypatch.setattr(imports, "PACKAGE", copy)
        return run_id(notebook, LORA)

    return name


def test_a_run_keeps_its_name_when_code_that_it_does_not_use_changes(
    tmp_path: Path, named_with: Callable[[Path, str], str]
) -> None:
    path = write_notebook(tmp_path / "x.ipynb", code="from ftlab.plots import lines\nimport numpy")
    first = named_with(path, "")
    for module in (
        "plots/series.py",
        "plots/__init__.py",
        "batch/tables.py",
        "plots/tradeoffs.py",
        "cli.py",
    ):
        assert named_with(path, module) == first, module


def test_a_run_is_renamed_when_code_that_it_leads_to_changes(
    tmp_path: Path, named_with: Callable[[Path, str], str]
) -> None:
    path = write_notebook(
        tmp_path / "x.ipynb", code="def late():\n    from ftlab.training import fit"
    )
    used = "training/fitting.py", "training/optimizer.py", "models/rng.py", "lab.py"
    # `open_lab` imports the next one within a function; the last one is imported by any of them.
    used += "notebook/environment.py", "__init__.py"
    names = [named_with(path, module) for module in ("", *used)]
    assert len({*names}) == len(names)


def test_a_cell_that_is_no_python_may_use_all_code_but_figures(
    tmp_path: Path, named_with: Callable[[Path, str], str]
) -> None:
    path = write_notebook(tmp_path / "x.ipynb", code="files = !ls")
    first = named_with(path, "")
    assert named_with(path, "experiments/comparison.py") != first
    assert named_with(path, "plots/series.py") == first


def test_an_index_that_the_run_writes_does_not_rename_it(notebook: Path, tmp_path: Path) -> None:
    rag = notebook.with_name("04_rag.ipynb")
    parameters = complete_parameters(rag, {"index": "a.db"}, tmp_path)
    first = run_id(rag, parameters)
    (tmp_path / "a.db").write_text("filled")
    assert run_id(rag, complete_parameters(rag, {"index": "a.db"}, tmp_path)) == first
    assert run_id(rag, {**parameters, "index": "D:\\elsewhere\\a.db"}) == first
    assert run_id(rag, {**parameters, "index": "b.db"}) != first


@pytest.mark.parametrize("stem", ["my own (2)", "-x", ".x", "ノート", "e\u0301tude", "x" * 200])
def test_a_name_will_do_as_a_runs_name(notebook: Path, tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.ipynb"
    path.write_bytes(notebook.read_bytes())
    name = run_id(path, LORA)
    assert re.fullmatch(r"\w[\w.-]*", name)
    assert len(name) <= 80


def test_many_runs_read_their_files_once(
    notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.csv").write_text("text,label\n")
    parameters = complete_parameters(notebook, {"task_data": "x.csv"}, tmp_path)
    hashed: list[Path] = []
    parameters["base_model"] = str(tmp_path / "x.csv")
    monkeypatch.setattr(
        run_id_module, "contents_sha256", lambda path, but="": hashed.append(path) or "0"
    )
    assert len({*run_ids(notebook, [{**parameters, "seed": i} for i in range(50)])}) == 50
    assert hashed == [tmp_path / "x.csv"]


# --- sweep files


def test_a_grid_is_every_combination_in_the_order_written(sweeps: Path, notebook: Path) -> None:
    plan = plan_of(
        sweeps,
        LORA_IN_1 + "fixed:\n  profile: smoke\ngrid:\n  task_labels: [4, 8]\n  seed: [1, 0]\n",
    )
    assert plan.notebook == notebook
    assert plan.swept == ("task_labels", "seed")
    assert varied(plan) == [(4, 1), (4, 0), (8, 1), (8, 0)]
    assert all(run.parameters == {**LORA, **run.parameters} for run in plan.runs)
    assert {run.parameters["profile"] for run in plan.runs} == {"smoke"}
    assert [run.id for run in plan.runs] == [run_id(notebook, r.parameters) for r in plan.runs]


def test_a_list_of_runs_keeps_each_once(sweeps: Path) -> None:
    plan = plan_of(
        sweeps, "notebook: '03'\nlist:\n- seed: 1\n- {task_labels: 4}\n- {seed: 1}\n- {}\n"
    )
    assert plan.swept == ("seed", "task_labels")
    assert varied(plan) == [(1, 0), (0, 4), (0, 0)]


SAMPLE = """\
notebook: 04_rag
sample:
  runs: {runs}
  seed: {seed}
  from:
    seed: {{low: 1, high: 1000, log: true}}
    price_input: {{low: 1e-3, high: 1, log: true}}
    encoder: [lab, someone/encoder]
"""


def test_a_sample_is_seeded_and_grows(sweeps: Path) -> None:
    few = varied(plan_of(sweeps, SAMPLE.format(runs=5, seed=0)))
    many = varied(plan_of(sweeps, SAMPLE.format(runs=200, seed=0)))
    assert len({*many}) == 200
    assert many[:5] == few
    assert varied(plan_of(sweeps, SAMPLE.format(runs=5, seed=1))) != few
    seeds, prices, encoders = zip(*many, strict=True)
    assert all(type(seed) is int and 1 <= seed <= 1000 for seed in seeds)
    assert all(type(price) is float and 0.001 <= price <= 1 for price in prices)
    assert 60 < sum(price < 0.032 for price in prices) < 140  # half of the factors
    assert {*encoders} == {"lab", "someone/encoder"}


def test_a_sample_of_all_combinations_has_each(sweeps: Path) -> None:
    text = LORA_IN_1 + "sample: {runs: 12, from: {seed: {low: 1, high: 6}, task_labels: [2, 4]}}"
    assert {*varied(plan_of(sweeps, text))} == {(s, n) for s in range(1, 7) for n in (2, 4)}


def test_scalars_are_read_as_they_look(sweeps: Path) -> None:
    texts = "yes on no 007 2026-01-01 1:30 1_000 True NaN".split()
    values = f'[{", ".join(texts)}, "8", "{CODE_LIKE}"]'
    plan = plan_of(sweeps, f"notebook: 03_lora\ngrid:\n  text_column: {values}\n")
    texts += ["8", CODE_LIKE]
    assert varied(plan) == [(text,) for text in texts]


def test_files_are_found_from_the_sweep_files_folder(
    sweeps: Path, notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sweeps / "mine.csv").write_text("text,label\n")
    (sweeps / "mine.ipynb").write_bytes(notebook.read_bytes())
    monkeypatch.chdir(tmp_path)
    (sweeps / "sweep.yaml").write_text("notebook: mine.ipynb\ngrid: {task_data: [mine.csv, near]}")
    plan = read_plan(Path("sweeps/sweep.yaml"))
    assert plan.notebook == sweeps / "mine.ipynb"
    assert varied(plan) == [(str(sweeps / "mine.csv"),), ("near",)]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: [1", 1, "not valid YAML"),
        ("a: 1\n\tb: 2", 2, "not valid YAML"),
        ("a: \x01", 1, "not valid YAML"),
        ("- 1", 1, "The sweep file must be a mapping"),
        ("grid: {seed: [1]}", 1, "'notebook' is missing"),
        (LORA_IN_1 + "---\na: 1", 2, "single document"),
        (LORA_IN_1 + "grdi: {}", 2, "'grdi' is not a known key: did you mean 'grid'?"),
        (LORA_IN_1, 1, "exactly one of grid, list, sample, but this one has none"),
        (LORA_IN_1 + "grid: {seed: [1]}\nlist: [{seed: 1}]", 3, "has grid and list"),
        (LORA_IN_1 + "grid: {seed: [1]}\ngrid: {}", 3, "'grid' is given twice, first in line 2"),
        (LORA_IN_1 + "grid:\n  seed: [1]\n  seed: [2]", 4, "'seed' is given twice"),
        (LORA_IN_1 + "grid: {}", 2, "'grid' has no parameters"),
        (LORA_IN_1 + "grid:\n  seed: []", 3, "'seed' is an empty list"),
        (LORA_IN_1 + "grid:\n  seed: 5", 3, "'seed' must be a list"),
        (LORA_IN_1 + "grid:\n  seed: [[1]]", 3, "'seed' must be a single value"),
        (LORA_IN_1 + "grid:\n  seed:\n  - 1\n  - x", 5, "must be a whole number"),
        (LORA_IN_1 + "grid:\n  seed:\n  - 1\n  - '2'", 5, "must be a whole number .* not '2'"),
        (LORA_IN_1 + "grid:\n  seed:\n  - 1\n  -", 5, "must be a whole number .* not None"),
        (LORA_IN_1 + "grid:\n  seed: [1]\n  sead: [1]", 4, "did you mean 'seed'"),
        (LORA_IN_1 + "grid:\n  task_data:\n  - nix.csv", 4, "no file or folder 'nix.csv'"),
        (LORA_IN_1 + "fixed: {seed: 1}\ngrid: {seed: [2]}", 3, "'seed' is already in 'fixed'"),
        (LORA_IN_1 + "grid: {seed: [1]}\nfixed:\n  profile: fast", 4, "'profile' must be one of"),
        (LORA_IN_1 + "grid: {seed: [1]}\nfixed: [seed]", 3, "'fixed' must be a mapping"),
        (LORA_IN_1 + "list: []", 2, "'list' is an empty list"),
        (LORA_IN_1 + "list:\n- seed: 1\n-", 4, "A run in 'list' must be a mapping"),
        (LORA_IN_1 + "sample: {from: {seed: [1]}}", 2, "'sample' needs 'runs'"),
        (LORA_IN_1 + "sample:\n  runs: 0\n  from: {seed: [1]}", 3, "'runs' must be a whole number"),
        (LORA_IN_1 + "sample: {runs: true, from: {seed: [1]}}", 2, "'runs' must be a whole"),
        (LORA_IN_1 + "sample: {runs: 1, from: {}}", 2, "'from' has no parameters"),
        (LORA_IN_1 + "sample: {runs: 3, from: {seed: [1, 2, 2]}}", 2, "only 2 combinations"),
        (LORA_IN_1 + "sample: {runs: 1, from: {seed: {low: 1}}}", 2, "needs 'high'"),
        (LORA_IN_1 + "sample: {runs: 1, from: {seed: {low: 2, high: 1}}}", 2, "must go up"),
        (
            LORA_IN_1 + "sample: {runs: 1, from: {seed: {low: 0, high: 1, log: true}}}",
            2,
            "above 0",
        ),
        (
            LORA_IN_1 + "sample: {runs: 1, from: {profile: {low: 0, high: 1}}}",
            2,
            "cannot have a range",
        ),
        (
            LORA_IN_1 + "sample: {runs: 1, from: {task_labels: {low: 0, high: 9}}}",
            2,
            "cannot start or end at 0",
        ),
        (
            "notebook: 04_rag\nsample: {runs: 9, from: {price_input: {low: 1, high: 1.001}}}",
            2,
            "draws gave only 2 different runs",
        ),
        (
            "grid: {seed: [1]}\nnotebook: nowhere.ipynb",
            2,
            "'nowhere.ipynb' does not name exactly one notebook",
        ),
        ("grid: {seed: [1]}\nnotebook: 0", 2, "'0' does not name exactly one notebook"),
        (LORA_IN_1 + "grid: !!python/object/apply:os.system [echo]", 2, "must be a mapping"),
        (LORA_IN_1 + "grid: {seed: [!!python/name:os.system x]}", 2, "cannot be read as"),
    ],
)
def test_what_cannot_be_is_refused_with_file_line_and_reason(
    sweeps: Path, text: str, line: int, words: str
) -> None:
    with pytest.raises(LabError, match=words) as caught:
        plan_of(sweeps, text)
    assert str(caught.value).startswith(f"{sweeps / 'sweep.yaml'}, line {line}: ")
    assert "\n" not in str(caught.value)


def test_what_is_no_text_is_refused(sweeps: Path) -> None:
    path = sweeps / "sweep.yaml"
    with pytest.raises(LabError, match="Cannot read"):
        read_plan(path)
    path.write_bytes(b"")
    with pytest.raises(LabError, match="is empty"):
        read_plan(path)
    path.write_bytes(b"notebook: 03_lora\ngrid: \xff")
    with pytest.raises(LabError, match="line 2: this is not UTF-8"):
        read_plan(path)
    path.write_text("[" * 5000)
    with pytest.raises(LabError, match="nested too deeply"):
        read_plan(path)


def test_a_large_grid_is_counted_and_not_made(sweeps: Path) -> None:
    hundred, labels = [*range(1, 101)], [*range(2, 102)]
    text = LORA_IN_1 + f"grid:\n  seed: {hundred}\n  task_labels: {labels}\n"
    more = text + f"  seeds: {hundred}\n  texts_per_label: {hundred}\n"
    began = time.process_time()
    with pytest.raises(
        LabError, match="line 2: These are 10,000 runs: to start more than 1,000, add --yes"
    ):
        plan_of(sweeps, text)
    with pytest.raises(LabError, match="These are 100,000,000 runs"):
        plan_of(sweeps, more)
    assert time.process_time() - began < 5
    assert len({run.id for run in plan_of(sweeps, text, most=None).runs}) == 10_000


def test_seconds_come_from_like_runs_else_from_the_notebook(sweeps: Path, tmp_path: Path) -> None:
    def record(number: int, profile: str, seeds: int, seconds: float) -> Path:
        path = tmp_path / "results" / f"{number}.json"
        parameters = {**LORA, "profile": profile, "seeds": seeds}
        content = full_record(
            "03_lora", profile=profile, parameters=parameters, seconds=seconds, run_id=str(number)
        )
        write_atomically(path, json.dumps(content))
        return path

    text = LORA_IN_1 + "fixed: {profile: full}\ngrid: {seed: [0, 1]}"
    plan = plan_of(sweeps, text)
    seconds, words = estimated_seconds(plan, [])
    assert seconds is None
    assert "no earlier run of 03_lora with the profile full" in words
    broken = tmp_path / "results" / "broken.json"
    broken.parent.mkdir()
    broken.write_text("{")
    records = [record(1, "full", 9, 5.0), record(2, "quick", 0, 1.0), broken]
    assert estimated_seconds(plan, records) == (5.0, "from 1 earlier run with the profile full")
    records += [record(3, "full", 0, 60.0), record(4, "full", 0, 62.0)]
    seconds, words = estimated_seconds(plan, records)
    assert (seconds, "the median of 2 runs" in words) == (61.0, True)

    write_notebook(sweeps / "own.ipynb", ftlab={"profile": "quick", "seconds": 90.0})
    plan = plan_of(sweeps, "notebook: own.ipynb\ngrid: {seed: [0, 1]}")
    assert estimated_seconds(plan, []) == (90.0, "from the outputs stored in the notebook")
    mixed = plan_of(sweeps, "notebook: own.ipynb\ngrid: {profile: [quick, full]}")
    assert estimated_seconds(mixed, records[-1:])[0] == (90 + 62) / 2


def test_reading_a_plan_is_light(sweeps: Path) -> None:
    (sweeps / "sweep.yaml").write_text(LORA_IN_1 + "grid: {seed: [0]}")
    code = (
        "import sys; from pathlib import Path; import ftlab.batch.figures, ftlab.batch.plan as p;"
        f"p.read_plan(Path({str(sweeps / 'sweep.yaml')!r}));"
        "print(sorted({'torch', 'transformers', 'pandas', 'scipy', 'matplotlib'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
