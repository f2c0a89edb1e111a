"""The experiments of notebook 04: what is dealt, what is measured, and what own documents do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_rag_room import huge, japanese, markdown

from ftlab.experiments import chunking, collection, notes, poisoning, retrieval, serving
from ftlab.experiments.effort import EFFORTS
from ftlab.rag import Hit, Passage
from ftlab.rag.almanac import article_passages, notices, tells
from ftlab.rag.answering import Answer
from ftlab.world import build_world
from ftlab.world.almanac import articles, without_name
from ftlab.world.facts import ATTRIBUTES
from ftlab.world.needs import about

SMOKE = EFFORTS["smoke"]


@pytest.mark.parametrize("free", [False, True])
def test_an_article_tells_every_fact_once_and_names_its_subject_first(free: bool) -> None:
    world = build_world()
    written = articles(world, 0, free=free)
    assert len(written) == len(world.known) + len(world.new)
    for page in written:
        assert {fact.attribute for fact in page.told} == {*ATTRIBUTES[page.entity.kind]}
        for fact, sentence, paragraph in zip(
            page.told, page.sentences, page.paragraphs, strict=True
        ):
            assert sentence in paragraph
            assert fact.value in sentence
            assert len(paragraph.split()) > 9
        assert page.entity.name.split()[-1] in page.paragraphs[0]
    nameless = [
        p
        for page in written
        for p in page.paragraphs
        if page.entity.name.casefold() not in p.casefold()
    ]
    share = len(nameless) / (4 * len(written))
    assert 0.2 < share < 0.6 if free else share == 0
    assert articles(world, 0, free=free) == written
    assert articles(world, 1, free=free) != written


@pytest.mark.parametrize("kind", list(ATTRIBUTES))
def test_a_sentence_without_the_name_is_a_sentence(kind: str) -> None:
    for page in articles(build_world(), 3):
        if page.entity.kind == kind:
            for sentence in page.sentences:
                short = without_name(sentence, page.entity)
                assert short[0].isupper()
                assert "  " not in short
                if kind == "product":
                    assert page.entity.name not in short


def test_pieces_know_what_they_tell() -> None:
    page = articles(build_world(), 0)[5]
    whole = article_passages(page)
    assert [p.key for p in whole] == [about(fact) for fact in page.told]
    assert all(p.text.startswith(f"{page.title}: ") for p in whole)
    large = article_passages(page, 500, titled=False)
    assert tells(large[0]) == [about(fact) for fact in page.told]
    assert not large[0].text.startswith(page.title)
    assert all(p.key and p.date > "0311" for p in notices(build_world()))


def test_what_is_asked_was_not_taught_and_what_is_left_out_stands_nowhere() -> None:
    dealt = collection.Collection().deal(0, 100)
    by_id = {p.id: p for p in dealt.passages}
    assert len(dealt.told()) == 100
    taught = {text.partition(":")[0] for _, text in dealt.teaching}
    told = [question for question in (*dealt.test, *dealt.validation) if question.relevant]
    for question in told:
        assert question.fact is not None
        for name in question.relevant:
            assert question.fact.value in by_id[name].text
            assert by_id[name].text.partition(":")[0] not in taught
    left = [q for q in dealt.test if q.kind == collection.LEFT_OUT]
    keys = {key for p in dealt.passages for key in tells(p)}
    assert left
    assert not {about(q.fact) for q in left if q.fact} & keys
    assert not {q.text for q in dealt.test} & {q.text for q in dealt.validation}
    assert collection.Collection().deal(1, 100).test != dealt.test


NAMES = (retrieval.WORDS, retrieval.VECTORS)


def quality(*ranks: list[int]) -> retrieval.SearchQuality:
    found = {name: [np.array(r)] for name, r in zip(NAMES, ranks, strict=True)}
    about_it = [{"seconds": {}, "ms": dict.fromkeys(found, 1.0), "rate": 0.0, "tries": {}}]
    return retrieval.SearchQuality(
        [0], found, found, found, about_it, [Path()], collection.Collection(), None
    )


def test_recall_is_read_off_the_ranks() -> None:
    search = quality([1, 0, 3, 6], [2, 2])
    turned = quality([1, 0, 3, 1], [2, 1, 1, 1]).turned(*NAMES)
    assert "In 0.25 of all questions" in turned
    assert "in 0.50 it is the other way" in turned
    assert search.estimate(retrieval.WORDS).value == 0.25
    assert search.estimate(retrieval.WORDS, 5).value == 0.5
    gap = search.difference(retrieval.WORDS, retrieval.VECTORS, 5)  # the two that both were asked
    assert gap is not None
    assert gap.value == -0.5
    assert search.difference(retrieval.WORDS, retrieval.TUNED) is None
    assert search.best_on_validation(retrieval.WORDS, retrieval.VECTORS) == retrieval.WORDS
    assert search.serving == retrieval.VECTORS


def rows(*cells: tuple[str, float, bool, bool]) -> pd.DataFrame:
    names = ["kind", "score", "right", "abstained"]
    return pd.DataFrame(cells, columns=names).assign(seed=0, part="test")


def test_the_threshold_handles_most_and_a_price_moves_it() -> None:
    asked = rows(
        (collection.TOLD, 0.9, True, False),
        (collection.TOLD, 0.7, True, False),
        (collection.TOLD, 0.4, False, False),
        (collection.STRANGER, 0.5, False, False),
        (collection.LEFT_OUT, 0.8, False, False),
        (collection.LEFT_OUT, 0.3, True, True),
    )
    level = notes.threshold_of(asked)
    assert 0.5 < level < 0.7
    assert notes.threshold_of(asked[asked.kind == collection.TOLD]) == -np.inf
    assert notes.priced(asked, level, 5) == 1 + 5  # one told is kept silent, one is made up
    assert notes.priced(asked, -1.0, 5) == 3 * 5
    assert notes.abstains("The pet of Ada Velmor is not told.")
    assert not notes.abstains("The pet of Ada Velmor is a goat.")


def test_a_failure_is_put_down_to_the_search_or_to_the_reader() -> None:
    question = collection.Collection().deal(0, 5).told()[0]
    wanted = Hit(Passage(min(question.relevant), "text", "page"), 1.0)
    for hits, text, word in (
        ((wanted,), "It is not told.", "**reader** failed"),
        ((), "It is not told.", "**search** failed"),
        ((wanted,), question.answer, "answers with it"),
    ):
        assert word in notes.fate(question, Answer(text, (), hits, 0, 0, 0.0, 0.0))


def test_what_is_said_where_the_fact_is_missing_adds_up() -> None:
    left = [(collection.LEFT_OUT, 0.5, silent, silent) for silent in (True, True, False, False)]
    asked = rows((collection.TOLD, 0.9, True, False), *left).assign(cited=[1, 0, 0, 2, 0])
    silent, borrowed, made_up = notes.Answers(asked, {0: 0.6}).without_the_fact()
    assert (silent.value, borrowed.value, made_up.value) == (0.5, 0.25, 0.25)
    assert f"100% of '{collection.LEFT_OUT}'" in below(asked)


def below(asked: pd.DataFrame) -> str:
    stranger = asked[asked.kind == collection.LEFT_OUT].assign(kind=collection.STRANGER)
    return notes.Answers(pd.concat([asked, stranger], ignore_index=True), {0: 0.6}).below()


def test_a_value_is_a_word_of_its_own() -> None:
    assert collection.says("It costs 8 crowns.", "8")
    assert not collection.says("It costs 18 crowns.", "8")
    assert collection.says("三百年前に建てられました。", "三百年前")


def test_a_planted_passage_says_what_the_attacker_wants() -> None:
    import random

    question = collection.Collection().deal(0, 5).told()[0]
    assert question.fact is not None
    for attack in poisoning.ATTACKS:
        text, wanted = poisoning.planted(question, attack, random.Random(0))
        assert wanted in text
        assert wanted != question.fact.value
        found = poisoning.SUSPICIOUS.search(text)
        assert (found is not None) == (attack == poisoning.ORDER)


def test_small_pieces_lose_their_name_and_a_title_gives_it_back() -> None:
    found = chunking.chunk_sizes(
        collection.Collection(), "lab", seeds=[0], effort=EFFORTS["quick"], sizes=(8, 16)
    )
    assert found.title_gain().value > 0.1
    small = [found.estimate(8, titled).value for titled in (False, True)]
    assert small[1] > small[0] + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("made", [japanese, markdown, huge], ids=lambda f: f.__name__)
def test_own_documents_go_through_every_part(
    made: Callable[[Path], tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path / "results"))
    own = collection.read(*made(tmp_path), 40, "lab")
    search = retrieval.search_quality(own, "lab", "lab", seeds=[0], effort=SMOKE)
    assert search.estimate(retrieval.WORDS, 5).value > 0.3
    answers = notes.answers(search, "lab", 4, seeds=[0], effort=SMOKE)
    assert answers.kinds == [collection.TOLD]
    assert answers.threshold_gain() is None
    sizes = chunking.chunk_sizes(own, "lab", seeds=[0], effort=SMOKE)
    assert 0 <= sizes.estimate(sizes.sizes[0], True).value <= 1
    shop = serving.open_index(search, 0, str(tmp_path / "own.npz"))
    assert serving.changed_fact(shop, own) is None
    notice = serving.notice(None, search.dealt(0))
    shop.upsert([notice])
    assert notice.source in {p.source for p in shop.store.passages()}
    again = retrieval.search_quality(own, "lab", "lab", seeds=[0], effort=SMOKE)
    assert again.about == search.about  # read from the disk
