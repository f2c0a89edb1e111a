"""Headless runs: what is left behind, what is said, and what a failure may not break."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellTimeoutError

import ftlab
from ftlab.claims.record import read_record
from ftlab.cli import main
from ftlab.common.errors import LabError
from ftlab.notebook.files import find_notebook
from ftlab.notebook.parameters import NOTEBOOKS, parameters_source

BEGIN, END = "<!-- notebooks: begin -->", "<!-- notebooks: end -->"
TITLE = "# Tiny\n\n**Question:** why?\n\n**Before this:** nothing\n\n**Minutes:** not measured yet"
PARAMETERS = 'profile = "quick"  # how much\nseed = 0\nbase_model = "lab"'
OPENED = 'from ftlab.lab import open_lab\nif False:\n    open_lab("00_start_here", globals())\n'
# A record made by hand: these notebooks need neither torch nor a model.
RECORD = """\
import sys
from ftlab.evaluation import exact
from ftlab.claims import Claim, Record
from ftlab.claims.record import new_run_id
def open_lab(name, namespace): ...
open_lab("00_start_here", globals())  # whose contract holds
record = Record("{name}", profile, 0, {{"profile": profile}}, {{"python": sys.executable}},
                new_run_id(profile, 0),
                {{name: Claim(name, "s", "m", direction, 0)
                  for name, direction in (("C-01", "below"), ("C-03", "above"))}})
record.metric("one", 1.0)
for name in ("C-01", "C-03"):
    record.judge(name, exact(1))
record.write()"""


@pytest.fixture
def root(root: Path) -> Path:
    """A lab with three notebooks: a good one, then a failing one, then another good one."""
    (root / "README.md").write_text(f"top\n{BEGIN}\nold\n{END}\nbottom\n")
    write_notebook(root, "01_good", RECORD.format(name="01_good"))
    write_notebook(root, "02_bad", OPENED + "raise ValueError('the reason\\nand more')")
    write_notebook(root, "03_good", RECORD.format(name="03_good"))
    return root


def write_notebook(root: Path, name: str, code: str) -> Path:
    cells = [
        nbformat.v4.new_markdown_cell(TITLE),
        nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(code),
    ]
    path = root / "notebooks" / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def only(paths: list[Path]) -> Path:
    assert len(paths) == 1
    return paths[0]


def test_a_failing_notebook_does_not_stop_the_others(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    assert main(["run"]) == 1
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["notebook", "01_good", "02_bad", "03_good"]
    assert "1 contrary, 1 supported" in lines[1]
    assert "FAILED" in lines[2]
    for name, line in (("01_good", lines[4]), ("03_good", lines[5])):  # where it all lies
        assert line.startswith(f"{name}: results/{name}/")
        notebook, record = re.findall(r"[^ /]+\.(?:ipynb|json)", line)
        assert (root / "results" / name / notebook).exists()
        assert (root / "results" / name / record).exists()
    assert "02_bad failed: in cell [3], ValueError: the reason" in lines[6]
    assert lines[7].startswith("  as far as it went: results/02_bad/")
    assert "01_good: 100%" in err  # the bar of its cells
    assert "IPKernelApp" not in err

    record = read_record(only(list((root / "results" / "03_good").glob("*.json"))))
    executed = root / "results" / "03_good" / f"{record['run_id']}.ipynb"
    assert executed.exists()
    assert record["environment"]["python"] == sys.executable


def test_profile_and_seed_reach_the_notebook_and_the_name_of_its_run(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--profile", "smoke", "-p", "seed", "3", "03"]) == 0
    assert "not judged" in capfd.readouterr().out
    record = read_record(only(list((root / "results" / "03_good").glob("*.json"))))
    assert record["profile"] == "smoke"
    assert "-smoke-s3-" in record["run_id"]
    assert not (root / "results" / "01_good").exists()


def test_refresh_keeps_the_outputs_in_place(root: Path) -> None:
    path = root / "notebooks" / "01_good.ipynb"
    before = nbformat.read(path, 4)
    assert main(["run", "--refresh", "01_good"]) == 0
    after = nbformat.read(path, 4)
    assert [cell.id for cell in after.cells] == [cell.id for cell in before.cells]
    assert [cell.source for cell in after.cells[1:]] == [cell.source for cell in before.cells[1:]]
    assert [cell.execution_count for cell in after.cells[1:]] == [1, 2]
    assert "Record written" in after.cells[2].outputs[0].text
    assert after.cells[1].metadata == {"tags": ["parameters"]}
    assert set(after.metadata) == {"kernelspec", "language_info", "ftlab"}
    about = after.metadata["ftlab"]
    assert about["profile"] == "quick"
    (record,) = (root / "results" / "01_good").glob("*.json")
    assert about["run_id"] == record.stem
    assert about["environment"] == {"python": sys.executable}
    assert [claim["verdict"] for claim in about["claims"]] == ["contrary", "supported"]
    assert "(quick profile, " in after.cells[0].source.splitlines()[-1]
    assert str(root) not in json.dumps(after)

    readme = (root / "README.md").read_text()
    assert readme.startswith("top\n")
    assert readme.endswith("bottom\n")
    assert "| [01_good](notebooks/01_good.ipynb) | why? | 0." in readme
    assert "| [02_bad](notebooks/02_bad.ipynb) | why? | not measured yet |" in readme


def test_kept_outputs_name_the_place_where_a_readers_record_will_lie(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLAB_RESULTS", str(root / "some where" / "else"))
    assert main(["run", "--refresh", "01_good"]) == 0
    kept = nbformat.read(root / "notebooks" / "01_good.ipynb", 4)
    run = kept.metadata["ftlab"]["run_id"]
    (told,) = [o.text for cell in kept.cells[1:] for o in cell.outputs if "Record" in o.text]
    assert told == f"Record written: results/01_good/{run}.json\n"


def test_a_failed_refresh_changes_nothing(root: Path) -> None:
    path = root / "notebooks" / "02_bad.ipynb"
    before = path.read_bytes()
    assert main(["run", "--refresh", "02"]) == 1
    assert path.read_bytes() == before


def test_a_dead_kernel_is_a_failure_like_others(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_notebook(root, "04_dead", OPENED + "import os\nos._exit(3)")
    assert main(["run", "04"]) == 1
    assert "04_dead failed: its kernel died" in capfd.readouterr().out


def test_a_kernel_that_does_not_start_is_told_as_that(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = {"argv": [sys.executable, "-c", "raise SystemExit(3)"], "language": "python"}
    monkeypatch.setattr("ipykernel.kernelspec.get_kernel_dict", lambda: dict(command))
    assert main(["run", "03"]) == 1
    assert "03_good failed: its kernel did not start: Kernel died" in capfd.readouterr().out


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("lost the thread\nand more"),
        CellTimeoutError("lost the thread\nand more"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_goes_wrong_after_the_start_is_not_blamed_on_it(
    root: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def failing(self: object) -> None:
        raise error

    client = "papermill.clientwrap.PapermillNotebookClient.papermill_execute_cells"
    monkeypatch.setattr(client, failing)
    assert main(["run", "03"]) == 1
    told = f"03_good failed: {type(error).__name__}: lost the thread and more\n"
    assert told in capfd.readouterr().out


def test_a_broken_file_is_refused_before_any_runs(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (root / "notebooks" / "04_broken.ipynb").write_text('{"cells": [')
    assert main(["run", "03", "04"]) == 2
    assert "04_broken.ipynb cannot be read as a notebook" in capfd.readouterr().err
    assert not (root / "results").exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sed", "1", ["'sed' is not a parameter", "did you mean 'seed'?"]),
        ("seed", "many", ["'seed' must be a whole number", "'many'"]),
        ("seed", "-1", ["from 0 to", "-1"]),
        ("base_model", "./nowhere", ["'base_model'", "./nowhere"]),
    ],
)
def test_a_wrong_parameter_is_refused_before_any_runs(
    root: Path, capfd: pytest.CaptureFixture[str], name: str, value: str, words: list[str]
) -> None:
    assert main(["run", "01", "-p", name, value]) == 2
    said = capfd.readouterr().err
    assert all(word in said for word in words)
    assert not (root / "results").exists()


@pytest.mark.parametrize("word", ["07", "0", "3", "good", "nowhere.ipynb"])
def test_what_is_not_one_notebook_is_refused_before_any_runs(
    root: Path, capfd: pytest.CaptureFixture[str], word: str
) -> None:
    assert main(["run", "01", word]) == 2
    assert f"'{word}' does not name exactly one notebook" in capfd.readouterr().err
    assert not (root / "results").exists()


@pytest.mark.parametrize("word", ["01", "lora", "LoRA", "03_lora", "03_lora.ipynb", "verdicts"])
def test_a_notebook_is_named_by_its_number_or_a_word_of_its_name(word: str, root: Path) -> None:
    for name in ("01_pretraining", "03_lora", "99_verdicts"):
        write_notebook(root, name, "")
    (root / "notebooks" / "01_good.ipynb").unlink()
    wanted = {"01": "01_pretraining", "verdicts": "99_verdicts"}.get(word, "03_lora")
    assert find_notebook(word, root).stem == wanted


def test_a_number_is_never_the_beginning_of_another(root: Path) -> None:
    write_notebook(root, "99_verdicts", "")
    with pytest.raises(LabError, match=r"01_good, 02_bad, 03_good, 99_verdicts; give a whole"):
        find_notebook("9", root)
    with pytest.raises(LabError, match=r"it may be any of 01_good, 03_good; give a whole"):
        find_notebook("good", root)


def test_the_command_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: ftlab")
    for command in ("run", "list", "params", "sweep"):
        assert f"\n    {command} " in said


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"ftlab {ftlab.__version__}\n"


def test_the_notebooks_are_listed_with_their_minutes_and_titles(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = root / "notebooks" / "02_bad.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.metadata["ftlab"] = {"seconds": 90.0, "profile": "quick", "cores": 2}
    nbformat.write(notebook, path)
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["notebook", "minutes", "title"],
        ["01_good", "?", "Tiny"],
        ["02_bad", "1.5", "Tiny"],
    ]


def test_the_parameters_of_a_notebook_are_listed_with_what_they_may_be(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in NOTEBOOKS:
        cells = [
            nbformat.v4.new_code_cell(parameters_source(name), metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(f'open_lab("{name}", globals())'),
        ]
        path = root / "notebooks" / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        assert main(["params", name]) == 0
        lines = capsys.readouterr().out.splitlines()[1:]
        assert [line.split()[0] for line in lines[::2]] == list(NOTEBOOKS[name])
    assert main(["params", "pretraining"]) == 0
    said = re.sub(" +", " ", capsys.readouterr().out)
    assert "\ntask_labels 0 keep only this many labels, the most frequent; 0: all\n" in said
    assert "\n a whole number of at least 2, or 0\n" in said
    assert "\n tickets, reviews, near, far, dialect, a file or folder, or " in said
    assert '\ntext_column "" the column' in said
