"""How well the passage that answers a question is found: by words, by vectors, by both, reranked.

With every seed passages and questions are dealt anew, and an encoder and a reranker are trained on
other questions; so an interval is Student's t over one number a seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ftlab.common.errors import LabError
from ftlab.common.parallel import in_parallel
from ftlab.common.paths import results_dir
from ftlab.evaluation import Estimate
from ftlab.experiments import retrieval_told
from ftlab.experiments.collection import Collection, Dealt
from ftlab.experiments.effort import Effort
from ftlab.experiments.identity import base_sha256, code_sha256, here, key_of
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.retrieval_runs import (
    AMOUNTS,
    BOTH,
    METHODS,
    RERANKED,
    TUNED,
    UNTAUGHT,
    VECTORS,
    WORDS,
    Amounts,
    deal,
    kept,
    within,
)
from ftlab.notebook.display import short
from ftlab.plots import bars
from ftlab.rag import Retriever, load_encoder, open_store
from ftlab.rag.encoders import Encoder
from ftlab.training.fingerprint import digest_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BOTH", "METHODS", "RERANKED", "TUNED", "UNTAUGHT", "VECTORS", "WORDS", "SearchQuality",
    "search_quality",
]  # fmt: skip
CODE = (  # beside what decides every training
    "rag.almanac", "rag.answering", "rag.encoders", "rag.exact", "rag.passages", "rag.retrieval",
    "rag.room", "rag.sparse", "experiments.collection", "experiments.retrieval_runs",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class SearchQuality:
    """At which rank each search finds the first passage that answers a question.

    `ranks[method][i]` are those of seed i, (questions,), 0 where it is not among the first `DEEP`;
    `checked` the same for the questions for choices, `pages` for the right document, whichever of
    its passages. `about` is one row a seed: seconds of training, milliseconds a question by method,
    the rate and all that were tried. `folders` are where the encoder and the vectors of each seed
    lie.
    """

    seeds: Sequence[int]
    ranks: Mapping[str, Sequence[np.ndarray]]
    checked: Mapping[str, Sequence[np.ndarray]]
    pages: Mapping[str, Sequence[np.ndarray]]
    about: Sequence[Mapping[str, Any]]
    folders: Sequence[Path]
    collection: Collection
    amounts: Amounts
    _dealt: dict[int, Dealt] = field(default_factory=dict, repr=False)

    @property
    def methods(self) -> list[str]:
        """Their names, in the order in which they are told of."""
        return [name for name in (*METHODS, UNTAUGHT) if name in self.ranks]

    @property
    def serving(self) -> str:
        """The search that later parts of the lesson use: fixed beforehand, not the best."""
        return TUNED if TUNED in self.ranks else VECTORS

    def estimate(self, method: str, k: int = 1) -> Estimate:
        """Recall@k: the share of questions whose passage is among the first `k`."""
        found = [within(ranks, k) for ranks in self._of(method)]
        shares = [hits.mean() for hits in found]
        return over_seeds(shares, bounds=(0.0, 1.0), items=min(map(len, found)))

    def page(self, method: str, k: int = 5) -> Estimate:
        """The share of questions whose document is among those of the first `k` passages."""
        shares = [within(ranks, k).mean() for ranks in self.pages[method]]
        return over_seeds(shares, bounds=(0.0, 1.0))

    def difference(self, a: str, b: str, k: int = 1) -> Estimate | None:
        """Recall@k of `a` minus that of `b`, on the questions that both were asked, paired by
        seed; None if one of them was not measured."""
        if not {a, b} <= {*self.ranks}:
            return None
        shares, both = [], 0
        for first, second in zip(self._of(a), self._of(b), strict=True):
            both = min(len(first), len(second))
            shares.append(within(first[:both], k).mean() - within(second[:both], k).mean())
        return over_seeds(shares, bounds=(-1.0, 1.0), items=both)

    def best_on_validation(self, *methods: str) -> str:
        """The one with the best recall@1 on the questions for choices."""
        there = [name for name in methods if name in self.checked]
        return max(there, key=lambda n: np.mean([within(r, 1).mean() for r in self.checked[n]]))

    def dealt(self, seed: int) -> Dealt:
        """The passages and questions of a seed."""
        if seed not in self._dealt:
            self._dealt[seed] = deal(self.collection, self.amounts, seed)
        return self._dealt[seed]

    def folder(self, seed: int) -> Path:
        """Where a seed's encoder and vectors lie."""
        return self.folders[list(self.seeds).index(seed)]

    def encoder(self, seed: int) -> Encoder:
        """The encoder that serves for a seed: the fine-tuned one, if there is one."""
        own = self.folder(seed) / "encoder"
        return load_encoder(str(own) if own.exists() else self.about[0]["encoder"])

    def retriever(self, seed: int) -> Retriever:
        """A search by the vectors of that encoder, in memory; the newest of a fact wins."""
        encoder = self.encoder(seed)
        store = open_store("memory:", encoder.dimension)
        store.upsert(self.dealt(seed).passages, np.load(self.folder(seed) / "vectors.npy"))
        return Retriever(store, encoder, mode="dense", newest_wins=True)

    def figure(self) -> tuple[Figure, str]:
        """Recall at 1 and at 5 of every search."""
        drawn = {
            f"recall@{k}": {_in_lines(n): self.estimate(n, k) for n in self.methods} for k in (1, 5)
        }
        title = "Is the passage that answers the question found?"
        told = "; ".join(
            f"{name} {self.estimate(name).value:.2f} and {self.estimate(name, 5).value:.2f}"
            for name in self.methods
        )
        figure = bars(drawn, y="share of questions", title=title, share=True)
        return figure, f"Recall@1 and recall@5 of each search: {told}."

    def table(self) -> pd.DataFrame:
        """What each search reaches, and what it costs."""
        rows = {
            name: {
                "recall@1": short(self.estimate(name)),
                "recall@5": short(self.estimate(name, 5)),
                "right document@5": short(self.page(name)),
                "questions a seed": len(self._of(name)[0]),
                "training, s": f"{np.mean([a['seconds'].get(name, 0.0) for a in self.about]):.0f}",
                "ms a question": f"{np.mean([a['ms'][name] for a in self.about]):.0f}",
            }
            for name in self.methods
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("search")

    def told(self) -> str:
        """What stands out, in sentences that depend on the numbers."""
        return retrieval_told.told(self)

    def turned(self, a: str, b: str) -> str:
        """How often `a` puts the passage first where `b` does not, and the other way round."""
        return retrieval_told.turned(self, a, b)

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for name in self.methods:
            items = {"method": name, "n": len(self._of(name)[0]), "seeds": len(self.seeds)}
            for k in (1, 5):
                yield {"name": "recall", "value": self.estimate(name, k), "at": k, **items}
            mrr = [np.where(r > 0, 1 / np.maximum(r, 1), 0.0).mean() for r in self._of(name)]
            yield {"name": "mrr", "value": over_seeds(mrr, bounds=(0.0, 1.0)), **items}

    def tries(self) -> pd.DataFrame:
        """Every learning rate of the encoder that was tried, with its recall@1 on validation."""
        return pd.DataFrame(
            {
                "method": TUNED,
                "task": "search",
                "labels_per_class": 0,
                "seed": seed,
                "learning_rate": float(rate),
                "validation": score,
                "chosen": float(rate) == about["rate"],
            }
            for seed, about in zip(self.seeds, self.about, strict=True)
            for rate, score in about["tries"].items()
        )

    def _of(self, method: str) -> Sequence[np.ndarray]:
        if method not in self.ranks:
            raise LabError(f"No such search: {method}. There are {', '.join(self.ranks)}.")
        return self.ranks[method]


def search_quality(
    collection: Collection,
    base_model: str,
    encoder: str,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings | None = None,
) -> SearchQuality:
    """Compare searches on one collection; train an encoder and a reranker for each seed.

    What was done once for a seed is kept, and not done again. The learning rate of the encoder is
    chosen for each seed on validation, in a short run as a longer one chose.
    """
    amounts = effort.pick(**AMOUNTS)
    if trainings and len(amounts.rates) == 1:
        known = trainings.choices.value(TUNED, "learning_rate", "search", 0)
        amounts = amounts if known is None else _with_rate(amounts, known)
    about = {
        "code": code_sha256(f"ftlab.{name}" for name in CODE),
        "models": [base_sha256(base_model), base_sha256(encoder)],
        "own": digest_of([[p.text for p in collection.own], [q.text for q, _ in collection.asked]])
        if collection.own
        else "",
        "size": collection.size,
        **{name: str(value) for name, value in vars(amounts).items()},
        **here(),
    }
    folders = [results_dir() / "searches" / key_of({**about, "seed": seed}) for seed in seeds]
    do = partial(kept, collection, base_model, encoder, amounts)
    jobs = [{"seed": s, "folder": f} for s, f in zip(seeds, folders, strict=True)]
    found = in_parallel(do, jobs, "searches")
    ranks, checked, pages = (
        {name: [np.array(one[part][name]) for one in found] for name in found[0][part]}
        for part in ("ranks", "checked", "pages")
    )
    return SearchQuality(list(seeds), ranks, checked, pages, found, folders, collection, amounts)


def _with_rate(amounts: Amounts, rate: float) -> Amounts:
    return replace(amounts, rates=(rate,))


def _in_lines(name: str) -> str:
    return (
        name.replace(", ", ",\n")
        .replace(" (", "\n(")
        .replace("words and ", "words and\n")
        .replace("reranked ", "reranked\n")
    )
