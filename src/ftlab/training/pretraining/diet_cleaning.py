"""Which paragraphs are plain English prose, and which were read already."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable

SHORTEST, LONGEST = 40, 4000  # characters
WORDS = 7
_WORD = re.compile(
    r"^[\"'(\u201c\u2018]*[A-Za-z][A-Za-z'\u2019-]*[.,;:!?)\"'\u201d\u2019]*$|^\$?[0-9][0-9.,]*%?[.,;:)]*$"
)
# Anything beyond ASCII but the signs of ordinary typography marks a table or another language.
_FOREIGN = re.compile(
    "[^\\x00-\\x7f\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u00a0\u00e9\u20ac\u00a3]"
)
_ENGLISH = re.compile(
    r"\b(the|a|an|is|are|was|to|of|you|in|and|it|this|that|your|i|my|for|be|not|with|we)\b"
)
_CODE = re.compile(r"[{}<>\\|]|>>>|---|===|\*\*|__|::|\(\)|[a-z]_[a-z]|https?:|www\.|%[sd(]|=\S|\.\.\.\.")
_LEGAL = re.compile(
    r"copyright|licen[cs]e[ds]? under|licen[cs]es?\b.*\b(gnu|apache|mit|bsd|terms)\b|gnu general public"
    r"|redistribut|warrant(y|ies)|merchantab|all rights reserved|free documentation|creative commons"
)
_OFFENSIVE = re.compile(
    r"\b(fuck\w*|shit\w*|cunts?|whores?|sluts?|bitch\w*|fagg?ots?|rap(e|es|ed|ist)|negro\w*|nigg\w+"
    r"|bastards?|penis|vagina\w*|orgasm\w*|masturbat\w*|porn\w*|prostitut\w*|genital\w*|sexual\w*"
    r"|sex|semen|urin\w+|feces|erotic\w*|suicid\w*|genocid\w*|slurs?|offensive|disparag\w+|obscen\w+"
    r"|vulgar|damned?|goddam\w*|retard(s|ed)?)\b"
)
_PARTISAN = re.compile(
    r"\b(nazis?|hitler\w*|stalin\w*|fascis\w+|communis\w+|marx\w*|socialis\w+|republicans?|democrats?"
    r"|terroris\w+|abortion\w*|jew(s|ish)?|muslims?|islam\w*|christ(ian\w*)?|jesus|allah|bible|biblical"
    r"|koran|quran|catholic\w*|protestant\w*|trump|obama|clinton|putin|israel\w*|palestin\w+|zionis\w+"
    r"|gospel|apostles?|holy|church(es)?|popes?|papal|jihad\w*|racis\w+|trotsky\w*|anarchis\w+)\b"
)
_TAG = re.compile(r"<[^<>]{1,200}>")
_LINK = re.compile(r"\[([^\[\]]+)\]\([^()\s]*\)")


def clean(paragraph: str) -> str:
    """One line of text without tags, links, character references and marks of emphasis."""
    text = _LINK.sub(r"\1", paragraph)
    text = html.unescape(_TAG.sub(" ", text)).replace("\u00a0", " ")
    text = re.sub(r":[a-z:]+:`([^`<]*)[^`]*`", r"\1", text)
    text = re.sub(r"[`*]+|(?<!\w)_+|_+(?!\w)", "", text)
    text = re.sub(r"\s+([.,;:!?)])", r"\1", text.replace("\u2026", "..."))
    return " ".join(text.split()).strip("-# ")


def is_prose(text: str) -> bool:
    """Whether a cleaned paragraph is a plain, inoffensive English sentence or several."""
    if not SHORTEST <= len(text) <= LONGEST or _FOREIGN.search(text):
        return False
    words = text.split()
    low = text.lower()
    if len(words) < WORDS or not text[0].isalnum() and text[0] not in "\"'(\u201c\u2018$":
        return False
    if sum(bool(_WORD.match(word)) for word in words) < 0.85 * len(words):
        return False
    if len(_CODE.findall(text)) > len(words) / 30 or not _ENGLISH.search(low):
        return False
    if sum(letter.isupper() for letter in text) > 0.2 * len(text):  # headings, tables, names
        return False
    if text[-1] not in ".!?:)\"'\u201d\u2019" and len(words) < 12:
        return False
    return not any(bad.search(low) for bad in (_LEGAL, _OFFENSIVE, _PARTISAN))


def kept(paragraphs: Iterable[str]) -> list[str]:
    """The paragraphs that are prose, cleaned, in their order."""
    return [text for paragraph in paragraphs if is_prose(text := clean(paragraph))]


class Fresh:
    """Tells paragraphs apart by their first and by their last 80 letters: one that shares either
    with a paragraph seen before is a copy, or nearly."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def __call__(self, text: str) -> bool:
        """Whether nothing like `text` was seen before; it is seen from now on."""
        letters = re.sub(r"[^a-z]", "", text.lower())
        ends = {b"<" + _digest(letters[:80]), b">" + _digest(letters[-80:])}
        fresh = not ends & self._seen
        self._seen |= ends
        return fresh


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
