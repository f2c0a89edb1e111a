"""The shipped notebooks: as they should be, with fresh outputs, and running without a network."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from conftest import SMOKE, refused
from notebook_rules import problems

from ftlab.batch.parameters import parse_value
from ftlab.batch.running import run_notebook
from ftlab.claims.record import read_record
from ftlab.cli import command_line
from ftlab.common.paths import project_root
from ftlab.notebook.files import clean, find_notebook, notebook_paths, read_notebook
from ftlab.notebook.parameters import NOTEBOOKS, check_parameters, parameters_source

NAME = "00_start_here"
SWEEPS = sorted((project_root() / "notebooks" / "sweeps").glob("*.yaml"))
SHIPPED = pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)


@SHIPPED
def test_a_shipped_notebook_is_as_it_should_be(path: Path) -> None:
    notebook = read_notebook(path)
    nbformat.validate(notebook)
    assert problems(notebook, path.stem) == []


@pytest.mark.slow
@SHIPPED
def test_a_shipped_notebook_runs_in_the_smoke_profile_and_leaves_its_record(
    path: Path, smoke_run: Callable[[str], Path]
) -> None:
    others = SMOKE.get(path.stem, {})
    record = read_record(smoke_run(path.stem).with_suffix(".json"))
    assert record["notebook"] == path.stem
    assert record["profile"] == "smoke"
    assert record["metrics"]
    assert record["claims"] == []
    assert record["parameters"].items() >= others.items()
    points = [row for row in record["metrics"] if row["name"] == "accuracy"]
    assert points or not others
    for row in points if others else []:  # what a sweep draws is named alike, whatever is swept
        assert set(row) >= {"name", "value", "method", "task", "split", "seed"}
        assert not re.search(r"\d", row["method"])


@pytest.mark.parametrize(
    ("name", "last", "given", "words"),
    [
        ("03_lora", "lora-diagram", {"rank": 1000}, ["rank 1000", "shorter side"]),
    ],
)
def test_what_the_model_is_too_small_for_is_refused_before_any_training(
    name: str,
    last: str,
    given: dict[str, Any],
    words: list[str],
    tiny_model_dir: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pandas.set_option", lambda *given: None)  # it would last
    cells = read_notebook(project_root() / "notebooks" / f"{name}.ipynb").cells
    cells = cells[: [cell.id for cell in cells].index(last) + 1]
    values = {"profile": "smoke", "base_model": str(tiny_model_dir("llama")), **given}
    names: dict[str, Any] = {**NOTEBOOKS[name], **values}
    code = [
        c for c in cells if c.cell_type == "code" and "parameters" not in c.metadata.get("tags", [])
    ]
    for cell in code[:-1]:
        exec(compile(cell.source, cell.id, "exec"), names)
    refused(lambda: exec(compile(code[-1].source, last, "exec"), names), *words)


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_an_example_of_a_sweep_names_values_that_its_notebook_takes(path: Path) -> None:
    sweep = yaml.safe_load(path.read_text(encoding="utf-8"))
    notebook = (path.parent / sweep["notebook"]).resolve()
    assert notebook in notebook_paths()
    for values in itertools.product(*sweep["grid"].values()):
        given = dict(zip(sweep["grid"], values, strict=True))
        check_parameters(notebook.stem, {**NOTEBOOKS[notebook.stem], **sweep["fixed"], **given})
    assert f"ftlab sweep notebooks/sweeps/{path.name} " in notebook.read_text(encoding="utf-8")


@SHIPPED
def test_every_command_that_a_notebook_prints_is_one_of_ours_and_can_be_given(path: Path) -> None:
    """From any folder of a terminal of JupyterLab, so no command names a notebook's file."""
    cells = (cell.source for cell in read_notebook(path).cells if cell.cell_type == "markdown")
    text = "\n".join(cells).replace("\\\n", " ")
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    unfenced = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    indented = re.findall(r"^    (\S.*)$", unfenced, flags=re.MULTILINE)
    lines = "".join(blocks).splitlines() + indented
    commands = [words for line in lines if (words := shlex.split(line, comments=True))]
    assert commands
    for command, *words in commands:
        assert command == "ftlab"
        given = command_line().parse_args(words)
        for word in getattr(given, "notebooks", ()):
            notebook = find_notebook(word, project_root())
            assert notebook == project_root() / "notebooks" / notebook.name
            for name, value in given.parameters:
                parse_value(notebook, name, value)
        if words[0] == "sweep":
            assert (project_root() / given.file).is_file()


def test_every_notebook_has_a_contract_and_every_contract_a_notebook() -> None:
    assert {path.stem for path in notebook_paths()} == set(NOTEBOOKS)


def test_kernels_cannot_reach_the_network_either(tmp_path: Path) -> None:
    code = "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=5)"
    path = tmp_path / "05_network.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FTLAB_RESULTS", str(tmp_path))
        failure = run_notebook(path).failure
    assert "NetworkBlocked" in failure


def tiny() -> Any:
    """A notebook without fault, executed once and in order."""
    cells = [
        nbformat.v4.new_markdown_cell(
            "# T\n\n**Question:** why?\n\n**Before this:** nothing\n\n**Minutes:** not measured yet"
        ),
        nbformat.v4.new_code_cell(parameters_source(NAME), metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            f'from ftlab.lab import open_lab\n\nlab = open_lab("{NAME}", globals())'
        ),
        nbformat.v4.new_code_cell("print(base_model)"),
        nbformat.v4.new_code_cell("lab.record.write()"),
    ]
    for count, cell in enumerate(cells[1:], start=1):
        cell.execution_count = count
    return clean(nbformat.v4.new_notebook(cells=cells), seconds=90, cores=2)


def test_a_notebook_without_fault_passes() -> None:
    assert problems(tiny(), NAME) == []
    assert "**Minutes:** 1.5 (quick profile, 2 cores)" in tiny().cells[0].source


def change(index: int, old: str, new: str) -> Callable[[Any], None]:
    def apply(notebook: Any) -> None:
        source = notebook.cells[index].source
        assert old in source
        notebook.cells[index].source = source.replace(old, new)

    return apply


def set_count(index: int, count: int | None) -> Callable[[Any], None]:
    return lambda notebook: notebook.cells[index].update(execution_count=count)


def add_error(notebook: Any) -> None:
    notebook.cells[3].outputs = [
        nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])
    ]


def say_a_name(notebook: Any) -> None:
    said = {"text/markdown": "It took {seconds:.1f} seconds."}
    notebook.cells[3].outputs = [nbformat.v4.new_output("display_data", data=said)]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (change(0, "# T", "T"), "no title"),
        (change(0, "**Question:**", "Question:"), "**Question:**"),
        (change(0, "1.5", "1"), "minutes are not those"),
        (change(1, "seed = 0", "seed = 1"), "differs from the contract"),
        (lambda nb: nb.cells[1].metadata.clear(), "0 cells are tagged"),
        (change(2, NAME, "01_other"), "does not call open_lab"),
        (change(3, "base_model", "7"), "Nothing reads the parameter 'base_model'"),
        (change(3, "print(base_model)", "!ls {base_model}"), "not plain Python"),
        (
            change(3, "print(base_model)", "for seed in base_model:\n    pass"),
            "A cell gives the parameter 'seed' another value.",
        ),
        (change(4, ".write()", ""), "No cell writes the record"),
        (change(3, "print", "repr"), "stale"),
        (set_count(3, 7), "not run once each and in order: [1, 2, 7, 4]"),
        (set_count(4, None), "not run once each and in order"),
        (add_error, "An output is an error: ValueError"),
        (say_a_name, "A number is missing where it is told: {seconds:.1f}"),
        (lambda nb: nb.metadata.pop("ftlab"), "--refresh"),
        (lambda nb: nb.metadata["ftlab"].update(profile="full"), "of the profile full"),
        (
            lambda nb: nb.cells[2].metadata.update(tags=["injected-parameters"]),
            "injected parameters",
        ),
    ],
)
def test_a_fault_is_named(damage: Callable[[Any], object], words: str) -> None:
    notebook = tiny()
    damage(notebook)
    found = problems(notebook, NAME)
    assert any(words in problem for problem in found), found


def test_reading_a_parameter_only_in_the_parameters_cell_is_not_reading() -> None:
    notebook = tiny()
    notebook.cells[3].source = "base_model = 'other'"
    assert "Nothing reads the parameter 'base_model'." in problems(notebook, NAME)
