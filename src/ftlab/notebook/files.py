"""Where the lab's notebooks are, and how an executed copy is kept.

The shipped notebooks hold the outputs of their quick profile. They are made by
`ftlab run --refresh`; a hash of the code they come from stands in their metadata.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftlab.common.errors import LabError
from ftlab.common.files import write_atomically, written_whole
from ftlab.common.libraries import require
from ftlab.common.paths import data_dir, project_root

STORED_PROFILE = "quick"
FIRST_FIGURE = "first_figure.png"
METADATA = "ftlab"  # the key of our own entry in a notebook's metadata
OF_THE_RECORD = ("run_id", "environment", "claims")
# Lines of the title cell. The last is written by `clean`, never by hand.
TITLE_LINES = ("**Question:**", "**Before this:**", "**Minutes:**")


def notebook_paths() -> list[Path]:
    """The lab's notebooks in reading order."""
    return sorted((project_root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def find_notebook(word: str, base: Path) -> Path:
    """The notebook meant by a path from the folder `base`, or by the name of one of the lab's own,
    its number ('01') or a word of its name ('lora'); LabError unless it is exactly one."""
    file = base / word
    if file.is_file():
        return file.resolve()
    shipped, name = notebook_paths(), word.removesuffix(".ipynb").lower()
    found = [path for path in shipped if name in (path.stem.lower(), *_words(path))]
    if len(found) != 1:
        names = ", ".join(path.stem for path in found or shipped)
        which = "it may be any of" if found else "the lab's notebooks are"
        raise LabError(
            f"'{word}' does not name exactly one notebook: there is no such file in {base}, and "
            f"{which} {names}; give a whole number ('01') or a word that only one has ('lora')."
        )
    return found[0]


def _words(path: Path) -> list[str]:
    return path.stem.lower().split("_")


def read_notebook(path: Path) -> Any:
    """The notebook, with every missing output and id as nbformat wants it."""
    require("notebooks", "nbformat")
    import nbformat  # takes two seconds, and a notebook that opens the lab reads none

    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise LabError(f"Cannot read {path}: {error.strerror or error}.") from error
    except Exception as error:  # nbformat has no class of its own for a broken file
        raise LabError(f"{path} cannot be read as a notebook: {error}.") from error


def source_sha256(notebook: Any) -> str:
    """Hash of the code cells: outputs that come from other code are stale."""
    code = [cell.source for cell in code_cells(notebook)]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


def clean(
    notebook: Any, seconds: float, cores: int, record: Mapping[str, Any] | None = None
) -> Any:
    """Make an executed notebook ready to be kept: what only its runner needs is taken out, and
    the measured minutes are written into the title cell. Cell ids and parameters stay.

    Of the run's record its id, its environment and its claims go into the notebook's metadata. It
    is told to lie in results/, as a reader's own will, wherever this run has left it.
    """
    about = {name: record[name] for name in OF_THE_RECORD} if record else {}
    if record:
        place = f"{record['notebook']}/{record['run_id']}.json"
        told = re.compile(rf"(?<=Record written: ).*(?={re.escape(place)})")
        for output in (o for cell in code_cells(notebook) for o in cell.outputs if "text" in o):
            output["text"] = told.sub("results/", output["text"])
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata.clear()
        if tags:
            cell.metadata["tags"] = tags
    notebook.metadata.clear()
    notebook.metadata.update(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
        ftlab={
            "source_sha256": source_sha256(notebook),
            "profile": STORED_PROFILE,
            "seconds": round(seconds, 1),
            "cores": cores,
            **about,
        },
    )
    title = notebook.cells[0]
    line = f"**Minutes:** {minutes_text(notebook)}"
    title.source = re.sub(r"^\*\*Minutes:\*\*.*$", line, title.source, flags=re.MULTILINE)
    return notebook


def minutes_text(notebook: Any) -> str:
    """How long the stored outputs took: '2.4 (quick profile, 2 cores)'."""
    run = notebook.metadata.get(METADATA)
    if not run:
        return "not measured yet"
    return f"{run['seconds'] / 60:.1f} ({run['profile']} profile, {run['cores']} cores)"


def write_readme_table() -> None:
    """Write the table of notebooks into README.md, and the picture on its top beside the records:
    the first figure that the first notebook stores."""
    fill_readme("notebooks", readme_table())
    for cell in code_cells(read_notebook(notebook_paths()[0])):
        for output in cell.outputs:
            if image := output.get("data", {}).get("image/png"):
                path = data_dir() / "reference" / FIRST_FIGURE
                with written_whole(path) as file:
                    file.write_bytes(base64.b64decode(image))
                return


def fill_readme(part: str, text: str) -> None:
    """Write `text` into README.md, between the two lines that mark the beginning and the end of
    the generated `part`."""
    path = project_root() / "README.md"
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise LabError(f"{path} lacks the lines {begin} and {end}.")
    write_atomically(path, f"{before}{begin}\n{text}\n{end}{after}")


def readme_table() -> str:
    """One row for each notebook: its name, the question it answers, its minutes."""
    rows = ["| notebook | question | minutes (quick, 2 cores) |", "| --- | --- | ---: |"]
    for path in notebook_paths():
        notebook = read_notebook(path)
        lines = notebook.cells[0].source.splitlines()
        question = [line for line in lines if line.startswith(TITLE_LINES[0])]
        asked = question[0].removeprefix(TITLE_LINES[0]).strip() if question else ""
        link = f"[{path.stem}](notebooks/{path.name})"
        rows.append(f"| {link} | {asked} | {minutes_text(notebook).partition(' (')[0]} |")
    return "\n".join(rows)


def code_cells(notebook: Any) -> list[Any]:
    """The cells that hold code, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
