"""A case to compare prompting, retrieval and fine-tuning on: the town, or a reader's documents."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ftlab.experiments.rag_needs import OWN, Amounts, town_needs
from ftlab.rag import Passage, Retriever, load_encoder, open_store, own_need, read_case
from ftlab.rag.town import town_passages
from ftlab.world.needs import Need

K = 4  # passages that are read


@dataclass(frozen=True)
class Case:
    """What is asked and where the answers stand: `needs(seed, amounts)`, and the passages."""

    base_model: str
    passages: Sequence[Passage]
    needs: Callable[[int, Amounts], dict[str, Need]]
    _made: list[Retriever] = field(default_factory=list, compare=False, repr=False)

    def retriever(self) -> Retriever:
        """Words and the base model's vectors, their ranks fused; the newest version wins. Made
        once, as every passage has to be encoded."""
        if not self._made:
            self._made.append(self._new_retriever())
        return self._made[0]

    def _new_retriever(self) -> Retriever:
        encoder = load_encoder(self.base_model)
        store = open_store("memory:", encoder.dimension)
        found = Retriever(store, encoder, mode="hybrid", newest_wins=True)
        found.upsert(list(self.passages))
        return found


def case(base_model: str, documents: str = "town", questions: str = "town") -> Case:
    """The town, or documents and questions of one's own. LabError says what cannot be read."""
    own = read_case(documents, questions)
    if own is None:
        return _town(base_model)
    passages, rows = own
    return Case(base_model, passages, lambda s, a: {OWN: own_need(rows, s, a.items)})


@functools.cache
def _town(base_model: str) -> Case:
    return Case(base_model, town_passages(), town_needs)
