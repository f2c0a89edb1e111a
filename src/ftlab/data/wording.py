"""How messages about data count things and name places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SHOWN = 5  # places or names spelled out before the rest is only counted


def count(number: int, noun: str) -> str:
    """'1 row', '2,340 rows'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def places(unit: str, numbers: Sequence[int]) -> str:
    """'line 4', 'lines 4, 17, 230', 'lines 4, 17, 230, 231, 240 and 12 more'."""
    shown = ", ".join(str(number) for number in numbers[:SHOWN])
    more = len(numbers) - SHOWN
    return f"{unit}{'' if len(numbers) == 1 else 's'} {shown}" + (
        f" and {more:,} more" if more > 0 else ""
    )


def quoted(names: Iterable[str], shown: int = SHOWN) -> str:
    """Names in quotes on one line, long ones and long lists shortened: "'a', 'b' and 3 more"."""
    names = [" ".join(name.split()) for name in names]
    words = ", ".join(f"'{name if len(name) <= 40 else name[:39] + '…'}'" for name in names[:shown])
    return words + (f" and {len(names) - shown:,} more" if len(names) > shown else "")
