"""Texts of any length, number and language: passages and prompts are made to fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import refused

from ftlab.experiments import collection
from ftlab.models import load_causal_lm, load_tokenizer
from ftlab.rag.answering import answer
from ftlab.rag.opening import open_store
from ftlab.rag.passages import Passage
from ftlab.rag.retrieval import Retriever, question_likelihood
from ftlab.rag.room import count_tokens, fitted, notes_prompt, pieces, prompt_within, shortened
from ftlab.rag.stores import Hit

ModelDir = Callable[[str], Path]
ENGLISH = "## Boats\n\n" + "The ferry leaves at nine, and it comes back at noon. " * 60
JAPANESE = "渡し船は毎朝九時に東の桟橋から出ます。潮が良ければ正午に戻ります。" * 40
ONE_WORD = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo" * 200  # as an embedded picture has them
LINES = "\n" * 500 + "a\n\n\n" * 300
TEXTS = {"English": ENGLISH, "Japanese": JAPANESE, "one word": ONE_WORD, "lines": LINES}
EVERY = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer("lab")


def squeezed(text: str) -> str:
    return "".join(text.split())


@EVERY
@pytest.mark.parametrize("most", [8, 60, 256])
def test_pieces_fit_and_nothing_is_lost(tokenizer: Any, text: str, most: int) -> None:
    found = pieces(tokenizer, text, most)
    assert squeezed("".join(found)) == squeezed(text)
    assert max(count_tokens(tokenizer, found)) <= most
    assert len(found) <= 2 + 4 * sum(count_tokens(tokenizer, [text])) / most + len(text) / most


def test_pieces_end_where_sentences_do_if_they_can(tokenizer: Any) -> None:
    assert all(piece.endswith("noon.") for piece in pieces(tokenizer, ENGLISH, 60))
    assert all(piece.endswith("。") for piece in pieces(tokenizer, JAPANESE, 150))


@EVERY
def test_a_shortened_text_is_its_beginning(tokenizer: Any, text: str) -> None:
    short = shortened(tokenizer, text.strip(), 20)
    assert text.strip().startswith(short)
    assert 10 <= count_tokens(tokenizer, [short])[0] <= 20
    assert shortened(tokenizer, text, 0) == ""


def test_only_what_is_too_long_is_cut_and_named_by_its_parts(tokenizer: Any) -> None:
    passages = [Passage("a#1", "Short.", "a", "0311", "k"), Passage("b#1", JAPANESE, "b", "0312")]
    found, cut = fitted(passages, tokenizer, 100)
    assert cut == 1
    assert found[0] == passages[0]
    assert [p.id for p in found[1:3]] == ["b#1.1", "b#1.2"]
    assert {(p.source, p.date) for p in found[1:]} == {("b", "0312")}
    assert len({p.id for p in found}) == len(found)


@EVERY
@pytest.mark.parametrize("room", [40, 120, 484])
def test_a_prompt_fits_whatever_was_found(tokenizer: Any, text: str, room: int) -> None:
    hits = [Hit(Passage(f"{n}", text, "a"), 1.0) for n in range(4)]
    for question in ("When does the ferry leave?", text):
        made = prompt_within(tokenizer, question, hits, room)
        assert count_tokens(tokenizer, [made.text])[0] <= room
        assert made.text.endswith("\nAnswer:")
        assert len(made.hits) + made.left_out == 4
        assert made.cut or made.left_out
    assert prompt_within(tokenizer, "When?", hits, room).hits  # some of it is read


def test_a_prompt_with_room_is_left_as_it_is(tokenizer: Any) -> None:
    hits = [Hit(Passage("a", "The ferry leaves at nine.", "a"), 1.0)]
    made = prompt_within(tokenizer, "When?", hits, 100, "Mind the notes.")
    assert made.text == f"Mind the notes.\n{notes_prompt('When?', hits)}"
    assert (made.left_out, made.cut) == (0, False)


@EVERY
def test_a_model_with_little_room_answers_and_reranks(tiny_model_dir: ModelDir, text: str) -> None:
    folder = str(tiny_model_dir("llama"))  # 64 positions
    model, own = load_causal_lm(folder), load_tokenizer(folder)
    rerank = question_likelihood(model, own)
    assert len(rerank(text[:2000], [Passage("a", text, "a"), Passage("b", "Short.", "b")])) == 2

    class Still(Retriever):
        def search(self, questions: Any, k: int = 4, **_: Any) -> list[list[Hit]]:
            return [[Hit(Passage("a", text, "a"), 1.0)] * k for _ in questions]

    class Encoder:
        dimension = 2

    found = answer(
        Still(open_store("memory:", 2), Encoder()), model, own, ["When?", text[:2000]],
        max_new_tokens=4,
    )  # fmt: skip
    assert all(one.prompt_tokens <= 60 and one.cut for one in found)


def case(folder: Path, files: dict[str, str], rows: list[dict[str, str]]) -> tuple[str, str]:
    documents = folder / "documents"
    documents.mkdir()
    for name, text in files.items():
        (documents / name).write_text(text, encoding="utf-8")
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "questions.jsonl").write_text(lines, encoding="utf-8")
    return str(documents), str(folder / "questions.jsonl")


THINGS = [
    "灯台",
    "渡し船",
    "図書館",
    "市場",
    "学校",
    "神社",
    "公園",
    "病院",
    "銀行",
    "港",
    "橋",
    "駅",
]
NUMBERS = ["三", "四", "五", "六", "七", "八", "九", "十"]


def japanese(folder: Path, files: int = 120) -> tuple[str, str]:
    """Paragraphs of a few hundred characters, each on one thing of one town; no spaces in them."""
    texts, rows = {}, []
    for n in range(files):
        town, thing = f"第{n}町", THINGS[n % len(THINGS)]
        years = NUMBERS[n % len(NUMBERS)]
        fact = f"{town}の{thing}は{years}百年前に建てられました。"
        around = f"この{thing}は海の近くにあり、朝早くから夜遅くまで多くの人が訪れます。" * 5
        texts[f"{n:03}.md"] = f"# {town}の{thing}\n{around}{fact}{around}"
        rows.append({"question": f"{town}の{thing}は何年前に建てられましたか。",
                     "answer": f"{years}百年前", "source": f"{n:03}.md"})  # fmt: skip
    rows += [{**row, "question": f"いつ{row['question']}"} for row in rows[:40]]
    return case(folder, texts, rows)


def markdown(folder: Path) -> tuple[str, str]:
    """A few long files of headings, lists, code and a line that is one word."""
    texts, rows = {}, []
    for n in range(6):
        parts = []
        for section in range(20):
            key = f"option_{n}_{section}"
            parts.append(f"## {key}\n\n- The default of `{key}` is {100 * n + section} seconds.\n")
            parts.append("Set it in the file `settings.ini`, then start again. " * 12)
            parts.append(f"```\n{ONE_WORD[: 400 * section]}\n```\n")
            answer_ = f"{100 * n + section} seconds"
            rows.append({"question": f"What is the default of {key}?", "answer": answer_})
            rows[-1]["source"] = f"{n}.md"
        texts[f"{n}.md"] = "\n".join(parts)
    return case(folder, texts, rows)


def huge(folder: Path) -> tuple[str, str]:
    """One file of two megabytes."""
    lines = [f"Entry {n} of the ledger was paid on day {n % 365} by house {n % 97}. " * 2
             for n in range(15_000)]  # fmt: skip
    rows = [{"question": f"Which house paid entry {n}?", "answer": f"house {n % 97}"}
            for n in range(0, 14_000, 350)]  # fmt: skip
    return case(folder, {"ledger.txt": "\n".join(lines)}, rows)


def many(folder: Path) -> tuple[str, str]:
    """Ten thousand small files."""
    texts = {f"{n}.txt": f"Ticket {n}: the lamp in hall {n % 83} is out." for n in range(10_000)}
    rows = [{"question": f"Which hall is ticket {n} about?", "answer": f"hall {n % 83}",
             "source": f"{n}.txt"} for n in range(0, 10_000, 250)]  # fmt: skip
    return case(folder, texts, rows)


CASES = pytest.mark.parametrize("made", [japanese, markdown, huge, many], ids=lambda f: f.__name__)


@CASES
def test_own_documents_of_every_kind_are_cut_to_the_room(
    made: Callable[[Path], tuple[str, str]], tokenizer: Any, tmp_path: Path
) -> None:
    documents, questions = made(tmp_path)
    own = collection.read(documents, questions, 0, "lab")
    assert own.own is not None
    most = collection.passage_room("lab")
    assert max(count_tokens(tokenizer, [p.text for p in own.own])) <= most
    assert ("were cut into smaller ones" in own.said) == (made in (markdown,))
    dealt = own.deal(0, 100)
    assert len(dealt.told()) == len(dealt.test) >= 10
    ids = {p.id for p in dealt.passages}
    assert all(question.relevant <= ids for question in dealt.test)
    # Asked about one place, told there: the teaching pairs hold the answer's passage.
    assert all(text for _, text in dealt.teaching)


def test_questions_that_no_document_answers_are_told_and_too_many_refused(tmp_path: Path) -> None:
    rows = [{"question": f"What is {n}?", "answer": f"thing {n}"} for n in range(16)]
    text = " ".join(f"It is thing {n}." for n in range(14))
    documents, questions = case(tmp_path, {"a.txt": text}, rows)
    own = collection.read(documents, questions, 0, "lab")
    assert "Left out: 2 questions" in own.said
    (tmp_path / "documents" / "a.txt").write_text("It is thing 1.")
    refused(lambda: collection.read(documents, questions, 0, "lab"), "answers only 1 of 16")


def test_a_long_question_is_shortened_and_told(tokenizer: Any, tmp_path: Path) -> None:
    rows = [{"question": f"What is {n}? {JAPANESE}", "answer": "a lamp"} for n in range(12)]
    documents, questions = case(tmp_path, {"a.txt": "It is a lamp."}, rows)
    own = collection.read(documents, questions, 0, "lab")
    assert "12 questions of more than" in own.said
    most = collection.passage_room("lab")
    assert max(count_tokens(tokenizer, [q.text for q in own.deal(0, 9).test])) <= most // 2
