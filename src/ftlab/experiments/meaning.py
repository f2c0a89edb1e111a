"""Questions and passages on a map: where they lie before and after the encoder was fine-tuned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ftlab.experiments.collection import Dealt, Question
from ftlab.plots import retrieval as drawings
from ftlab.rag.encoders import Encoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUPS, EACH = 4, 16


@dataclass(frozen=True, eq=False)
class MeaningMap:
    """`places[encoder][group]` are the passages and the questions of a group on a plane, (n, 2)
    each; `beside[encoder]` the share of questions whose nearest neighbour among all of these is
    the passage that answers them, a passage, or a question."""

    places: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]
    beside: Mapping[str, Mapping[str, float]]

    def figure(self) -> tuple[Figure, str]:
        """Both maps, and what lies beside what."""
        return drawings.meaning_map(self.places), (
            f"Passages and questions on the two directions in which they differ most, before and "
            f"after fine-tuning. {self.told()}"
        )

    def told(self) -> str:
        """What lies nearest to a question, for each encoder."""
        parts = [
            f"{name}: nearest to a question lies another question in {share['question']:.0%}, its "
            f"own passage in {share['own passage']:.0%}"
            for name, share in self.beside.items()
        ]
        return f"{'; '.join(parts)}."

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for name, shares in self.beside.items():
            for what, share in shares.items():
                yield {"name": "nearest", "value": share, "method": name, "what": what}


def meaning_map(dealt: Dealt, encoders: Mapping[str, Encoder]) -> MeaningMap:
    """Draw some questions of a few groups, with their passages, by every encoder: groups are what
    is asked about one kind of thing, or of one's own documents those with most questions."""
    texts = {passage.id: passage for passage in dealt.passages}
    grouped: dict[str, list[Question]] = {}
    for question in (*dealt.told(), *dealt.told("validation")):
        fact = question.fact
        source = texts[min(question.relevant)].source
        if fact is None or fact.kind == "product":
            grouped.setdefault(source if fact is None else fact.attribute, []).append(question)
    most = sorted(grouped, key=lambda name: -len(grouped[name]))[:GROUPS]
    chosen = {name: grouped[name][:EACH] for name in sorted(most)}
    asked = [question for some in chosen.values() for question in some]
    found = [texts[min(question.relevant)].text for question in asked]
    places, beside = {}, {}
    for name, encoder in encoders.items():
        vectors = encoder.encode([*found, *(question.text for question in asked)])
        beside[name] = _nearest(vectors, found)
        plane = _two_directions(vectors)
        groups, begin = {}, 0
        for group, some in chosen.items():
            end = begin + len(some)
            groups[group] = (plane[begin:end], plane[len(asked) + begin : len(asked) + end])
            begin = end
        places[name] = groups
    return MeaningMap(places, beside)


def _two_directions(vectors: np.ndarray) -> np.ndarray:
    """(n, 2): the first two principal components."""
    centred = vectors - vectors.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(vectors), 2))
    plane[:, : len(directions[:2])] = centred @ directions[:2].T
    return plane


def _nearest(vectors: np.ndarray, found: Sequence[str]) -> dict[str, float]:
    """What lies nearest to each question: passages stand first, then as many questions."""
    half = len(vectors) // 2
    cosines = vectors[half:] @ vectors.T
    cosines[np.arange(half), half + np.arange(half)] = -np.inf  # the question itself
    nearest = cosines.argmax(axis=1)
    own = [place < half and found[place] == found[i] for i, place in enumerate(nearest)]
    return {
        "own passage": float(np.mean(own)) if half else 0.0,
        "question": float(np.mean(nearest >= half)) if half else 0.0,
    }
