"""A lesson in JupyterLab, as a learner opens it: in a real browser, where there is one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
MINUTES = 10  # a lesson's smoke run takes one; a machine may be slow

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER),
        reason="no Chromium with its driver here (Debian: apt install chromium chromium-driver)",
    ),
]


@pytest.fixture
def lab(root: Path) -> Path:
    """A lab of its own with lesson 00; the learner has chosen the shortest profile."""
    lesson = CHECKOUT / "notebooks" / "00_start_here.ipynb"
    (root / "data").rmdir()
    for name in ("data", "requirements.txt"):
        (root / name).symlink_to(CHECKOUT / name)
    shutil.copy(lesson, root / "notebooks")
    (root / "work").mkdir()
    notebook = nbformat.read(lesson, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace('profile = "quick"', 'profile = "smoke"')
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, root / "work" / lesson.name)
    return root


@pytest.fixture
def page(lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The browser on the lesson that `ftlab lab` has opened."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ftlab", "lab", "00", "--no-browser", f"--port={port}"]
    command += ["--IdentityProvider.token=lesson", "--LabApp.expose_app_in_browser=True"]
    log = (tmp_path_factory.mktemp("jupyter") / "log").open("w")
    environment = {**os.environ, "FTLAB_ROOT": str(lab)}
    server = subprocess.Popen(
        [*command, "--allow-root"], env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=lab
    )
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    browser = None
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{address}/api?token=lesson"), "JupyterLab")
        browser = webdriver.Chrome(options, Service(str(DRIVER)))
        browser.set_window_size(1400, 1000)
        browser.set_script_timeout(60 * MINUTES)
        browser.get(f"{address}/?token=lesson")
        ready = "return Boolean(window.jupyterapp?.shell?.currentWidget?.sessionContext?.session)"
        wait_for(lambda: browser.execute_script(ready), "the lesson's kernel")
        yield browser
    finally:
        if browser:
            browser.quit()
        server.terminate()
        server.wait(30)
        log.close()


def answers(address: str) -> bool:
    try:
        return bool(urlopen(address, timeout=5).status == 200)
    except (URLError, OSError):
        return False


def wait_for(happened: Any, what: str) -> None:
    end = time.monotonic() + 60 * MINUTES
    while not happened():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.2)


def does(page: Any, *commands: str, cell: int | None = None) -> None:
    """JupyterLab's own commands, the ones behind its menus, one after the other."""
    page.execute_async_script(
        """
        const [commands, cell, done] = arguments, app = window.jupyterapp;
        (async () => {
            if (cell !== null) app.shell.currentWidget.content.activeCellIndex = cell;
            for (const command of commands) await app.commands.execute(command);
        })().then(done, done);
        """,
        list(commands),
        cell,
    )


def said(path: Path, cell: int) -> str:
    """The text that a cell of the saved lesson put out."""
    outputs = nbformat.read(path, as_version=4).cells[cell].outputs
    return json.dumps([o.get("data") or o.get("text") or o for o in outputs])


def test_a_learner_runs_a_lesson_repeats_a_training_and_saves(page: Any, lab: Path) -> None:
    copy, shipped = lab / "work" / "00_start_here.ipynb", lab / "notebooks" / "00_start_here.ipynb"
    before = shipped.read_bytes()
    does(page, "notebook:run-all-cells", "docmanager:save")
    cells = nbformat.read(copy, as_version=4).cells
    wrong = [o for c in cells for o in c.get("outputs", []) if o.output_type == "error"]
    assert not wrong, wrong
    assert all(c.execution_count for c in cells if c.cell_type == "code")
    assert list((lab / "results" / "00_start_here").glob("*.json"))

    training = next(n for n, c in enumerate(cells) if "steps = 25" in c.source)
    first = said(copy, training)
    does(page, "notebook:run-cell", "notebook:run-cell", "docmanager:save", cell=training)
    again = nbformat.read(copy, as_version=4).cells[training]
    assert again.execution_count > cells[training].execution_count + 1
    assert numbers(said(copy, training)) == numbers(first)
    assert shipped.read_bytes() == before


def numbers(text: str) -> str:
    """What was learned, without the lines that tell how fast."""
    return text[text.index("right.") - 60 : text.index("right.")]
