"""Wrong labels: some are planted, and looked for where a network doubts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ftlab.evaluation import Estimate, doubtful_labels
from ftlab.experiments.candidates import OURS, Candidates
from ftlab.experiments.learning_curve import over_seeds

WRONG = 0.08  # share of the labels that are exchanged


@dataclass(frozen=True, eq=False)
class Planted:
    """Wrong labels put into the validation texts, and those that were doubted, a row a seed:
    seed, planted, doubted, precision, recall, F1."""

    rows: pd.DataFrame

    def estimate(self, measure: str = "F1") -> Estimate:
        """Over the seeds."""
        return over_seeds(list(self.rows[measure]), bounds=(0.0, 1.0))

    def told(self) -> str:
        """How many of the doubted labels were wrong, and how many wrong ones were doubted."""
        right, found = (self.rows[name].mean() for name in ("precision", "recall"))
        return (
            f"Of the labels that were doubted **{right:.0%}** were planted, and of those planted "
            f"**{found:.0%}** were doubted. The rest of the doubted ones are the network's own "
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
    found = []
    for seed in models.seeds:
        given, wrong = spoiled_labels(models, seed)
        doubted = doubtful_labels(models.probabilities(OURS, seed, "validation"), given)
        hit = len({*doubted} & {*wrong})
        precision, recall = hit / max(1, len(doubted)), hit / len(wrong)
        f1 = 2 * hit / (len(doubted) + len(wrong))
        found.append((seed, len(wrong), len(doubted), precision, recall, f1))
    columns = ["seed", "planted", "doubted", "precision", "recall", "F1"]
    return Planted(pd.DataFrame(found, columns=columns))
