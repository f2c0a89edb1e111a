"""From a file of a package to documents: lists of paragraphs, not yet cleaned.

A reader takes the file's bytes and gives its documents; most files are one document.
"""

from __future__ import annotations

import ast
import bz2
import gettext
import gzip
import html.entities
import inspect
import io
import json
import lzma
import re
import warnings
import zlib
from collections.abc import Callable, Iterator
from html.parser import HTMLParser

Document = list[str]
_ENTRIES = 40  # of a dictionary, in one document


def text_of(raw: bytes) -> str:
    """The text of a file, which may be packed with gzip."""
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    return raw.decode("utf-8", "replace")


class _Blocks(HTMLParser):
    """The text blocks of HTML, DocBook or Mallard, without code, tables of links and heads."""

    cuts = frozenset(
        "p li dd dt td th h1 h2 h3 h4 h5 h6 div section title subtitle caption blockquote "
        "figcaption tr table ul ol dl br para simpara listitem entry term item note row comment "
        "desc".split()
    )
    skips = frozenset(
        "script style pre nav head footer header svg math screen programlisting literallayout info "
        "indexterm remark synopsis textarea button select template bookinfo articleinfo keywordset "
        "refentryinfo".split()
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: Document = []
        self._now: list[str] = []
        self._skipped = 0

    def cut(self) -> None:
        self.blocks.append("".join(self._now))
        self._now = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skipped += tag in self.skips
        if tag in self.cuts:
            self.cut()

    def handle_endtag(self, tag: str) -> None:
        self._skipped = max(0, self._skipped - (tag in self.skips))
        if tag in self.cuts:
            self.cut()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.cuts:  # <head/> opens nothing that must be skipped
            self.cut()

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._now.append(data)


def _entity(match: re.Match[str]) -> str:
    """A DocBook file's own entities, such as &kmail;, are names: keep them as words."""
    name = match[1]
    return match[0] if f"{name};" in html.entities.html5 else name[:1].upper() + name[1:]


def from_markup(raw: bytes) -> list[Document]:
    """HTML, XHTML, DocBook, Mallard: one document."""
    text = re.sub(r"&([A-Za-z][\w.-]*);", _entity, text_of(raw))
    parser = _Blocks()
    parser.feed(re.sub(r"<\?.*?\?>|<!\[CDATA\[|\]\]>", " ", text, flags=re.S))
    parser.cut()
    return [parser.blocks]


def from_plain(raw: bytes) -> list[Document]:
    """Plain text, reStructuredText, Markdown or Info: paragraphs between blank lines, list items
    apart, blocks that are indented as code left out."""
    return [_split(text_of(raw))]


def _split(text: str) -> Document:
    out = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.split("\n")
        if len(lines) > 2 and sum(x.startswith(("    ", "\t")) for x in lines) > len(lines) / 2:
            continue
        if lines[0].lstrip().startswith((">>>", "$ ", "..", "|", "+-")):
            continue
        out += [" ".join(x.split()) for x in re.split(r"\n\s*(?:[-*+]|\d+\.)\s+", "\n" + block)]
    return out


def from_pod(raw: bytes) -> list[Document]:
    """Perl's documentation."""
    out = []
    for block in re.split(r"\n\s*\n", text_of(raw)):
        if not block.startswith(("=", " ", "\t")):
            out.append(re.sub(r"[A-Z]<+\s*(?:[^<>|]*\|)?([^<>]*)>+", r"\1", block))
    return [out]


# What stands before the description of an argument, in the usual styles of docstrings.
_PARAMETER = re.compile(
    r"^[ \t]*(?::[a-z]+ [^:\n]*:|:returns?:|\*{0,2}[\w.]+(?: \([^()\n]*\))?:)(?:[ \t]+|$)"
    r"|^[ \t]*[\w, ]+ ?: ?[\w\[\]|. ]{1,40}$|\[optional\].*$|# noqa.*$",
    re.M,
)


def _is_message(node: ast.Call) -> bool:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    return name in ("_", "gettext", "gettext_lazy", "ngettext") and bool(node.args)


def from_python(raw: bytes) -> list[Document]:
    """A Python module, parsed and never run: its docstrings, the descriptions of its attributes,
    and the messages it shows to its users."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(raw)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # a template or a deliberately broken test file: not prose
    texts: Document = []
    for node in ast.walk(tree):
        value: ast.expr | None = None
        if isinstance(node, ast.Expr) or (
            isinstance(node, ast.keyword) and node.arg in ("description", "help_text")
        ):
            value = node.value
        elif isinstance(node, ast.Call) and _is_message(node):
            value = node.args[0]
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            text = _PARAMETER.sub("\n\n", inspect.cleandoc(value.value))
            for part in text.split("\n\n"):
                texts += _split(part)
    return [texts]


def from_json(raw: bytes) -> list[Document]:
    """Every text in a JSON file: messages of a program, or the description of a service."""

    def texts(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for inner in value.values():
                yield from texts(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from texts(inner)

    out: Document = []
    for text in texts(json.loads(text_of(raw))):
        out += from_markup(text.encode())[0] if "<p" in text else text.split("\n")
    return [out]


def from_messages(raw: bytes) -> list[Document]:
    """The English messages of a program, from the keys of a compiled gettext catalogue."""
    catalogue = gettext.GNUTranslations(io.BytesIO(raw))
    keys: list[object] = list(catalogue._catalog)  # type: ignore[attr-defined]
    texts = [str(key[0] if isinstance(key, tuple) else key).split("\x04")[-1] for key in keys]
    return [
        [part for text in texts for part in re.sub(r"(\w)?[_&](\w)", r"\1\2", text).split("\n\n")]
    ]


def from_wordnet(raw: bytes) -> list[Document]:
    """A data file of WordNet: a paragraph a set of synonyms, with its meaning and examples."""
    out = []
    for line in text_of(raw).splitlines():
        if line.startswith("  ") or " | " not in line:
            continue
        head, gloss = line.split(" | ", 1)
        fields = head.split()
        count = int(fields[3], 16)
        words = [
            re.sub(r"\(\w+\)$", "", w).replace("_", " ") for w in fields[4 : 4 + 2 * count : 2]
        ]
        # Proper names say little about words; lists of plants and animals would be a fifth of all.
        if words[0][0].isupper() or fields[1] in ("05", "20"):
            continue
        examples = re.findall(r'"([^"]+)"', gloss)
        meaning = gloss.split('; "')[0].split(' "')[0].strip(" ;.:")
        text = f"{words[0]}: {meaning}."
        if words[1:]:
            text += f" Synonyms: {', '.join(words[1:])}."
        for example in examples[:3]:
            example = example.strip(" .,;")
            text += f" {example[:1].upper()}{example[1:]}{'' if example[-1:] in '!?' else '.'}"
        out.append(text)
    return _grouped(out)


def from_gcide(raw: bytes) -> list[Document]:
    """The GNU Collaborative International Dictionary: a paragraph a word, obsolete senses left
    out, without pronunciation, origin and citations."""
    out = []
    for entry in re.split(r"\n(?=[A-Za-z][A-Za-z -]* \\)", text_of(raw)):
        entry = re.sub(r"\[[^\]]*\]", lambda m: "Obs." if "Obs." in m[0] else "", entry)
        head, _, body = entry.partition("\n")
        word = head.split(" \\")[0].strip().lower()
        senses = []
        for block in re.split(r"\n\s*\n", body):
            if not re.match(r"\s{3}(\d+\. )?(\([A-Za-z.]+\) )?[A-Z]", block) or "Obs." in block:
                continue
            sense = re.sub(r"\([\w. ]+\.\)|^\s*\d+\.|--[A-Z].*$", " ", block, flags=re.S)
            sense = " ".join(sense.replace("{", "").replace("}", "").split())
            if sense.endswith((".", ";")) and 4 <= len(sense.split()) <= 60:
                senses.append(sense.rstrip(";."))
        if senses and re.fullmatch(r"[a-z][a-z -]+", word):
            out.append(f"{word}: {'. '.join(senses[:4])}.")
    return _grouped(out)


def from_wesnoth(raw: bytes) -> list[Document]:
    """What is said and told in the scenarios of a game, in its order."""
    texts = re.findall(r'=\s*_\s*"((?:[^"]|"")*)"', text_of(raw))
    return [[part.replace('""', '"') for text in texts for part in text.split("\n\n")]]


def from_r_texts(raw: bytes) -> list[Document]:
    """Novels in a lazy-load database of R: character vectors of printed lines."""
    out = []
    while len(raw) > 5:
        kind = raw[4:5]
        if kind == b"Z":
            unpacked, raw = _unpacked(lzma.LZMADecompressor(), raw[5:])
        elif kind == b"2":
            unpacked, raw = _unpacked(bz2.BZ2Decompressor(), raw[5:])
        else:
            unpacked, raw = _unpacked(zlib.decompressobj(), raw[4:])
        lines, at = [], 0
        header = re.compile(rb"\x00[\x00\x04][\x00\x80]\x09(....)", re.S)  # a string, its length
        while match := header.search(unpacked, at):
            at = match.end() + int.from_bytes(match[1], "big")
            lines.append(unpacked[match.end() : at].decode("utf-8", "replace"))
        out.append(re.split(r"\n\s*\n", "\n".join(lines)))
    return out


def _unpacked(decompressor: object, raw: bytes) -> tuple[bytes, bytes]:
    data: bytes = decompressor.decompress(raw)  # type: ignore[attr-defined]
    return data, decompressor.unused_data  # type: ignore[attr-defined]


def _grouped(entries: Document) -> list[Document]:
    return [entries[i : i + _ENTRIES] for i in range(0, len(entries), _ENTRIES)]


READERS: dict[str, Callable[[bytes], list[Document]]] = {
    "markup": from_markup,
    "plain": from_plain,
    "pod": from_pod,
    "python": from_python,
    "json": from_json,
    "messages": from_messages,
    "wordnet": from_wordnet,
    "gcide": from_gcide,
    "wesnoth": from_wesnoth,
    "r-texts": from_r_texts,
}
