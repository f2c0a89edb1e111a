"""The base model's reading: what is read from files of each kind, and what of it is kept."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from ftlab.common.errors import LabError
from ftlab.common.paths import data_dir
from ftlab.training.pretraining import diet, diet_fetching
from ftlab.training.pretraining.diet_cleaning import Fresh, clean, is_prose, kept
from ftlab.training.pretraining.diet_readers import READERS

REFUND = "The shop sends the money back to your card within five working days."
PARCEL = "You can follow your parcel with the number that we sent to you by letter."
MODULE = f'''
class Order:
    """{REFUND}

    Args:
        parcel (str): {PARCEL}
    """
    total: int
    """
    What the customer has to pay for everything in the basket.
    """

def save(x):
    raise Error(_("We could not save your order, please try again later."))
'''
WORDNET = (
    "  1 a line of the licence\n"
    "13289 21 n 02 refund 0 repayment 0 001 @ 13 n 0000 | money returned to a payer; "
    '"the shop gave them a refund"\n'
    "13290 15 n 01 Paris 0 000 | the capital and largest city of France\n"
)
GCIDE = (
    'Parcel \\Par"cel\\, n. [F. parcelle,\n   L. particula. See {Part}.]\n'
    "   1. A portion of anything; a part. [Obs.] --Chaucer.\n      [1913 Webster]\n\n"
    "   2. A package of goods that is sent to somebody. --Cowper.\n      [1913 Webster]\n"
)


def rdb(*lines: str) -> bytes:
    """A chunk of an R database: a character vector, packed."""
    strings = b"".join(b"\x00\x04\x00\x09" + struct.pack(">i", len(x)) + x.encode() for x in lines)
    return struct.pack(">i", len(strings)) + zlib.compress(strings)


CASES = {
    "markup": (
        f"<head><title>{PARCEL}</title></head><p>{REFUND}</p><pre>{PARCEL}</pre>".encode(),
        [REFUND],
    ),
    "plain": (
        f"{REFUND}\n\n    x = 1\n    y = 2\n    z = 3\n\n- {PARCEL}\n".encode(),
        [REFUND, PARCEL],
    ),
    "pod": (
        f"=head1 {PARCEL}\n\n{REFUND.replace('card', 'B<card>')}\n\n  {PARCEL}\n".encode(),
        [REFUND],
    ),
    "python": (
        MODULE.encode(),
        [
            REFUND,
            PARCEL,
            "What the customer has to pay for everything in the basket.",
            "We could not save your order, please try again later.",
        ],
    ),
    "json": (
        json.dumps({"a": REFUND, "b": [{"c": f"<p>{PARCEL}</p>"}]}).encode(),
        [REFUND, PARCEL],
    ),
    "wordnet": (
        WORDNET.encode(),
        ["refund: money returned to a payer. Synonyms: repayment. The shop gave them a refund."],
    ),
    "gcide": (
        gzip.compress(GCIDE.encode()),
        ["parcel: A package of goods that is sent to somebody."],
    ),
    "wesnoth": (
        f'[message]\n    message= _ "{REFUND}"\n    id="{PARCEL}"\n[/message]'.encode(),
        [REFUND],
    ),
    "r-texts": (rdb(*REFUND.replace("back ", "back\n").split("\n"), "", PARCEL), [REFUND, PARCEL]),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_file_gives_its_prose_and_nothing_else(kind: str) -> None:
    raw, expected = CASES[kind]
    found = [text for document in READERS[kind](raw) for text in kept(document)]
    assert sorted(found) == sorted(expected)


def test_the_keys_of_a_translation_are_the_english_messages() -> None:
    pairs = [("", "Content-Type: text/plain; charset=UTF-8\n"), (REFUND, "Das Geld kommt zurück.")]
    ids, texts = [[p[i].encode() + b"\0" for p in pairs] for i in (0, 1)]
    tables, at = b"", 28 + 16 * len(pairs)
    for entries in (ids, texts):
        for entry in entries:
            tables += struct.pack("<II", len(entry) - 1, at)
            at += len(entry)
    count = len(pairs)
    head = struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0)
    raw = head + tables + b"".join(ids + texts)
    assert [kept(document) for document in READERS["messages"](raw)] == [[REFUND]]


@pytest.mark.parametrize(
    "text",
    [
        "Refund policy",
        "int main(void) { return send_back(card, 5); } // a the of to and in it is",
        "Das Geld kommt in fünf Tagen zurück auf Ihre Karte und das ist gut für alle.",
        "Copyright 2020 of the authors, and all rights reserved in every country of the world.",
        "The bastards never sent the money back to me, and this is the end of it.",
        "The communists and the fascists both said that the money is not yours to keep.",
        "Ada Boole Cantor Dedekind Euler Fermat Gauss Hilbert Ito Jacobi and Kummer",
        "A problem with the refund of orders is mended in this version (Closes #12345).",
    ],
)
def test_what_is_no_decent_english_prose_is_dropped(text: str) -> None:
    assert not is_prose(clean(text))


def test_marks_and_tags_are_taken_out_of_a_sentence() -> None:
    text = "The [shop](https://a.example) sends <b>the `money`</b> back&nbsp;to *your* card."
    assert clean(text) == "The shop sends the money back to your card."


def test_a_paragraph_that_begins_or_ends_like_an_earlier_one_is_a_copy() -> None:
    fresh = Fresh()
    long = f"{REFUND} {PARCEL}"
    assert fresh(long)
    assert not fresh(long.upper() + "!")
    assert not fresh(f"{long} And something more.")
    assert fresh("Something else is written in this sentence here.")


def wheel(folder: Path, name: str, module: str) -> str:
    """A Python package where a download would have left it; its checksum."""
    file = folder / "packages" / f"{name}-1.0" / f"{name}-1.0-py3-none-any.whl"
    file.parent.mkdir(parents=True)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}/__init__.py", module)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def table(name: str, sha256: str, more: str = "") -> str:
    return (
        f'[{name}]\nclient = "pip"\nversion = "1.0"\nsha256 = "{sha256}"\nlicence = "MIT"\n'
        f"files = {{ python = '\\.py$' }}\nmegabytes = 0\n{more}\n"
    )


def test_documents_are_made_once_without_copies_or_what_is_held_out(tmp_path: Path) -> None:
    manifest = tmp_path / "corpus.toml"
    shop = wheel(tmp_path, "shop", MODULE)
    test = wheel(tmp_path, "exam", f'"""{PARCEL}"""')
    manifest.write_text(table("shop", shop) + table("exam", test, "held_out = true"))
    said: list[str] = []
    out = diet.build(manifest, tmp_path, said.append)
    first = out.read_text()
    (document,) = [json.loads(line) for line in first.splitlines()]
    assert document["source"] == "shop"
    assert REFUND in document["paragraphs"]
    assert PARCEL not in document["paragraphs"]  # it is a copy of what is held out
    held_out = json.loads((tmp_path / "held_out.jsonl").read_text())
    assert held_out == {"source": "exam", "paragraphs": [PARCEL]}

    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    said.clear()
    diet.build(manifest, tmp_path, said.append)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before
    assert said == [f"{out} is up to date"]


def test_documents_beyond_the_limit_of_a_source_are_left_out(tmp_path: Path) -> None:
    manifest = tmp_path / "corpus.toml"
    sha256 = wheel(tmp_path, "shop", MODULE)
    manifest.write_text(table("shop", sha256, "at_most = 0.0001"))
    assert diet.build(manifest, tmp_path, lambda line: None).read_text() == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (('licence = "MIT"\n', ""), "the key 'licence' is missing"),
        (("python =", "poetry ="), "the kind 'poetry'"),
        (('"pip"', '"cd-rom"'), "'cd-rom' is none of apt, pip"),
        (("\\.py$", "("), "no regular expression"),
        (("megabytes = 0", 'megabytes = "0"'), "wrong type"),
        (("megabytes = 0", "megabytes = 0\nsize = 3"), "unknown key 'size'"),
        (("0" * 64, "12"), "not 64 hexadecimal digits"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_named_with_table_and_reason(
    change: tuple[str, str], reason: str, tmp_path: Path
) -> None:
    manifest = tmp_path / "corpus.toml"
    manifest.write_text(table("shop", "0" * 64).replace(*change))
    with pytest.raises(LabError) as caught:
        diet.build(manifest, tmp_path)
    assert str(manifest) in str(caught.value)
    assert "[shop]" in str(caught.value)
    assert reason in str(caught.value)


def test_a_package_with_another_checksum_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "corpus.toml"
    wheel(tmp_path, "shop", MODULE)
    manifest.write_text(table("shop", "0" * 64))
    with pytest.raises(LabError, match=r"shop-1\.0-py3-none-any\.whl has the SHA-256"):
        diet.build(manifest, tmp_path, lambda line: None)


def test_another_version_is_used_when_the_manifests_one_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], folder: Path) -> str:
        if "shop==1.0" in command:
            return "ERROR: no such version"
        (folder / "shop-2.0-py3-none-any.whl").write_bytes(b"")
        return ""

    monkeypatch.setattr(diet_fetching, "_run", run)
    said: list[str] = []
    file = diet_fetching.fetch("pip", "shop", "1.0", "0" * 64, tmp_path, said.append)
    assert file.name == "shop-2.0-py3-none-any.whl"
    assert "shop-2.0-py3-none-any.whl in place of version 1.0" in said[-1]


def test_what_is_missing_for_a_download_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ("shop", "1.0", "0" * 64, tmp_path, print)
    monkeypatch.setattr(diet_fetching, "_run", lambda command, folder: "no route to host")
    with pytest.raises(LabError, match=r"cannot download shop 1\.0 \(no route to host\)"):
        diet_fetching.fetch("pip", *wanted)
    monkeypatch.setattr(diet_fetching.shutil, "which", lambda name: None)
    with pytest.raises(LabError, match="this machine has no apt-get"):
        diet_fetching.fetch("apt", *wanted)


def test_the_labs_own_manifest_can_be_read_and_holds_one_source_out() -> None:
    sources = diet.read_manifest(data_dir() / "base_model" / "corpus.toml")
    assert [source.name for source in sources if source.held_out] == ["debian-handbook"]
    assert 60 <= sum(source.megabytes for source in sources) <= 120
