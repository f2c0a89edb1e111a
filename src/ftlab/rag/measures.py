"""How good a search is, one number a question, so that intervals can be drawn over questions."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from ftlab.common.errors import LabError

Ranked = Sequence[Sequence[str]]
Relevant = Sequence[AbstractSet[str]]


def recall_at_k(ranked: Ranked, relevant: Relevant, k: int) -> np.ndarray:
    """The share of each question's relevant ids among its first `k` found: (questions,)."""
    _check(ranked, relevant)
    pairs = zip(ranked, relevant, strict=True)
    return np.array([len(targets & set(ids[:k])) / len(targets) for ids, targets in pairs])


def reciprocal_ranks(ranked: Ranked, relevant: Relevant) -> np.ndarray:
    """One over the rank of the first relevant id, 0 if none was found: (questions,).

    Its mean is the MRR.
    """
    _check(ranked, relevant)
    scores = []
    for ids, targets in zip(ranked, relevant, strict=True):
        rank = next((place for place, name in enumerate(ids, start=1) if name in targets), 0)
        scores.append(1 / rank if rank else 0.0)
    return np.array(scores)


def _check(ranked: Ranked, relevant: Relevant) -> None:
    if len(ranked) != len(relevant):
        raise LabError(f"{len(ranked)} rankings but {len(relevant)} sets of relevant passages.")
    if not all(relevant):
        raise LabError("A question without a relevant passage cannot be scored.")
