"""The learner's own copy of the notebooks, and JupyterLab opened on it.

It lies in `work/`, which git ignores: answering, running and saving change no file of the lab. What
a learner has there is never written over.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from ftlab.common.errors import LabError
from ftlab.common.files import sha256_of, write_atomically
from ftlab.common.libraries import require
from ftlab.common.paths import project_root, results_dir
from ftlab.notebook.files import find_notebook, notebook_paths

EARLIER = "earlier"  # the folder in it for copies that were put aside
COPIED = ".copied.json"  # what each copy was made of: the hash of the notebook then


def work_dir() -> Path:
    """Where the learner's notebooks are."""
    return project_root() / "work"


def make_copies() -> Iterator[str]:
    """Copy what is missing in `work/`; tells what was copied, and which notebooks of the lab are no
    longer those that a copy was made of."""
    origins = _origins()
    for path in notebook_paths():
        copy, now = work_dir() / path.name, sha256_of(path)
        if not copy.exists():
            write_atomically(copy, path.read_text(encoding="utf-8"))
            origins[path.name] = now
            yield f"Copied: {_shown(copy)}"
        elif sha256_of(copy) == now:
            origins[path.name] = now
        elif origins.get(path.name) != now:
            yield (
                f"{path.name} has changed since your copy {_shown(copy)} was made, which stays as "
                f"it is: `ftlab fresh {path.stem[:2]}` makes a new copy and puts yours aside."
            )
    write_atomically(work_dir() / COPIED, json.dumps(origins, indent=1) + "\n")


def make_fresh(words: Sequence[str], base: Path) -> Iterator[str]:
    """Put the copies of some notebooks of the lab, named as for `find_notebook` (none: all), aside
    in a new folder of `work/earlier/`, and make new ones. Nothing is deleted, and files of the
    learner's own stay where they are."""
    names = [find_notebook(word, base).name for word in words]
    shipped = [path.name for path in notebook_paths()]
    for name in names:
        if name not in shipped:
            raise LabError(f"{name} is not a notebook of the lab, so there is no copy to make.")
    old = [copy for name in names or shipped if (copy := work_dir() / name).exists()]
    if old:
        folder = _new_folder()
        for copy in old:
            try:
                copy.rename(folder / copy.name)
            except OSError as error:
                raise LabError(f"Cannot move {copy}: {error.strerror or error}.") from error
            yield f"Put aside: {_shown(folder / copy.name)}"
    yield from make_copies()


def open_jupyter(path: Path, options: Sequence[str] = ()) -> None:
    """Open JupyterLab, with the whole lab in its file browser, on a notebook (the copy of one of
    the lab's own), and stay until it ends; further `options` are JupyterLab's own.

    Commands of this environment, `ftlab` and `papermill`, are found in its terminals.
    """
    require("notebooks", "jupyterlab")
    from jupyterlab.labapp import LabApp

    root = project_root().resolve()
    opened = (work_dir() / path.name if path in notebook_paths() else path).resolve()
    if not opened.is_relative_to(root):
        raise LabError(
            f"{opened} does not lie in the lab's folder {root}: copy it to {work_dir()}."
        )
    results_dir().mkdir(parents=True, exist_ok=True)  # in sight of the file browser
    commands = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([commands, os.environ.get("PATH", "")])
    page = f"/lab/tree/{quote(opened.relative_to(root).as_posix())}"
    own = [f"--ServerApp.root_dir={root}", f"--LabApp.default_url={page}"]
    if os.name != "nt" and (shell := os.environ.get("SHELL")):
        # Not a login shell, in which the system's profile may set PATH anew.
        own.append(f"--ServerApp.terminado_settings={{'shell_command': [{shell!r}]}}")
    LabApp.launch_instance(argv=[*own, *options])


def _origins() -> dict[str, str]:
    """What each copy was made of; nothing if that cannot be read any more."""
    try:
        found = json.loads((work_dir() / COPIED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _new_folder() -> Path:
    now = f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}"
    for number in range(1, 1000):
        folder = work_dir() / EARLIER / (now if number == 1 else f"{now}_{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise LabError(f"Cannot make {folder}: {error.strerror or error}.") from error
        return folder
    raise LabError(f"{work_dir() / EARLIER} holds too many folders of this second.")


def _shown(path: Path) -> str:
    return path.relative_to(project_root()).as_posix()
