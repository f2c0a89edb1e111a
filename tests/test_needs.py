"""The needs of the town: nothing is examined that was taught, and every answer is the right one."""

from __future__ import annotations

import json

import pytest

from ftlab.world import build_world
from ftlab.world.needs import MANNERS, Need, in_manner, needs

WORLD = build_world()
FOUND = needs(WORLD, seed=0, count=20)


def test_lessons_and_items_never_share_a_query() -> None:
    for need in FOUND.values():
        assert not {item.query for item in need.items} & {item.query for item in need.lessons}


@pytest.mark.parametrize("name", [*MANNERS, "known"])
def test_manners_are_examined_on_facts_that_no_manner_teaches(name: str) -> None:
    taught = {item.question for manner in MANNERS for item in FOUND[manner].lessons}
    assert not {item.question for item in FOUND[name].items} & taught


def test_new_and_changed_facts_are_taught_in_other_words_than_asked() -> None:
    for name in ("new", "changed"):
        taught = {item.answer for item in FOUND[name].lessons}
        assert {item.answer for item in FOUND[name].items} <= taught
    assert all(item.stale and item.stale != item.answer for item in FOUND["changed"].items)
    assert not any(item.stale for item in FOUND["new"].items)


def test_nobody_in_town_is_asked_for_where_nothing_is_told() -> None:
    town = {entity.name for entity in (*WORLD.known, *WORLD.new)}
    for item in (*FOUND["untold"].items, *FOUND["untold"].lessons):
        assert item.answer.endswith(" is not told.")
        assert not any(name in item.question for name in town)


def test_what_is_known_has_not_changed() -> None:
    for item in FOUND["known"].items:
        assert not any(
            f.entity in item.answer and f.attribute in item.answer for f in WORLD.changed
        )


def test_every_json_answer_is_one_strict_object() -> None:
    for item in (*FOUND["format"].items, *FOUND["format"].lessons):
        assert len(json.loads(item.answer)) == 2


@pytest.mark.parametrize("name", MANNERS)
def test_a_manner_is_told_apart_from_what_is_said_in_it(name: str) -> None:
    for item in FOUND[name].items:
        assert item.manner.fullmatch(item.answer)
        plain = next(known for known in FOUND["known"].items if known.question == item.question)
        assert not item.manner.fullmatch(plain.answer)
    one, other = FOUND[name].items[:2]
    assert one.manner == other.manner
    assert one.is_kept(other.answer)
    assert not one.is_right(other.answer)
    cut = one.answer[:-1]
    assert not one.is_kept(cut)


def test_any_fact_can_be_asked_for_in_a_manner() -> None:
    fact = WORLD.new_facts()[0]
    item = in_manner(fact, "format")
    assert item.query.endswith("\nJSON:")
    assert json.loads(item.answer) == {"entity": fact.entity, fact.attribute: fact.value}
    assert item.is_kept(item.answer)
    assert item.manner == FOUND["format"].items[0].manner


def test_a_prompt_shows_notes_then_examples_then_the_query() -> None:
    need = FOUND["sorting"]
    one, two = need.lessons[:2]
    prompt = need.prompt(need.items[0], [one, two])
    lines = prompt.splitlines()
    assert lines[0] == "Sort the goods."
    assert lines[1] == f"{one.query} {one.answer}"
    assert lines[-1] == need.items[0].query
    known: Need = FOUND["known"]
    told = known.prompt(known.items[0], notes="It rains.")
    assert told.startswith("Notes: It rains.\nQuestion: ")
    assert told.endswith("Answer:")


def test_goods_of_one_kind_stand_on_one_shelf() -> None:
    place = {}
    for item in (*FOUND["sorting"].lessons, *FOUND["sorting"].items):
        kind = item.query.split()[1]
        assert place.setdefault(kind, item.answer) == item.answer
    assert len(set(place.values())) == len(place) == 4


def test_another_seed_deals_anew_and_the_same_seed_deals_the_same() -> None:
    again = needs(WORLD, seed=0, count=20)
    assert again == FOUND
    assert needs(WORLD, seed=1, count=20)["known"].items != FOUND["known"].items


def test_choices_and_examination_never_share_an_item() -> None:
    for need in FOUND.values():
        assert len(need.items) == len(need.validation) == 20
        assert not {item.query for item in need.items} & {item.query for item in need.validation}
