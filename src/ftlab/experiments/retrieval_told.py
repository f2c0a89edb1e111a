"""What a comparison of searches shows, in sentences that depend on its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ftlab.evaluation import Estimate
from ftlab.experiments.retrieval_runs import (
    CANDIDATES,
    RERANKED,
    TUNED,
    UNTAUGHT,
    VECTORS,
    WORDS,
    within,
)
from ftlab.notebook.display import against, short


class Searches(Protocol):
    """What is told of: see `ftlab.experiments.retrieval.SearchQuality`."""

    @property
    def ranks(self) -> Mapping[str, Sequence[np.ndarray]]: ...
    @property
    def about(self) -> Sequence[Mapping[str, Any]]: ...
    def estimate(self, method: str, k: int = 1) -> Estimate: ...
    def difference(self, a: str, b: str, k: int = 1) -> Estimate | None: ...


def told(search: Searches) -> str:
    """What stands out, in sentences that depend on the numbers."""
    parts = []
    for a, b, words in (
        (WORDS, VECTORS, "Words find the right passage first in {a}, the vectors as they are"),
        (TUNED, VECTORS, "Fine-tuning the encoder brings its vectors to {a}, from"),
    ):
        gap = search.difference(a, b)
        if gap is not None:
            first, second = (short(search.estimate(name)) for name in (a, b))
            parts.append(
                f"{words.format(a=first)} {second}: a difference of {short(gap)}, {against(gap)}."
            )
    five = {
        name: search.estimate(name, 5) for name in (WORDS, VECTORS, TUNED) if name in search.ranks
    }
    told = ", ".join(f"{short(share)} ({name})" for name, share in five.items())
    parts.append(f"Among the first five it is in {told}.")
    parts += [_reranked(search, name) for name in (RERANKED, UNTAUGHT) if name in search.ranks]
    return " ".join(parts)


def turned(search: Searches, a: str, b: str) -> str:
    """How often `a` puts the passage first where `b` does not, and the other way round."""
    pairs = zip(search.ranks[a], search.ranks[b], strict=True)
    both = [(within(x, 1), within(y, 1)) for x, y in pairs]
    gained, lost = (
        np.mean([(won & ~other).mean() for won, other in some])
        for some in (both, [(y, x) for x, y in both])
    )
    return (
        f"In {gained:.2f} of all questions '{a}' puts the passage first and '{b}' does not; in "
        f"{lost:.2f} it is the other way round."
    )


def _reranked(search: Searches, name: str) -> str:
    """What a reranker changes, on how many questions, and at what cost."""
    gap, asked = search.difference(name, WORDS), len(search.ranks[name][0])
    assert gap is not None
    verb = "improves" if gap.low > 0 else "worsens" if gap.high < 0 else "changes"
    which = "fine-tuned" if name == RERANKED else "as it is"
    ms = (float(np.mean([a["ms"][n] for a in search.about])) for n in (name, WORDS))
    return (
        f"The reranker, {which}, {verb} the order of the first {CANDIDATES} that the words "
        f"found, on the first {asked} questions of each seed, by {short(gap)}, for "
        "{:,.0f} ms a question instead of {:,.0f}.".format(*ms)
    )
