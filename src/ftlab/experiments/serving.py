"""The index that serves: a database in this process by default, a server by its address."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from ftlab.common.errors import LabError
from ftlab.experiments.collection import Collection, Dealt
from ftlab.experiments.retrieval import SearchQuality
from ftlab.rag import Passage, Retriever, Where, open_store
from ftlab.rag.almanac import BY, CLERK, tells
from ftlab.world import build_world
from ftlab.world.facts import LAST_KNOWN_YEAR, Fact, draw_value
from ftlab.world.needs import about
from ftlab.world.phrasing import statements, unseen_question

DEMO = "a notice of this lesson"  # its source: a killed run may leave it behind
LATER = "0320"


def open_index(search: SearchQuality, seed: int, uri: str) -> Retriever:
    """The index at `uri` with all passages of a seed, and the search by the serving encoder.

    LabError if it holds other documents: their vectors may come from another encoder.
    """
    encoder, passages = search.encoder(seed), search.dealt(seed).passages
    store = open_store(uri, encoder.dimension)
    store.delete([DEMO])
    others = {p.source for p in store.passages()} - {p.source for p in passages}
    if others:
        raise LabError(f"{uri} holds other documents, such as {min(others)!r}: give another.")
    store.upsert(passages, np.load(search.folder(seed) / "vectors.npy"))
    return Retriever(store, encoder, mode="dense", newest_wins=True)


def changed_fact(shop: Retriever, collection: Collection) -> Fact | None:
    """The first of the town's changed facts that the search finds, as it is now and as it was: to
    show what dates do. None of documents of one's own, which say nothing of that."""
    if collection.own:
        return None
    changed = build_world().changed
    asked = [unseen_question(fact) for fact in changed]
    now = shop.search(asked, 1)
    then = shop.search(asked, 1, where=Where(until=f"{LAST_KNOWN_YEAR:04}"))
    for fact, *both in zip(changed, now, then, strict=True):
        if all(hits and about(fact) in tells(hits[0].passage) for hits in both):
            return fact
    return changed[0]


def question_about(fact: Fact | None, dealt: Dealt) -> str:
    """A question about that fact, or the first of one's own."""
    return unseen_question(fact) if fact else dealt.told()[0].text


def notice(fact: Fact | None, dealt: Dealt) -> Passage:
    """A dated notice: that fact has changed again; of one's own documents, the same text again."""
    if fact is None:
        first = dealt.told()[0]
        text = next(p.text for p in dealt.passages if p.id in first.relevant)
        return Passage(f"{DEMO}#1", text, DEMO)
    rng, again = random.Random("notice"), fact
    while again.value == fact.value:
        again = replace(fact, value=draw_value(fact.attribute, rng, "town"))
    title = fact.entity[:1].upper() + fact.entity[1:]
    text = f"{title}: {statements(again)[1]}"
    return Passage(f"{DEMO}#1", text, DEMO, LATER, about(fact), {BY: CLERK})
