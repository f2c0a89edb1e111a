"""Cross-validation against one split: what each says of a model, and chooses; and the truth."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ftlab.common.parallel import in_parallel, worth_processes
from ftlab.evaluation import Estimate
from ftlab.experiments.baselines import MAX_ITERATIONS, FrozenFeatures
from ftlab.experiments.effort import Effort
from ftlab.experiments.learning_curve import over_seeds, seed_ratio
from ftlab.experiments.sources import LEAST, TaskSource
from ftlab.training.budget import TrainingBudget

ONE, FOLDS = "one split", "5 folds"
COUNT = 5  # of the folds; the split leaves out as much as one of them
STRENGTHS = tuple(float(c) for c in np.logspace(-4, 0, 5))  # values of C to choose from
TEXTS = 100  # that somebody has, to learn from and to judge by
SIZES = {
    "quick": (400, 500),
    "full": (800, 1500),
}  # texts to draw from, and fresh ones for the truth
WHOLE_TEXT = 128
SMALL = 0.01  # a change of accuracy that is hardly one
WORTH = 100  # regressions from which other processes pay


@dataclass(frozen=True)
class Vectors:
    """The frozen base model's vectors of a seed's texts, with their labels: those that samples are
    drawn from, and fresh ones."""

    pool: np.ndarray
    labels: np.ndarray
    fresh: np.ndarray
    fresh_labels: np.ndarray


@dataclass(frozen=True)
class Folded:
    """What became of every sample: `rows` has seed, sample, way ("one split", "5 folds"), strength
    (the one that the way chooses), estimate (the accuracy that it promises there), truth (accuracy
    on fresh texts of the model with that strength, learned from all texts of the sample) and gap
    (its accuracy on the texts it learned from, less the truth). `trainings` are those that each
    way makes, the final one included; `vectors` what the samples were drawn from, by seed."""

    rows: pd.DataFrame
    trainings: dict[str, int]
    vectors: dict[int, Vectors]

    def per_seed(self, way: str) -> pd.DataFrame:
        """Means over the samples of each seed, and the `spread` (standard deviation) of the
        estimate's error."""
        own = self.rows[self.rows.way == way]
        means = own.groupby("seed")[["estimate", "truth", "gap"]].mean()
        error = (own.estimate - own.truth).groupby(own.seed)
        return means.assign(error=error.mean(), spread=error.std(ddof=1))

    def difference(self, column: str) -> Estimate:
        """5 folds minus one split, in a column of `per_seed`, paired."""
        found = self.per_seed(FOLDS)[column] - self.per_seed(ONE)[column]
        return over_seeds(list(found), bounds=(-1.0, 1.0))

    def steadiness(self) -> Estimate:
        """The spread of the error of 5 folds over that of one split."""
        both = (list(np.maximum(self.per_seed(way).spread, 1e-6)) for way in (FOLDS, ONE))
        return seed_ratio(*both)

    def errors(self, way: str) -> np.ndarray:
        """Estimate minus truth for every sample."""
        own = self.rows[self.rows.way == way]
        return (own.estimate - own.truth).to_numpy()

    def told(self) -> str:
        """Whether folds were steadier, and what became of the gap, in words."""
        ratio, gap = self.steadiness().value, self.difference("gap").value
        text = f"The spread of the folds' promise is {ratio:.2f} times that of one split"
        text += "." if ratio < 1 else ": in this run they were not steadier."
        change = "hardly changes" if abs(gap) < SMALL else "grows" if gap > 0 else "shrinks"
        off = float(self.per_seed(FOLDS).error.mean())
        text += f" On average the folds promise {abs(off):.3f} too "
        text += (
            "little: their models learn from four fifths of the texts, the final one from all. "
            if off < 0
            else "much: the strength is the one that scored best on them. "
        )
        return text + f"The gap between training and fresh texts {change} ({gap:+.3f})."

    def table(self) -> pd.DataFrame:
        """What each way promises, and what is true."""
        names = {
            "estimate": "accuracy promised",
            "truth": "accuracy on fresh texts",
            "gap": "gap between train and fresh",
            "spread": "spread of the error",
        }
        table = {way: self.per_seed(way)[[*names]].mean() for way in (ONE, FOLDS)}
        frame = pd.DataFrame(table).T.rename(columns=names).round(3)
        return frame.assign(trainings=[self.trainings[way] for way in frame.index])

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for way in (ONE, FOLDS):
            for seed, row in self.per_seed(way).iterrows():
                for name, value in row.items():
                    yield {"name": f"folds_{name}", "value": float(value), "method": way,
                           "seed": int(seed)}  # type: ignore[call-overload]  # fmt: skip


def regression(C: float) -> Pipeline:
    """A logistic regression of strength C on vectors."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=MAX_ITERATIONS))


def vectors(source: TaskSource, base_model: str, seed: int, effort: Effort) -> Vectors:
    """What the frozen base model gives of a seed's texts: all that there are to learn from."""
    whole = TaskSource(
        source.task_data, source.text_column, source.label_column, source.task_labels
    )
    task = whole.task(seed)
    most = effort.pick(smoke=(SIZES["quick"][0], LEAST[1]), **SIZES)
    pool, fresh = task.train, task.read_test().head(most[1])
    pool = pool.sample(min(most[0], len(pool)), random_state=seed)
    features = FrozenFeatures("vectors", base_model, task, TrainingBudget(1, 1, 1, WHOLE_TEXT))
    return Vectors(
        features.vectors(pool.text, seed),
        pool.label.to_numpy(),
        features.vectors(fresh.text, seed),
        fresh.label.to_numpy(),
    )


def folds(source: TaskSource, base_model: str, *, seeds: Sequence[int], effort: Effort) -> Folded:
    """Let one split and five folds choose a regression's strength from the same few texts, for
    many samples of texts, and look up on fresh ones what is true."""
    samples = effort.pick(smoke=2, quick=12, full=60)
    given = {"source": source, "base_model": base_model, "effort": effort}
    wanted: list[dict[str, Any]] = [{**given, "seed": seed} for seed in seeds]
    if worth_processes(len(seeds) * effort.pick(smoke=0, quick=WORTH, full=WORTH), WORTH):
        made = in_parallel(vectors, wanted, "vectors of texts")
    else:
        made = [vectors(**one) for one in wanted]
    known = dict(zip(seeds, made, strict=True))
    jobs = [{"seed": seed, "sample": sample} for seed in seeds for sample in range(samples)]
    do = functools.partial(_chosen, known)
    if worth_processes(len(jobs) * effort.pick(smoke=0, quick=25, full=25), WORTH):
        found = in_parallel(do, jobs, "samples of texts")
    else:
        found = [do(**job) for job in jobs]
    count = {ONE: len(STRENGTHS) + 1, FOLDS: COUNT * len(STRENGTHS) + 1}
    return Folded(pd.DataFrame([row for rows in found for row in rows]), count, known)


def few(vectors: Vectors, seed: int, sample: int) -> tuple[np.ndarray, np.ndarray]:
    """The vectors and labels of one sample of texts."""
    count = min(TEXTS, len(vectors.labels) // 2)
    order = np.random.default_rng([seed, sample]).permutation(len(vectors.labels))[:count]
    return vectors.pool[order], vectors.labels[order]


def promises(x: np.ndarray, y: np.ndarray, strength: float, sample: int) -> dict[str, float]:
    """The accuracy that each way promises of a regression of this strength: one split judges it on
    a fifth of the texts, five folds on each fifth in turn."""
    order = np.random.default_rng(sample).permutation(len(y))
    parts = np.array_split(order, COUNT)
    splits = [(np.setdiff1d(order, part), part) for part in parts]
    scores = cross_val_score(regression(strength), x, y, cv=splits)
    return {ONE: float(scores[0]), FOLDS: float(scores.mean())}


def _chosen(known: dict[int, Vectors], seed: int, sample: int) -> list[dict[str, Any]]:
    of = known[seed]
    x, y = few(of, seed, sample)
    promised = [promises(x, y, strength, sample) for strength in STRENGTHS]
    rows = []
    for way in (ONE, FOLDS):
        best = int(np.argmax([one[way] for one in promised]))
        model = regression(STRENGTHS[best]).fit(x, y)
        truth = model.score(of.fresh, of.fresh_labels)
        about = {"seed": seed, "sample": sample, "way": way, "strength": STRENGTHS[best]}
        about |= {"estimate": promised[best][way], "truth": truth}
        rows.append({**about, "gap": model.score(x, y) - truth})
    return rows
