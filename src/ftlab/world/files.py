"""The world as files: what `data/world` holds, and how it is made again."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ftlab.world import exercises, letters, web
from ftlab.world.facts import (
    ATTRIBUTES,
    LAST_KNOWN_YEAR,
    WORLD_SEED,
    Entity,
    Fact,
    World,
    build_world,
    conflict_entities,
)
from ftlab.world.phrasing import answer, questions, statements, unseen_question

Row = dict[str, Any]
EXERCISES_EACH = 100
PAGES = 600


def _fact_row(fact: Fact, group: str) -> Row:
    return {**asdict(fact), "group": group, "answer": answer(fact)}


def fact_rows(world: World) -> list[Row]:
    """Every fact with its group: known, new or changed (with the year of the change)."""
    rows = [_fact_row(f, "known") for f in world.known_facts()]
    rows += [_fact_row(f, "new") for f in world.new_facts()]
    return rows + [_fact_row(f, "changed") for f in world.changed]


def question_rows(world: World) -> list[Row]:
    """Every question for every fact, with the hand its wording belongs to.

    `seen`: pretraining may ask for known facts in it; `unseen`: used for other entities, never
    for this one; `held_out`: used for no entity at all.
    """
    rows = []
    for group, facts in (
        ("known", world.known_facts()),
        ("new", world.new_facts()),
        ("changed", world.changed),
    ):
        for fact in facts:
            for text in questions(fact) + questions(fact, held_out=True):
                wording = "unseen" if text == unseen_question(fact) else "seen"
                if text in questions(fact, held_out=True):
                    wording = "held_out"
                row = {"question": text, "answer": answer(fact), "wording": wording}
                rows.append({**row, "group": group, "entity": fact.entity})
    return rows


def document_rows(world: World, rng: random.Random) -> list[Row]:
    """The town's chronicle: a page on every entity, and a dated notice for every change."""

    def page(entity: Entity, group: str, year: int) -> Row:
        told = [entity.fact(a) for a in ATTRIBUTES[entity.kind]]
        text = " ".join(rng.choice(statements(f)) for f in told)
        return {"year": year, "group": group, "entity": entity.name, "text": text}

    rows = [page(e, "known", LAST_KNOWN_YEAR) for e in world.known]
    rows += [page(e, "new", LAST_KNOWN_YEAR + rng.randint(1, 3)) for e in world.new]
    for fact in world.changed:
        text = f"Since the year {fact.since}: {rng.choice(statements(fact))}"
        rows.append({"year": fact.since, "group": "changed", "entity": fact.entity, "text": text})
    return rows


def exercise_rows(world: World, rng: random.Random) -> list[Row]:
    """Examination exercises of every sort, ready to be put to any model."""
    rows = []
    contradicted = conflict_entities(world, examined=True)
    for _ in range(EXERCISES_EACH):
        for sort, made in (
            ("reading_one", exercises.reading(rng, entities=1, split="examination")),
            ("reading_many", exercises.reading(rng, entities=3, split="examination")),
            ("conflict", exercises.conflict(rng, rng.choice(contradicted))),
            (
                "unanswerable",
                exercises.unanswerable_reading(rng, entities=3, split="examination"),
            ),
        ):
            rows.append({"sort": sort, "prompt": made.prompt(), "answer": made.answers[0]})
        shots = exercises.sorting(rng, split="examination")
        rows.append({"sort": "sorting", "prompt": shots.prompt(8), "answer": shots.label})
    return rows


def web_rows(rng: random.Random) -> list[Row]:
    """Bare questions with one continuation each, and letters to the shops."""
    rows: list[Row] = []
    asked = web.bare_questions("training")
    for i in range(PAGES):
        question, kind = rng.choice(asked), web.KINDS[i % 3]
        text = web.continuation(question, kind, rng)
        rows.append({"question": question, "kind": kind, "continuation": text})
    return rows


def write_world(folder: Path, seed: int = WORLD_SEED) -> list[Path]:
    """Write all files of the world of `seed` to `folder` and return their paths."""
    world = build_world(seed)
    rng = random.Random(seed)
    tables: dict[str, Iterable[Row]] = {
        "facts": fact_rows(world),
        "questions": question_rows(world),
        "documents": document_rows(world, rng),
        "exercises": exercise_rows(world, rng),
        "web": web_rows(rng),
        "letters": [{"text": letters.letter(rng).strip()} for _ in range(PAGES)],
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, rows in tables.items():
        path = folder / f"{name}.jsonl"
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        path.write_bytes("".join(lines).encode())
        paths.append(path)
    return paths
