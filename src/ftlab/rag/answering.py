"""Answers from what was found, in the form in which the base model has learned to read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftlab.models import generate, max_length
from ftlab.rag.retrieval import Retriever
from ftlab.rag.sparse import terms
from ftlab.rag.stores import Hit, Where
from ftlab.world.exercises import question_prompt


@dataclass(frozen=True)
class Answer:
    """An answer and what it took.

    `hits` stood in the prompt; `cited` are the ids of those that hold every word of the answer
    which the question does not hold: none, if no note supports what was answered. Seconds are
    this question's equal share of its batch.
    """

    text: str
    cited: tuple[str, ...]
    hits: tuple[Hit, ...]
    prompt_tokens: int
    generated_tokens: int
    retrieval_seconds: float
    generation_seconds: float


def notes_prompt(question: str, hits: Sequence[Hit]) -> str:
    """Notes, question, and "Answer:", as in the exercises that the base model was trained on.

    All notes stand on one line, whatever line breaks they hold: no passage can write a question
    line of its own below them. What it says on that line the model still reads.
    """
    notes = " ".join(" ".join(hit.passage.text.split()) for hit in hits)
    return f"Notes: {notes}\n{question_prompt(question)}" if notes else question_prompt(question)


def answer(
    retriever: Retriever,
    model: Any,
    tokenizer: Any,
    questions: Sequence[str],
    *,
    k: int = 4,
    where: Where | None = None,
    max_new_tokens: int = 28,
    batch_size: int = 64,
) -> list[Answer]:
    """Retrieve `k` passages for each question and let the model answer from them, greedily.

    Passages that the model has no room for are left out, the last ones first; `hits` of each
    answer tells which were read.
    """
    if not questions:
        return []
    began = time.perf_counter()
    rankings = retriever.search(questions, k, where=where)
    retrieved = time.perf_counter()
    room = max_length(model, 10**9) - max_new_tokens
    pairs = zip(questions, rankings, strict=True)
    rankings = [_fitting(tokenizer, question, hits, room) for question, hits in pairs]
    prompts = [notes_prompt(q, hits) for q, hits in zip(questions, rankings, strict=True)]
    texts = generate(
        model, tokenizer, prompts, max_new_tokens=max_new_tokens, batch_size=batch_size
    )
    ended = time.perf_counter()
    prompt_tokens = [len(ids) for ids in tokenizer(prompts)["input_ids"]]
    answer_tokens = [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    return [
        Answer(
            text=text.strip(),
            cited=supporting(question, text, hits),
            hits=tuple(hits),
            prompt_tokens=prompt_tokens[i],
            generated_tokens=answer_tokens[i],
            retrieval_seconds=(retrieved - began) / len(questions),
            generation_seconds=(ended - retrieved) / len(questions),
        )
        for i, (question, text, hits) in enumerate(zip(questions, texts, rankings, strict=True))
    ]


def supporting(question: str, text: str, hits: Sequence[Hit]) -> tuple[str, ...]:
    """The ids of the passages that hold all words of `text` which `question` does not hold.

    A word that only binds (the "is" of "The pet of Ada is a goat") may be missing from a note that
    says it otherwise; so words that none of the passages holds are passed over, if any is held.
    """
    new = set(terms(text)) - set(terms(question))
    held = {hit.passage.id: new & set(terms(hit.passage.text)) for hit in hits}
    most = max((len(words) for words in held.values()), default=0)
    return tuple(name for name, words in held.items() if most and len(words) == most)


def _fitting(tokenizer: Any, question: str, hits: list[Hit], room: int) -> list[Hit]:
    while len(hits) > 1 and len(tokenizer(notes_prompt(question, hits))["input_ids"]) > room:
        hits = hits[:-1]
    return hits
