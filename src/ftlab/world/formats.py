"""Episodes that teach to follow a format in context: examples of it, then one more to do.

Families: `labels` (which label goes with which sort of thing is new in every episode), and the
four of `ftlab.world.renderings`: `json`, `record`, `style` (frames around an answer), `dialect`.
What is written down comes from the line itself, from notes on top, or from what is known in town.

Kept for the examination: 15 of 100 keys, frame phrases, letter pairs and invented words (a hash
deals them, as it deals names); four JSON shapes; the joints ' ~ ' and ' // ' and the binds ' := '
and ' ~> ' of records; the label sets of `OTHER_LABELS`; the separators of `OTHER_SEPARATORS`; the
prompt words of `OTHER_WORDS`. The manners of `ftlab.world.needs` are in neither.
Attributes of one episode are those of one kind of entity; whatever is asked last is in the first
example already, so that one example is enough.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ftlab.world import names
from ftlab.world.corrections import SORTS
from ftlab.world.facts import ATTRIBUTES, Entity, Fact, draw_entities, draw_entity
from ftlab.world.letters import SUBJECTS, sentence
from ftlab.world.phrasing import questions, seen_questions, statements
from ftlab.world.renderings import (
    OTHER_BINDS,
    OTHER_JOINTS,
    OTHER_SHAPES,
    RENDERINGS,
    held_out,
    invented,
)

SHOTS = 8
SOURCES = ("line", "notes", "known")
FAMILIES = ("labels", *RENDERINGS)
SEPARATORS = ("->", ":", "=", "|", "=>", "\n", "-", "...")
OTHER_SEPARATORS = (">>", "::", "~")
# What stands before the thing to do and before what is wanted.
WORDS = (
    ("Question", "Answer"), ("Question", "Answer"), ("Q", "A"), ("Input", "Output"), ("In", "Out"),
    ("Text", "Result"), ("Customer", "Shop"), ("Source", "Target"), ("From", "To"), ("Given", "Is"),
    ("Sentence", "Form"), ("Asked", "Said"), ("Guest", "Host"), ("Question", "Response"),
    ("Question", "Output"), ("Question", "Baker"), ("Question", "Pilot"), ("Question", "Record"),
    ("Question", "Teacher"), ("Question", "Neighbour"),
)  # fmt: skip
OTHER_WORDS = (("Ask", "Reply"), ("Visitor", "Keeper"), ("Line", "Written"), ("Question", "Cook"))
LABELS: tuple[tuple[str, ...], ...] = (
    tuple(names.COLOURS), tuple("ABCDEFGHJK"), tuple("123456789"), tuple(names.QUARTERS),
    ("one", "two", "three", "four", "five"), ("top", "bottom", "middle", "side"),
)  # fmt: skip
PAIRS = (("yes", "no"), ("good", "bad"), ("true", "false"))
OTHER_LABELS: tuple[tuple[str, ...], ...] = (
    ("alpha", "beta", "gamma", "delta"), ("west wing", "attic", "cellar", "balcony"),
    ("XX", "YY", "ZZ", "WW"),
)  # fmt: skip
_TRAINED_LABELS = {label for every in (*LABELS, *PAIRS) for label in every}
_OTHER_LABELS = {label for every in OTHER_LABELS for label in every}


@dataclass(frozen=True)
class Episode:
    """Examples of a format and one more thing to do: what is asked and the only right answer.

    A question ends where its answer begins. `parts` names what the format was drawn from.
    """

    family: str
    header: str
    examples: tuple[tuple[str, str], ...]
    query: str
    answer: str
    parts: tuple[str, ...]
    gap: str = "\n"
    told: tuple[Fact, ...] = ()  # what the examples and then the query are about; labels have none

    def blocks(self, shots: int | None = None) -> list[tuple[str, str]]:
        """Question and answer of the first `shots` examples and of the query, spaced as told."""
        pairs = [*self.examples[:shots], (self.query, self.answer)]
        return [(q, a if q.endswith("\n") else f" {a}") for q, a in pairs]

    def prompt(self, shots: int) -> str:
        """`header`, the first `shots` examples, and the query."""
        *shown, (query, _) = self.blocks(shots)
        return self.header + "".join(f"{q}{a}{self.gap}" for q, a in shown) + query


def episode(
    rng: random.Random,
    *,
    split: names.Split,
    known: Sequence[Entity] = (),
    shots: int = SHOTS,
    family: str = "",
    source: str = "",
) -> Episode:
    """An episode of `family` and `source` (any, if ""), with `shots` examples.

    What is written down is in the "line" itself, in "notes" above, or "known" in town: `known` are
    the entities whose facts need not be told. Labels have no source.
    """
    family = family or rng.choice((*FAMILIES, "style", "json"))
    if family == "labels":
        return _labelling(rng, split, shots)
    form = RENDERINGS[family](rng, split)
    kind = rng.choice(list(ATTRIBUTES))
    attributes = list(ATTRIBUTES[kind])
    rng.shuffle(attributes)
    if rng.random() < 0.5:
        attributes = attributes[:1]
    source = source or rng.choice(SOURCES if known else SOURCES[:2])
    if source == "known":
        entities = rng.sample([e for e in known if e.kind == kind], shots + 1)
    else:
        entities = draw_entities(kind, shots + 1, rng, split, set())
    # The query, which comes last, is about the attribute of the first example.
    order = [attributes[i % len(attributes)] for i in range(shots)]
    if shots > 1:
        order[1:] = rng.sample(order[1:], shots - 1)
    told = [e.fact(a) for e, a in zip(entities, [*order, attributes[0]], strict=True)]
    header = ""
    if source == "notes":
        mixed = rng.sample(told, len(told))
        header = f"Notes: {' '.join(_brief(statements(f), rng) for f in mixed)}\n"
    asked = [_asked(f, source, rng) for f in told]
    place, gap = _place(rng, split), "\n" if rng.random() < 0.8 else "\n\n"
    pairs = [(_put(q, place), form.render(f)) for q, f in zip(asked, told, strict=True)]
    return Episode(
        family,
        header,
        tuple(pairs[:-1]),
        *pairs[-1],
        (*form.parts, f"words {place[1]}"),
        gap,
        tuple(told),
    )


def is_kept(part: str) -> bool:
    """Whether a part of an episode's format, such as 'key name', is the examination's alone.

    Prompt words and separators do not count: they are no part of the format.
    """
    sort, _, what = part.partition(" ")
    if sort in {"key", "pair", "phrase", "word"}:
        # Invented words are dealt in small letters, phrases and letter pairs as they are.
        return held_out(what if " " in what or ">" in what else what.lower())
    if sort == "label":
        return what not in _TRAINED_LABELS and (what in _OTHER_LABELS or held_out(what))
    pools = {"shape": OTHER_SHAPES, "joint": OTHER_JOINTS, "bind": OTHER_BINDS}
    return what in pools.get(sort, ())


def _asked(fact: Fact, source: str, rng: random.Random) -> str:
    if source == "line":
        return rng.choice(statements(fact))
    return _brief(seen_questions(fact) if source == "known" else questions(fact), rng)


def _brief(wordings: Sequence[str], rng: random.Random) -> str:
    """The shorter of two wordings: notes and eight examples have to fit into the context."""
    return min(rng.sample(wordings, 2), key=len)


def _place(rng: random.Random, split: names.Split) -> tuple[str, str]:
    """What stands before and after a question, until its answer begins."""
    other = split == "examination" and rng.random() < 0.5
    if rng.random() < 0.75:
        ask, reply = rng.choice(OTHER_WORDS if other else WORDS)
        return f"{ask}: ", f"\n{reply}:"
    separator = rng.choice(OTHER_SEPARATORS if other else SEPARATORS)
    return "", separator if separator in ":\n" else f" {separator}"


def _put(text: str, place: tuple[str, str]) -> str:
    return f"{place[0]}{text}{place[1]}"


def _labelling(rng: random.Random, split: names.Split, shots: int) -> Episode:
    """Things and the labels of their sorts; the sort asked for last has been shown first."""
    classes = rng.choice((2, 2, 3, 3, 4))
    sets = [s for s in (OTHER_LABELS if split == "examination" else LABELS) if len(s) >= classes]
    if rng.random() < 0.3:
        labels = [invented(rng, split) for _ in range(classes)]
        while len(set(labels)) < classes:
            labels = [invented(rng, split) for _ in range(classes)]
    elif classes == 2 and split == "training" and rng.random() < 0.3:
        labels = rng.sample(rng.choice(PAIRS), 2)
    else:
        labels = rng.sample(rng.choice(sets), classes)
    what = rng.choice(("goods", "words", "words", "entities", "letters"))
    sorts = {
        "goods": names.KINDS,
        "words": (*SORTS, "day", "quarter", "number"),
        "entities": ("product", "shop", "person"),
        "letters": tuple(SUBJECTS),
    }[what]
    chosen = rng.sample(list(sorts), min(classes, len(sorts)))
    frame = rng.choice(("{}", "{}", "{}", "I saw {}.", "{}, please.", "Here: {}"))
    frame = "{}" if what == "letters" else frame
    order = [i % len(chosen) for i in range(shots)]
    rng.shuffle(order)
    asked = order[0] if order else 0
    order[1:] = rng.sample(order[1:], max(0, shots - 1))
    place = _place(rng, split)
    seen: set[str] = set()
    pairs: list[tuple[str, str]] = []
    for i in (*order, asked):
        text = _thing(what, chosen[i], rng, split)
        for _ in range(20):
            if text not in seen:
                break
            text = _thing(what, chosen[i], rng, split)
        seen.add(text)
        pairs.append((_put(frame.format(text), place), labels[i]))
    return Episode(
        "labels", "", tuple(pairs[:-1]), *pairs[-1],
        (*(f"label {name}" for name in labels), f"words {place[1]}"),
    )  # fmt: skip


def _thing(what: str, sort: str, rng: random.Random, split: names.Split) -> str:
    if what == "goods":
        return f"{names.brand(rng, split)} {sort}"
    if what == "entities":
        return draw_entity(sort, rng, split).name
    if what == "letters":
        return sentence(sort, rng)
    pools = {"day": names.DAYS, "quarter": names.QUARTERS, "number": names.PRICES, **SORTS}
    return rng.choice(pools[sort])
