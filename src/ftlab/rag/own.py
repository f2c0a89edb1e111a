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
        """Whether `text` contains the expected answer, whatever else it says."""
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
    passages, rows = read_folder(documents, **sized), read_questions(questions)
    if len(rows) < FEWEST:
        raise LabError(f"{questions} has {len(rows)} questions, but at least {FEWEST} are needed.")
    sources = {passage.source for passage in passages}
    unknown = next((row.source for row in rows if row.source and row.source not in sources), None)
    if unknown is not None:
        raise LabError(
            f"{questions} names the source {unknown!r}, which is not a file in {documents}."
        )
    return passages, rows


def own_need(questions: Sequence[AskedQuestion], seed: int, count: int) -> Need:
    """Questions of the user, split by `seed`: a quarter for validation, half of the others
    (at most `count`) for the test, the rest for training."""
    shuffled = list(questions)
    random.Random(f"own/{seed}").shuffle(shuffled)
    items = [
        OwnItem(question_prompt(row.question), row.answer, row.question, about=row.source)
        for row in shuffled
    ]
    validation = len(items) // 4
    test_end = validation + min(count, (len(items) - validation) // 2)
    return Need(
        "own",
        "your questions about your documents",
        tuple(items[test_end:]),
        tuple(items[validation:test_end]),
        tuple(items[:validation]),
    )
