"""The English that the base model reads: `data/base_model/corpus.toml`, made into documents.

`python -m ftlab.training.pretraining.diet` fetches the packages that the manifest lists, reads the
files of each, keeps plain English prose that was not read before, and writes two files to the work
folder, `documents.jsonl` to train on and `held_out.jsonl` to test on, with one document a line:
`{"source": name, "paragraphs": [text, ...]}`. The same packages give the same files. A source that
was read already is not read again, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ftlab.common.errors import LabError
from ftlab.common.files import package_sha256, write_atomically, written_whole
from ftlab.common.paths import data_dir, project_root
from ftlab.training.pretraining import diet_cleaning, diet_fetching, diet_readers
from ftlab.training.pretraining.diet_cleaning import Fresh, kept
from ftlab.training.pretraining.diet_readers import READERS, Document


@dataclass(frozen=True)
class Source:
    """One package of the manifest.

    `files` maps a kind (a name in `READERS`) to a regular expression that a file's path in the
    package must contain; a file is read by the first kind that fits. At most `at_most` megabytes
    of its text are kept. `weight`: how often its documents are read, relative to the others.
    `megabytes`: what was kept when the manifest was made.
    """

    name: str
    client: str
    licence: str
    files: dict[str, str]
    megabytes: float
    version: str = ""
    sha256: str = ""
    at_most: float = 5.0
    weight: float = 1.0
    held_out: bool = False


_KINDS: dict[str, type | tuple[type, ...]] = {
    "client": str,
    "licence": str,
    "files": dict,
    "megabytes": (int, float),
    "version": str,
    "sha256": str,
    "at_most": (int, float),
    "weight": (int, float),
    "held_out": bool,
}
_ALWAYS = {"client", "licence", "files", "megabytes"}


def read_manifest(path: Path) -> list[Source]:
    """The sources of the manifest, in its order; LabError names a table that cannot be used."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LabError(f"Cannot read the manifest {path}: {error}.") from error
    sources = []
    for name, table in tables.items():
        if problem := _problem(table):
            raise LabError(f"{path}, table [{name}]: {problem}.")
        sources.append(Source(name=name, **table))
    return sources


def _problem(table: object) -> str:
    if not isinstance(table, dict):
        return "a source is a table, not a single value"
    needed = _ALWAYS | ({"version", "sha256"} if table.get("client") != "installed" else set())
    if missing := sorted(needed - set(table)):
        return f"the key {missing[0]!r} is missing"
    for key, value in table.items():
        if key not in _KINDS:
            return f"unknown key {key!r}"
        if not isinstance(value, _KINDS[key]):
            return f"{key} = {value!r} has the wrong type"
    if table["client"] not in diet_fetching.CLIENTS:
        return f"client = {table['client']!r} is none of {', '.join(diet_fetching.CLIENTS)}"
    sha256 = table.get("sha256", "0" * 64)
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        return f"sha256 = {sha256!r} is not 64 hexadecimal digits"
    for kind, pattern in table["files"].items():
        if kind not in READERS:
            return f"files names the kind {kind!r}, which is none of {', '.join(READERS)}"
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            return f"the pattern of {kind} is no regular expression ({error})"
    return ""


def build(manifest: Path, work: Path, say: Callable[[str], None] = print) -> Path:
    """Write `documents.jsonl` and `held_out.jsonl` in `work`; the path of the former.

    Each source's prose is kept in `work/parts`; then copies are dropped across sources, in the
    manifest's order. LabError: the manifest, a package or the disk cannot be used.
    """
    sources = read_manifest(manifest)
    try:
        parts = [_part(source, work, say) for source in sources]
        pairs = list(zip(sources, parts, strict=True))
        stamp = hashlib.sha256(
            repr([(s.name, s.at_most, s.held_out, part.name) for s, part in pairs]).encode()
        ).hexdigest()
        out, stamp_file = work / "documents.jsonl", work / "stamp.txt"
        if stamp_file.is_file() and stamp_file.read_text() == stamp and out.is_file():
            say(f"{out} is up to date")
            return out
        stamp_file.unlink(missing_ok=True)
        fresh, lines = Fresh(), []
        with written_whole(out) as train, written_whole(work / "held_out.jsonl") as test:
            files = {
                False: train.open("w", encoding="utf-8"),
                True: test.open("w", encoding="utf-8"),
            }
            # What is held out goes first, so that no copy of it is trained on.
            for source, part in sorted(pairs, key=lambda pair: not pair[0].held_out):
                lines.append(_merge(source, part, fresh, files[source.held_out].write))
                say(lines[-1])
            for file in files.values():
                file.close()
        write_atomically(work / "sizes.txt", "\n".join(lines) + "\n")
        write_atomically(stamp_file, stamp)
    except OSError as error:
        raise LabError(f"Cannot write in {work}: {error.strerror or error}.") from error
    return out


def _merge(source: Source, part: Path, fresh: Fresh, write: Callable[[str], object]) -> str:
    """Write the new paragraphs of one source, up to its limit; one line on its size.

    Beyond the limit, documents are left out by a hash of their text: at random, but the same ones
    every time.
    """
    documents: list[Document] = []
    for line in part.read_text(encoding="utf-8").splitlines():
        if new := [text for text in json.loads(line) if fresh(text)]:
            documents.append(new)
    order = sorted(
        range(len(documents)), key=lambda i: hashlib.blake2b(documents[i][0].encode()).digest()
    )
    room, chosen = source.at_most * 1e6, []
    for i in order:
        size = sum(map(len, documents[i]))
        if size <= room:
            room -= size
            chosen.append(i)
    characters = paragraphs = 0
    for i in sorted(chosen):
        record = {"source": source.name, "paragraphs": documents[i]}
        write(json.dumps(record, ensure_ascii=False) + "\n")
        characters += sum(map(len, documents[i]))
        paragraphs += len(documents[i])
    return (
        f"{source.name:28} {len(chosen):6} documents {paragraphs:7} paragraphs "
        f"{characters / 1e6:6.2f} MB" + ("  held out" if source.held_out else "")
    )


def _part(source: Source, work: Path, say: Callable[[str], None]) -> Path:
    """The prose of one source, read now unless it was read before: a JSON list a document."""
    modules = {m.__name__: Path(str(m.__file__)) for m in (diet_cleaning, diet_readers)}
    read = [source.client, source.version, source.sha256, source.files, package_sha256(modules)]
    stamp = hashlib.sha256(json.dumps(read).encode()).hexdigest()[:12]
    part = work / "parts" / f"{source.name}.{stamp}.jsonl"
    if part.is_file():
        return part
    count = 0
    with written_whole(part) as beside, beside.open("w", encoding="utf-8") as file:
        for document in _documents(source, work, say):
            file.write(json.dumps(document, ensure_ascii=False) + "\n")
            count += sum(map(len, document))
    say(f"{source.name}: {count / 1e6:.2f} MB of prose read")
    return part


def _documents(source: Source, work: Path, say: Callable[[str], None]) -> Iterator[Document]:
    failed = 0
    for kind, path in _paths(source, work, say):
        try:
            documents = READERS[kind](path.read_bytes())
        except (ValueError, OSError, EOFError, LookupError, AssertionError):
            failed += 1
            continue
        for document in documents:
            if paragraphs := kept(document):
                yield paragraphs
    if failed:
        say(f"{source.name}: {failed} files could not be read and are left out")


def _paths(source: Source, work: Path, say: Callable[[str], None]) -> Iterator[tuple[str, Path]]:
    if source.client == "installed":
        yield from (("python", path) for path in diet_fetching.installed_modules())
        return
    wanted = (source.client, source.name, source.version, source.sha256)
    package = f"{source.name}-{source.version}".replace(":", "_")  # no colons in Windows' names
    file = diet_fetching.fetch(*wanted, work / "packages" / package, say)
    folder = diet_fetching.unpack(file, work / "unpacked" / package)
    patterns = {kind: re.compile(pattern) for kind, pattern in source.files.items()}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        name = "/" + path.relative_to(folder).as_posix()
        if kind := next((k for k, pattern in patterns.items() if pattern.search(name)), None):
            yield kind, path


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__)
    default = project_root() / "build" / "diet"
    parser.add_argument("--manifest", type=Path, default=data_dir() / "base_model" / "corpus.toml")
    parser.add_argument("--work", type=Path, default=default)
    given = parser.parse_args(argv)
    try:
        build(given.manifest, given.work.resolve(), lambda line: print(line, flush=True))
    except LabError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
