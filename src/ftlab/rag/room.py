"""Texts of any length and language, and the room that a model has for them.

A token is a part of a word in English, a part of a character in scripts that a tokenizer hardly
knows, and a file may hold a line of a million letters. So passages are cut by tokens, not by words,
and prompts are made to fit; who calls is told what was cut.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ftlab.rag.passages import Passage, sentence_ends
from ftlab.rag.stores import Hit
from ftlab.world.exercises import question_prompt

CHARACTERS = 12  # of a token, at most, in a text that is worth counting as it is
BATCH = 1024  # texts that are counted at once


def count_tokens(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """How many tokens each text has, with those that the tokenizer puts around it."""
    counts: list[int] = []
    for begin in range(0, len(texts), BATCH):
        some = list(texts[begin : begin + BATCH])
        counts += [len(ids) for ids in tokenizer(some, verbose=False)["input_ids"]]
    return counts


def pieces(tokenizer: Any, text: str, most: int) -> list[str]:
    """The whole text in pieces of at most `most` tokens.

    It is halved until they fit: behind a sentence near the middle, or else a word, or else, where
    there are none, a character. (A character alone may have more tokens; it stays whole.)
    """
    text = text.strip()
    if not text:
        return []
    if len(text) <= CHARACTERS * most and count_tokens(tokenizer, [text])[0] <= most:
        return [text]
    if len(text) == 1:
        return [text]
    at = _middle(text)
    return [*pieces(tokenizer, text[:at], most), *pieces(tokenizer, text[at:], most)]


def shortened(tokenizer: Any, text: str, most: int) -> str:
    """The beginning of `text` that has at most `most` tokens; "" if not even a character fits."""
    text = text[: CHARACTERS * max(0, most)]
    while text and (tokens := count_tokens(tokenizer, [text])[0]) > most:
        text = text[: min(len(text) - 1, len(text) * most // tokens)]
    return text.rstrip()


def fitted(passages: Sequence[Passage], tokenizer: Any, most: int) -> tuple[list[Passage], int]:
    """The passages, those of more than `most` tokens cut into several, "b.txt#3" into "b.txt#3.1",
    "b.txt#3.2"; and how many were cut."""
    kept: list[Passage] = []
    cut = 0
    short = [p.text if len(p.text) <= CHARACTERS * most else "" for p in passages]
    for passage, text, tokens in zip(passages, short, count_tokens(tokenizer, short), strict=True):
        if text and tokens <= most:
            kept.append(passage)
            continue
        parts = pieces(tokenizer, passage.text, most)
        cut += len(parts) > 1
        for number, part in enumerate(parts, start=1):
            name = f"{passage.id}.{number}" if len(parts) > 1 else passage.id
            kept.append(replace(passage, id=name, text=part))
    return kept, cut


@dataclass(frozen=True)
class Prompt:
    """What a model reads: `hits` stand in it, `left_out` are those for which there was no room;
    `cut` says whether a note or the question had to be shortened."""

    text: str
    hits: tuple[Hit, ...]
    left_out: int = 0
    cut: bool = False


def notes_prompt(question: str, hits: Sequence[Hit], header: str = "") -> str:
    """Notes, question, and "Answer:", as in the exercises that the base model was trained on.

    All notes stand on one line, whatever line breaks they hold: no passage can write a question
    line of its own below them. What it says on that line the model still reads.
    """
    notes = " ".join(" ".join(hit.passage.text.split()) for hit in hits)
    asked = question_prompt(question)
    return "\n".join(
        [*([header] if header else []), *([f"Notes: {notes}"] if notes else []), asked]
    )


def prompt_within(
    tokenizer: Any, question: str, hits: Sequence[Hit], room: int, header: str = ""
) -> Prompt:
    """The prompt with as many passages, the best first, as fit into `room` tokens.

    If not even the first fits it is shortened, and so is the question, if it alone is too long.
    """
    empty = count_tokens(tokenizer, [notes_prompt("", [], header)])[0]
    whole = " ".join(question.split())
    asked = shortened(tokenizer, whole, room - empty)
    cut = asked != whole
    for count in range(len(hits), 0, -1):
        text = notes_prompt(asked, hits[:count], header)
        if count_tokens(tokenizer, [text])[0] <= room:
            return Prompt(text, tuple(hits[:count]), len(hits) - count, cut)
    left = room - count_tokens(tokenizer, [notes_prompt(asked, [], header)])[0]
    while hits and left > empty:
        note = shortened(tokenizer, " ".join(hits[0].passage.text.split()), left)
        if not note:
            break
        first = Hit(replace(hits[0].passage, text=note), hits[0].score)
        text = notes_prompt(asked, [first], header)
        if (over := count_tokens(tokenizer, [text])[0] - room) <= 0:
            return Prompt(text, (first,), len(hits) - 1, True)
        left -= over
    return Prompt(notes_prompt(asked, [], header), (), len(hits), cut)


def _middle(text: str) -> int:
    """The best place to cut at near the middle: from a quarter to three quarters of the text."""
    half, low, high = len(text) // 2, len(text) // 4, 3 * len(text) // 4
    near = text[low : high + 1]
    ends = [low + at for at in sentence_ends(near) if low < low + at <= high]
    if not ends:
        ends = [low + i for i, letter in enumerate(near) if letter.isspace() and low + i > 0]
    if ends:
        return min(ends, key=lambda at: abs(at - half))
    while half > 1 and unicodedata.category(text[half])[0] == "M":
        half -= 1  # an accent stays with its letter
    return half
