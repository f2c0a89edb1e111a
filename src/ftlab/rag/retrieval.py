"""From a question to the passages that may answer it: by words, by vectors, or by both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ftlab.common.errors import LabError
from ftlab.models import max_length, sequence_logprob
from ftlab.rag.encoders import Encoder
from ftlab.rag.passages import Passage
from ftlab.rag.room import count_tokens, shortened
from ftlab.rag.sparse import WordIndex
from ftlab.rag.stores import Hit, Store, Where, check_k, no_hits

MODES = ("hybrid", "dense", "sparse")
FUSION = 60  # the constant of Cormack et al. 2009: how little a first rank counts above a tenth
LEAST_CANDIDATES = 20
MOST_READ = 2048  # tokens of a passage and a question that a reranker reads
SPARE_TOKENS = 4  # two texts have more tokens together than apart
Reranker = Callable[[str, Sequence[Passage]], Sequence[float]]


class Retriever:
    """Search in a store by `mode`: BM25 ("sparse"), vectors ("dense"), or both, their ranks fused
    (reciprocal rank fusion, Cormack et al. 2009).

    `newest_wins`: of passages with the same key only the newest may be found, of those that the
    search's `where` allows; a date that is not given counts as the oldest. `rerank` gives a
    question's candidates new scores, of which more is better.

    The store is the one truth: the words, and the dates for `newest_wins`, are indexed in memory
    from what it holds, so all are in step whatever happened to a process before. This is done anew
    by the first search after a change and reads the whole store; "dense" without `newest_wins`
    needs neither. What others change in the store meanwhile, these do not see.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        *,
        mode: str = "hybrid",
        newest_wins: bool = False,
        rerank: Reranker | None = None,
    ) -> None:
        if mode not in MODES:
            raise LabError(f"mode must be one of {', '.join(MODES)}, not {mode!r}.")
        if encoder.dimension != store.dimension:
            raise LabError(
                f"The index holds vectors of {store.dimension} numbers, the encoder makes "
                f"{encoder.dimension}: build the index again with this encoder."
            )
        self.store, self.encoder = store, encoder
        self.mode, self.newest_wins, self.rerank = mode, newest_wins, rerank
        self._words: WordIndex | None = None
        self._dated: dict[str, list[Passage]] | None = None  # by key

    def upsert(self, passages: Sequence[Passage]) -> None:
        """Insert or change documents: the passages of each source replace what it had before."""
        if passages:
            vectors = self.encoder.encode([passage.text for passage in passages])
            self._words = self._dated = None
            self.store.upsert(passages, vectors)

    def delete(self, sources: Iterable[str]) -> None:
        """Delete documents."""
        self._words = self._dated = None
        self.store.delete(sources)

    def search(
        self, questions: Sequence[str], k: int = 4, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """The `k` best passages for each question, best first.

        Scores are cosines, BM25 scores, fused reciprocal ranks or what `rerank` gives. LabError if
        the index is empty.
        """
        check_k(k)
        if not questions:
            return []
        self._refresh()
        rankings = self._candidates(questions, k, where)
        if self.rerank is not None:
            rankings = [
                self._reranked(question, hits, self.rerank)
                for question, hits in zip(questions, rankings, strict=True)
            ]
        return [hits[:k] for hits in rankings]

    def _candidates(self, questions: Sequence[str], k: int, where: Where | None) -> list[list[Hit]]:
        """What may answer each question, best first: at least `k` hits, if there are so many."""
        vectors = None if self.mode == "sparse" else self.encoder.encode(questions)
        rankings: list[list[Hit]] = [[] for _ in questions]
        left, depth = list(range(len(questions))), max(4 * k, LEAST_CANDIDATES)
        while left:
            sides = []
            if vectors is not None:
                sides.append(self.store.search(vectors[left], depth, where=where))
            if self.mode != "dense":
                assert self._words is not None
                sides.append(self._words.search([questions[i] for i in left], depth, where=where))
            short = []
            for i, *sources in zip(left, *sides, strict=True):
                hits = sources[0] if len(sources) == 1 else fuse(*sources)
                if self.newest_wins:
                    hits = [hit for hit in hits if not self._outdated(hit.passage, where)]
                rankings[i] = hits
                # Where outdated passages took most places, others stand further down.
                if len(hits) < k and max(map(len, sources)) == depth:
                    short.append(i)
            left, depth = short, 4 * depth
        return rankings

    def _refresh(self) -> None:
        """Index what this search needs and no change has left in place."""
        words = self.mode != "dense" and self._words is None
        dated = self.newest_wins and self._dated is None
        if not (words or dated):
            return
        passages = self.store.passages()
        if not passages:
            raise no_hits()
        if words:
            self._words = WordIndex(passages)
        if dated:
            self._dated = {}
            for passage in passages:
                if passage.key:
                    self._dated.setdefault(passage.key, []).append(passage)

    def _outdated(self, passage: Passage, where: Where | None) -> bool:
        assert self._dated is not None
        return any(
            other.date > passage.date and (where is None or where.allows(other))
            for other in self._dated.get(passage.key, [])
        )

    @staticmethod
    def _reranked(question: str, hits: list[Hit], rerank: Reranker) -> list[Hit]:
        if not hits:
            return hits
        scores = rerank(question, [hit.passage for hit in hits])
        order = np.argsort(-np.asarray(scores, dtype=float), kind="stable")
        return [Hit(hits[i].passage, float(scores[i])) for i in order]


def fuse(*rankings: Sequence[Hit]) -> list[Hit]:
    """Reciprocal rank fusion: a passage scores 1 / (60 + rank) in each ranking that has it."""
    scores: dict[str, float] = {}
    passages: dict[str, Passage] = {}
    for hits in rankings:
        for rank, hit in enumerate(hits, start=1):
            name = hit.passage.id
            passages[name] = hit.passage
            scores[name] = scores.get(name, 0.0) + 1 / (FUSION + rank)
    return [Hit(passages[name], scores[name]) for name in sorted(scores, key=lambda n: -scores[n])]


def question_likelihood(model: Any, tokenizer: Any) -> Reranker:
    """A reranker that asks a causal language model how likely the question is after the passage
    (Sachan et al. 2022): ln p(question | passage) in nats. One pass a candidate.

    Of a passage for which there is no room beside the question the beginning is read; of a question
    that takes more than half of the room, too.
    """
    around = count_tokens(tokenizer, [reranking_prompt("")])[0]
    room = max_length(model, MOST_READ) - around - SPARE_TOKENS

    def rerank(question: str, passages: Sequence[Passage]) -> Sequence[float]:
        asked = shortened(tokenizer, question, room // 2)
        left = room - count_tokens(tokenizer, [asked])[0]
        texts = [shortened(tokenizer, " ".join(p.text.split()), left) for p in passages]
        prompts = [reranking_prompt(text) for text in texts]
        return sequence_logprob(model, tokenizer, prompts, [f" {asked}"] * len(prompts)).tolist()

    return rerank


def reranking_prompt(passage: str) -> str:
    """What stands before the question whose likelihood is asked for."""
    return f"Notes: {passage}\nQuestion:"
