"""Search by words: BM25 (Robertson & Zaragoza 2009), through the bm25s library."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from ftlab.common.libraries import require
from ftlab.rag.passages import UNSPACED, Passage
from ftlab.rag.stores import Hit, Where, check_k

_RUN = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+")


def terms(text: str) -> list[str]:
    """What a text is searched by: its words in lower case; where a script puts no spaces between
    them, single characters and pairs of neighbours, which find words without knowing any."""
    words: list[str] = []
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).casefold()):
        if re.match(rf"[{UNSPACED}]", run):
            words += [*run, *(run[i : i + 2] for i in range(len(run) - 1))]
        else:
            words.append(run)
    return words


class WordIndex:
    """BM25 over a fixed set of passages; a changed set needs a new index (about a second for
    100,000 short passages)."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        require("rag", "bm25s")
        import bm25s

        self._passages = list(passages)
        words = [terms(passage.text) for passage in self._passages]
        self._known = {word for text in words for word in text}
        self._bm25 = bm25s.BM25()
        if self._known:
            self._bm25.index(words, show_progress=False)

    def search(
        self, questions: Sequence[str], k: int, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """The `k` best passages for each question, best first; fewer if fewer share a word."""
        check_k(k)
        everything = range(len(self._passages))
        allowed = None if where is None else where.among(self._passages, everything)
        rankings: list[list[Hit]] = []
        for question in questions:
            known = [term for term in terms(question) if term in self._known]
            if not known:
                rankings.append([])
                continue
            scores = self._bm25.get_scores(known)
            places = np.flatnonzero(scores > 0) if allowed is None else np.array(allowed, int)
            best = places[np.argsort(-scores[places], kind="stable")[:k]]
            rankings.append(
                [Hit(self._passages[i], float(scores[i])) for i in best if scores[i] > 0]
            )
        return rankings
