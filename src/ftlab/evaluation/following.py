"""Items that examine whether a model does as its prompt shows or says: formats and instructions.

Formats, pairs of instructions and names are those that training never uses; see
`ftlab.world.formats` and `ftlab.world.instructions` for what is kept for the examination.
"""

from __future__ import annotations

import random

from ftlab.world import extraction, facts, formats, instructions, phrasing
from ftlab.world.needs import MANNERS, in_manner

ITEMS = 200
LONGEST = 960  # characters of a prompt with eight examples: the network reads 512 tokens
Pairs = list[tuple[str, str]]


def format_episodes(count: int = ITEMS, seed: int = 0, family: str = "") -> list[formats.Episode]:
    """Formats with at least one held-out part, of all families in turn or of one.

    Each has eight examples."""
    rng = random.Random(f"formats/{family}/{seed}")
    known = facts.build_world().known
    made: list[formats.Episode] = []
    while len(made) < count:
        chosen = family or formats.FAMILIES[len(made) % len(formats.FAMILIES)]
        source = formats.SOURCES[len(made) // len(formats.FAMILIES) % len(formats.SOURCES)]
        done = formats.episode(rng, split="examination", known=known, family=chosen, source=source)
        new = any(map(formats.is_kept, done.parts))
        if new and len(done.prompt(formats.SHOTS)) <= LONGEST:
            made.append(done)
    return made


def format_items(shots: int, count: int = ITEMS, seed: int = 0, family: str = "") -> Pairs:
    """Held-out formats after `shots` examples; the same queries for every number of shots."""
    return [(e.prompt(shots), e.answer) for e in format_episodes(count, seed, family)]


def lesson_format_items(shots: int = 4, count: int = ITEMS, seed: int = 0) -> Pairs:
    """The three manners of the needs after up to four examples, the facts told in notes.

    Examples are about the four attributes of one kind of entity, so what is asked has been shown.
    """
    rng = random.Random(f"lesson formats/{seed}")
    made: Pairs = []
    while len(made) < count:
        manner = list(MANNERS)[len(made) % len(MANNERS)]
        kind = rng.choice(list(facts.ATTRIBUTES))
        people = facts.draw_entities(kind, 5, rng, "examination", set())
        attributes = rng.sample(facts.ATTRIBUTES[kind], 4)
        told = [e.fact(a) for e, a in zip(people, [*attributes, attributes[0]], strict=True)]
        notes = " ".join(rng.choice(phrasing.statements(f)) for f in rng.sample(told, 5))
        *shown, query = [in_manner(f, manner) for f in told]
        lines = [f"Notes: {notes}", *(f"{i.query} {i.answer}" for i in shown[:shots]), query.query]
        made.append(("\n".join(lines), query.answer))
    return made


def instruction_items(count: int = ITEMS, seed: int = 0) -> Pairs:
    """Two instructions that training never gives together, and a question."""
    rng, known = random.Random(f"instructions/{seed}"), facts.build_world().known
    made = [instructions.instruction(rng, split="examination", known=known) for _ in range(count)]
    return [(t.prompt, t.answer) for t in made]


def extraction_items(count: int = ITEMS, seed: int = 0) -> Pairs:
    """Messages about unseen entities, and the JSON with the keys asked for."""
    rng = random.Random(f"extraction/{seed}")
    made = [extraction.extraction(rng, split="examination") for _ in range(count)]
    return [(t.prompt, t.answer) for t in made]
