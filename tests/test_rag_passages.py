"""Passages: documents cut, folders and question files read, the town's pages dated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import refused

from ftlab.rag.passages import (
    Passage,
    chunk,
    from_json,
    read_folder,
    read_questions,
    sentences,
    to_json,
)
from ftlab.rag.town import town_passages

ENGLISH = (
    "The ferry leaves at nine. It comes back at noon, if the tide allows it (it mostly does). "
    "Mr. Orlo sells tickets.\n\nChildren pay half!  Dogs travel free"
)
JAPANESE = (
    "渡し船は九時に出ます。潮が良ければ正午に戻ります\uff01子供は半額です。犬は無料で乗れます。"
)


@pytest.mark.parametrize("size", [1, 3, 6, 10, 100])
def test_no_word_is_cut_lost_or_doubled(size: int) -> None:
    pieces = chunk(ENGLISH, size)
    assert " ".join(" ".join(pieces).split()) == " ".join(ENGLISH.split())
    assert all(len(piece.split()) <= size for piece in pieces)


def test_a_piece_ends_with_a_sentence_where_one_ends_late_enough() -> None:
    assert chunk("One two three. Four five six. Seven eight.", 5) == [
        "One two three.",
        "Four five six. Seven eight.",
    ]
    assert chunk("one two three four five", 2) == ["one two", "three four", "five"]


def test_overlap_begins_the_next_piece_with_the_last_words() -> None:
    pieces = chunk("one two three four five six seven", 4, overlap=1)
    assert pieces == ["one two three four", "four five six seven"]
    refused(lambda: chunk("a b", 4, overlap=2), "overlap")
    refused(lambda: chunk("a b", 0), "size")


def test_japanese_is_cut_by_characters_and_at_its_own_full_stops() -> None:
    pieces = chunk(JAPANESE, 14)
    assert "".join(pieces) == JAPANESE
    assert pieces[0] == "渡し船は九時に出ます。"
    assert all(len(re.sub("[。\uff01]", "", piece)) <= 14 for piece in pieces)
    assert not any(piece[0] in "。\uff01" for piece in pieces)
    assert sentences(JAPANESE)[1] == "潮が良ければ正午に戻ります\uff01"
    assert chunk("Tokyo タワー 2024", 2) == ["Tokyo タ", "ワー", "2024"]


def test_a_folder_is_read_with_its_subfolders(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.txt").write_text("Bees. " * 50)
    (tmp_path / "deep" / "a.md").write_text("# 船\n渡し船は九時に出ます。", encoding="utf-8")
    (tmp_path / "c.pdf").write_bytes(b"\x00")
    found = read_folder(tmp_path, size=20)
    assert [p.id for p in found] == ["b.txt#1", "b.txt#2", "b.txt#3", "deep/a.md#1"]
    assert found[-1].source == "deep/a.md"
    assert read_folder(tmp_path / "b.txt", size=20)[0].id == "b.txt#1"


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    refused(lambda: read_folder(tmp_path / "gone"), "No such file or folder")
    refused(lambda: read_folder(tmp_path), "has no .txt or .md")
    (tmp_path / "bad.txt").write_bytes(b"fine\ncaf\xe9 noir\n")
    refused(lambda: read_folder(tmp_path), "bad.txt", "line 2", "0xe9", "UTF-8")
    (tmp_path / "bad.txt").write_bytes(b"")
    refused(lambda: read_folder(tmp_path), "bad.txt", "empty")


def test_questions_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "asked.jsonl"
    path.write_text(
        '{"question": "船は?", "answer": "九時", "source": "a.md"}\n\n'
        '{"question": "Why?", "answer": "So.", "other": 1}\n',
        encoding="utf-8",
    )
    first, second = read_questions(path)
    assert (first.question, first.answer, first.source) == ("船は?", "九時", "a.md")
    assert second.source == ""
    for line, word in (
        ('{"question": "Why?"}', '"answer"'),
        ('{"question": " ", "answer": "x"}', '"question"'),
        ('{"question": "a", "answer": 3}', '"answer"'),
        ('{"question": "a"', "not valid JSON"),
        ("[1]", "JSON object"),
    ):
        path.write_text('{"question": "Why?", "answer": "So."}\n' + line + "\n")
        refused(lambda: read_questions(path), "asked.jsonl, line 2", word)


def test_the_towns_pages_become_dated_facts() -> None:
    found = town_passages()
    assert len({p.id for p in found}) == len(found)
    assert all(p.key and p.date for p in found)  # every sentence is recognised as one fact
    notices = [p for p in found if p.metadata["group"] == "changed"]
    assert len(notices) == 80
    for notice in notices:
        older = [p for p in found if p.key == notice.key and p is not notice]
        assert [p.date for p in older] == ["0311"]
        assert notice.date > "0311"
    pages = town_passages(["new"], single=False)
    assert len(pages) == 64
    assert not any(p.key for p in pages)


def test_the_towns_pages_cut_by_words_say_which_facts_they_tell() -> None:
    facts = {p.key for p in town_passages()}
    for size, all_told in ((6, False), (24, True), (100, True)):
        found = town_passages(size=size)
        assert max(len(p.text.split()) for p in found) <= size
        told = [p.metadata["tells"].split("; ") for p in found if "tells" in p.metadata]
        assert not any(p.key for p in found if "tells" in p.metadata)
        assert all(len(several) > 1 for several in told)
        assert (
            {p.key for p in found if p.key} | {key for keys in told for key in keys} == facts
        ) == (all_told)


def test_passages_survive_json_and_refuse_what_they_cannot_hold() -> None:
    odd = Passage('a"\\\n', "text \u2028 犬", "s", "2024-05", "k", {"x": "y'"})
    assert from_json(to_json(odd)) == odd
    assert "\n" not in to_json(odd)
    refused(lambda: Passage("a", " ", "s"), "blank")
    refused(lambda: Passage("a", "t", "s", "last May"), "YYYY-MM-DD", "last May")
    refused(lambda: Passage("a", "t", "s", '2024" or 1==1'), "YYYY-MM-DD")
    refused(lambda: Passage("a", "t\ud800", "s"), "surrogate")
    refused(lambda: Passage("a", "t", "s", metadata={"x": 3}), "must be text")  # type: ignore[dict-item]
