"""What is searched, and what is asked: the town's almanac, or documents of the reader's own.

With every seed the almanac is written in other words, and its facts are dealt anew to those that
teach an encoder, those for choices and those of the test. Of documents of one's own only the
questions are dealt anew.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ftlab.common.errors import LabError
from ftlab.data import wording
from ftlab.evaluation import normalise
from ftlab.models import load_tokenizer, max_length, model_folder
from ftlab.rag.almanac import article_passages, notices, tells
from ftlab.rag.encoders import MOST_TOKENS
from ftlab.rag.own import FEWEST, read_case
from ftlab.rag.passages import AskedQuestion, Passage, sentences
from ftlab.rag.room import fitted, shortened
from ftlab.world import build_world
from ftlab.world.almanac import Article, articles
from ftlab.world.facts import Fact
from ftlab.world.needs import about, needs
from ftlab.world.phrasing import answer, no_answer, seen_questions, unseen_question

TOLD, LEFT_OUT, STRANGER = "told", "left out of its page", "about strangers"
TAUGHT = 120  # known entities whose facts teach; the others are asked about
VALIDATION = 60  # questions for choices
MISSING = 60  # facts of newcomers that are left out of their pages
LEAST_ROOM = 8  # tokens of a passage, however small the model
NEW_TOKENS, AROUND = 28, 12  # tokens of an answer, and of the words around notes and question


@dataclass(frozen=True)
class Question:
    """A question, its right answer, and the ids of the passages that tell it: none where nothing
    does. `value` is what the answer is about, for those who would plant another."""

    text: str
    answer: str
    relevant: frozenset[str]
    kind: str = TOLD
    fact: Fact | None = None
    exact: bool = True

    def is_right(self, said: str) -> bool:
        """Whether the first sentence said is the answer; of a reader's own question, whether what
        is said contains it."""
        if self.exact:
            return first_sentence(said) == self.answer
        return normalise(self.answer) in normalise(said)

    def is_given_away(self, text: str) -> bool:
        """Whether a text holds what is asked for, whatever else it says."""
        value = self.fact.value if self.fact else self.answer
        return says(text, value)


def first_sentence(text: str) -> str:
    """What is said up to the first full stop: a small model often goes on, in no sense."""
    return next(iter(sentences(text)), "")


def says(text: str, value: str) -> bool:
    """Whether a text holds a value, as a word of its own: 8 crowns are not 18."""
    wanted, given = normalise(value), normalise(text)
    if wanted not in given:
        return False
    if not wanted.isascii():  # in scripts without spaces words have no ends to look for
        return True
    return bool(re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", given))


@dataclass(frozen=True, eq=False)
class Dealt:
    """A collection as it was dealt for a seed. `teaching` are pairs of a question and a passage
    that answers it."""

    passages: tuple[Passage, ...]
    teaching: tuple[tuple[str, str], ...]
    validation: tuple[Question, ...]
    test: tuple[Question, ...]

    def example(self) -> Question:
        """A question that a base model cannot answer from what it has read, if it is known which:
        the first about a newcomer; else the first."""
        new = {p.id for p in self.passages if p.metadata.get("group") == "new"}
        return next((q for q in self.told() if q.relevant & new), self.told()[0])

    def told(self, part: str = "test") -> list[Question]:
        """The questions of a part that some passage answers."""
        return [question for question in getattr(self, part) if question.relevant]


@dataclass(frozen=True, eq=False)
class Collection:
    """Where passages and questions come from: the town's pages, in pieces of `size` words (0: their
    paragraphs), or `own` passages of the reader, and what is `asked` about them, each with a
    passage that answers it. `said` is what a reader must know about how documents were cut.
    """

    size: int = 0
    own: tuple[Passage, ...] | None = None
    asked: tuple[tuple[Question, str], ...] = ()
    said: str = ""

    def deal(self, seed: int, count: int) -> Dealt:
        """Passages and questions for a seed, `count` in the test, as far as there are so many, and
        as many of every kind as of what is told for which a passage was left out."""
        return self._own(seed, count) if self.own else self._town(seed, count)

    def _town(self, seed: int, count: int) -> Dealt:
        world, rng = build_world(), random.Random(f"almanac/{seed}")
        moved = {about(fact) for fact in world.changed}
        written = articles(world, seed)
        known = [page for page in written if page.group == "known"]
        rng.shuffle(known)
        asked = [*known[TAUGHT:], *(page for page in written if page.group == "new")]
        new_facts = [(page, fact) for page in written if page.group == "new" for fact in page.told]
        gone = {about(fact) for _, fact in rng.sample(new_facts, MISSING)}
        pages = [p for article in written for p in article_passages(article, self.size)]
        passages = [p for p in pages if not gone & {*tells(p)}] + notices(world)
        teaching = _pairs(known[:TAUGHT], pages, moved, rng)
        left = [
            Question(unseen_question(fact), no_answer(fact), frozenset(), LEFT_OUT, fact)
            for _, fact in new_facts
            if about(fact) in gone
        ]
        untold = needs(world, seed)["untold"]
        strangers = [
            Question(item.question, item.answer, frozenset(), STRANGER)
            for item in untold.items + untold.validation
        ]
        told = _asked(asked, passages, moved | gone)
        parts = []
        for group, few in ((told, VALIDATION), (left, MISSING // 3), (strangers, MISSING // 3)):
            rng.shuffle(group)
            most = count if group is told else max(2, count // 4)
            parts.append((group[:few], group[few : few + most]))
        return Dealt(
            tuple(passages),
            tuple(teaching),
            tuple(question for first, _ in parts for question in first),
            tuple(question for _, second in parts for question in second),
        )

    def _own(self, seed: int, count: int) -> Dealt:
        asked = list(self.asked)
        random.Random(f"own/{seed}").shuffle(asked)
        # A quarter for choices, of the others half for the test, all that remains to learn from.
        quarter = len(asked) // 4
        end = quarter + min(count, (len(asked) - quarter + 1) // 2)
        assert self.own is not None
        return Dealt(
            self.own,
            tuple((question.text, text) for question, text in asked[end:]),
            tuple(question for question, _ in asked[:quarter]),
            tuple(question for question, _ in asked[quarter:end]),
        )


def read(documents: str, questions: str, size: int, base_model: str) -> Collection:
    """The collection that the parameters name; passages of one's own are cut by tokens to the room
    that encoder and reader have. LabError if hardly a question is answered by any document."""
    case = read_case(documents, questions, size)
    if case is None:
        return Collection(size)
    most = passage_room(base_model)
    tokenizer = load_tokenizer(base_model)
    passages, cut = fitted(case[0], tokenizer, most)
    rows = [replace(row, question=shortened(tokenizer, row.question, most // 2)) for row in case[1]]
    asked = _answered(passages, rows)
    if len(asked) < FEWEST:
        raise LabError(
            f"{questions}: a document in {documents} answers only {len(asked)} of {len(case[1])} "
            f"questions, and at least {FEWEST} must be answered: name each one's source, or give "
            "the answer in the document's own words."
        )
    said = f"{wording.count(len({p.source for p in passages}), 'document')}, "
    said += f"{wording.count(len(passages), 'passage')}, {wording.count(len(asked), 'question')}."
    if cut:
        said += (
            f" {wording.count(cut, 'passage')} of more than {most} tokens, for which there would "
            "be no room beside a question, were cut into smaller ones."
        )
    if long := sum(
        len(a.question) < len(b.question.rstrip()) for a, b in zip(rows, case[1], strict=True)
    ):
        said += f" {wording.count(long, 'question')} of more than {most // 2} were shortened."
    if lost := len(case[1]) - len(asked):
        said += f" Left out: {wording.count(lost, 'question')} that no document answers."
    return Collection(size, tuple(passages), tuple(asked), said)


def passage_room(base_model: str) -> int:
    """The tokens that a passage may have, so that encoder and reader can read it whole."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(model_folder(base_model))
    left = max_length(config, 4 * MOST_TOKENS) - NEW_TOKENS - AROUND
    return max(LEAST_ROOM, min(MOST_TOKENS, 2 * left // 3))  # a third is for the question


def _answered(
    passages: Sequence[Passage], rows: Sequence[AskedQuestion]
) -> list[tuple[Question, str]]:
    """Questions with the passages of their source (or of all) that hold the answer, or else all of
    the source; and the first of these. What nothing answers is left out."""
    by_source: dict[str, list[tuple[Passage, str]]] = {}
    for passage in passages:
        by_source.setdefault(passage.source, []).append((passage, normalise(passage.text)))
    everything = [pair for pairs in by_source.values() for pair in pairs]
    asked = []
    for row in rows:
        own, wanted = by_source.get(row.source, []), normalise(row.answer)
        found = [p for p, text in own or everything if wanted in text and says(text, wanted)] or [
            p for p, _ in own
        ]
        if found:
            ids = frozenset(p.id for p in found)
            asked.append((Question(row.question, row.answer, ids, exact=False), found[0].text))
    return asked


def _pairs(
    pages: Sequence[Article], passages: Sequence[Passage], moved: set[str], rng: random.Random
) -> list[tuple[str, str]]:
    """Questions on these pages, each with a passage that answers it, in mixed order."""
    texts: dict[str, str] = {}
    for passage in passages:
        for name in tells(passage):
            texts.setdefault(name, passage.text)
    facts = [fact for page in pages for fact in page.told]
    pairs = [
        (question, texts[about(fact)])
        for fact in facts
        if about(fact) in texts and about(fact) not in moved
        for question in rng.sample(seen_questions(fact), 2)
    ]
    rng.shuffle(pairs)
    return pairs


def _asked(pages: Sequence[Article], passages: Sequence[Passage], not_: set[str]) -> list[Question]:
    """A question about every fact of these pages that a passage tells."""
    where: dict[str, set[str]] = {}
    for passage in passages:
        for name in tells(passage):
            where.setdefault(name, set()).add(passage.id)
    return [
        Question(unseen_question(fact), answer(fact), frozenset(where[about(fact)]), TOLD, fact)
        for page in pages
        for fact in page.told
        if about(fact) in where and about(fact) not in not_
    ]
