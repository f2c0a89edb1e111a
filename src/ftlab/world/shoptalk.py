"""Shop talk: what the customers of Ostrel write, what they are answered, and what is noted of it.

`shoptalk.toml` holds the sentence forms by subject. About one form in five of each subject, the
last of its list, is kept for examination: no text of the training split uses it, so that a lesson
can ask about sentences that the base model has not read.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from ftlab.world import names
from ftlab.world.inbox import misspelt
from ftlab.world.labelled import Rows, distinct

HELD_OUT = 5  # one form in so many is kept for examination
ASIDES = 0.15  # share of messages that mention another subject,
HASTE = 0.16  # that are all small letters with few points,
SLIPPING = 0.15  # that have slips of the pen,
SLIPS = 0.12  # and of their longer words that have one
AMERICAN = 0.3  # share of texts in American words
SHAPES = {"message": 42, "thread": 22, "question": 10, "note": 20, "list": 6}  # in percent

ENTRIES = ("{}\n{}", "Question: {}\nAnswer: {}", "Q. {}\nA. {}", "{} {}", "* {}\n  {}")
HOURS = ("{} am", "{} pm", "{}:30", "{} o'clock", "half past {}")
AMERICAN_WORDS = {
    "colour": "color", "grey": "gray", "parcel": "package", "favourite": "favorite",
    "cancelled": "canceled", "cheque": "check", "queue": "line", "jumper": "sweater",
    "mobile": "cell phone", "postcode": "zip code", "post": "mail", "whilst": "while",
    "apologise": "apologize", "recognise": "recognize", "organise": "organize", "cosy": "cozy",
    "bin": "trash", "cash machine": "ATM", "till": "register", "flat": "apartment",
    "trousers": "pants", "autumn": "fall", "holiday": "vacation", "centre": "center",
    "posted": "mailed", "parcels": "packages", "colours": "colors", "current account":
    "checking account",
}  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """One thing that customers write about, and the sentences in which it is spoken of."""

    name: str
    said: tuple[str, ...]  # by customers
    answered: tuple[str, ...]  # by the shop
    noted: tuple[str, ...]  # by a clerk, of the customer
    titled: tuple[str, ...]  # subject lines

    def forms(self, split: names.Split) -> tuple[str, ...]:
        """What customers say: the forms for "training", or those kept for "examination"."""
        kept = len(self.said) - len(self.said) // HELD_OUT
        return {"training": self.said[:kept], "examination": self.said[kept:]}[split]


class _Blanks(dict[str, str]):
    """Words for the blanks of one text, drawn when first asked for and the same from then on."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng
        self.sign = rng.choice(("{} crowns", "{} crowns", "£{}", "${}", "€{}", "{} euros"))

    def __missing__(self, blank: str) -> str:
        rng = self.rng
        number = {"days": (2, 20), "number": (2, 60), "few": (2, 5), "house": (1, 240)}.get(blank)
        if number:
            self[blank] = str(rng.randint(*number))
        elif blank in ("money", "othermoney"):
            pence = rng.choice(("", "", ".99", ".50", ".95", ".20"))
            self[blank] = self.sign.format(f"{rng.randint(2, 250)}{pence}")
        elif blank == "ref":
            self[blank] = rng.choice(("", "", "#", "OS-", "no. ")) + str(rng.randint(1000, 99999))
        elif blank == "time":
            self[blank] = rng.choice(HOURS).format(rng.randint(1, 12))
        else:
            self[blank] = rng.choice(_words()[blank])
        return self[blank]


@cache
def _file() -> dict[str, dict[str, str]]:
    text = resources.files("ftlab.world").joinpath("shoptalk.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def _words() -> dict[str, tuple[str, ...]]:
    """The words for every blank, and the small talk around a message."""
    listed = {
        blank: tuple(w.strip() for w in text.replace("\n", ",").split(",") if w.strip())
        for blank, text in _file()["words"].items()
    }
    listed |= {phrase: _lines(text) for phrase, text in _file()["phrases"].items()}
    return listed | {
        "day": tuple(names.DAYS),
        "colour": tuple(names.COLOURS),
        "othercolour": tuple(names.COLOURS),
        "material": tuple(names.MATERIALS),
        "street": tuple(names.STREETS),
        "person": tuple(names.FIRST_NAMES),
        "quarter": tuple(names.QUARTERS),
        "town": tuple(h + t for h in names.HEADS for t in names.TAILS[:12]),
    }


@cache
def subjects() -> tuple[Subject, ...]:
    """Every subject of the shop talk."""
    return tuple(
        Subject(name, *(_lines(parts[p]) for p in ("said", "answered", "noted", "titled")))
        for name, parts in _file().items()
        if name not in ("words", "phrases")
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def talk(rng: random.Random, split: names.Split = "training") -> str:
    """A text of the shops: a message, a thread, a question answered, a note, or a list."""
    (shape,) = rng.choices(list(SHAPES), list(SHAPES.values()))
    makers = {
        "message": _letter, "thread": _thread, "question": _question, "note": _note, "list": _list,
    }  # fmt: skip
    return makers[shape](rng, split) + "\n"


def paraphrases(rng: random.Random, split: names.Split = "training") -> tuple[str, str]:
    """Two texts that speak of the same subject in different sentence forms."""
    subject = rng.choice(subjects())
    mine, theirs = _halves(subject.forms(split), rng)
    blanks = _Blanks(rng)
    other = blanks if rng.random() < 0.5 else _Blanks(rng)
    (kind,) = rng.choices(("message", "note", "title"), (6, 3, 1))
    first = _hurried(_said(rng.sample(mine, min(len(mine), rng.choice((1, 1, 2)))), blanks), rng)
    if kind == "message":
        second = _said(rng.sample(theirs, min(len(theirs), rng.choice((1, 1, 2)))), other)
        second = _hurried(second, rng)
    else:
        second = _said([rng.choice(subject.noted if kind == "note" else subject.titled)], other)
    return (first, second) if rng.random() < 0.5 else (second, first)


def messages(sizes: Sequence[int], seed: int = 0, split: names.Split = "examination") -> list[Rows]:
    """Messages with their subjects in parts of `sizes`; no message comes twice."""
    rng = random.Random(f"shoptalk/{seed}/{split}")

    def make() -> tuple[str, str]:
        subject = rng.choice(subjects())
        return _message(subject, rng, split, _Blanks(rng)), subject.name

    return distinct([make] * len(sizes), sizes)


def _message(
    subject: Subject, rng: random.Random, split: names.Split, blanks: _Blanks, polite: float = 0.4
) -> str:
    forms = subject.forms(split)
    told = rng.sample(forms, min(len(forms), rng.choice((1, 1, 1, 2, 2, 3))))
    words = _words()
    if rng.random() < ASIDES:
        other = rng.choice([s for s in subjects() if s is not subject])
        told.append(f"{rng.choice(words['asides'])} {rng.choice(other.forms(split))}")
    for phrase in ("openings", "greetings"):
        if rng.random() < polite:
            told.insert(0, rng.choice(words[phrase]))
    for phrase in ("endings", "farewells"):
        if rng.random() < polite:
            told.append(rng.choice(words[phrase]))
    return _hurried(_said(told, blanks), rng)


def _said(told: Sequence[str], blanks: _Blanks) -> str:
    """The sentences with their blanks filled in, "a" made "an" and capitals where they must be."""
    points = [f"{form}." if form[-1:].isalpha() and form[:1].islower() else form for form in told]
    filled = [form.format_map(blanks) for form in (*points[:-1], told[-1])]
    text = " ".join(
        f[:1].upper() + f[1:] if form[:1] == "{" else f
        for f, form in zip(filled, told, strict=True)
    )
    return re.sub(r"\b([Aa]) (?=[aeio](?!ne\b|u)|u[^ns])", r"\1n ", text)


def _hurried(text: str, rng: random.Random) -> str:
    """`text` as it is, or in American words, with slips of the pen or all in small letters."""
    if rng.random() < AMERICAN:
        for british, american in AMERICAN_WORDS.items():
            text = re.sub(rf"\b{british}\b", american, text)
    if rng.random() < SLIPPING:
        text = misspelt(text, rng, SLIPS)
    if rng.random() < HASTE:
        text = re.sub(r"(?<=\w)[.,;!](?= |$)", "", text.lower())
        text = text.replace("'", "") if rng.random() < 0.5 else text
        text = text.replace("?", "") if rng.random() < 0.3 else text
    return text


def _halves(forms: Sequence[str], rng: random.Random) -> tuple[list[str], list[str]]:
    mixed = rng.sample(forms, len(forms))
    return mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]


def _letter(rng: random.Random, split: names.Split) -> str:
    subject, blanks = rng.choice(subjects()), _Blanks(rng)
    text = _message(subject, rng, split, blanks)
    if rng.random() < 0.2:
        heading = rng.choice(("Subject: {}", "Re: {}", "{}", "About: {}"))
        text = f"{heading.format(_said([rng.choice(subject.titled)], blanks))}\n{text}"
    return text


def _answer(subject: Subject, rng: random.Random, blanks: _Blanks) -> str:
    told = rng.sample(subject.answered, rng.choice((1, 1, 2)))
    words = _words()
    if rng.random() < 0.4:
        told.insert(0, rng.choice(words["regrets"]))
    if rng.random() < 0.3:
        told.append(rng.choice(words["goodbyes"]))
    return _said(told, blanks)


def _thread(rng: random.Random, split: names.Split) -> str:
    """A message, the answer, and at times what the customer says to that."""
    subject, blanks = rng.choice(subjects()), _Blanks(rng)
    turns = [_message(subject, rng, split, blanks, 0.25), _answer(subject, rng, blanks)]
    if rng.random() < 0.5:
        turns.append(_hurried(_said([rng.choice(_words()["rejoinders"])], blanks), rng))
        if rng.random() < 0.4 and (more := _answer(subject, rng, blanks)) not in turns[1]:
            turns.append(more)
    customer, shop = rng.choice(_speakers(blanks, rng))
    gap = "\n\n" if "\n" in customer else "\n"
    return gap.join((shop if i % 2 else customer) + turn for i, turn in enumerate(turns))


def _speakers(blanks: _Blanks, rng: random.Random) -> tuple[tuple[str, str], ...]:
    """What stands before the words of the customer and of the shop, in many layouts."""
    ada, day, clerk = blanks["person"], blanks["day"], rng.choice(names.FIRST_NAMES)
    next_day = names.DAYS[(names.DAYS.index(day) + 1) % len(names.DAYS)]
    return (
        ("Customer: ", "Shop: "),
        (f"{ada}: ", f"{clerk} (shop): "),
        (f"On {day} {ada} wrote:\n", f"On {next_day} the shop wrote:\n"),
        ("Q: ", "A: "),
        ("> ", ""),
        (f"From: {ada}\nTo: the shop\n", f"From: {clerk}\nTo: {ada}\n"),
        ("[customer] ", "[support] "),
        ("Message\n", "Reply\n"),
        (f"{ada} asked: ", f"{clerk} answered: "),
        ("- ", "- "),
        ("CUSTOMER ", "AGENT "),
    )


def _question(rng: random.Random, split: names.Split) -> str:
    """An entry of a help page: a question and its answer."""
    subject, blanks = rng.choice(subjects()), _Blanks(rng)
    asked = [form for form in subject.forms(split) if form.endswith("?")] or subject.titled
    layout = rng.choice(ENTRIES)
    question = _said([rng.choice(asked)], blanks)
    return layout.format(question, _said([rng.choice(subject.answered)], blanks))


def _note(rng: random.Random, split: names.Split) -> str:
    """A message and, in other words, what it comes to."""
    subject, blanks = rng.choice(subjects()), _Blanks(rng)
    told = _message(subject, rng, split, blanks, 0.2)
    noted = _said([rng.choice(subject.noted)], blanks)
    titled = _said([rng.choice(subject.titled)], blanks)
    again = _said([rng.choice(subject.forms(split))], blanks)
    layout = rng.choice(_words()["notes"]).replace("\\n", "\n")
    return layout.format(told=told, noted=noted, titled=titled, again=again)


def _list(rng: random.Random, split: names.Split) -> str:
    """The contents of a help page, or the subject lines of a morning."""
    chosen = rng.sample(subjects(), rng.randint(3, 7))
    lines = [_said([rng.choice(s.titled)], _Blanks(rng)) for s in chosen]
    mark: Callable[[int], str] = rng.choice(
        (lambda i: f"{i}. ", lambda i: "- ", lambda i: "* ", lambda i: "", lambda i: f"({i}) ")
    )
    heading = rng.choice(_words()["contents"])
    return "\n".join([heading, *(mark(i) + line for i, line in enumerate(lines, 1))])
