"""The inbox of the shops of Ostrel: letters with what each is about, as many as one wants.

A letter opens with its subject. Some go on to an aside about another one, so that counting words
is not enough, and some are typed in haste. Unlike the hand-written tickets they have no end, so a
notebook can look up what a small test only estimates.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from ftlab.world.labelled import Rows, distinct
from ftlab.world.letters import SUBJECTS, written

ASIDES = 0.4  # share of letters that go on about something else
HASTE = 0.25  # share of letters with slips of the pen,
SLIPS = 0.3  # and of their longer words that have one


def inbox(sizes: Sequence[int], seed: int = 0) -> list[Rows]:
    """Letters with their subjects in parts of `sizes`; no letter comes twice."""
    rng = random.Random(f"inbox/{seed}")

    def make() -> tuple[str, str]:
        subject = rng.choice(list(SUBJECTS))
        return _letter(subject, rng), subject

    return distinct([make] * len(sizes), sizes)


def misspelt(text: str, rng: random.Random, share: float = SLIPS) -> str:
    """`text` as a hurried hand writes it: in a `share` of its words of four small letters or more,
    two letters change places, or one is left out or doubled."""
    return re.sub(
        "[a-z]{4,}", lambda word: _slip(word[0], rng) if rng.random() < share else word[0], text
    )


def _letter(subject: str, rng: random.Random) -> str:
    told = rng.sample(SUBJECTS[subject], rng.choice((1, 1, 2)))
    if rng.random() < ASIDES:
        other = rng.choice([name for name in SUBJECTS if name != subject])
        told += rng.sample(SUBJECTS[other], 1)
    text = written(told, rng)
    return misspelt(text, rng) if rng.random() < HASTE else text


def _slip(word: str, rng: random.Random) -> str:
    place = rng.randrange(len(word) - 1)
    begin, here, after, rest = word[:place], word[place], word[place + 1], word[place + 2 :]
    return begin + rng.choice((after + here, after, here + here + after)) + rest
