"""Prompts of the comparison: instructions, examples and retrieved notes, cut to the room there is.

Prompting gets what training gets: several candidates, of which validation chooses, for each need.
Examples are picked for the request, as a search would pick them: those about the same attribute
come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftlab.common.errors import LabError
from ftlab.experiments.rag_needs import JSON, VOICE, Asked
from ftlab.world.needs import Item, Need

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

INSTRUCTIONS = {
    VOICE: "Start with 'Ahoy!'. End with 'Fair tides to you!'.",
    JSON: "Answer as JSON with the keys entity and {attribute}.",
}


@dataclass(frozen=True)
class Style:
    """What a prompt says beside the request: how many examples it shows, whether it tells in words
    what is wanted (`instructs`), and what stands before an answer (`reply`; "": as the need has it,
    such as "JSON")."""

    name: str
    examples: int = 0
    instructs: bool = False
    reply: str = ""


NOTHING = Style("nothing")
WORD = "Answer"  # what the base model's reading has before an answer
STYLES = (
    NOTHING,
    Style("instruction", 0, True, WORD),
    Style("1 example", 1, reply=WORD),
    Style("2 examples", 2, reply=WORD),
    Style("4 examples", 4, reply=WORD),
    Style("8 examples", 8, reply=WORD),
    Style("4 examples, a word of the form's own", 4),
    Style("instruction, 4 examples", 4, True, WORD),
)


def styles_for(need: Need) -> tuple[Style, ...]:
    """The candidates for a need: without a form there is no instruction to give."""
    if getattr(need.items[0], "form", ""):
        return STYLES
    return tuple(
        style for style in STYLES if style is NOTHING or (style.reply and not style.instructs)
    )


def prompt(need: Need, item: Item, style: Style = NOTHING, notes: Sequence[str] = ()) -> str:
    """The text to continue: notes, the instruction, examples, and the request."""
    orders = ""
    if style.instructs and isinstance(item, Asked):
        orders = INSTRUCTIONS[item.form].format(attribute=item.attribute)
    lines = [need.header] if need.header else []
    lines += [f"Notes: {' '.join(notes)}"] if notes else []
    lines += [orders] if orders else []
    shown = examples(need, item, style.examples)
    lines += [f"{_request(one, style)} {one.answer}" for one in shown]
    return "\n".join([*lines, _request(item, style)])


def examples(need: Need, item: Item, count: int) -> list[Item]:
    """The lessons to show before a request: first those about the same attribute, then any; the
    most alike stands last, next to the request. The fact that is asked for is never shown."""

    def unlike(lesson: Item) -> bool:
        return getattr(lesson, "attribute", "") != getattr(item, "attribute", "")

    others = [one for one in need.lessons if not item.about or one.about != item.about]
    ordered = sorted(others if isinstance(item, Asked) else need.lessons, key=unlike)
    return ordered[:count][::-1]


def fitted(
    tokenizer: PreTrainedTokenizerBase,
    room: int,
    need: Need,
    item: Item,
    style: Style = NOTHING,
    notes: Sequence[str] = (),
) -> tuple[str, bool]:
    """The prompt in at most `room` tokens, and whether something had to go for that: examples
    first, then the last of the notes, then the end of the first one, then the request's beginning.

    LabError if there is no room for anything.
    """
    if room < 1:
        raise LabError("The model takes no prompt at all beside an answer: give a larger one.")
    left, kept, cut = style, list(notes), False

    def tokens(text: str) -> list[int]:
        return list(tokenizer(text)["input_ids"])

    while len(tokens(text := prompt(need, item, left, kept))) > room:
        cut = True
        if left.examples:
            left = Style(left.name, left.examples // 2, left.instructs, left.reply)
        elif len(kept) > 1:
            kept.pop()
        elif kept and len(inside := tokens(kept[0])) > 1:
            over = len(tokens(text)) - room
            kept[0] = _text(tokenizer, inside[: max(1, len(inside) - over)])
        elif kept:
            kept = []
        else:
            ends = (tokens(text)[-most:] for most in range(room, 0, -1))
            texts = (_text(tokenizer, end) for end in ends)
            return next((end for end in texts if len(tokens(end)) <= room), ""), True
    return text, cut


def _request(item: Item, style: Style) -> str:
    """What is asked, up to where the answer begins."""
    if not style.reply or not isinstance(item, Asked):
        return item.query
    return f"Question: {item.question}\n{style.reply}:"


def cut(tokenizer: PreTrainedTokenizerBase, text: str, most: int) -> str:
    """The text, or as much of its beginning as `most` tokens hold."""
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(tokens) <= most:
        return text
    return _text(tokenizer, tokens[:most])


def _text(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    """The text of tokens, without a character that was cut in two."""
    return str(tokenizer.decode(list(tokens), skip_special_tokens=True)).strip(
        "\N{REPLACEMENT CHARACTER}"
    )
