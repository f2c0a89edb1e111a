"""Texts with their labels, in parts that share no text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Rows = list[tuple[str, str]]


def distinct(makers: Sequence[Callable[[], tuple[str, str]]], sizes: Sequence[int]) -> list[Rows]:
    """A part of each of `sizes`, made by the maker at its place; no text comes twice."""
    parts: list[Rows] = []
    taken: set[str] = set()
    for make, size in zip(makers, sizes, strict=True):
        rows: Rows = []
        while len(rows) < size:
            text, label = make()
            if text not in taken:
                taken.add(text)
                rows.append((text, label))
        parts.append(rows)
    return parts
