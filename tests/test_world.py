"""The world: the same bytes everywhere, no leaks between hands, exercises that can be solved."""

import hashlib
import json
import random
import re
from collections import Counter

import pytest

from ftlab.common.paths import data_dir
from ftlab.world import build_world, corrections, exercises, facts, letters, names, phrasing, web
from ftlab.world.files import write_world
from ftlab.world.inbox import inbox, misspelt


def test_shipped_files_are_made_again_bit_for_bit(tmp_path):
    made = write_world(tmp_path)
    assert len(made) == 6
    for path in made:
        shipped = data_dir() / "world" / path.name
        assert (
            hashlib.sha256(path.read_bytes()).digest()
            == hashlib.sha256(shipped.read_bytes()).digest()
        ), f"{shipped} is not what `python -m ftlab.world` writes"


def test_another_seed_is_another_town():
    one, two = build_world(1), build_world(2)
    assert [e.name for e in one.known] != [e.name for e in two.known]
    assert build_world(1) == one


def test_new_entities_are_strangers_and_changes_change():
    world = build_world()
    known = {facts.own_word(e) for e in world.known}
    assert not known & {facts.own_word(e) for e in world.new}
    old = {(f.entity, f.attribute): f.value for f in world.known_facts()}
    for fact in world.changed:
        assert fact.value != old[fact.entity, fact.attribute]
        assert fact.since > facts.LAST_KNOWN_YEAR
    assert len(world.known_facts()) == 800
    assert len(world.changed) == facts.CHANGED


def test_own_words_are_never_shared():
    world = build_world()
    words = [facts.own_word(e) for e in world.known + world.new]
    assert len(set(words)) == len(words)


def test_wordings_kept_from_pretraining_stay_out():
    for fact in build_world().known_facts():
        kept = phrasing.unseen_question(fact)
        seen = phrasing.seen_questions(fact)
        assert kept not in seen
        assert len(seen) >= 4
        assert not set(phrasing.questions(fact, held_out=True)) & {*seen, kept}
        assert not set(phrasing.statements(fact, held_out=True)) & set(phrasing.statements(fact))


@pytest.mark.parametrize("attribute", sorted(phrasing.STATEMENTS))
def test_statements_name_entity_and_value(attribute):
    fact = facts.Fact("Xo Yz", "person", attribute, "qq")
    for text in phrasing.statements(fact) + phrasing.statements(fact, held_out=True):
        assert "Xo Yz" in text
        assert "qq" in text
    for text in phrasing.questions(fact) + phrasing.questions(fact, held_out=True):
        assert "Xo Yz" in text
        assert "qq" not in text
        assert text.endswith("?")


@pytest.mark.parametrize("entities", [1, 3])
def test_notes_hold_the_answer_and_names_are_of_the_examination(entities):
    rng = random.Random(5)
    for _ in range(200):
        done = exercises.reading(rng, entities=entities, split="examination", asked=3)
        assert len(set(done.questions)) == 3
        told = {phrasing.answer(f): f for f in done.told}
        for answer in done.answers:
            assert told[answer].value in done.notes
        trained = exercises.reading(rng, entities=entities, split="training")
        assert not _brands(done.notes) & _brands(trained.notes)


def _brands(text: str) -> set[str]:
    made = {h + t for h in names.HEADS for t in names.TAILS}
    return made & set(text.replace(".", "").split())


def test_unanswerable_notes_speak_of_the_entity_but_not_of_what_is_asked():
    rng = random.Random(6)
    for i in range(200):
        done = exercises.unanswerable_reading(rng, entities=1 + 2 * (i % 2), split="examination")
        (answer,) = done.answers
        assert answer.endswith(exercises.NOT_TOLD)
        assert not any(
            phrasing.statements(f)[0].startswith(answer.removesuffix(exercises.NOT_TOLD))
            for f in done.told
        )
        answerable = exercises.reading(rng, entities=1, split="examination")
        assert not answerable.answers[0].endswith(exercises.NOT_TOLD)
    mixed = [
        exercises.reading(rng, entities=2, split="training", asked=6, unanswerable=0.5)
        for _ in range(200)
    ]
    share = sum(any(a.endswith(exercises.NOT_TOLD) for a in e.answers) for e in mixed) / len(mixed)
    assert 0.35 < share < 0.65


def test_conflicting_notes_contradict_the_town():
    world, rng = build_world(), random.Random(7)
    trained = {e.name for e in facts.conflict_entities(world, examined=False)}
    examined = facts.conflict_entities(world, examined=True)
    assert len(trained) > 60
    assert len(examined) > 60
    assert not trained & {e.name for e in examined}
    for entity in examined:
        done = exercises.conflict(rng, entity, asked=4)
        true = {phrasing.answer(entity.fact(a)) for a in facts.ATTRIBUTES[entity.kind]}
        assert len(done.told) == 4
        assert not true & set(done.answers)


def test_sorting_can_be_solved_from_its_examples_alone():
    rng = random.Random(8)
    for _ in range(100):
        task = exercises.sorting(rng, split="examination", shots=8)
        kind = task.query.split()[-1]
        shown = {label for text, label in task.examples if text.split()[-1] == kind}
        assert shown == {task.label}
        assert task.label not in task.prompt(0)


def test_the_three_continuations_are_told_apart_by_the_rule():
    rng = random.Random(9)
    asked = web.bare_questions("training")
    for kind in web.KINDS:
        for _ in range(400):
            text = web.continuation(rng.choice(asked), kind, rng)
            assert web.kind_of(text) == kind, text
    assert web.kind_of("purple the of and") == "other"


def test_examination_questions_are_on_no_training_page():
    trained, examined = web.bare_questions("training"), web.bare_questions("examination")
    assert not set(trained) & set(examined)
    assert "How do I make a cake?" in examined
    assert len(examined) >= 100


def test_letters_share_no_sentence_with_the_hand_written_tickets():
    rng = random.Random(10)
    tickets = (data_dir() / "tickets.csv").read_text(encoding="utf-8")
    for _ in range(300):
        for sentence in letters.letter(rng).split(". "):
            if len(sentence) > 30:
                assert sentence.strip() not in tickets


def test_the_inbox_has_as_many_letters_as_wanted_and_none_twice():
    parts = inbox((300, 100), seed=3)
    assert [len(rows) for rows in parts] == [300, 100]
    texts = [text for rows in parts for text, _ in rows]
    assert len(set(texts)) == len(texts)
    assert {subject for _, subject in parts[0]} == set(letters.SUBJECTS)
    assert inbox((300, 100), seed=3) == parts
    assert inbox((300, 100), seed=4) != parts


def test_a_letter_opens_with_its_subject():
    blanks = re.compile(r"\{\w\}")
    openings = {
        subject: [re.compile(re.escape(blanks.sub("@", told)).replace("@", ".+")) for told in all_]
        for subject, all_ in letters.SUBJECTS.items()
    }
    tidy = asides = 0
    for text, subject in inbox((400,), seed=0)[0]:
        places = {
            name: min((m.start() for p in patterns if (m := p.search(text))), default=10**6)
            for name, patterns in openings.items()
        }
        if sum(place < 10**6 for place in places.values()) == 0:
            continue  # typed in haste
        if places[subject] < 10**6 and places[subject] == min(places.values()):
            tidy += 1
        asides += sum(place < 10**6 for place in places.values()) > 1
    assert tidy > 280  # the others have slips in their opening
    assert 80 < asides < 220


def test_misspelling_touches_a_share_of_the_longer_words():
    text = "the harbour bell rings when boats leave harbour " * 50
    assert misspelt(text, random.Random(0), 0.0) == text
    now = misspelt(text, random.Random(0), 0.5)
    pairs = list(zip(text.split(), now.split(), strict=True))
    assert all(a == b for a, b in pairs if len(a) < 4)
    longer = [a != b for a, b in pairs if len(a) >= 4]
    assert 0.3 < sum(longer) / len(longer) < 0.6  # two equal letters may change places unseen
    assert all(abs(len(a) - len(b)) <= 1 for a, b in pairs)


def test_lines_of_the_shipped_files_are_json_objects():
    for path in sorted((data_dir() / "world").glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert all(isinstance(row, dict) for row in rows)
        assert len(rows) >= 300


SIZES = (512, 200, 600)


def words_of(rows: corrections.Rows) -> set[str]:
    """The things that the texts name, whole: 'eel pie', not 'eel'."""
    things = {thing for sort in corrections.SORTS.values() for thing in sort}
    text = "\n".join(text for text, _ in rows)
    return {thing for thing in things if re.search(rf"\b{thing}\b", text)}


@pytest.mark.parametrize("distance", corrections.DISTANCES)
def test_slips_are_the_same_for_the_same_seed_and_in_one_part_only(distance):
    parts = corrections.corrections(distance, SIZES, 3)
    assert parts == corrections.corrections(distance, SIZES, 3)
    assert parts != corrections.corrections(distance, SIZES, 4)
    assert [len(rows) for rows in parts] == list(SIZES)
    texts = [text for rows in parts for text, _ in rows]
    assert len(set(texts)) == len(texts)
    for rows in parts:
        counts = Counter(sort for _, sort in rows)
        assert set(counts) == set(corrections.SORTS)
        assert min(counts.values()) > 0.08 * len(rows)


@pytest.mark.parametrize("seed", range(3))
def test_the_parts_of_the_near_task_share_no_thing(seed):
    learned, chosen, examined = map(words_of, corrections.corrections("near", SIZES, seed))
    assert not learned & chosen
    assert not learned & examined
    assert not chosen & examined
    assert len(learned | chosen | examined) == sum(map(len, corrections.SORTS.values()))


@pytest.mark.parametrize("distance", ["far", "dialect"])
def test_all_things_of_the_other_tasks_occur_in_the_texts_to_learn_from(distance):
    learned, *_ = corrections.corrections(distance, SIZES)
    if distance == "dialect":
        learned = [(in_language(text), sort) for text, sort in learned]
    assert len(words_of(learned)) == sum(map(len, corrections.SORTS.values()))


def test_no_thing_is_of_two_sorts():
    things = [thing for sort in corrections.SORTS.values() for thing in sort]
    assert len(set(things)) == len(things)


@pytest.mark.parametrize("distance", ["near", "dialect"])
def test_the_label_of_a_slip_is_the_sort_of_what_stands_there_now(distance):
    patterns = [
        re.escape(slip).replace(r"\{w\}", "(?P<w>.+)").replace(r"\{v\}", "(?P<v>.+)")
        for slip in corrections.SLIPS
    ]
    for rows in corrections.corrections(distance, (300, 50, 50)):
        for text, sort in rows:
            plain = in_language(text) if distance == "dialect" else text
            readings = {
                (sort_of(found["v"]), sort_of(found["w"]))
                for pattern in patterns
                if (found := re.fullmatch(pattern, plain))
            }
            (before, now) = next(pair for pair in readings if None not in pair)
            assert now == sort != before, text


def sort_of(thing):
    return next((sort for sort, things in corrections.SORTS.items() if thing in things), None)


def test_the_label_of_a_row_is_the_sort_of_the_thing_in_the_place_that_is_named():
    for rows in corrections.corrections("far", SIZES):
        for text, sort in rows:
            things, place = text.split(": ")
            named = [sort_of(thing) for thing in things.split(", ")]
            assert len(set(named)) == 3
            assert named[corrections.PLACES.index(place)] == sort


def in_language(text):
    """What was said, from what the sailors make of it."""
    letters_of_both = "abcdefghijklmnopqrstuvwxyz"
    back = {corrections.in_dialect(letter): letter for letter in letters_of_both}
    return "".join(back.get(letter, letter) for letter in text)


def test_the_dialect_is_one_to_one_and_changes_every_slip():
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    assert sorted(corrections.in_dialect(alphabet)) == list(alphabet)
    assert corrections.in_dialect("Not EEL pie.") == "Nad EEL boi."
    plain = [text for rows in corrections.corrections("near", SIZES) for text, _ in rows]
    for text in plain:
        said = corrections.in_dialect(text)
        assert in_language(said) == text
        changed = [a for a, b in zip(text.split(), said.split(), strict=True) if a != b]
        assert len(changed) >= len(text.split()) / 2
    english = {text for text, _ in corrections.corrections("near", SIZES)[0]}
    assert not english & {text for text, _ in corrections.corrections("dialect", SIZES)[0]}
