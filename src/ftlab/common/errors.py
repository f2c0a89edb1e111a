"""Errors a reader is meant to read: one sentence that says what is wrong and what to do."""

from __future__ import annotations


class LabError(ValueError):
    """Something the reader gave cannot be used; the message is one sentence saying what and why.

    In a notebook it is shown as that sentence alone, without a stack of library frames.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]
