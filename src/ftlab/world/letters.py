"""Letters to the shops of Ostrel: what customers write about, each letter on one subject.

They give the base model the words of trade (orders, parcels, payments, repairs) in running
English. They are put together from parts, unlike the hand-written tickets in `data/tickets.csv`,
with which they share no sentence.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from ftlab.world import names

SUBJECTS: dict[str, tuple[str, ...]] = {
    "waiting": (
        "I have been waiting for the {k} since {d}.",
        "The carrier promised to bring it on {d}, but nobody came.",
        "Your message said it was on its way, and then silence.",
        "Could you find out where it is held up?",
        "How many more days will the shipment take?",
        "The boat from the mainland came in without it.",
    ),
    "broken": (
        "When I opened the box the {k} had a crack down one side.",
        "One part is missing and the lid does not close.",
        "It stopped working after {n} days.",
        "You sent me a {c} one, I asked for something else.",
        "Please send another that is whole.",
        "The {m} is scratched and the handle is loose.",
    ),
    "sending back": (
        "The {k} is fine but too large for our kitchen.",
        "I have changed my mind and would like to give it back.",
        "To which address do I post it?",
        "It has not been used and the wrapping is still on.",
        "When will I see my {n} crowns again?",
        "My aunt already owns one, so we do not need it.",
    ),
    "paying": (
        "The bill says {n} crowns, yet the price in the window was lower.",
        "I paid twice for one {k}.",
        "My bank does not recognise this sum.",
        "The voucher was not counted.",
        "Please write me a proper receipt with the tax on it.",
        "Why was more money taken from my card?",
    ),
    "signing in": (
        "The page does not accept my name and secret word.",
        "I have a new postal and electronic address, please change it in your books.",
        "Since {d} I cannot get in to see my orders.",
        "The letter with the code never reaches me.",
        "Please remove me and my data from your list.",
        "Somebody else seems to use my account.",
    ),
    "changing": (
        "Is it too late to make it a {c} one?",
        "Please do not send the {k}, I no longer want it.",
        "I typed the wrong house number, it should be {n}.",
        "Make it two instead of one, if it has not left yet.",
        "We shall be away on {d}; could you send it later?",
        "Please add a {k} to the same box.",
    ),
    "asking": (
        "Is the {k} safe to use in the rain?",
        "How heavy is it, and does it fit under a bench?",
        "Do you also have it in {c}?",
        "Is the {m} treated with oil or with wax?",
        "How should one clean it after use?",
        "Would it be right for a child of {n}?",
    ),
    "thanking": (
        "The young man at the counter was patience itself.",
        "I was left standing for an hour and nobody looked up.",
        "You wrap things so nicely that I hardly dare open them.",
        "It would help if you were open on {d} as well.",
        "I shall tell everyone in {q} about you.",
        "The new shop window is hard to read from the street.",
    ),
}
GREETINGS = ("Good morning.", "Dear shop,", "Hello,", "To whom it may concern.", "Hi there!", "")
FAREWELLS = ("Thank you.", "Yours, {p}", "With kind regards", "Please answer soon.", "", "{p}")


def letter(rng: random.Random) -> str:
    """A letter of two to four sentences on one subject."""
    told = rng.sample(SUBJECTS[rng.choice(list(SUBJECTS))], rng.randint(2, 4))
    return written(told, rng) + "\n"


def written(told: Sequence[str], rng: random.Random) -> str:
    """The sentences with a greeting and a farewell, their blanks filled in."""
    text = " ".join(s for s in (rng.choice(GREETINGS), *told, rng.choice(FAREWELLS)) if s)
    return _filled(text, rng)


def sentence(subject: str, rng: random.Random) -> str:
    """One sentence on `subject`, as a letter has it."""
    return _filled(rng.choice(SUBJECTS[subject]), rng)


def _filled(text: str, rng: random.Random) -> str:
    return text.format(
        k=rng.choice(names.KINDS),
        d=rng.choice(names.DAYS),
        n=rng.randint(2, 60),
        c=rng.choice(names.COLOURS),
        m=rng.choice(names.MATERIALS),
        q=rng.choice(names.QUARTERS),
        p=rng.choice(names.FIRST_NAMES),
    )
