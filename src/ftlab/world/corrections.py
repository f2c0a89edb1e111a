"""Slips of the town clerk, each putting one thing in the place of another: what sort is it now?

Three tasks of one label scheme, made to lie at different distances from what the base model read:

* `near`: plain English about things that it knows. The things to learn from, those for choices
  and those of the test are different ones, so that only knowing what sort a word is helps.
* `far`: a notation that it has never met. Three things in a row, then which of them counts.
* `dialect`: the slips of `near` in the sailors' dialect, whose sounds have shifted: its words are
  to the tokenizer nothing but pieces. All of its things occur in the texts to learn from.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial

from ftlab.world import names
from ftlab.world.labelled import Rows, distinct

SORTS: dict[str, Sequence[str]] = {
    "animal": names.PETS,
    "dish": names.DISHES,
    "craft": names.CRAFTS,
    "colour": names.COLOURS,
    "material": names.MATERIALS,
    "street": names.STREETS,
}
# {w} is what stands there now, {v} what stood there before; either may come first.
SLIPS = (
    "Not {v} but {w}.",
    "{w} instead of {v}.",
    "{w}, never {v}.",
    "{v} became {w}.",
    "No {v}, only {w}.",
    "{w} and not {v}.",
    "{w} took the place of {v}.",
    "Once {v}, now {w}.",
    "From {v} to {w}.",
    "{w}, formerly {v}.",
)
PLACES = ("first", "second", "third")
# Each sound of the dialect stands for one of the language, so that nothing falls together.
SOUNDS = str.maketrans("aeioubdgptkfvszmnlr", "eioauptkbdgvfzsnmrl")
DISTANCES = ("near", "far", "dialect")


def in_dialect(text: str) -> str:
    """`text` with the sounds of the sailors' dialect; capitals stay as they are."""
    return text.translate(SOUNDS)


def corrections(distance: str, sizes: Sequence[int], seed: int = 0) -> list[Rows]:
    """Texts with their sort, in three parts of `sizes`: to learn from, for choices, for the test.

    No text stands in two parts. KeyError for a distance that is none of `DISTANCES`.
    """
    rng = random.Random(f"corrections/{distance}/{seed}")
    make = {"near": _slip, "far": _row, "dialect": _slip}[distance]
    hands = _dealt(rng) if distance == "near" else [SORTS] * len(sizes)
    parts = distinct([partial(make, things, rng) for things in hands], sizes)
    if distance == "dialect":
        return [[(in_dialect(text), sort) for text, sort in rows] for rows in parts]
    return parts


def _slip(things: Mapping[str, Sequence[str]], rng: random.Random) -> tuple[str, str]:
    sort, other = rng.sample(list(things), 2)
    text = rng.choice(SLIPS).format(w=rng.choice(things[sort]), v=rng.choice(things[other]))
    return text, sort


def _row(things: Mapping[str, Sequence[str]], rng: random.Random) -> tuple[str, str]:
    sorts = rng.sample(list(things), len(PLACES))
    place = rng.randrange(len(PLACES))
    return f"{', '.join(rng.choice(things[s]) for s in sorts)}: {PLACES[place]}", sorts[place]


def _dealt(rng: random.Random) -> list[Mapping[str, Sequence[str]]]:
    """The things of each sort in three hands: to learn from, for choices and for the test."""
    hands: list[dict[str, Sequence[str]]] = [{}, {}, {}]
    for sort, things in SORTS.items():
        mixed = rng.sample(list(things), len(things))
        cuts = (0, *(round(share * len(mixed)) for share in (0.45, 0.65, 1.0)))
        for hand, begin, end in zip(hands, cuts[:-1], cuts[1:], strict=True):
            hand[sort] = mixed[begin:end]
    return list(hands)
