"""The learner's own copy of the notebooks: made once, never written over, opened in JupyterLab."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import refused

from ftlab.cli import main
from ftlab.common.paths import project_root
from ftlab.notebook.files import notebook_paths
from ftlab.notebook.working_copy import make_copies, make_fresh

NAMES = ("00_start.ipynb", "01_more.ipynb")


@pytest.fixture
def root(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in NAMES:
        ship(root, name, "first")
    monkeypatch.chdir(root)
    return root


def ship(root: Path, name: str, text: str) -> None:
    cells = [nbformat.v4.new_markdown_cell(f"# {text}: é")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "notebooks" / name)


def opened(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """What JupyterLab is started with by `ftlab lab`."""
    started: list[list[str]] = []
    monkeypatch.setattr(
        "jupyterlab.labapp.LabApp.launch_instance", lambda argv: started.append(argv)
    )
    monkeypatch.setenv("PATH", os.environ["PATH"])  # which is set, and is put back afterwards
    assert main(["lab", *words]) == 0
    (arguments,) = started
    return arguments


def test_the_copy_is_made_where_it_is_missing_and_the_shipped_notebooks_stay(root: Path) -> None:
    shipped = {name: (root / "notebooks" / name).read_bytes() for name in NAMES}
    assert list(make_copies()) == [f"Copied: work/{name}" for name in NAMES]
    assert {name: (root / "work" / name).read_bytes() for name in NAMES} == shipped
    assert list(make_copies()) == []
    (root / "work" / NAMES[1]).unlink()
    assert list(make_copies()) == [f"Copied: work/{NAMES[1]}"]


def test_what_the_learner_wrote_is_never_written_over_and_a_change_is_told(root: Path) -> None:
    list(make_copies())
    (root / "work" / NAMES[0]).write_text("answers")
    assert list(make_copies()) == []  # the lab's notebook is still the one that was copied
    ship(root, NAMES[0], "second")
    for _ in range(2):  # every time, until there is a new copy
        (told,) = make_copies()
        assert f"{NAMES[0]} has changed since your copy work/{NAMES[0]} was made" in told
        assert "`ftlab fresh 00`" in told
    assert (root / "work" / NAMES[0]).read_text() == "answers"


def test_without_a_note_of_what_was_copied_the_learners_files_are_still_kept(root: Path) -> None:
    (root / "work").mkdir()
    (root / "work" / NAMES[0]).write_text("answers")
    (root / "work" / ".copied.json").write_text("[damaged")
    told = list(make_copies())
    assert len(told) == 2
    assert "has changed since your copy" in told[0]
    assert (root / "work" / NAMES[0]).read_text() == "answers"


def test_a_fresh_copy_puts_the_old_one_aside_and_deletes_nothing(root: Path) -> None:
    list(make_copies())
    ship(root, NAMES[0], "second")
    for answers in ("mine", "mine again"):  # within a second, too
        (root / "work" / NAMES[0]).write_text(answers)
        (root / "work" / "messages.csv").write_text("text,label\n")
        assert main(["fresh"]) == 0
    kept = sorted(path.read_text() for path in (root / "work" / "earlier").glob(f"*/{NAMES[0]}"))
    assert kept == ["mine", "mine again"]
    for name in NAMES:
        fresh = (root / "work" / name).read_bytes()
        assert fresh == (root / "notebooks" / name).read_bytes()
    assert (root / "work" / "messages.csv").exists()
    assert list(make_copies()) == []


def test_one_notebook_alone_is_made_fresh(root: Path) -> None:
    list(make_copies())
    for name in NAMES:
        (root / "work" / name).write_text("answers")
    assert main(["fresh", "more"]) == 0
    assert (root / "work" / NAMES[0]).read_text() == "answers"
    assert (root / "work" / NAMES[1]).read_text() != "answers"
    (root / "work" / "mine.ipynb").write_text("{}")
    refused(lambda: list(make_fresh(["mine.ipynb"], root / "work")), "not a notebook of the lab")
    assert (root / "work" / "mine.ipynb").exists()


def test_the_lab_opens_on_the_copy_with_everything_in_sight(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = opened(monkeypatch)
    assert f"--ServerApp.root_dir={root}" in arguments
    assert f"--LabApp.default_url=/lab/tree/work/{NAMES[0]}" in arguments
    assert (root / "work" / NAMES[0]).exists()
    assert (root / "results").is_dir()
    assert Path(os.environ["PATH"].split(os.pathsep)[0], "python").exists()
    assert os.environ["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_the_lab_opens_any_notebook_and_gives_jupyter_its_own_options(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = opened(monkeypatch, "more", "--no-browser", "--port=8900")
    assert f"--LabApp.default_url=/lab/tree/work/{NAMES[1]}" in arguments
    assert arguments[-2:] == ["--no-browser", "--port=8900"]
    (root / "work" / "my own.ipynb").write_text("{}")
    monkeypatch.chdir(root / "work")
    assert "--LabApp.default_url=/lab/tree/work/my%20own.ipynb" in opened(
        monkeypatch, "my own.ipynb"
    )


def test_another_command_takes_no_option_that_it_does_not_know(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["list", "--no-browser"])
    assert end.value.code == 2
    assert "unrecognized arguments: --no-browser" in capsys.readouterr().err


def test_git_ignores_the_copy() -> None:
    names = [f"work/{path.name}" for path in notebook_paths()]
    done = subprocess.run(
        ["git", "check-ignore", *names], cwd=project_root(), capture_output=True, text=True
    )
    if "not a git repository" in done.stderr:
        pytest.skip("this is no checkout")
    assert done.stdout.split() == names
