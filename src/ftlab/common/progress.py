"""A progress bar in plain text that leaves a notebook clean."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm.std import tqdm


@contextmanager
def progress_bar(total: int, done: int, shown: bool) -> Iterator[Callable[[str], None]]:
    """A function to call after each step with a short remark.

    In a terminal a usual bar, gone at the end; in a notebook one line of text that is rewritten in
    place, so that an executed notebook keeps a single line; silent elsewhere, as in a log.
    """
    notebook = _NotebookLine() if shown and _in_notebook() else None
    bar = tqdm(
        total=total,
        initial=done,
        unit="step",
        file=notebook or sys.stderr,
        ncols=100 if notebook else None,
        mininterval=0.5,
        leave=notebook is not None,
        disable=False if notebook else (None if shown else True),
    )

    def advance(remark: str) -> None:
        bar.set_postfix_str(remark, refresh=False)
        bar.update()

    try:
        yield advance
    finally:
        bar.close()


class _NotebookLine:
    """A file for tqdm that shows only what was written last."""

    def __init__(self) -> None:
        from IPython.display import display

        self._handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text: str) -> None:
        line = text.strip("\r\n")
        if line.strip():
            self._handle.update({"text/plain": line}, raw=True)

    def flush(self) -> None:
        pass


def _in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
