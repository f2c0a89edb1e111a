"""The winner's curse: what the best of many settings loses on texts that did not choose it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ftlab.common.parallel import in_parallel
from ftlab.data import Task
from ftlab.evaluation import Estimate, correct
from ftlab.experiments.effort import Effort
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.sources import TaskSource
from ftlab.plots import bands, show

ON_TEST, ON_VALIDATION = "chosen on the test", "chosen on validation"
COUNTS = (2, 5, 10, 20, 40, 60)  # settings that are tried
LITTLE = 100  # texts that choose, and as many that report
DRAWS = 200  # of such texts, for every number of settings


@dataclass(frozen=True, eq=False)
class Winners:
    """By how much the winner's reported score is too high: `rows` with chosen, tries, seed, lost.

    `little` texts chose. On the test the same texts choose and report; on validation others do.
    """

    rows: pd.DataFrame
    little: int

    @property
    def most(self) -> int:
        return int(self.rows.tries.max())

    def estimate(self, chosen: str = ON_TEST, tries: int | None = None) -> Estimate:
        """Reported minus true accuracy of the best of so many settings (None: of all)."""
        at = self.rows[(self.rows.chosen == chosen) & (self.rows.tries == (tries or self.most))]
        return over_seeds(list(at.sort_values("seed").lost), bounds=(-1.0, 1.0))

    def plot(self) -> None:
        """Show how much is lost, over how many settings were tried."""
        counts = sorted({*self.rows.tries})
        points = {
            name: {n: _in_points(self.estimate(name, n)) for n in counts}
            for name in (ON_TEST, ON_VALIDATION)
        }
        show(
            bands(
                points,
                x="settings tried",
                y="reported - true (points)",
                title=f"The winner's curse ({self.little} texts choose)",
            ),
            "By how many points the reported score of the best setting is too high, over how many "
            f"were tried. Of {self.most} it is {points[ON_TEST][self.most].value:.1f} points for "
            f"those who choose on the test, {points[ON_VALIDATION][self.most].value:.1f} for those "
            "who choose on other texts.",
        )

    def told(self) -> str:
        """What the winner is said to be, and what it is."""
        lost, honest = (100 * self.estimate(name).value for name in (ON_TEST, ON_VALIDATION))
        moral = "The best is partly the luckiest, and luck does not come along." if lost > 1 else ""
        return (
            f"Chosen and reported on the same {self.little} texts, the best of {self.most} "
            f"settings is said to be **{lost:.1f} points** better than it is; chosen on others, "
            f"{honest:.1f}. {moral}"
        )

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for row in self.rows.to_dict("records"):
            about = {"chosen": row["chosen"], "tries": int(row["tries"]), "seed": int(row["seed"])}
            yield {"name": "optimism", "value": float(row["lost"]), **about, "n": self.little}


def winners_curse(
    source: TaskSource, *, seed: int = 0, seeds: Sequence[int], effort: Effort
) -> Winners:
    """Random settings of TF-IDF with a regression, the cheapest model there is: trained on a few
    texts that each seed draws, ranked on a few others, and looked up on all the rest."""
    task = replace(source, texts_per_label=0).task(seed)
    per_label = source.texts_per_label
    counts = effort.pick(smoke=COUNTS[:2], quick=COUNTS, full=COUNTS)
    tries = counts[-1]
    jobs = [
        {"task": task, "per_label": per_label, "seed": draw, "number": number}
        for draw in seeds
        for number in range(tries)
    ]
    hits = in_parallel(_hits, jobs, "settings")
    little = min(LITTLE, len(hits[0]) // 3)
    rows = []
    for place, draw in enumerate(seeds):
        own = np.stack(hits[place * tries : (place + 1) * tries])
        for count in counts:
            lost = _optimism(own[:count], little, np.random.default_rng([draw, count]))
            rows += [(name, count, draw, part) for name, part in lost.items()]
    return Winners(pd.DataFrame(rows, columns=["chosen", "tries", "seed", "lost"]), little)


def _hits(task: Task, per_label: int, seed: int, number: int) -> np.ndarray:
    """What one random setting has right of the test texts, (items,)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rng = np.random.default_rng([seed, number, 60])
    words = TfidfVectorizer(
        ngram_range=(1, int(rng.integers(1, 4))),
        min_df=int(rng.integers(1, 4)),
        sublinear_tf=bool(rng.integers(2)),
        stop_words="english" if rng.integers(2) else None,
    )
    head = LogisticRegression(C=float(10 ** rng.uniform(-2, 3)), max_iter=500)
    rows, test = task.sample_per_class(per_label, seed), task._test
    return correct(make_pipeline(words, head).fit(rows.text, rows.label).predict(test.text),
                   test.label)  # fmt: skip


def _optimism(hits: np.ndarray, little: int, rng: np.random.Generator) -> dict[str, float]:
    """What the best setting loses, means over many draws; `hits` are (settings, items)."""
    on_test, on_validation = [], []
    for _ in range(DRAWS):
        order = rng.permutation(hits.shape[1])
        test, other, rest = order[:little], order[little : 2 * little], order[2 * little :]
        truth, first, second = (hits[:, part].mean(axis=1) for part in (rest, test, other))
        on_test.append(first.max() - truth[first.argmax()])
        on_validation.append(first[second.argmax()] - truth[second.argmax()])
    return {ON_TEST: float(np.mean(on_test)), ON_VALIDATION: float(np.mean(on_validation))}


def _in_points(estimate: Estimate) -> Estimate:
    """A share in percentage points."""
    value, low, high = (100 * n for n in (estimate.value, estimate.low, estimate.high))
    return Estimate(value, low, high, estimate.seeds)
