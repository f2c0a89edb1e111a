"""What is answered to every question of a seed, from notes and without, and whether it is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ftlab.experiments.collection import LEFT_OUT, STRANGER, TOLD, Question, first_sentence
from ftlab.models import load_causal_lm, load_tokenizer
from ftlab.rag import Retriever
from ftlab.rag.answering import Answer
from ftlab.rag.answering import answer as answer_from
from ftlab.world.exercises import NOT_TOLD

if TYPE_CHECKING:
    from ftlab.experiments.retrieval import SearchQuality

ENDINGS = (NOT_TOLD.rstrip("."), "not told", "don't know", "do not know", "no information")


def answered(
    search: SearchQuality, base_model: str, k: int, most: int, *, seed: int
) -> pd.DataFrame:
    """One row a question of a seed, of both parts: what is answered with notes and without."""
    model, tokenizer = load_causal_lm(base_model), load_tokenizer(base_model)
    retriever, dealt = search.retriever(seed), search.dealt(seed)
    frames = []
    for part in ("validation", "test"):
        asked = [q for kind in (TOLD, LEFT_OUT, STRANGER) for q in _first(dealt, part, kind, most)]
        new = {p.id for p in dealt.passages if p.metadata.get("group") == "new"}
        texts = [question.text for question in asked]
        got = answer_from(retriever, model, tokenizer, texts, k=k)
        closed = answer_from(_Nothing(retriever), model, tokenizer, texts, k=k)
        rows = [
            _row(question, one, without) | {"new": bool(question.relevant & new)}
            for question, one, without in zip(asked, got, closed, strict=True)
        ]
        frames.append(pd.DataFrame(rows).assign(seed=seed, part=part))
    return pd.concat(frames, ignore_index=True)


def _first(dealt: Any, part: str, kind: str, most: int) -> list[Question]:
    some = [question for question in getattr(dealt, part) if question.kind == kind]
    return some[: most if kind == TOLD else max(2, most // 2)]


class _Nothing(Retriever):
    """A search that finds nothing: the model has to answer from its weights."""

    def __init__(self, other: Retriever) -> None:
        super().__init__(other.store, other.encoder)

    def search(self, questions: Sequence[str], k: int = 4, **_: Any) -> list[list[Any]]:
        return [[] for _ in questions]


def _row(question: Question, got: Answer, closed: Answer) -> dict[str, Any]:
    silent = abstains(got.text)
    cited = () if silent else got.cited
    return {
        "kind": question.kind,
        "question": question.text,
        "answer": first_sentence(got.text) if question.exact else got.text,
        "right": question.is_right(got.text),
        "abstained": silent,
        "score": got.hits[0].score if got.hits else -1.0,
        "cited": len(cited),
        "cited_right": len(set(cited) & question.relevant),
        "read": any(hit.passage.id in question.relevant for hit in got.hits),
        "names": "; ".join(cited) or "nothing",
        "closed": question.is_right(closed.text),
        "left_out": got.left_out,
        "cut": got.cut,
    }


def abstains(text: str) -> bool:
    """Whether an answer says, in its first sentence, that there is none."""
    return any(ending in first_sentence(text).casefold() for ending in ENDINGS)


def fate(question: Question, got: Answer) -> str:
    """Whether an answer is right, and if not, whether search or reader failed."""
    right = question.is_right(got.text)
    if any(hit.passage.id in question.relevant for hit in got.hits):
        if right:
            return "The passage that tells it is among the notes, and the model answers with it."
        return (
            "The passage that tells it is among the notes, and the answer is still not the right "
            "one: here the **reader** failed, not the search."
        )
    if right:
        return "No passage that tells it is among the notes: the model knew it, or guessed."
    return "No passage that tells it is among the notes: here the **search** failed."
