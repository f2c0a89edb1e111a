"""One label among many as a rare one: curves over all thresholds, and decisions at one of them.

How rare it is need not be sampled: weights make the positives of a test set count as much as any
share of them would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ftlab.evaluation import Estimate
from ftlab.experiments.candidates import OURS, Candidates
from ftlab.experiments.learning_curve import over_seeds
from ftlab.plots import measuring as drawn
from ftlab.plots import show

SHARES = {"1 in 2": 1 / 2, "1 in 10": 1 / 10, "1 in 20": 1 / 20, "1 in 50": 1 / 50}
COMMON, RARE = "1 in 2", "1 in 20"


@dataclass(frozen=True, eq=False)
class Detector:
    """How well a network finds the texts of one label (`name`, class number `label`)."""

    models: Candidates
    label: int

    @property
    def name(self) -> str:
        return self.models.task.label_names[self.label]

    def scores(self, seed: int, part: str = "test") -> tuple[np.ndarray, np.ndarray]:
        """The probability of the label, and 1 where a text has it, else 0; (items,) each."""
        rows = self.models.test if part == "test" else self.models.task.validation
        chance = self.models.probabilities(OURS, seed, part)[:, self.label]
        return chance, (rows.label.to_numpy() == self.label).astype(int)

    def pooled(self, part: str = "test") -> tuple[np.ndarray, np.ndarray]:
        """The same of all seeds' networks together: one has too few positives to choose by."""
        chances, truths = zip(*(self.scores(seed, part) for seed in self.models.seeds), strict=True)
        return np.concatenate(chances), np.concatenate(truths)

    def areas(self) -> pd.DataFrame:
        """Area under the ROC curve and average precision: share, seed, ROC-AUC, precision."""
        from sklearn.metrics import average_precision_score, roc_auc_score

        rows = []
        for name, share in SHARES.items():
            for seed in self.models.seeds:
                chance, truth = self.scores(seed)
                weights = weighted(truth, share)
                area = roc_auc_score(truth, chance, sample_weight=weights)
                precise = average_precision_score(truth, chance, sample_weight=weights)
                rows.append((name, seed, area, precise))
        columns = ["positives", "seed", "area under ROC", "average precision"]
        return pd.DataFrame(rows, columns=columns)

    def table(self) -> pd.DataFrame:
        """The areas by share, means over the seeds."""
        return (
            self.areas()
            .groupby("positives", sort=False)[["area under ROC", "average precision"]]
            .mean()
        )

    def fall(self) -> Estimate:
        """By how much more average precision falls than the area under ROC does, from one half of
        positives to one in twenty."""
        at = self.areas().pivot(index="seed", columns="positives")
        falls = [at[name][COMMON] - at[name][RARE] for name in ("average precision",
                                                                "area under ROC")]  # fmt: skip
        return over_seeds(list(falls[0] - falls[1]))

    def plot(self) -> None:
        """Show both curves of the first seed for every share of positives."""
        from sklearn.metrics import precision_recall_curve, roc_curve

        chance, truth = self.scores(self.models.seeds[0])
        roc: dict[str, Any] = {}
        precise: dict[str, Any] = {}
        for name, share in SHARES.items():
            weights = weighted(truth, share)
            alarms, found, _ = roc_curve(truth, chance, sample_weight=weights)
            precision, recall, _ = precision_recall_curve(truth, chance, sample_weight=weights)
            roc[name], precise[name] = (alarms, found), (recall[:-1], precision[:-1])
        table = self.table()
        ends = ", ".join(f"{row['average precision']:.2f} ({name})" for name, row in
                         table.iterrows())  # fmt: skip
        show(
            drawn.roc_and_precision(roc, precise),
            "Left the ROC curve of one detector for four shares of positives: the same curve four "
            f"times. Right its precision-recall curves: the rarer, the lower. Average precision: "
            f"{ends}.",
        )

    def told(self) -> str:
        """Which label it is, and what becomes of both areas."""
        return (
            f"The label is '{self.name}': on validation our network ranks it worst (smallest area "
            "under ROC). From one half of "
            f"positives to one in twenty the area under ROC stays; average precision changes by "
            f"**{-self.fall().value:.2f}**."
        )

    def decisions(
        self, thresholds: Mapping[str, float], share: float, *, miss: float, alarm: float
    ) -> pd.DataFrame:
        """What thresholds chosen elsewhere lead to on the test, all seeds together; a row each."""
        chance, truth = self.pooled()
        rows = {}
        for name, line in thresholds.items():
            found = float((chance[truth == 1] >= line).mean())
            false = float((chance[truth == 0] >= line).mean())
            called = share * found + (1 - share) * false
            rows[name] = {
                "threshold": line,
                "accuracy": share * found + (1 - share) * (1 - false),
                "precision": share * found / called if called else np.nan,
                "recall": found,
                "cost of 1,000": cost_of_thousand(chance, truth, line, share, miss, alarm),
            }
        return pd.DataFrame(rows).T

    def weighed(self, table: pd.DataFrame) -> str:
        """Whether the cheapest of these `decisions` is also the most accurate; the last one was
        chosen by cost."""
        cheap, line = table["cost of 1,000"].idxmin(), table.threshold.iloc[-1]
        most = table.accuracy.max()
        same = "it also has the highest accuracy"
        other = f"the highest accuracy is that of '{table.accuracy.idxmax()}': two different things"
        return (
            f"The threshold chosen by cost lies {'below' if line < 0.5 else 'above'} one half. On "
            f"the test '{cheap}' costs least; {same if table.accuracy[cheap] == most else other}."
        )

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for row in self.areas().itertuples(index=False, name=None):
            about = {"positives": row[0], "seed": int(row[1])}
            yield {"name": "area", "value": float(row[2]), "curve": "ROC", **about}
            yield {"name": "area", "value": float(row[3]), "curve": "precision-recall", **about}


def detector(models: Candidates) -> Detector:
    """Of the label that our network finds hardest to tell from the others, on validation."""
    from sklearn.metrics import roc_auc_score

    labels, tested = models.task.validation.label.to_numpy(), models.test.label.to_numpy()
    chance = models.probabilities(OURS, models.seeds[0], "validation")
    there = [label for label in np.unique(labels) if label in tested and (labels != label).any()]
    areas = {label: roc_auc_score(labels == label, chance[:, label]) for label in there}
    return Detector(models, int(min(areas, key=lambda label: areas[label])))


def weighted(truth: np.ndarray, share: float) -> np.ndarray:
    """What each item counts, so that the positives make up such a share, (items,)."""
    positive = truth == 1
    return np.where(positive, share / positive.sum(), (1 - share) / (~positive).sum())


def cost_of_thousand(
    chance: np.ndarray,
    truth: np.ndarray,
    threshold: float,
    share: float,
    miss: float,
    alarm: float,
) -> float:
    """What 1,000 texts with such a share of positives cost, if those are called positive whose
    score is at least the threshold: each `miss` and each false `alarm` has its price."""
    missed = (chance[truth == 1] < threshold).mean()
    alarmed = (chance[truth == 0] >= threshold).mean()
    return float(1000 * (share * miss * missed + (1 - share) * alarm * alarmed))


def cheapest(detector: Detector, share: float, *, miss: float, alarm: float) -> float:
    """The threshold that costs least on validation, all seeds together."""
    from ftlab.evaluation import cheapest_threshold

    chance, truth = detector.pooled("validation")
    here = truth.mean()
    line, _ = cheapest_threshold(
        chance, truth, miss=miss * share / here, alarm=alarm * (1 - share) / (1 - here)
    )
    return line
