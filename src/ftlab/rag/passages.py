"""Passages: what is stored, searched and cited; and documents cut into them."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ftlab.common.errors import LabError
from ftlab.data.jsonl import parse_json_lines
from ftlab.data.text import TEXT_SUFFIXES, read_decoded

DATE = re.compile(r"\d{4}(-\d\d){0,2}")
# Scripts that put no space between words: kana and kanji, Thai, Lao, Myanmar, Khmer.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_PIECE = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
# A full stop before a space, one of those of scripts without spaces, or a blank line.
_SENTENCE_END = re.compile(
    r"""[.!?][")'\u201d\u2019\]]*(?=\s)|[\u3002\uff01\uff1f][\u300d\u300f\uff09]*|\n\s*\n"""
)
# Marks that belong to what stands before them: full stops, commas, closing brackets.
_STARTS_NOTHING = "\u3002\u3001\uff01\uff1f\uff09\u300d\u300f,.!?)]"


@dataclass(frozen=True)
class Passage:
    """A piece of a document: what one hit of a search is.

    `id` is its name in citations, unique in an index. `source` names the document that it belongs
    to: documents are changed and deleted as wholes. `date` is "YYYY-MM-DD", a part of it from the
    left, or "" if unknown. Of passages with the same `key`, the newest holds (see `Retriever`);
    "" has none. `metadata` is free, and can be searched by equality.
    """

    id: str
    text: str
    source: str
    date: str = ""
    key: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        strings = [self.id, self.text, self.source, self.key]
        strings += [*self.metadata.keys(), *self.metadata.values()]
        if not all(isinstance(value, str) for value in strings):
            raise LabError(f"Passage {self.id!r}: all its fields must be text.")
        if not (self.id and self.source and self.text.strip()):
            raise LabError(
                f"Passage {self.id!r} needs an id, a source and a text that is not blank."
            )
        try:
            "".join(strings).encode()
        except UnicodeEncodeError:
            raise LabError(
                f"Passage {self.id!r} contains half of a character (a lone surrogate): remove it."
            ) from None
        check_date(self.date, f"Passage {self.id!r}")


def check_date(date: str, where: str) -> None:
    """LabError unless `date` is "", "YYYY", "YYYY-MM" or "YYYY-MM-DD": such text sorts by time."""
    if date and not (isinstance(date, str) and date.isascii() and DATE.fullmatch(date)):
        raise LabError(f"{where}: the date must be written YYYY-MM-DD, not {date!r}.")


def to_json(passage: Passage) -> str:
    """A passage as one line of JSON."""
    return json.dumps({**vars(passage), "metadata": dict(passage.metadata)}, ensure_ascii=False)


def from_json(line: str) -> Passage:
    """What `to_json` wrote."""
    return Passage(**json.loads(line))


def sentence_ends(text: str) -> list[int]:
    """Where sentences end: the places behind them; a blank line ends one as well."""
    return [match.end() for match in _SENTENCE_END.finditer(text)]


def sentences(text: str) -> list[str]:
    """The sentences of a text, stripped."""
    ends = sentence_ends(text)
    cut = [text[a:b].strip() for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    return [sentence for sentence in cut if sentence]


def chunk(text: str, size: int = 80, overlap: int = 0) -> list[str]:
    """`text` in pieces of at most `size` words; in scripts without spaces, of so many characters.

    A piece ends with a sentence if one ends in its second half, and never inside a word. The last
    `overlap` words of a piece begin the next one again, so that what a cut separates stands
    together once.
    """
    if size < 1 or not 0 <= overlap < max(1, size // 2):
        raise LabError(
            f"chunk: size must be 1 or more and overlap from 0 to less than half of it, not {size} "
            f"and {overlap}."
        )
    starts = _starts(text)
    ended = set(sentence_ends(text))
    bounds = [*starts, len(text)]
    # Piece i of the text reaches from bounds[i] to bounds[i + 1]; which of them end a sentence?
    closing = [
        any(at in ended for at in range(bounds[i] + 1, bounds[i + 1] + 1))
        for i in range(len(starts))
    ]
    pieces, begin = [], 0
    while begin < len(starts):
        end = min(begin + size, len(starts))
        if end < len(starts):
            half = begin + (size + 1) // 2
            end = next((i for i in range(end, half - 1, -1) if closing[i - 1]), end)
        pieces.append(text[bounds[begin] : bounds[end]].strip())
        begin = end if end == len(starts) else max(end - overlap, begin + 1)
    return pieces


def _starts(text: str) -> list[int]:
    """Where words begin, and every character of a script without spaces: places to cut at."""
    starts: list[int] = []
    for match in _PIECE.finditer(text):
        first = text[match.start()]
        joined = unicodedata.category(first)[0] == "M" or first in _STARTS_NOTHING
        if not (starts and joined and not text[match.start() - 1].isspace()):
            starts.append(match.start())
    return starts


def read_folder(path: str | Path, size: int = 80, overlap: int = 0) -> list[Passage]:
    """Passages of every .txt and .md file in a folder and its subfolders (or of one such file).

    A file is one document: its `source` is its path within the folder, its passages are
    "source#1", "source#2", ... Files are UTF-8 (or marked UTF-16); anything else is refused here,
    as nobody would see a garbled passage among thousands. LabError names file, line and reason.
    """
    root = Path(path).expanduser()
    if not root.exists():
        raise LabError(f"No such file or folder: {root}.")
    files = [root]
    if root.is_dir():
        paths = (p for p in root.rglob("*") if p.suffix.lower() in TEXT_SUFFIXES and p.is_file())
        files = sorted(paths)
        if not files:
            raise LabError(f"The folder {root} has no {' or '.join(TEXT_SUFFIXES)} file.")
    passages: list[Passage] = []
    for file in files:
        source = file.relative_to(root).as_posix() if root.is_dir() else file.name
        notes: list[str] = []
        text = read_decoded(file, notes)
        if any("Windows-1252" in note for note in notes):
            raise LabError(f"{source}: {_first_bad_byte(file)}; save the file as UTF-8.")
        for number, piece in enumerate(chunk(text, size, overlap), start=1):
            passages.append(Passage(f"{source}#{number}", piece, source))
    return passages


def _first_bad_byte(file: Path) -> str:
    raw = file.read_bytes()
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return f"line {line}: byte 0x{raw[error.start]:02x} at {error.start} is not UTF-8"
    return "not UTF-8"


@dataclass(frozen=True)
class AskedQuestion:
    """A question with its right answer, and the source that tells it ("" if not given)."""

    question: str
    answer: str
    source: str = ""


def read_questions(path: str | Path) -> list[AskedQuestion]:
    """Questions of a JSON Lines file: {"question": ..., "answer": ..., "source": ...} a line.

    "source" may be missing; other keys are ignored. LabError names file, line and reason.
    """
    path = Path(path).expanduser()
    questions = []
    for number, record in parse_json_lines(read_decoded(path, []), path.name):
        values = {}
        for name in ("question", "answer", "source"):
            value = record.get(name, "" if name == "source" else None)
            if not isinstance(value, str) or not (value.strip() or name == "source"):
                raise LabError(
                    f'{path.name}, line {number}: "{name}" is missing, blank or not text.'
                )
            values[name] = value
        questions.append(AskedQuestion(**values))
    return questions


def digest(text: str) -> str:
    """128 bits of SHA-256 in hexadecimal: a name for `text` that any filter language can hold."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
