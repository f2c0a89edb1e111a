"""Is a network as sure as it is right? What long training does to that, and what mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ftlab.evaluation import (
    Estimate,
    bootstrap_interval,
    correct,
    expected_calibration_error,
    fit_temperature,
    paired_difference,
    reliability,
    softmax,
)
from ftlab.experiments.candidates import LONG, OURS, Candidates
from ftlab.notebook.display import against, short
from ftlab.plots import measuring as drawn
from ftlab.plots import show

MENDED = "the same with its temperature"
BINS, DRAWS = 10, 200


@dataclass(frozen=True, eq=False)
class Confidence:
    """Our network, which went back to the step where validation was best, and one like it that was
    trained longer.

    Temperatures are fitted on validation; everything else is measured on the test. There is one
    test set, so that intervals are over seeds and texts.
    """

    models: Candidates

    @cached_property
    def tables(self) -> dict[str, list[np.ndarray]]:
        """Probabilities of the test texts, (items, labels) for each seed."""
        made: dict[str, list[np.ndarray]] = {
            OURS: [self.models.probabilities(OURS, seed) for seed in self.models.seeds],
            LONG: [self.models.probabilities(LONG, seed) for seed in self.models.seeds],
        }
        made[MENDED] = [
            softmax(self.models.logits(LONG, seed), t)
            for seed, t in zip(self.models.seeds, self.temperatures, strict=True)
        ]
        return made

    @cached_property
    def temperatures(self) -> list[float]:
        """Of the network trained longer, one a seed, fitted on validation."""
        labels = self.models.task.validation.label.to_numpy()
        return [
            fit_temperature(self.models.logits(LONG, seed, "validation"), labels)
            for seed in self.models.seeds
        ]

    def over(self, name: str) -> list[float]:
        """Mean confidence minus accuracy, one number a seed."""
        return [float(gap) for gap in self.gaps(name).mean(axis=1)]

    def gaps(self, name: str) -> np.ndarray:
        """Confidence minus 1 where an answer was right, minus 0 where not, (seeds, items)."""
        labels = self.models.test.label.to_numpy()
        return np.stack(
            [p.max(axis=1) - correct(p.argmax(axis=1), labels) for p in self.tables[name]]
        )

    def sure(self, name: str) -> np.ndarray:
        """The confidence in every answer, (seeds, items)."""
        return np.stack([p.max(axis=1) for p in self.tables[name]])

    def error(self, name: str) -> list[float]:
        """The expected calibration error, one number a seed."""
        labels = self.models.test.label.to_numpy()
        return [expected_calibration_error(table, labels) for table in self.tables[name]]

    def grown(self) -> Estimate:
        """By how much more the network trained longer is surer than right, than ours is."""
        return paired_difference(self.gaps(LONG), self.gaps(OURS))

    def mended(self) -> Estimate:
        """Calibration error with a temperature minus without, of the network trained longer."""
        pairs = [(self.sure(name), self.gaps(name)) for name in (MENDED, LONG)]

        def change(items: np.ndarray) -> np.ndarray:
            after, before = (binned_error(s[:, items], g[:, items]) for s, g in pairs)
            return after - before

        return bootstrap_interval(change, pairs[0][0].shape[1])

    def floor(self, name: str) -> float:
        """The calibration error that chance alone would show on so many texts, were every
        confidence right: answers are drawn with those chances."""
        rng, sure = np.random.default_rng(0), self.sure(name)
        draws = [binned_error(sure, sure - (rng.random(sure.shape) < sure)) for _ in range(DRAWS)]
        return float(np.mean(draws))

    def table(self) -> pd.DataFrame:
        """Accuracy, confidence and calibration error, means over the seeds."""
        labels = self.models.test.label.to_numpy()
        rows = {
            name: {
                "accuracy": np.mean([correct(p.argmax(axis=1), labels).mean() for p in tables]),
                "mean confidence": np.mean([p.max(axis=1).mean() for p in tables]),
                "calibration error (ECE)": np.mean(self.error(name)),
            }
            for name, tables in self.tables.items()
        }
        return pd.DataFrame(rows).T.round(3)

    def plot_path(self) -> None:
        """Show validation accuracy and confidence of the long trainings, means over the seeds."""
        columns = ["step", "validation_metric", "confidence"]
        runs: list[Any] = self.models.found.chosen(LONG)
        seen = [run.training.history for run in runs]
        seen = [history[history.validation_metric.notna()][columns] for history in seen]
        at = pd.concat(seen).groupby("step", as_index=False).mean()
        best = at.step[at.validation_metric.idxmax()]
        curves = {
            "how sure it is (confidence)": (at.step, at.confidence),
            "how often it is right (accuracy)": (at.step, at.validation_metric),
        }
        last = at.iloc[-1]
        show(
            drawn.steps_apart(
                curves,
                between=(*curves,),  # type: ignore[arg-type]
                mark=(best, "accuracy at its best"),
                x="training steps",
                y="share of the validation texts",
                title="Confidence and accuracy, the longer the training",
            ),
            "Validation accuracy and mean confidence over the steps of the long trainings, means "
            f"of {len(seen)}. At the end they say {last.confidence:.2f} and are right in "
            f"{last.validation_metric:.2f}.",
        )

    def plot_reliability(self) -> None:
        """Show accuracy by confidence of the long training, as it is and with temperature."""
        labels = np.tile(self.models.test.label.to_numpy(), len(self.models.seeds))
        pooled = {name: np.concatenate(self.tables[name]) for name in (LONG, MENDED)}
        curves = {name: reliability(table, labels) for name, table in pooled.items()}
        sure = {name: table.max(axis=1) for name, table in pooled.items()}
        lost = ", ".join(f"{np.mean(self.error(name)):.3f} ({name})" for name in pooled)
        show(
            drawn.calibration(curves, sure),
            "Accuracy by confidence, all seeds together, and below how often each confidence "
            f"occurs. Below the diagonal a network is surer than right. Calibration error: {lost}.",
        )

    def told(self) -> str:
        """What longer training does, and what the temperature does."""
        grown, mended = self.grown(), self.mended()
        before, after = np.mean(self.over(OURS)), np.mean(self.over(LONG))
        if grown.low > 0 and after > 0:
            first = "trained longer, a network becomes more sure than it is right"
        elif grown.low <= 0 <= grown.high:
            first = "so few seeds and texts do not tell whether that is more than chance"
        else:
            first = "it becomes surer" if grown.value > 0 else "it does not become surer"
        second = "lowers" if mended.value < 0 else "does not lower"
        ends = [np.mean(self.error(name)) for name in (LONG, MENDED)]
        return (
            f"Confidence minus accuracy is **{before:+.3f}** for our network and **{after:+.3f}** "
            f"after the long training. The change is {short(grown)}, {against(grown)}: {first}. "
            f"The temperature is {np.mean(self.temperatures):.2f} on average. To divide the logits "
            f"by it changes no answer and {second} the calibration error: {ends[0]:.3f} before, "
            f"{ends[1]:.3f} after. Chance alone would show {self.floor(MENDED):.3f} on so many "
            "texts, even if every confidence were right."
        )

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for name in self.tables:
            for seed, error, over in zip(
                self.models.seeds, self.error(name), self.over(name), strict=True
            ):
                about = {"method": name, "split": "test", "seed": seed}
                yield {"name": "calibration_error", "value": error, **about}
                yield {"name": "confidence_minus_accuracy", "value": over, **about}
        for seed, temperature in zip(self.models.seeds, self.temperatures, strict=True):
            yield {"name": "temperature", "value": temperature, "method": LONG, "seed": seed}


def binned_error(sure: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """The expected calibration error of every row, (seeds,), from confidences and their `gaps`
    (see `Confidence.gaps`), both (seeds, items)."""
    places = np.minimum((sure * BINS).astype(int), BINS - 1)
    sums = [np.bincount(p, weights=g, minlength=BINS) for p, g in zip(places, gaps, strict=True)]
    return np.abs(sums).sum(axis=1) / sure.shape[1]


def confidence(models: Candidates) -> Confidence:
    """Of our network, and of one like it trained longer."""
    return Confidence(models)
