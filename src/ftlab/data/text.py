"""Files as text: decoding, and plain-text corpora."""

from __future__ import annotations

import codecs
from pathlib import Path

from ftlab.common.errors import LabError
from ftlab.data.wording import count, places

TEXT_SUFFIXES = (".txt", ".md")


def read_decoded(path: Path, notes: list[str]) -> str:
    """The text of one file, without a byte-order mark; line ends stay as they are.

    UTF-8 and marked UTF-16 are read. Lines that are not UTF-8 are read as Windows-1252, which
    agrees with Latin-1 on all printable characters, and `notes` gets a remark that says how many.
    LabError for a file that is missing, empty, binary or in yet another encoding.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error.strerror}.") from None
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            text = raw.decode("utf-16")
        except UnicodeDecodeError as error:
            raise LabError(
                f"{path.name} starts like UTF-16 but is cut off ({error.reason}): save it as UTF-8."
            ) from None
        notes.append(f"{path.name}: read as UTF-16; UTF-8 is the usual encoding.")
    else:
        text = _decode_bytes(raw.removeprefix(codecs.BOM_UTF8), path.name, notes)
    if not text.strip():
        raise LabError(f"{path} is empty.")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise LabError(
            f"{path.name}, line {line}: contains a NUL byte, so it is binary or UTF-16 "
            "without a byte-order mark; save it as UTF-8 text."
        )
    return text


def _decode_bytes(raw: bytes, name: str, notes: list[str]) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    # Line by line, so that one line pasted from elsewhere does not garble the sound ones.
    lines, repaired = raw.split(b"\n"), []
    decoded = []
    for number, line in enumerate(lines, start=1):
        try:
            decoded.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            repaired.append(number)
            try:
                decoded.append(line.decode("cp1252"))
            except UnicodeDecodeError as error:
                raise LabError(
                    f"{name}, line {number}: byte 0x{line[error.start]:02x} is valid neither in "
                    "UTF-8 nor in Windows-1252; save the file as UTF-8."
                ) from None
    other = sum(not line.isascii() for line in lines) - len(repaired)
    notes.append(
        f"{name}: not valid UTF-8; {count(len(repaired), 'line')} with non-ASCII characters "
        f"({places('line', repaired)}) read as Windows-1252 (Latin-1): check that they look right"
        + (f"; {count(other, 'other line')} with such characters read as UTF-8." if other else ".")
    )
    return "".join(line + "\n" for line in decoded[:-1]) + decoded[-1]


def read_text(path: str | Path, notes: list[str] | None = None) -> list[str]:
    """Documents of a plain-text file, or of every .txt and .md file of a folder (sorted by path).

    Returns one string per file, line ends as "\\n". Remarks on encodings are appended to `notes`.
    LabError for a missing path, a folder without such files, or a file that cannot be read.
    """
    root = Path(path).expanduser()
    notes = [] if notes is None else notes
    if not root.exists():
        raise LabError(f"No such file or folder: {root}.")
    files = [root]
    if root.is_dir():
        files = sorted(
            p for p in root.rglob("*") if p.suffix.lower() in TEXT_SUFFIXES and p.is_file()
        )
        if not files:
            raise LabError(f"The folder {root} has no {' or '.join(TEXT_SUFFIXES)} file.")
    return [read_decoded(f, notes).replace("\r\n", "\n").replace("\r", "\n") for f in files]
