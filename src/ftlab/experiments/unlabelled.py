"""What pretraining knew: texts whose telling words stand in no labelled text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from ftlab.data import Task, collate, encode, load_task
from ftlab.experiments.baselines import RANDOM
from ftlab.experiments.effort import Effort
from ftlab.experiments.fair import fair_comparison
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.results import FULL, FairComparison
from ftlab.experiments.transfer import SHOWN, least, methods, trimmed
from ftlab.models import load_classifier, load_tokenizer
from ftlab.plots import bars
from ftlab.world.corrections import SORTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNSEEN = "near"  # the task whose telling words stand in no labelled text


def unseen(seed: int, most: int = 0) -> Task:
    """Slips of a clerk, as they are dealt for a seed: the things named in the texts to learn from,
    in those for choices and in those of the test are different ones."""
    return trimmed(load_task(UNSEEN, seed=seed), most)


def unseen_words(
    base_model: str,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings | None = None,
) -> FairComparison:
    """The same methods on texts whose telling words stood in no text with a label."""
    return fair_comparison(
        partial(unseen, most=least(effort)),
        partial(methods, base_model, effort),
        seeds=seeds,
        budgets=[effort.pick(smoke=4, quick=50, full=FULL)],
        trainings=trainings,
    )


def unseen_figure(knew: FairComparison) -> tuple[Figure, str]:
    """Test accuracies where no telling word stands in a labelled text."""
    found = {method: knew.estimate(method) for method in SHOWN}
    bars_of = {"test": {_in_lines(method): e for method, e in found.items()}}
    title = "Texts about things that no labelled text names"
    told = ", ".join(f"{method} {estimate.value:.2f}" for method, estimate in found.items())
    return bars(bars_of, y="test accuracy", title=title, share=True), f"Test accuracy: {told}."


def _in_lines(method: str) -> str:
    """A name that has room under a bar."""
    return "\n".join(method.rsplit(" ", 1))


def neighbours(base_model: str, seed: int = 0) -> tuple[pd.DataFrame, dict[str, float]]:
    """What lies next to each of the clerk's things, before anything is trained.

    A thing's vector is that of its words alone, pooled; nearest is the greatest cosine, all vectors
    centred. The table has a thing a row, its sort and its neighbour, from pretrained and from
    random weights; the shares are of things whose neighbour is of their own sort.
    """
    sort_of = {thing: sort for sort, things in SORTS.items() for thing in things}
    things = list(sort_of)
    tokenizer = load_tokenizer(base_model)
    batch = collate(encode(tokenizer, [f" {thing}" for thing in things]), tokenizer.pad_token_id)
    table, shares = {"thing": things, "sort": list(sort_of.values())}, {}
    for name, random_weights in (("pretrained", False), (RANDOM, True)):
        model = load_classifier(base_model, list(SORTS), random_weights=random_weights, seed=seed)
        with torch.inference_mode():
            vectors = model.pool(batch["input_ids"], batch["attention_mask"]).numpy()
        vectors = vectors - vectors.mean(0)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        alike = vectors @ vectors.T
        np.fill_diagonal(alike, -1.0)
        table[name] = [things[place] for place in alike.argmax(1)]
        pairs = zip(things, table[name], strict=True)
        shares[name] = float(np.mean([sort_of[one] == sort_of[other] for one, other in pairs]))
    return pd.DataFrame(table), shares
