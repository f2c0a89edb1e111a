"""Answers from what was found, in the form in which the base model has learned to read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftlab.models import generate, max_length
from ftlab.rag.retrieval import Retriever
from ftlab.rag.room import count_tokens, prompt_within
from ftlab.rag.sparse import terms
from ftlab.rag.stores import Hit, Where


@dataclass(frozen=True)
class Answer:
    """An answer and what it took.

    `hits` stood in the prompt; `cited` are the ids of those that hold every word of the answer
    which the question does not hold: none, if no note supports what was answered. `left_out` says
    for how many passages there was no room, `cut` whether one, or the question, was shortened.
    Seconds are this question's equal share of its batch.
    """

    text: str
    cited: tuple[str, ...]
    hits: tuple[Hit, ...]
    prompt_tokens: int
    generated_tokens: int
    retrieval_seconds: float
    generation_seconds: float
    left_out: int = 0
    cut: bool = False


def answer(
    retriever: Retriever,
    model: Any,
    tokenizer: Any,
    questions: Sequence[str],
    *,
    k: int = 4,
    where: Where | None = None,
    header: str = "",
    max_new_tokens: int = 28,
    batch_size: int = 64,
) -> list[Answer]:
    """Retrieve `k` passages for each question and let the model answer from them, greedily.

    `header` stands above the notes. Passages that the model has no room for are left out, the last
    ones first; what does not fit even then is shortened (see `ftlab.rag.room`).
    """
    if not questions:
        return []
    began = time.perf_counter()
    rankings = retriever.search(questions, k, where=where)
    retrieved = time.perf_counter()
    room = max_length(model, 10**9) - max_new_tokens
    made = [
        prompt_within(tokenizer, question, hits, room, header)
        for question, hits in zip(questions, rankings, strict=True)
    ]
    prompts = [prompt.text for prompt in made]
    texts = generate(
        model, tokenizer, prompts, max_new_tokens=max_new_tokens, batch_size=batch_size
    )
    ended = time.perf_counter()
    prompt_tokens = count_tokens(tokenizer, prompts)
    answer_tokens = [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    return [
        Answer(
            text=text.strip(),
            cited=supporting(question, text, prompt.hits),
            hits=prompt.hits,
            prompt_tokens=prompt_tokens[i],
            generated_tokens=answer_tokens[i],
            retrieval_seconds=(retrieved - began) / len(questions),
            generation_seconds=(ended - retrieved) / len(questions),
            left_out=prompt.left_out,
            cut=prompt.cut,
        )
        for i, (question, text, prompt) in enumerate(zip(questions, texts, made, strict=True))
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
