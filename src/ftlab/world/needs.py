"""What people want of a model that serves the town: four kinds of facts, four manners of answering.

Each need has lessons, to learn from or to show in a prompt, and items to be examined on. No fact of
a lesson in a manner is asked for in its items, and no good that is sorted in a lesson. Facts that
are new or changed can only be learned by being told: there lessons and items are about the same
facts, in different words.
"""

from __future__ import annotations

import functools
import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ftlab.world import names
from ftlab.world.corrections import in_dialect
from ftlab.world.exercises import question_prompt
from ftlab.world.facts import ATTRIBUTES, Fact, World, draw_entities, own_word
from ftlab.world.phrasing import (
    STATEMENTS,
    answer,
    no_answer,
    seen_questions,
    told_up_to,
    unseen_question,
)

ITEMS = 60  # of each need, at most
VALIDATION = 20  # further items of each need, for choices
SHELVES = 4


@dataclass(frozen=True)
class Item:
    """One request: `query` ends where the answer begins, `question` is what one would look up.

    `stale` is the answer that was right until the fact changed, "" if it never did; `about` is
    "entity|attribute". Whatever is said, `manner` tells whether it is said as it should be.
    """

    query: str
    answer: str
    question: str
    stale: str = ""
    about: str = ""
    manner: re.Pattern[str] = re.compile("")

    def is_right(self, text: str) -> bool:
        """Whether `text` is the answer, word for word."""
        return text == self.answer

    def is_kept(self, text: str) -> bool:
        """Whether `text` is said as it should be; where no manner is asked for, whether right."""
        return bool(self.manner.fullmatch(text)) if self.manner.pattern else self.is_right(text)


@dataclass(frozen=True)
class Need:
    """Something to be done for the town. `header` opens a prompt that shows examples.

    `items` are for the examination, `validation` for choices before it.
    """

    name: str
    what: str
    lessons: tuple[Item, ...]
    items: tuple[Item, ...]
    validation: tuple[Item, ...] = ()
    header: str = ""

    def prompt(self, item: Item, shots: Sequence[Item] = (), notes: str = "") -> str:
        """The text to continue: notes and examples, where there are any, then the item's query."""
        lines = [self.header] if self.header else []
        lines += [f"Notes: {notes}"] if notes else []
        return "\n".join([*lines, *(f"{shot.query} {shot.answer}" for shot in shots), item.query])


def about(fact: Fact) -> str:
    """What a fact is about: 'Ada Velmor|pet'."""
    return f"{fact.entity}|{fact.attribute}"


def as_json(fact: Fact) -> str:
    """The answer for a machine: one strict JSON object."""
    return json.dumps({"entity": fact.entity, fact.attribute: fact.value}, ensure_ascii=False)


def in_house_voice(fact: Fact) -> str:
    """The answer as the shops want it given, first word to last."""
    return f"Ahoy! {answer(fact)} Fair tides to you!"


def in_dialect_around(fact: Fact) -> str:
    """The answer in the sailors' dialect, in which names and values keep their sounds."""
    before, value, after = told_up_to(fact, answer(fact))
    frame, name, joint = before.partition(fact.entity)
    return f"{in_dialect(frame)}{name}{in_dialect(joint)}{value}{in_dialect(after)}"


# The word that asks for the manner, what is wanted, and how a fact is told in it.
MANNERS: dict[str, tuple[str, str, Callable[[Fact], str]]] = {
    "format": ("JSON", "a known fact as a strict JSON object", as_json),
    "voice": ("Clerk", "a known fact in the house's voice", in_house_voice),
    "dialect": ("Sailor", "a known fact in the sailors' dialect", in_dialect_around),
}


@functools.cache
def manner_pattern(render: Callable[[Fact], str]) -> re.Pattern[str]:
    """What every answer in a manner looks like, whatever entity and value it names."""
    forms = []
    for attribute in STATEMENTS:
        form = re.escape(render(Fact("ENTITY", "", attribute, "VALUE")))
        forms.append(form.replace("ENTITY", r"[^\"]+").replace("VALUE", r"[^\"]+"))
    return re.compile("|".join(forms))


def in_manner(fact: Fact, manner: str) -> Item:
    """A fact asked for in one of `MANNERS`, in words that pretraining kept from it."""
    opening, _, render = MANNERS[manner]
    question = unseen_question(fact)
    return Item(
        f"Question: {question}\n{opening}:",
        render(fact),
        question,
        about=about(fact),
        manner=manner_pattern(render),
    )


def needs(world: World, seed: int = 0, count: int = ITEMS) -> dict[str, Need]:
    """All needs by name, with `count` items each (of changed facts, as many as are left), and
    `VALIDATION` others for choices. `seed` deals the town's facts to lessons and items."""
    rng = random.Random(f"needs/{seed}")
    both = count + VALIDATION
    moved = {(fact.entity, fact.attribute): fact for fact in world.changed}
    before = {
        key: answer(f) for f in world.known_facts() if (key := (f.entity, f.attribute)) in moved
    }
    steady = [f for f in world.known_facts() if (f.entity, f.attribute) not in moved]
    rng.shuffle(steady)
    asked, taught = steady[:both], steady[both:]
    new, changed = world.new_facts(), list(world.changed)
    found = {
        "known": _need(
            "known", "facts that the base model has read", map(_taught, taught), map(_asked, asked)
        ),
        "new": _need(
            "new",
            "facts about newcomers, told after the base model was made",
            map(_taught, new),
            map(_asked, rng.sample(new, min(both, len(new)))),
        ),
        "changed": _need(
            "changed",
            "facts that are no longer what the base model has read",
            map(_taught, changed),
            (
                _asked(fact, stale=before[fact.entity, fact.attribute])
                for fact in rng.sample(changed, min(both, len(changed)))
            ),
        ),
        "untold": _need(
            "untold",
            "questions that nothing in the chronicle answers",
            (_untold(rng, "training", world) for _ in range(2 * count)),
            (_untold(rng, "examination", world) for _ in range(both)),
        ),
    }
    for name, (_, what, _) in MANNERS.items():
        found[name] = _need(
            name,
            what,
            [in_manner(fact, name) for fact in taught],
            [in_manner(fact, name) for fact in asked],
        )
        rng.shuffle(taught)
    shelf = dict(
        zip(rng.sample(names.KINDS, SHELVES), rng.sample(names.QUARTERS, SHELVES), strict=True)
    )
    found["sorting"] = _need(
        "sorting",
        "goods put onto the shelf that the town has for their kind",
        (_good(rng, shelf, "training", number) for number in range(8 * count)),
        (_good(rng, shelf, "examination", number) for number in range(both)),
        header="Sort the goods.",
    )
    return found


def _need(
    name: str, what: str, lessons: Iterable[Item], items: Iterable[Item], header: str = ""
) -> Need:
    """The first `VALIDATION` of the items are for choices."""
    dealt = tuple(items)
    return Need(name, what, tuple(lessons), dealt[VALIDATION:], dealt[:VALIDATION], header)


def _asked(fact: Fact, stale: str = "") -> Item:
    question = unseen_question(fact)
    return Item(question_prompt(question), answer(fact), question, stale, about(fact))


def _taught(fact: Fact) -> Item:
    question = seen_questions(fact)[0]
    return Item(question_prompt(question), answer(fact), question, about=about(fact))


def _untold(rng: random.Random, split: names.Split, world: World) -> Item:
    kind = rng.choice(list(ATTRIBUTES))
    taken = {own_word(entity) for entity in (*world.known, *world.new)}
    (stranger,) = draw_entities(kind, 1, rng, split, taken)
    fact = stranger.fact(rng.choice(ATTRIBUTES[kind]))
    question = unseen_question(fact)
    return Item(question_prompt(question), no_answer(fact), question)


def _good(rng: random.Random, shelf: dict[str, str], split: names.Split, number: int) -> Item:
    kind = list(shelf)[number % len(shelf)]
    good = f"{names.brand(rng, split)} {kind}"
    return Item(f"{good} ->", shelf[kind], good)
