"""Wrong labels: some are planted, and looked for where a network doubts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ftlab.evaluation import Estimate, bootstrap_interval, doubtful_labels
from ftlab.experiments.candidates import OURS, Candidates

WRONG = 0.08  # share of the labels that are exchanged


@dataclass(frozen=True, eq=False)
class Planted:
    """Wrong labels put into the validation texts, and those that were doubted, a row a seed:
    seed, planted, doubted, precision, recall, F1.

    `wrong` and `doubted` mark the texts, (seeds, texts). The texts are the same for all seeds, so
    that an interval is over seeds and texts.
    """

    rows: pd.DataFrame
    wrong: np.ndarray
    doubted: np.ndarray

    def estimate(self, measure: str = "F1") -> Estimate:
        """The mean of "precision", "recall" or "F1"."""

        def of(items: np.ndarray) -> np.ndarray:
            return found(self.wrong[:, items], self.doubted[:, items])[measure]

        return bootstrap_interval(of, self.wrong.shape[1])

    def told(self) -> str:
        """How many of the doubted labels were wrong, and how many wrong ones were doubted."""
        right, seen = (self.rows[name].mean() for name in ("precision", "recall"))
        return (
            f"Of the labels that were doubted **{right:.0%}** were planted, and of those planted "
            f"**{seen:.0%}** were doubted. The rest of the doubted ones are the network's own "
            "mistakes: a person has to look at each."
        )

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for row in self.rows.to_dict("records"):
            for measure in ("precision", "recall", "F1"):
                about = {"measure": measure, "seed": int(row["seed"]), "n": int(row["planted"])}
                yield {"name": "planted_labels", "value": float(row[measure]), **about}


def spoiled_labels(models: Candidates, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of the validation texts with some exchanged, and the rows where they are."""
    labels, classes = models.task.validation.label.to_numpy(), len(models.task.label_names)
    rng = np.random.default_rng([seed, 8])
    rows = rng.choice(len(labels), max(2, round(WRONG * len(labels))), replace=False)
    given = labels.copy()
    given[rows] = (given[rows] + rng.integers(1, classes, len(rows))) % classes
    return given, rows


def planted_labels(models: Candidates) -> Planted:
    """With every seed other labels are exchanged, and our network of that seed doubts."""
    shape = len(models.seeds), len(models.task.validation)
    wrong, doubted = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for place, seed in enumerate(models.seeds):
        given, rows = spoiled_labels(models, seed)
        wrong[place, rows] = True
        seen = models.probabilities(OURS, seed, "validation")
        doubted[place, doubtful_labels(seen, given)] = True
    counts = {"planted": wrong.sum(axis=1), "doubted": doubted.sum(axis=1)}
    told = pd.DataFrame({"seed": models.seeds, **counts, **found(wrong, doubted)})
    return Planted(told, wrong, doubted)


def found(wrong: np.ndarray, doubted: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall and F1 of every row of marks (seeds, texts); 0 where there is nothing to
    divide by."""
    hit, bad, said = (marks.sum(axis=1) for marks in (wrong & doubted, wrong, doubted))
    return {
        "precision": hit / np.maximum(1, said),
        "recall": hit / np.maximum(1, bad),
        "F1": 2 * hit / np.maximum(1, said + bad),
    }
