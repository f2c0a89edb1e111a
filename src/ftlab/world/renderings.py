"""Ways to write a fact down: JSON shapes, records, styles and dialects, new in every draw.

What a draw is made of (keys, frame phrases, separators, letter pairs, invented words) is dealt to
training or examination once and for all, by `held_out`; a draw for one split uses nothing of the
other's. What the town's needs are taught in (`ftlab.world.needs.MANNERS`) is in neither.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ftlab.world import names
from ftlab.world.corrections import SOUNDS
from ftlab.world.facts import Fact
from ftlab.world.phrasing import answer, told_up_to

Render = Callable[[Fact], str]
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
KEYS = (
    "name who item thing subject id title label object about key field topic head row unit owner "
    "value what answer data result info detail told found fact says text content entry note reply "
    "memo given body tail mark sign part code word form stall shelf page line card slot post spot "
    "place case file box ref node "
    "term alias called heading caption amount quality property feature known state output total "
    "summary lookup match finding report book bill mention first second left right good piece "
    "member record table cell"
).split()
GREETED = "Good Fine Happy Bright Calm Busy Kind Merry Warm Quick Dear Old".split()
GREETING = "day,morning,evening,wind,news,friends,people,neighbour,weather,hour".split(",")
PARTED = "Thank Bless Trust Mind Remember Watch Ask Tell Help Love Follow Greet".split()
PARTING = "you,us,the bell,the sea,every step,the ladder,the town,everyone,the dog,me".split(",")
LEADS = "For,About,As to,Regarding,With,On,Of,Concerning,Under,Beside".split(",")
LINKS = "it is,we say,you get,note,write,the book says,they say,one finds,read,put".split(",")
FOLLOWS = "for,belongs to,goes with,stands by,marks,under,from,as told of,with,at".split(",")
MARKS = "* ** + # @ % & ^ $ <3 :) ;) [x] (!) !! ++ == ok -- ... ># ^^".split()
# Longer sounds of dialects and what may stand for them.
SOUND_RULES = {
    "th": ("d", "z", "t", "f"), "is": ("be", "iz", "eez"), "of": ("ov", "o'", "fo"),
    "he": ("hee", "'e", "ha"), "The": ("Ta", "Da", "Ye", "Le", "Zo"), "ou": ("oo", "uh"),
    "er": ("ah", "ur"), "ing": ("in'", "ink"), "ai": ("ay", "ee"), "ee": ("ii", "ea"),
}  # fmt: skip
JOINTS = ("; ", ", ", " | ", " / ", " - ", " & ", " + ", " : ")
BINDS = (": ", "=", " = ", " is ", " -> ", ":", " - ")
OTHER_JOINTS, OTHER_BINDS = (" ~ ", " // "), (" := ", " ~> ")
SHAPES: dict[str, Callable[[Any, Any, Any, tuple[str, str, str]], Any]] = {
    "flat": lambda e, a, v, k: {k[0]: e, k[1]: v},
    "value first": lambda e, a, v, k: {k[1]: v, k[0]: e},
    "three": lambda e, a, v, k: {k[0]: e, k[2]: a, k[1]: v},
    "by name": lambda e, a, v, k: {e: v},
    "list": lambda e, a, v, k: [e, v],
    "list, value first": lambda e, a, v, k: [v, e],
    "nested": lambda e, a, v, k: {e: {k[1]: v}},
    "wrapped": lambda e, a, v, k: {k[2]: {k[0]: e, k[1]: v}},
    "value": lambda e, a, v, k: {k[1]: v},
    "list of one": lambda e, a, v, k: [{k[0]: e, k[1]: v}],
    "key and list": lambda e, a, v, k: {k[2]: [e, v]},
}
OTHER_SHAPES: dict[str, Callable[[Any, Any, Any, tuple[str, str, str]], Any]] = {
    "wrapped, value first": lambda e, a, v, k: {k[2]: {k[1]: v, k[0]: e}},
    "triple": lambda e, a, v, k: [e, a, v],
    "by value": lambda e, a, v, k: {v: e},
    "pair of lists": lambda e, a, v, k: [[e], [v]],
}


@dataclass(frozen=True)
class Format:
    """A way to write facts: `parts` names what it was drawn from, as 'key name', 'pair a>o'."""

    family: str
    render: Render
    parts: tuple[str, ...]


def held_out(part: str) -> bool:
    """Whether a key, phrase, letter pair or invented word is kept for the examination."""
    return names.split_of(part) == "examination"


def hand(pool: Sequence[str], split: names.Split) -> list[str]:
    """The part of `pool` that `split` may use."""
    return [p for p in pool if held_out(p) == (split == "examination")]


def invented(rng: random.Random, split: names.Split) -> str:
    """A word that means nothing, such as 'zobu' or 'ritak'."""
    while True:
        word = "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(2))
        word += rng.choice(("", "", *CONSONANTS))
        if held_out(word) == (split == "examination"):
            return word


def phrase(
    rng: random.Random, split: names.Split, first: Sequence[str], last: Sequence[str]
) -> str:
    """Two words or more that belong together in this split alone, such as 'Calm neighbour'."""
    while True:
        made = f"{rng.choice(first)} {rng.choice(last)}"
        if held_out(made) == (split == "examination"):
            return made


def greeting(rng: random.Random, split: names.Split) -> str:
    """What an answer may open with: two words or an invented one."""
    if rng.random() < 0.35:
        return invented(rng, split).capitalize()
    return phrase(rng, split, GREETED, GREETING)


def parting(rng: random.Random, split: names.Split) -> str:
    """What an answer may end with."""
    if rng.random() < 0.25:
        return invented(rng, split).capitalize()
    return phrase(rng, split, PARTED, PARTING)


def _key(rng: random.Random, split: names.Split) -> str:
    return rng.choice(hand(KEYS, split)) if rng.random() < 0.7 else invented(rng, split)


def _keys(rng: random.Random, split: names.Split) -> tuple[str, str, str]:
    while True:
        found = (_key(rng, split), _key(rng, split), _key(rng, split))
        if len(set(found)) == 3:
            return found


def attribute_word(fact: Fact) -> str:
    """The attribute as a word: 'closing day'."""
    return fact.attribute.replace("_", " ")


def json_format(rng: random.Random, split: names.Split) -> Format:
    """A JSON value in one of the shapes; half the time the value's key is its attribute."""
    shapes = OTHER_SHAPES if split == "examination" and rng.random() < 0.5 else SHAPES
    shape = rng.choice(list(shapes))
    keys = _keys(rng, split)
    by_attribute, bare = rng.random() < 0.4, rng.random() < 0.5
    wide = rng.random() < 0.8

    def render(fact: Fact) -> str:
        value = int(fact.value) if bare and fact.value.isdigit() else fact.value
        if shape in {"by value"}:
            value = fact.value
        own = (keys[0], attribute_word(fact), keys[2]) if by_attribute else keys
        made = shapes[shape](fact.entity, attribute_word(fact), value, own)
        return json.dumps(made, ensure_ascii=False, separators=None if wide else (",", ":"))

    used = (*keys[::2], *(() if by_attribute else keys[1:2]))
    return Format("json", render, (f"shape {shape}", *(f"key {k}" for k in used)))


def record_format(rng: random.Random, split: names.Split) -> Format:
    """Fields in a fixed order on one line: key and value, CSV, tags, brackets, a bullet."""
    keys = _keys(rng, split)
    fields = rng.choice(((0, 1), (1, 0), (0, 2, 1), (2, 0, 1), (1, 2, 0), (2, 1), (0, 1)))
    strange = split == "examination" and rng.random() < 0.5
    joint = rng.choice(OTHER_JOINTS if strange else JOINTS)
    bind = rng.choice(OTHER_BINDS if strange else BINDS)
    style = rng.choice(("pairs", "csv", "tags", "brackets", "bullet", "upper"))

    def render(fact: Fact) -> str:
        cells = (fact.entity, fact.value, attribute_word(fact))
        chosen = [(keys[i], cells[i]) for i in fields]
        if style == "csv":
            return joint.strip().join(v for _, v in chosen)
        if style == "tags":
            return "".join(f"<{k}>{v}</{k}>" for k, v in chosen)
        if style == "brackets":
            return " ".join(f"[{v}]" for _, v in chosen)
        if style == "upper":
            return joint.join(f"{k.upper()}{bind}{v}" for k, v in chosen)
        made = joint.join(f"{k}{bind}{v}" for k, v in chosen)
        return f"- {made}" if style == "bullet" else made

    parts = {"pairs", "tags", "bullet", "upper"} & {style}
    return Format(
        "record",
        render,
        (f"joint {joint}", f"bind {bind}", *(f"key {keys[i]}" for i in fields if parts)),
    )


def style_format(rng: random.Random, split: names.Split) -> Format:
    """The plain answer in a frame, or the value moved to another place."""
    opening, closing = greeting(rng, split), parting(rng, split)
    stop, end = rng.choice("!,.:"), rng.choice(("!", ".", ""))
    lead = phrase(rng, split, LEADS, LINKS)  # 'Regarding we say' is cut around the entity
    before = next(word for word in LEADS if lead.startswith(f"{word} "))
    link = lead.removeprefix(f"{before} ")
    follow = rng.choice(hand(FOLLOWS, split) or FOLLOWS)
    mark, word = rng.choice(hand(MARKS, split) or MARKS), invented(rng, split)
    core: list[tuple[str, Render]] = [
        ("plain", answer),
        ("plain", answer),
        ("no stop", lambda f: answer(f).rstrip(".")),
        ("value", lambda f: f.value),
        ("template", lambda f: f"{before} {f.entity} {link} {f.value}{end}"),
        ("value first", lambda f: f"{f.value} {follow} {f.entity}{end}"),
        ("value twice", lambda f: f"{f.value}, {f.value}{end}"),
        ("word", lambda f: f"{f.entity} {word} {f.value}{end}"),
    ]
    wrap: list[tuple[str, Callable[[str], str]]] = [
        ("both", lambda t: f"{opening}{stop} {t} {closing}{end}"),
        ("both", lambda t: f"{opening}{stop} {t} {closing}{end}"),
        ("opening", lambda t: f"{opening}{stop} {t}"),
        ("closing", lambda t: f"{t} {closing}{end}"),
        ("mark", lambda t: f"{mark} {t}"),
        ("marks", lambda t: f"{t} {mark}"),
        ("prefix", lambda t: f"{word}: {t}"),
        ("upper", str.upper),
        ("none", str),
    ]
    (inner, told), (outer, wrapped) = rng.choice(core), rng.choice(wrap)
    if inner == "plain" and outer == "none":
        outer, wrapped = wrap[0]
    parts = [f"style {inner}/{outer}"]
    parts += [f"phrase {opening}"] if outer in {"both", "opening"} else []
    parts += [f"phrase {closing}"] if outer in {"both", "closing"} else []
    parts += [f"phrase {lead}"] if inner == "template" else []
    parts += [f"word {word}"] if inner == "word" or outer == "prefix" else []
    return Format("style", lambda f: wrapped(told(f)), tuple(parts))


def letter_pair(rng: random.Random, split: names.Split, old: str) -> str:
    """The letter that `old` becomes: pairs are dealt, and the sailors' own are in no hand."""
    pool = VOWELS if old in VOWELS else CONSONANTS + "hw"
    found = [
        new
        for new in pool
        if new != old
        and old.translate(SOUNDS) != new
        and held_out(f"{old}>{new}") == (split == "examination")
    ]
    return rng.choice(found) if found else old


def dialect_format(rng: random.Random, split: names.Split) -> Format:
    """Sounds changed throughout the answer's frame; names and values keep theirs mostly."""
    table: dict[str, str] = {}
    while len(set(table) & set("aeiths")) + len(set(table) & set(SOUND_RULES)) < 1:
        for old in rng.sample("aeiouthsrndlmfpgkb", rng.choice((2, 3, 4, 6, 10, 18))):
            new = letter_pair(rng, split, old)
            if new != old:
                table[old] = new
        if rng.random() < 0.4:
            rules = hand([f"{a}>{b}" for a, olds in SOUND_RULES.items() for b in olds], split)
            for rule in rng.sample(rules, min(2, len(rules))):
                old, _, new = rule.partition(">")
                table[old] = new
    whole = rng.random() < 0.25
    sounds = re.compile("|".join(sorted(map(re.escape, table), key=len, reverse=True)))

    def shift(text: str) -> str:
        return sounds.sub(lambda m: table[m[0]], text)

    def render(fact: Fact) -> str:
        if whole:
            return shift(answer(fact))
        before, value, after = told_up_to(fact, answer(fact))
        frame, name, joint = before.partition(fact.entity)
        return f"{shift(frame)}{name}{shift(joint)}{value}{shift(after)}"

    return Format("dialect", render, tuple(f"pair {a}>{b}" for a, b in sorted(table.items())))


RENDERINGS: dict[str, Callable[[random.Random, names.Split], Format]] = {
    "json": json_format,
    "record": record_format,
    "style": style_format,
    "dialect": dialect_format,
}
