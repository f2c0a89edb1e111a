"""Messages and notes from which fields or lists are to be taken."""

from __future__ import annotations

import json
import random

from ftlab.world import letters, names
from ftlab.world.facts import ATTRIBUTES, draw_entities
from ftlab.world.instructions import Task, number
from ftlab.world.phrasing import statements


def listing(rng: random.Random, *, split: names.Split) -> Task:
    """All values of one attribute, or all names, as the notes have them, in a list."""
    kind = rng.choice(list(ATTRIBUTES))
    told = [
        e.fact(rng.choice(ATTRIBUTES[kind]))
        for e in draw_entities(kind, rng.choice((2, 3)), rng, split, set())
    ]
    what = {"product": "goods", "shop": "shops", "person": "people"}[kind]
    wordings, join = rng.choice(
        (
            (("List the {w}, separated by commas.", "Name the {w}, with commas."), ", "),
            (("List the {w}, separated by semicolons.", "Name the {w}, with semicolons."), "; "),
            (("List the {w}, joined by 'and'.", "Name the {w}, with 'and' between."), " and "),
            (("List the {w}, separated by slashes.", "Name the {w}, with slashes."), " / "),
        )
    )
    notes = " ".join(rng.choice(statements(f)) for f in told)
    asked = rng.choice(wordings).format(w=what)
    return Task(
        f"Notes: {notes}\nQuestion: {asked}\nAnswer:", join.join(f.entity for f in told), (join,)
    )


def extraction(rng: random.Random, *, split: names.Split) -> Task:
    """A message of two to five sentences and the keys to take from it, as JSON.

    What is not told is null; prices and years are numbers. Another kind of entity and sentences of
    letters distract; the keys asked for always tell which kind is meant.
    """
    kind, other = rng.sample(list(ATTRIBUTES), 2)
    (entity,) = draw_entities(kind, 1, rng, split, set())
    told = rng.sample(ATTRIBUTES[kind], rng.randint(1, 3))
    sentences = [rng.choice(statements(entity.fact(a))) for a in told]
    if rng.random() < 0.5:
        (stranger,) = draw_entities(other, 1, rng, split, set())
        sentences.append(rng.choice(statements(stranger.fact(rng.choice(ATTRIBUTES[other])))))
    if rng.random() < 0.5 or len(sentences) < 2:
        sentences.append(letters.sentence(rng.choice(list(letters.SUBJECTS)), rng))
    rng.shuffle(sentences)
    keys = rng.sample(ATTRIBUTES[kind], rng.randint(1, 3))
    found: dict[str, str | int | None] = {}
    if rng.random() < 0.7:
        found["name"] = entity.name
    for key in keys:
        found[key] = number(entity.fact(key)) if key in told else None
    if rng.random() < 0.3:
        found = dict(rng.sample(list(found.items()), len(found)))
    opening = rng.choice(("Notes", "Message", "Letter", "Text"))
    asked = f"Extract as JSON: {', '.join(found)}"
    text = " ".join(sentences)
    prompt = rng.choice(
        (f"{opening}: {text}\n{asked}\nAnswer:", f"{asked}\n{opening}: {text}\nAnswer:")
    )
    return Task(prompt, json.dumps(found, ensure_ascii=False))
