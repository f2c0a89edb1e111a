"""Exercises in reading: notes, questions about them, and the only right answer.

An exercise is about entities that exist nowhere else, so that the answer can come from the notes
alone. Facts of several entities are shuffled together; some questions have no answer in the
notes; some notes contradict what is known in town. Training and examination never share a name.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ftlab.world import names
from ftlab.world.facts import ATTRIBUTES, Entity, Fact, draw_entities, draw_value
from ftlab.world.phrasing import answer, no_answer, questions, statements

NOT_TOLD = "is not told."


@dataclass(frozen=True)
class Exercise:
    """Notes with questions about them; `answers[i]` is the one right answer to `questions[i]`.

    `told` are the facts in the notes, in their order.
    """

    notes: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    told: tuple[Fact, ...]

    def prompt(self, index: int = 0) -> str:
        """The text up to and including 'Answer:' of one question; the model writes the rest."""
        return f"Notes: {self.notes}\n{question_prompt(self.questions[index])}"


def question_prompt(question: str) -> str:
    """A question in the form in which the town's pages ask and answer."""
    return f"Question: {question}\nAnswer:"


def _tell(facts: Sequence[Fact], rng: random.Random, plain: bool = False) -> str:
    return " ".join(statements(f)[0] if plain else rng.choice(statements(f)) for f in facts)


def _ask(fact: Fact, rng: random.Random, plain: bool = False) -> str:
    return questions(fact)[0] if plain else rng.choice(questions(fact))


def reading(
    rng: random.Random,
    *,
    entities: int,
    split: names.Split,
    asked: int = 1,
    unanswerable: float = 0.0,
    plain: bool = False,
) -> Exercise:
    """Notes about `entities` unseen entities of one kind, their facts shuffled, and questions.

    With probability `unanswerable` up to a third of the questions, at least one, are about facts
    that the notes leave out. Mostly they give that attribute for other entities, which is what
    makes it hard to say that it is not told; three times in ten they give it for none.
    No fact is asked for twice. `plain` tells and asks in the wordings that share their words.
    """
    kind = rng.choice(list(ATTRIBUTES))
    people = draw_entities(kind, entities, rng, split, set())
    attributes = {e.name: list(ATTRIBUTES[kind]) for e in people}
    silent: list[Fact] = []
    if rng.random() < unanswerable:
        dropped = rng.choice(ATTRIBUTES[kind])
        alike = rng.random() < 0.3
        poor = people if alike else rng.sample(people, rng.randint(1, entities))
        for e in poor:
            dropped = dropped if alike else rng.choice(ATTRIBUTES[kind])
            attributes[e.name] = [a for a in attributes[e.name] if a != dropped]
            silent.append(e.fact(dropped))
    told = [e.fact(a) for e in people for a in attributes[e.name]]
    rng.shuffle(told)
    pairs = [(_ask(f, rng, plain), answer(f)) for f in rng.sample(told, min(asked, len(told)))]
    count = min(len(silent), max(1, len(pairs) // 3))
    places = rng.sample(range(len(pairs)), count)
    for place, missing in zip(places, rng.sample(silent, count), strict=True):
        pairs[place] = (_ask(missing, rng, plain), no_answer(missing))
    return Exercise(
        _tell(told, rng, plain), tuple(q for q, _ in pairs), tuple(a for _, a in pairs), tuple(told)
    )


def unanswerable_reading(rng: random.Random, *, entities: int, split: names.Split) -> Exercise:
    """Notes and one question that they do not answer, though they are about the entity asked."""
    kind = rng.choice(list(ATTRIBUTES))
    people = draw_entities(kind, entities, rng, split, set())
    missing = people[0].fact(rng.choice(ATTRIBUTES[kind]))
    told = [
        e.fact(a)
        for e in people
        for a in ATTRIBUTES[kind]
        if (e.name, a) != (missing.entity, missing.attribute)
    ]
    rng.shuffle(told)
    return Exercise(_tell(told, rng), (_ask(missing, rng),), (no_answer(missing),), tuple(told))


def abstaining(
    rng: random.Random, *, split: names.Split, entities: int = 3, asked: int = 6
) -> Exercise:
    """Notes that leave out one attribute of every entity; every other question is about those.

    The order of the questions is mixed. Each attribute left out is told of the other entities,
    as far as they are not without it too.
    """
    kind = rng.choice(list(ATTRIBUTES))
    people = draw_entities(kind, entities, rng, split, set())
    silent = [e.fact(rng.choice(ATTRIBUTES[kind])) for e in people]
    missing = {(f.entity, f.attribute) for f in silent}
    told = [e.fact(a) for e in people for a in ATTRIBUTES[kind] if (e.name, a) not in missing]
    rng.shuffle(told)
    half = min(asked // 2, len(silent))
    pairs = [(_ask(f, rng), no_answer(f)) for f in rng.sample(silent, half)]
    pairs += [(_ask(f, rng), answer(f)) for f in rng.sample(told, half)]
    rng.shuffle(pairs)
    return Exercise(
        _tell(told, rng), tuple(q for q, _ in pairs), tuple(a for _, a in pairs), tuple(told)
    )


def conflict(rng: random.Random, entity: Entity, *, asked: int = 1) -> Exercise:
    """Notes that give a known entity other values than it has; the answer follows the notes."""
    told = []
    for attribute in ATTRIBUTES[entity.kind]:
        value = entity.facts[attribute]
        while value == entity.facts[attribute]:
            value = draw_value(attribute, rng, "town")
        told.append(Fact(entity.name, entity.kind, attribute, value))
    rng.shuffle(told)
    picked = rng.sample(told, asked)
    return Exercise(
        _tell(told, rng),
        tuple(_ask(f, rng) for f in picked),
        tuple(answer(f) for f in picked),
        tuple(told),
    )


@dataclass(frozen=True)
class Shots:
    """A labelling task whose labels mean nothing but what the examples make them mean."""

    examples: tuple[tuple[str, str], ...]
    query: str
    label: str

    def prompt(self, shots: int) -> str:
        """`shots` labelled lines and the line to label."""
        lines = [f"{text} -> {label}" for text, label in self.examples[:shots]]
        return "\n".join(["Sort the goods.", *lines, f"{self.query} ->"])


def sorting(rng: random.Random, *, split: names.Split, shots: int = 8, classes: int = 4) -> Shots:
    """Goods sorted onto shelves by their kind; which kind goes where is new in every exercise."""
    kinds = rng.sample(names.KINDS, classes)
    shelves = rng.sample(names.COLOURS if rng.random() < 0.5 else names.QUARTERS, classes)
    place = dict(zip(kinds, shelves, strict=True))
    order = [kinds[i % classes] for i in range(shots)]
    rng.shuffle(order)
    asked = rng.choice(order) if order else rng.choice(kinds)

    def goods(kind: str) -> str:
        return f"{names.brand(rng, split)} {kind}"

    examples = tuple((goods(kind), place[kind]) for kind in order)
    return Shots(examples, goods(asked), place[asked])
