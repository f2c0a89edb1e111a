"""Models to be judged: ours, one like it trained for too long, and one that has seen the test.

There is one test set for all seeds, as there is outside the lab: seeds draw the training texts,
the new head and the order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ftlab.data import Task
from ftlab.evaluation import Estimate, paired_difference, softmax, unpaired_difference
from ftlab.evaluation.calibration import expected_calibration_error
from ftlab.experiments.baselines import TFIDF, baselines
from ftlab.experiments.effort import Effort
from ftlab.experiments.estimators import FineTuning, FittedModel, fine_tunings
from ftlab.experiments.fair import fair_comparison
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.results import FairComparison
from ftlab.experiments.sources import TaskSource
from ftlab.models import Classifier
from ftlab.notebook.display import against, short
from ftlab.training.budget import TrainingBudget
from ftlab.tuning.methods import FULL_FINE_TUNING

OURS, COLLEAGUES, LONG = "our network", "colleague's network", "our network, trained longer"
WHOLE_TEXT = 128  # tokens: no text of the lab's is cut
LEAKED = 60  # test texts that a colleague has had: so few that they do not teach the whole task
POINTS = 8  # evaluations of a training that is followed to its end


@dataclass(frozen=True)
class WithMoreTexts(FineTuning):
    """Fine-tuning that also learns from `more` texts with their labels."""

    more: tuple[tuple[str, int], ...] = ()

    def fit(self, rows: pd.DataFrame, learning_rate: float, seed: int) -> FittedModel:
        """As for `FineTuning`, on the rows and those."""
        more = pd.DataFrame(self.more, columns=["text", "label"])
        return super().fit(pd.concat([rows, more], ignore_index=True), learning_rate, seed)


@dataclass(frozen=True)
class Watched(FineTuning):
    """Fine-tuning to the last step, whatever validation says. Its history also has `confidence`
    and `calibration_error`, wherever validation was evaluated."""

    def fit(self, rows: pd.DataFrame, learning_rate: float, seed: int) -> FittedModel:
        """As for `FineTuning`, at one learning rate."""
        labels = self.task.validation.label.to_numpy()

        def sureness(model: Classifier, logits: np.ndarray) -> dict[str, float]:
            table = softmax(logits)
            error = expected_calibration_error(table, labels)
            return {"confidence": float(table.max(axis=1).mean()), "calibration_error": error}

        return self.followed(
            rows, learning_rate, seed, validation=self.task.validation, watch=sureness
        )


@dataclass(frozen=True, eq=False)
class Candidates:
    """Models with their answers to one test set: what a fair comparison of them `found`, and which
    of the test items a colleague has had for training (`leaked`)."""

    found: FairComparison
    task: Task
    leaked: np.ndarray

    @property
    def seeds(self) -> list[int]:
        return self.found.seeds

    @cached_property
    def test(self) -> pd.DataFrame:
        """The test part, with columns text and label."""
        return self.task.read_test()

    def hits(self, method: str) -> np.ndarray:
        """1.0 where a test text was labelled correctly, (seeds, items)."""
        return np.stack(self.found.correct(method, task=self.task.name))

    def predictions(self, method: str, seed: int) -> np.ndarray:
        """The classes predicted for the test texts, (items,)."""
        return self._run(method, seed).training.test

    def logits(self, method: str, seed: int, part: str = "test") -> np.ndarray:
        """What a kept network gives for the "test" or the "validation", (items, labels)."""
        return self._logits(method, seed, part)

    def probabilities(self, method: str, seed: int, part: str = "test") -> np.ndarray:
        """The same as probabilities."""
        return softmax(self.logits(method, seed, part))

    def difference(self, a: str, b: str) -> Estimate:
        """Accuracy of `a` minus that of `b`, paired by seed and item."""
        return self.found.difference(a, b)

    def gained_by_leak(self) -> Estimate:
        """Accuracy of the colleague's network on test texts that it has had for training, minus
        that on the others, which are of the same kind."""
        hits = self.hits(COLLEAGUES)
        return unpaired_difference(hits[:, self.leaked], hits[:, ~self.leaked])

    def gains(self) -> dict[str, Estimate]:
        """The colleague's gain over ours on texts that it has had, and on the others."""
        theirs, ours = self.hits(COLLEAGUES), self.hits(OURS)
        parts = {"seen in training": self.leaked, "not seen": ~self.leaked}
        return {n: paired_difference(theirs[:, part], ours[:, part]) for n, part in parts.items()}

    def training_texts(self, method: str, seed: int) -> list[str]:
        """What a network has learned from, a text an entry."""
        run = self._run(method, seed)
        rows = list(self.task.sample_per_class(run.budget, seed).text)
        return rows + [text for text, _ in getattr(run.method, "more", ())]

    def told(self) -> str:
        """Our lead over the counted words, and the colleague's over us."""
        ours, theirs = self.difference(OURS, TFIDF), self.difference(COLLEAGUES, OURS)
        return (
            f"Our network minus counted words: {short(ours)}, {against(ours)}. The colleague's "
            f"minus ours: **{short(theirs)}**, {against(theirs)}. Section 8 comes back to that."
        )

    def told_of_leak(self) -> str:
        """What the colleague gains on texts that were not leaked, and how much more on those that
        were."""
        more = self.gained_by_leak()
        parts = "; ".join(f"on texts {part} {short(gain)}" for part, gain in self.gains().items())
        if more.low > 0:
            moral = "what comes on top is memory"
        else:
            moral = "with these seeds and texts one cannot tell what memory adds"
        return (
            f"The colleague's network minus ours: {parts}. Its own accuracy on texts that it has "
            f"had, minus that on the others: **{short(more)}**; {moral}."
        )

    def plot(self, title: str) -> None:
        """Show the test accuracy of every candidate; the network trained longer is none."""
        names = [method for method in self.found.methods if method != LONG]
        self.found.plot(methods=names, title=title)

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        yield from self.found.metrics()

    def tries(self) -> pd.DataFrame:
        """All that was tried."""
        return self.found.tries()

    def _run(self, method: str, seed: int) -> Any:
        return next(run for run in self.found.chosen(method) if run.seed == seed)

    @functools.cache  # noqa: B019 (it lives as long as the notebook)
    def _logits(self, method: str, seed: int, part: str) -> np.ndarray:
        run = self._run(method, seed)
        rows = self.test if part == "test" else self.task.validation
        network = self.found.network(method, seed, task=self.task.name)
        return np.asarray(run.method.outputs(network, list(rows.text)))


def candidates(
    source: TaskSource,
    base_model: str,
    *,
    seed: int = 0,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings,
) -> Candidates:
    """The majority, TF-IDF, our fine-tuned network, one like it that is trained far longer and goes
    back to no best step, and a colleague's: it has learned from more texts, some of the test (half,
    or `LEAKED` of a larger one). The task and its test are those of `seed`."""
    task = one_test(source, effort, seed)
    leaked = np.arange(task.test_size) % max(2, task.test_size // LEAKED) == 0
    rows = task._test[leaked]
    leak = tuple(zip(rows.text, map(int, rows.label), strict=True))
    budget = replace(effort.training_budget, max_length=WHOLE_TEXT)
    steps = effort.pick(smoke=4, quick=120, full=600)
    longer = TrainingBudget(1, steps, steps, WHOLE_TEXT, eval_points=POINTS)

    def methods(dealt: Task) -> list[Any]:
        [ours] = fine_tunings(base_model, dealt, [FULL_FINE_TUNING], budget, effort.candidates)
        return [
            *baselines(dealt, effort.candidates),
            replace(ours, name=OURS),
            WithMoreTexts(**{**fields_of(ours), "name": COLLEAGUES}, more=leak),
            Watched(**{**fields_of(ours), "name": LONG, "training_budget": longer}),
        ]

    found = fair_comparison(
        task,
        methods,
        seeds=seeds,
        budgets=[source.texts_per_label],
        keep=(OURS, LONG),
        trainings=trainings,
    )
    return Candidates(found, task, leaked)


def fields_of(method: FineTuning) -> dict[str, Any]:
    """What a method was made of, to make a variant of it."""
    return {field.name: getattr(method, field.name) for field in fields(method)}


def one_test(source: TaskSource, effort: Effort, seed: int) -> Task:
    """The task as it is dealt for one seed, with all its training texts: seeds draw theirs."""
    whole = replace(source, texts_per_label=0).task(seed)
    choices, test = effort.pick(smoke=(24, 32), quick=(200, 300), full=(300, 1000))
    return whole.at_most(choices, test, seed=seed)
