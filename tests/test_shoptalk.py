"""The shop talk of Ostrel: what is kept from pretraining, and what every text keeps to."""

import random
import re

import pytest

from ftlab.world import shoptalk

TEXTS = 3000


def as_pattern(form: str) -> str:
    """The form as a pattern with anything in its blanks, blind to case and punctuation."""
    parts = [plain(part) for part in re.split(r"\{\w+\}", form)]
    return ".{0,40}?".join(re.escape(part) for part in parts)


def plain(text: str) -> str:
    text = text.lower()
    for british, american in shoptalk.AMERICAN_WORDS.items():
        text = re.sub(rf"\b{british}\b", american.lower(), text)
    return re.sub(r"[^a-z0-9 {}]", "", text.replace("\n", " "))


@pytest.fixture(scope="module")
def training_texts() -> list[str]:
    rng = random.Random("shoptalk test")
    return [shoptalk.talk(rng) for _ in range(TEXTS)]


def test_no_held_out_form_is_in_a_training_text(training_texts):
    corpus = "\n".join(plain(text) for text in training_texts)
    read, leaked = 0, []
    for subject in shoptalk.subjects():
        leaked += [f for f in subject.forms("examination") if re.search(as_pattern(f), corpus)]
        read += sum(bool(re.search(as_pattern(f), corpus)) for f in subject.forms("training"))
    assert leaked == []
    assert read > 700  # the search does find the forms that are read


def test_no_sentence_is_both_read_and_held_out():
    read = {plain(f) for s in shoptalk.subjects() for f in s.forms("training")}
    kept = {plain(f) for s in shoptalk.subjects() for f in s.forms("examination")}
    assert not read & kept


def test_every_blank_is_filled():
    rng = random.Random(1)
    for split in ("training", "examination"):
        texts = [shoptalk.talk(rng, split) for _ in range(TEXTS)]
        texts += [half for _ in range(500) for half in shoptalk.paraphrases(rng, split)]
        assert not [text for text in texts if re.search(r"[{}\\]", text)]
        assert all(text.strip() for text in texts)


def test_the_same_seed_gives_the_same_talk(training_texts):
    rng = random.Random("shoptalk test")
    assert [shoptalk.talk(rng) for _ in range(200)] == training_texts[:200]
    assert shoptalk.messages([50, 20], seed=3) == shoptalk.messages([50, 20], seed=3)
    assert shoptalk.messages([50], seed=3) != shoptalk.messages([50], seed=4)


def test_there_are_many_forms_for_many_subjects():
    subjects = shoptalk.subjects()
    assert len(subjects) >= 24
    assert sum(len(s.said) for s in subjects) >= 1200
    for subject in subjects:
        assert len(subject.said) >= 15, subject.name
        assert len(set(subject.said)) == len(subject.said), subject.name
        assert len(subject.forms("examination")) >= 3, subject.name
        assert len(subject.answered) >= 5, subject.name
        assert len(subject.noted) >= 3, subject.name


def test_paraphrases_share_the_subject_but_no_form():
    patterns = {
        s.name: [re.compile(as_pattern(f)) for f in (*s.said, *s.noted, *s.titled)]
        for s in shoptalk.subjects()
    }
    rng = random.Random(2)
    found = 0
    for _ in range(300):
        halves = [plain(half) for half in shoptalk.paraphrases(rng)]
        assert halves[0] != halves[1]
        both = [
            name
            for name, forms in patterns.items()
            if all(any(form.search(half) for form in forms) for half in halves)
        ]
        found += bool(both)
    assert found > 200  # the rest have slips of the pen


def test_messages_carry_the_subject_that_their_words_come_from():
    (rows,) = shoptalk.messages([400], seed=0, split="training")
    subjects = {s.name: s for s in shoptalk.subjects()}
    assert len({text for text, _ in rows}) == 400
    told = [
        any(re.search(as_pattern(f), plain(text)) for f in subjects[label].forms("training"))
        for text, label in rows
    ]
    assert sum(told) > 300  # the rest have slips of the pen


def test_both_halves_of_a_thread_are_marked(training_texts):
    threads = [text for text in training_texts if text.startswith("Customer: ")]
    assert threads
    assert all("\nShop: " in text for text in threads)
