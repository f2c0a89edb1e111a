"""One search of a collection with one seed: trained, measured and kept on the disk."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ftlab.common.errors import LabError
from ftlab.common.files import write_atomically
from ftlab.experiments.collection import Collection, Dealt, Question
from ftlab.experiments.searching import DIVERGED, FACTORS, choice, wider
from ftlab.models import load_tokenizer
from ftlab.rag import Retriever, TrunkEncoder, fine_tune_encoder, load_encoder, open_store
from ftlab.rag import question_likelihood as likelihood
from ftlab.rag.encoders import Encoder
from ftlab.rag.retrieval import Reranker, reranking_prompt
from ftlab.rag.stores import Store
from ftlab.training import Diverged
from ftlab.tuning.sft import SFTConfig, fine_tune

WORDS, VECTORS, TUNED, BOTH = "words (BM25)", "vectors", "vectors, fine-tuned", "words and vectors"
RERANKED, UNTAUGHT = "words, reranked", "words, reranked untaught"
METHODS = (WORDS, VECTORS, TUNED, BOTH, RERANKED)
DEEP = 10  # ranks that are looked at
CANDIDATES = 20  # of the first search, that a reranker puts in order
FEWEST_PAIRS = 16  # with fewer nothing is trained
RATE, RATES = 5e-4, (2.5e-4, 5e-4, 1e-3)  # learning rates of the encoder


@dataclass(frozen=True)
class Amounts:
    """How much one search is made of: `questions` of the test, of which the reranker orders the
    candidates of the first `reranked`; `passages` at most (0: all); `pairs` that are taught, in
    `epochs`; `steps` of training the reranker; learning `rates` that the encoder chooses from."""

    questions: int
    reranked: int
    passages: int
    pairs: int
    epochs: int
    steps: int
    rates: tuple[float, ...]


AMOUNTS = {
    "smoke": Amounts(8, 2, 60, 32, 1, 2, (RATE,)),
    "quick": Amounts(100, 40, 0, 10_000, 1, 60, (RATE,)),
    "full": Amounts(300, 100, 0, 10_000, 2, 200, RATES),
}


def deal(collection: Collection, amounts: Amounts, seed: int) -> Dealt:
    """The passages and questions of a seed; where there are to be few passages, those that answer
    and some others."""
    dealt = collection.deal(seed, amounts.questions)
    if not amounts.passages:
        return dealt
    wanted = {name for q in (*dealt.test, *dealt.validation[:8]) for name in q.relevant}
    some = [p for p in dealt.passages if p.id in wanted]
    some += [p for p in dealt.passages if p.id not in wanted][: amounts.passages]
    return Dealt(tuple(some), dealt.teaching, dealt.validation[:8], dealt.test)


def kept(
    collection: Collection,
    base_model: str,
    encoder: str,
    amounts: Amounts,
    *,
    seed: int,
    folder: Path,
) -> dict[str, Any]:
    """What one seed gives, read from the disk if it was done before."""
    told = folder / "search.json"
    if told.exists():
        return dict(json.loads(told.read_text(encoding="utf-8")))
    folder.mkdir(parents=True, exist_ok=True)
    found = _measured(deal(collection, amounts, seed), base_model, encoder, amounts, seed, folder)
    write_atomically(told, json.dumps(found))
    return dict(json.loads(told.read_text(encoding="utf-8")))  # as it will be read


def _measured(
    dealt: Dealt, base_model: str, encoder: str, amounts: Amounts, seed: int, folder: Path
) -> dict[str, Any]:
    raw = load_encoder(encoder)
    pairs = dealt.teaching[: amounts.pairs]
    teach = len(pairs) >= FEWEST_PAIRS
    sources = {passage.id: passage.source for passage in dealt.passages}
    parts = ("ranks", "checked", "pages", "seconds", "ms", "tries")
    found: dict[str, Any] = {part: {} for part in parts}
    found |= {"encoder": encoder, "rate": 0.0, "pairs": len(pairs)}

    def note(name: str, retriever: Retriever, most: int | None = None) -> None:
        began = time.perf_counter()
        asked = dealt.told()[:most]
        found["ranks"][name], found["pages"][name] = _ranks(retriever, asked, sources)
        found["ms"][name] = 1000 * (time.perf_counter() - began) / len(asked)
        if most is None:
            found["checked"][name], _ = _ranks(retriever, dealt.told("validation"), sources)

    store, vectors = _filled(dealt, raw)
    words = Retriever(store, raw, mode="sparse")
    note(WORDS, words)
    note(VECTORS, Retriever(store, raw, mode="dense"))
    best = raw
    if teach and isinstance(raw, TrunkEncoder):
        made, found["rate"], found["tries"] = _tuned(dealt, encoder, pairs, amounts, seed)
        best, store, vectors, seconds = made
        found["seconds"][TUNED] = found["seconds"][BOTH] = seconds
        note(TUNED, Retriever(store, best, mode="dense"))
        best.save(folder / "encoder")
    note(BOTH, Retriever(store, best, mode="hybrid"))
    np.save(folder / "vectors.npy", vectors)
    for name, how, seconds in _rerankers(base_model, pairs if teach else (), amounts, seed):
        words.rerank = how
        found["seconds"][name] = seconds
        note(name, words, amounts.reranked)
    return found


def _tuned(
    dealt: Dealt, encoder: str, pairs: Sequence[tuple[str, str]], amounts: Amounts, seed: int
) -> tuple[tuple[TrunkEncoder, Store, np.ndarray, float], float, dict[float, float]]:
    """The encoder at the best rate with its store, vectors and seconds; that rate; and the recall
    on validation of all that were tried."""
    made: dict[float, tuple[TrunkEncoder, Store, np.ndarray, float]] = {}
    scores: dict[float, float] = {}
    todo = list(amounts.rates)
    while todo:
        rate = todo.pop(0)
        one = load_encoder(encoder)
        assert isinstance(one, TrunkEncoder)
        try:
            run = fine_tune_encoder(
                one,
                *zip(*pairs, strict=True),
                learning_rate=rate,
                epochs=amounts.epochs,
                seed=seed,
                progress=False,
            )
        except Diverged:
            scores[rate] = DIVERGED
        else:
            store, vectors = _filled(dealt, one)
            ranks, _ = _ranks(Retriever(store, one, mode="dense"), dealt.told("validation"), {})
            made[rate] = (one, store, vectors, run.seconds)
            scores[rate] = float(within(ranks, 1).mean())
        if not todo:
            further = wider(amounts.rates, scores, FACTORS["learning_rate"])
            todo = [] if further is None or further in scores else [further]
    best = choice(scores)
    if best not in made:
        raise LabError(f"The encoder's training diverged at every rate: {[*scores]}.")
    return made[best], best, scores


def _rerankers(
    base_model: str, pairs: Sequence[tuple[str, str]], amounts: Amounts, seed: int
) -> Iterator[tuple[str, Reranker, float]]:
    """The base model as it is, and, if there are pairs to teach it, taught to tell which question
    a passage answers; with the seconds of that."""
    from ftlab.models import load_causal_lm

    tokenizer = load_tokenizer(base_model)
    yield UNTAUGHT, likelihood(load_causal_lm(base_model), tokenizer), 0.0
    if pairs:
        taught, seconds, _ = fine_tune(
            base_model,
            [(reranking_prompt(" ".join(text.split())), question) for question, text in pairs],
            SFTConfig(amounts.steps, 0.25),
            seed,
        )
        yield RERANKED, likelihood(taught, tokenizer), seconds


def _filled(dealt: Dealt, encoder: Encoder) -> tuple[Store, np.ndarray]:
    """All passages in a store, and their vectors."""
    store = open_store("memory:", encoder.dimension)
    vectors = encoder.encode([passage.text for passage in dealt.passages])
    store.upsert(dealt.passages, vectors)
    return store, vectors


def _ranks(
    retriever: Retriever, asked: Sequence[Question], sources: Mapping[str, str]
) -> tuple[list[int], list[int]]:
    """The rank of the first passage that answers each question, and of the first one of its
    document; 0 if there is none among the first."""
    rankings = retriever.search([question.text for question in asked], DEEP)
    ranks, pages = [], []
    for hits, question in zip(rankings, asked, strict=True):
        own = {sources.get(name) for name in question.relevant}
        ids = [hit.passage.id for hit in hits]
        ranks.append(next((i for i, n in enumerate(ids, start=1) if n in question.relevant), 0))
        pages.append(next((i for i, n in enumerate(ids, start=1) if sources.get(n) in own), 0))
    return ranks, pages


def within(ranks: Sequence[int] | np.ndarray, k: int) -> np.ndarray:
    """Whether each rank is among the first `k`; 0 is none."""
    found = np.asarray(ranks)
    return (found > 0) & (found <= k)
