"""Libraries that say only what concerns the reader."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import huggingface_hub.utils as hub
import pytest
import transformers
from conftest import refused

from ftlab.common.libraries import quiet, quiet_libraries, require
from ftlab.models import load_tokenizer

LIBRARIES = (transformers.logging, datasets.logging)


@pytest.fixture(autouse=True)
def as_in_a_new_process() -> Iterator[None]:
    def begin() -> None:
        for logging in LIBRARIES:
            logging.set_verbosity_warning()
            logging.enable_progress_bar()
        hub.enable_progress_bars()

    begin()
    yield
    begin()


def test_a_download_is_shown_although_a_model_was_loaded_before(
    tiny_model_dir: Callable[[str], Path],
) -> None:
    quiet_libraries()
    assert not hub.are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load_tokenizer(str(tiny_model_dir("llama")))
    assert not hub.are_progress_bars_disabled()
    assert not any(logging.is_progress_bar_enabled() for logging in LIBRARIES)


@pytest.mark.parametrize("library", ["transformers", "datasets"])
def test_a_library_is_quiet_inside_and_as_talkative_as_before_afterwards(library: str) -> None:
    logging = {"transformers": transformers.logging, "datasets": datasets.logging}[library]
    logger = logging.get_logger(f"{library}.some.module")
    for bars in (False, True):
        with quiet(library, bars=bars):
            assert not logger.isEnabledFor(logging.WARNING)
            assert logger.isEnabledFor(logging.ERROR)
            assert logging.is_progress_bar_enabled() is bars
        assert logger.isEnabledFor(logging.WARNING)
        assert logging.is_progress_bar_enabled()
        assert not hub.are_progress_bars_disabled()


def test_what_is_not_installed_is_named_with_the_extra_that_brings_it() -> None:
    require("rag", "torch", "numpy")
    refused(
        lambda: require("rag", "torch", "none_such", instead=", or give a path"),
        "(none_such)",
        "pip install 'ftlab[rag]', or give a path.",
    )


NBFORMAT = "from pathlib import Path; import ftlab.notebook.files as f; f.read_notebook(Path('x'))"


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [
        ("papermill", "from ftlab.cli import main; main(['run', '00'])", "batch"),
        ("nbformat", NBFORMAT, "notebooks"),
        ("bm25s", "from ftlab.rag.sparse import WordIndex; WordIndex([])", "rag"),
    ],
)
def test_without_an_extra_one_sentence_names_it(package: str, command: str, extra: str) -> None:
    hidden = (
        "import importlib.util as util; find = util.find_spec; "
        f"util.find_spec = lambda name: None if name == {package!r} else find(name); "
    )
    done = subprocess.run([sys.executable, "-c", hidden + command], capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert package in last
    assert f"pip install 'ftlab[{extra}]'" in last
