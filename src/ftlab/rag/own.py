"""A case of the reader's own: a folder of documents and a file of questions about them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ftlab.common.errors import LabError
from ftlab.evaluation import normalise
from ftlab.rag.passages import AskedQuestion, Passage, read_folder, read_questions
from ftlab.world.exercises import question_prompt
from ftlab.world.needs import Item, Need

TOWN = "town"  # the documents and questions that the lab brings
FEWEST = 12  # questions of the user, for training, validation and test together


@dataclass(frozen=True)
class OwnItem(Item):
    """A question of the user; its `about` is the source that answers it."""

    def is_right(self, text: str) -> bool:
        """Whether the wanted answer stands in `text`, whatever else does."""
        return normalise(self.answer) in normalise(text)


def read_case(
    documents: str, questions: str, chunk_size: int = 0
) -> tuple[list[Passage], list[AskedQuestion]] | None:
    """A folder's passages, of at most `chunk_size` words (0: as `read_folder` cuts them), and a
    file's questions; None where both are "town".

    LabError names file, line and reason: what cannot be read, too few questions, or a source that
    is no document.
    """
    if (documents == TOWN) != (questions == TOWN):
        raise LabError(
            "documents and questions belong together: give files of your own for both, "
            "or 'town' for both."
        )
    if documents == TOWN:
        return None
    sized = {"size": chunk_size} if chunk_size else {}
    passages, asked = read_folder(documents, **sized), read_questions(questions)
    if len(asked) < FEWEST:
        raise LabError(f"{questions} has {len(asked)} questions, but at least {FEWEST} are needed.")
    sources = {passage.source for passage in passages}
    lost = next((one.source for one in asked if one.source and one.source not in sources), None)
    if lost is not None:
        raise LabError(
            f"{questions} names the source {lost!r}, which is not a file in {documents}."
        )
    return passages, asked


def own_need(asked: Sequence[AskedQuestion], seed: int, count: int) -> Need:
    """Questions of the user, split by `seed`: a quarter for choices, half of the others (at most
    `count`) for the examination, the rest as lessons."""
    dealt = list(asked)
    random.Random(f"own/{seed}").shuffle(dealt)
    items = [
        OwnItem(question_prompt(one.question), one.answer, one.question, about=one.source)
        for one in dealt
    ]
    choices = len(items) // 4
    examined = choices + min(count, (len(items) - choices) // 2)
    return Need(
        "own",
        "your questions about your documents",
        tuple(items[examined:]),
        tuple(items[choices:examined]),
        tuple(items[:choices]),
    )
