"""Tables of texts, as a notebook shows them: to be read from the left, lines broken where they end.

pandas writes numbers under one another at the right, and sentences as well; these are for reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# What Markdown or HTML would read as its own. A brace would look like a number that is missing.
MARKS = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "{": "&#123;", "}": "&#125;",
         "*": "&#42;", "_": "&#95;", "`": "&#96;", "$": "&#36;", "~": "&#126;", "[": "&#91;",
         "\\": "&#92;"}  # fmt: skip


def text_table(frame: pd.DataFrame) -> None:
    """Show a table of texts: left-aligned, without its index unless that has a name."""
    from ftlab.notebook.display import say

    say(as_markdown(frame))


def as_markdown(frame: pd.DataFrame) -> str:
    """The same as Markdown."""
    shown = frame.reset_index() if frame.index.name else frame
    lines = [_line(shown.columns), "|" + " :--- |" * shown.shape[1]]
    return "\n".join([*lines, *(_line(row) for row in shown.itertuples(index=False))])


def _line(cells: object) -> str:
    return "| " + " | ".join(map(_plain, cells)) + " |"  # type: ignore[call-overload]


def _plain(cell: object) -> str:
    text = " ".join(str(cell).split())
    return "".join(MARKS.get(letter, letter) for letter in text) or "&nbsp;"
