"""The town's pages as passages: the collection that is searched unless a reader brings one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ftlab.common.paths import data_dir
from ftlab.data.jsonl import parse_json_lines
from ftlab.data.text import read_decoded
from ftlab.rag.passages import Passage, chunk, sentences
from ftlab.world import build_world
from ftlab.world.phrasing import statements


def town_passages(
    groups: Sequence[str] = ("known", "new", "changed"), *, single: bool = True, size: int = 0
) -> list[Passage]:
    """The pages of the lab's town, dated by their year ("0311"), one document a page.

    `groups` chooses pages on known and new entities, and the notices of changes. `single` makes a
    passage of every sentence, which tells one fact; its `key` is "entity|attribute", so that a
    notice takes the place of what the entity's page says. Whole pages have no key. `size` cuts
    pages into passages of at most so many words instead: one that tells a single fact has its key,
    one that tells several has none, and names them in its metadata, as "tells".
    """
    path = data_dir() / "world" / "documents.jsonl"
    world = build_world()
    facts = [*world.known_facts(), *world.new_facts(), *world.changed]
    key_of = {
        text: f"{fact.entity}|{fact.attribute}"
        for fact in facts
        for held_out in (False, True)
        for text in statements(fact, held_out=held_out)
    }
    passages = []
    seen: dict[str, int] = {}
    for _, row in parse_json_lines(read_decoded(path, []), path.name):
        group, entity, year, text = (row[k] for k in ("group", "entity", "year", "text"))
        if group not in groups:
            continue
        name = f"{entity}, {year}"
        seen[name] = seen.get(name, 0) + 1
        source = name if seen[name] == 1 else f"{name} ({seen[name]})"
        page = str(text)
        pieces = chunk(page, size) if size else sentences(page) if single else [page]
        for number, piece in enumerate(pieces, start=1):
            # A fact that the cut runs through is told by neither side.
            plain = [re.sub(r"^Since the year \d+: ", "", line) for line in sentences(piece)]
            tells = [key_of[line] for line in plain if line in key_of] if size or single else []
            id_ = f"{source}#{number}" if len(pieces) > 1 else source
            about = {"entity": str(entity), "group": str(group)}
            if len(tells) > 1:
                about["tells"] = "; ".join(tells)
            key = tells[0] if len(tells) == 1 else ""
            passages.append(Passage(id_, piece, source, f"{year:04}", key, about))
    return passages
