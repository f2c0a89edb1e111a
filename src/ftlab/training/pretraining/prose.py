"""Ordinary English that is on every machine: the documentation of Python and of the libraries.

The paragraphs are read from the installed sources when the model is trained; nothing is copied
into the lab. The texts are parsed, never imported or run.
"""

from __future__ import annotations

import ast
import random
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

PACKAGES = (
    "torch", "transformers", "tokenizers", "datasets", "evaluate", "accelerate", "peft", "sklearn",
    "scipy", "numpy", "pandas", "matplotlib", "huggingface_hub", "papermill", "nbclient",
    "nbformat", "nbconvert", "jupyterlab", "jupyter_server", "jupyter_client", "IPython",
    "ipywidgets", "ipykernel", "traitlets", "tornado", "requests", "click", "jinja2", "networkx",
    "sympy", "pytest", "psutil", "joblib", "PIL", "fsspec", "rich", "aiohttp", "httpx",
)  # fmt: skip
_WORD = re.compile(r"^[\"'(]*[A-Za-z][a-z'\u2019-]*[.,;:!?)\"']*$")
MIN_CHARACTERS = 60


def sources() -> Iterator[Path]:
    """The modules of the standard library and of the dependencies, in a fixed order."""
    paths = sysconfig.get_paths()
    standard = Path(paths["stdlib"])
    for path in sorted(standard.rglob("*.py")):
        parts = path.relative_to(standard).parts
        if not {"site-packages", "test", "tests", "idle_test", "lib2to3"} & set(parts):
            yield path
    for package in PACKAGES:
        yield from sorted((Path(paths["purelib"]) / package).rglob("*.py"))


def _docstrings(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, ValueError):
        return  # a template or a deliberately broken test file: not prose
    if path.name == "topics.py" and path.parent.name == "pydoc_data":
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
        return
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and (text := ast.get_docstring(node)):
            yield text


def _is_prose(paragraph: str) -> bool:
    words = paragraph.split()
    if len(paragraph) < MIN_CHARACTERS or ">>>" in paragraph:
        return False
    if "---" in paragraph or paragraph.count("`") >= 4:  # parameter tables and reference lists
        return False
    return sum(bool(_WORD.match(w)) for w in words) >= 0.8 * len(words)


def paragraphs(seed: int = 0) -> list[str]:
    """Distinct paragraphs of prose, shuffled by `seed`; about 70,000 with the pinned versions."""
    seen: dict[str, None] = {}
    for path in sources():
        for text in _docstrings(path):
            for block in re.split(r"\n\s*\n", text):
                paragraph = " ".join(block.split())
                if _is_prose(paragraph):
                    seen[paragraph] = None
    out = list(seen)
    random.Random(seed).shuffle(out)
    return out
