"""Lists for a terminal: the lab's notebooks, and what the parameters of one may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ftlab.notebook.files import METADATA, notebook_paths, read_notebook
from ftlab.notebook.parameters import CONTRACT, help_of, own_names


def notebook_list() -> Iterator[str]:
    """The lab's notebooks with the minutes of their stored run, and their titles."""
    notebooks = {path.stem: read_notebook(path) for path in notebook_paths()}
    width = max(map(len, notebooks), default=0)
    yield f"{'notebook':<{width}}  minutes  title"
    for name, notebook in notebooks.items():
        run = notebook.metadata.get(METADATA)
        minutes = f"{run['seconds'] / 60:.1f}" if run else "?"
        title = notebook.cells[0].source.partition("\n")[0].removeprefix("# ")
        yield f"{name:<{width}}  {minutes:>7}  {title}"
    yield "Minutes are those of the quick profile on two cores."


def parameter_list(notebook: str, values: Mapping[str, object]) -> Iterator[str]:
    """The parameters of a notebook: name and value, what it means, what it may be."""
    name_width = max(map(len, values))
    value_width = max(len(_shown(value)) for value in values.values())
    yield f"{'name':<{name_width}}  {'value':<{value_width}}  meaning; what it may be"
    for name, value in values.items():
        yield f"{name:<{name_width}}  {_shown(value):<{value_width}}  {help_of(notebook, name)}"
        yield f"{'':<{name_width}}  {'':<{value_width}}  {_allowed(notebook, name)}"


def _shown(value: object) -> str:
    return str(value) if value != "" else '""'


def _allowed(notebook: str, name: str) -> str:
    parameter, own = CONTRACT[name], own_names(notebook, name)
    if not own or not parameter.source:
        return parameter.allowed
    others = ", or organisation/name on the Hub" if parameter.source.hub else ""
    return f"{', '.join(own)}, a file or folder{others}"
