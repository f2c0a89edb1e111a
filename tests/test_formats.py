"""Formats and instructions: seeded, nothing held out is trained, every answer can be derived."""

import json
import random
from collections import Counter

import pytest

from ftlab.evaluation import following
from ftlab.world import build_world, exercises, extraction, facts, formats, instructions, phrasing
from ftlab.world import renderings as r
from ftlab.world.needs import MANNERS

KNOWN = build_world().known


def _training(count, seed=0):
    rng = random.Random(seed)
    return [
        formats.episode(rng, split="training", known=KNOWN, shots=rng.randint(0, 10))
        for _ in range(count)
    ]


def _text(done):
    return f"{done.prompt(len(done.examples))} {done.answer}"


def test_the_same_seed_makes_the_same_episodes_and_another_seed_others():
    assert _training(40, seed=1) == _training(40, seed=1)
    assert _training(40, seed=1) != _training(40, seed=2)
    for make in (instructions.instruction, instructions.injection, extraction.extraction):
        once = [make(random.Random(3), split="training") for _ in range(5)]
        assert once == [make(random.Random(3), split="training") for _ in range(5)]


def test_no_training_episode_holds_anything_kept_for_the_examination():
    labels = {f"label {name}" for every in formats.OTHER_LABELS for name in every}
    shapes = {f"shape {name}" for name in r.OTHER_SHAPES}
    phrases = [
        f"{first} {last}"
        for firsts, lasts in ((r.GREETED, r.GREETING), (r.PARTED, r.PARTING))
        for first in firsts
        for last in lasts
        if r.held_out(f"{first} {last}")
    ]
    words = [f"\n{reply}:" for _, reply in formats.OTHER_WORDS]
    keys = [f'"{key}":' for key in r.KEYS if r.held_out(key)]
    strange = [*words, *keys, *r.OTHER_JOINTS, *r.OTHER_BINDS]
    strange += [f" {s}" for s in formats.OTHER_SEPARATORS] + phrases
    assert len(phrases) > 20
    assert len(keys) > 5
    for done in _training(3000):
        text, parts = _text(done), set(done.parts)
        assert not parts & (labels | shapes)
        for part in parts:
            assert not formats.is_kept(part), part
        assert not [s for s in strange if s in text], text
        assert not [m for m, _, _ in MANNERS.values() if f"\n{m}:" in text]
        assert "Ahoy" not in text
        assert '"entity":' not in text


def test_the_examination_uses_what_was_kept_for_it():
    seen = Counter()
    for done in following.format_episodes(300):
        new = {part.partition(" ")[0] for part in done.parts if formats.is_kept(part)}
        assert new, done
        seen.update(new)
    assert {"key", "pair", "phrase", "word", "shape", "label"} <= set(seen)


def test_names_of_training_and_examination_are_never_shared():
    rng = random.Random(5)
    for split, other in (("training", "examination"), ("examination", "training")):
        for _ in range(200):
            done = extraction.listing(rng, split=split)
            assert not any(r.names.split_of(w) == other for w in _brands(done.prompt))


def _brands(text):
    made = {h + t for h in r.names.HEADS for t in r.names.TAILS}
    return (made - {"Silver"}) & set(text.replace(".", " ").replace(",", " ").split())


@pytest.mark.parametrize("split", ["training", "examination"])
def test_json_answers_are_json_that_holds_the_value_and_one_value_has_one_key(split):
    rng = random.Random(6)
    for _ in range(300):
        done = formats.episode(rng, split=split, known=KNOWN, family="json")
        for _, answer in [*done.examples, (done.query, done.answer)]:
            json.loads(answer)
        asked = extraction.extraction(rng, split=split)
        found = json.loads(asked.answer)
        keys = asked.prompt.split("Extract as JSON: ")[1].split("\n")[0].split(", ")
        assert keys == list(found)
        assert all(v is None or str(v).lower() in asked.prompt.lower() for v in found.values())


def test_what_extraction_says_is_null_is_told_nowhere():
    rng = random.Random(7)
    nulls = 0
    for _ in range(300):
        done = extraction.extraction(rng, split="examination")
        found = json.loads(done.answer)
        for key, value in found.items():
            if value is None and "name" in found:
                fact = facts.Fact(found["name"], "", key, "VALUE")
                heads = [s.split("VALUE")[0] for s in phrasing.statements(fact)]
                assert not any(h in done.prompt for h in heads if "VALUE" not in h and len(h) > 40)
                nulls += 1
    assert nulls > 50


@pytest.mark.parametrize("chosen", formats.FAMILIES)
def test_an_answer_follows_from_its_format_and_what_is_told(chosen):
    rng = random.Random(8)
    for _ in range(200):
        done = formats.episode(rng, split="examination", family=chosen)
        if chosen == "labels":
            shown = {answer for _, answer in done.examples}
            assert done.answer in shown
            assert done.examples[0][1] == done.answer  # one example is enough
            continue
        fact = done.told[-1]
        assert any(t in done.header + done.query for t in phrasing.statements(fact))
        if chosen != "dialect":
            assert fact.value.lower() in done.answer.lower()
        assert fact.attribute == done.told[0].attribute  # one example is enough
        for shots in (1, 8):
            assert done.prompt(shots).endswith(done.query)
            assert done.prompt(shots).count(done.examples[0][0]) >= 1


def test_a_dialect_changes_the_answer():
    rng = random.Random(9)
    fact = KNOWN[0].fact("colour")
    changed = 0
    for split in ("training", "examination"):
        for _ in range(100):
            form = r.dialect_format(rng, split)
            changed += form.render(fact) != phrasing.answer(fact)
    assert changed > 190


def test_orders_win_unless_the_header_makes_the_notes_data():
    rng, seen = random.Random(10), Counter()
    for _ in range(300):
        done = instructions.injection(rng, split="training")
        guarded = done.prompt.startswith(instructions.DATA_ONLY)
        notes = next(x for x in done.prompt.split("\n") if x.startswith("Notes:"))
        inside = any(o.split("{x}")[0] in notes for o in instructions.ORDERS)
        assert (len(done.answer.split()) > 1) == (guarded and inside)
        seen[guarded, inside] += 1
    assert len(seen) == 4


def test_instructions_have_three_wordings_each_and_pairs_are_kept_apart():
    kinds = {**instructions.FORMS, **instructions.CHANGES}
    assert len(kinds) >= 25
    assert all(len(set(wordings)) >= 3 for wordings, _ in kinds.values())
    rng = random.Random(11)
    for split in ("training", "examination"):
        for _ in range(500):
            done = instructions.instruction(rng, split=split, known=KNOWN)
            pair = done.parts[0].split("+")
            if len(pair) == 2:
                assert instructions.kept_pair(*pair) == (split == "examination")
            for part in done.parts[1:]:
                assert formats.is_kept(part) == (split == "examination")


def test_an_opening_asked_for_is_never_put_in_capitals():
    rng = random.Random(12)
    found = 0
    for _ in range(3000):
        done = instructions.instruction(rng, split="training")
        if done.parts[0] == "begin+capitals":
            opening = done.parts[1].removeprefix("phrase ")
            assert done.answer.startswith(f"{opening} ")
            assert done.answer.removeprefix(opening).isupper()
            found += 1
    assert found or instructions.kept_pair("begin", "capitals")


def test_half_of_the_questions_about_the_same_notes_have_no_answer_there():
    rng = random.Random(13)
    for _ in range(100):
        done = exercises.abstaining(rng, split="training")
        told = {phrasing.answer(f) for f in done.told}
        silent = [a for a in done.answers if a.endswith(exercises.NOT_TOLD)]
        assert len(done.answers) == 6
        assert len(silent) == 3
        for answer in set(done.answers) - set(silent):
            assert answer in told
        for answer in silent:
            assert not any(t.startswith(answer.removesuffix(exercises.NOT_TOLD)) for t in told)
