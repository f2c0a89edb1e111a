"""The index that serves: a database in this process by default, a server by its address."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from ftlab.common.errors import LabError
from ftlab.experiments.collection import Collection
from ftlab.experiments.retrieval import SearchQuality
from ftlab.rag import Passage, Retriever, open_store
from ftlab.rag.almanac import BY, CLERK
from ftlab.world import build_world
from ftlab.world.facts import Fact, draw_value
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


def changed_fact(collection: Collection) -> Fact | None:
    """A fact of the town that has changed since the base model was made; None of documents of
    one's own, which say nothing of that."""
    return None if collection.own else build_world().changed[0]


def changed_question(search: SearchQuality, seed: int) -> str:
    """A question about that fact, or just the first of one's own."""
    fact = changed_fact(search.collection)
    return unseen_question(fact) if fact else search.dealt(seed).told()[0].text


def notice(search: SearchQuality, seed: int) -> Passage:
    """A dated notice: that fact has changed again; of one's own documents, the same text again."""
    fact = changed_fact(search.collection)
    if fact is None:
        first = search.dealt(seed).told()[0]
        text = next(p.text for p in search.dealt(seed).passages if p.id in first.relevant)
        return Passage(f"{DEMO}#1", text, DEMO)
    rng, again = random.Random("notice"), fact
    while again.value == fact.value:
        again = replace(fact, value=draw_value(fact.attribute, rng, "town"))
    title = fact.entity[:1].upper() + fact.entity[1:]
    text = f"{title}: {statements(again)[1]}"
    return Passage(f"{DEMO}#1", text, DEMO, LATER, about(fact), {BY: CLERK})
