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
    correct,
    expected_calibration_error,
    fit_temperature,
    reliability,
    softmax,
)
from ftlab.experiments.candidates import LONG, OURS, Candidates
from ftlab.experiments.learning_curve import over_seeds
from ftlab.plots import measuring as drawn
from ftlab.plots import show

MENDED = "the same with its temperature"


@dataclass(frozen=True, eq=False)
class Confidence:
    """Our network at the step where validation was best, and the same one trained on.

    Temperatures are fitted on validation; everything else is measured on the test.
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
        """Of the network trained on, one a seed, fitted on validation."""
        labels = self.models.task.validation.label.to_numpy()
        return [
            fit_temperature(self.models.logits(LONG, seed, "validation"), labels)
            for seed in self.models.seeds
        ]

    def over(self, name: str) -> list[float]:
        """Mean confidence minus accuracy, one number a seed."""
        labels = self.models.test.label.to_numpy()
        return [
            float(p.max(axis=1).mean() - correct(p.argmax(axis=1), labels).mean())
            for p in self.tables[name]
        ]

    def error(self, name: str) -> list[float]:
        """The expected calibration error, one number a seed."""
        labels = self.models.test.label.to_numpy()
        return [expected_calibration_error(table, labels) for table in self.tables[name]]

    def grown(self) -> Estimate:
        """By how much more the network trained on is surer than right, than ours is."""
        return over_seeds(list(np.subtract(self.over(LONG), self.over(OURS))), bounds=(-1.0, 1.0))

    def mended(self) -> Estimate:
        """Calibration error with a temperature minus without, of the network trained on."""
        return over_seeds(
            list(np.subtract(self.error(MENDED), self.error(LONG))), bounds=(-1.0, 1.0)
        )

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
        """Show validation accuracy and confidence of the long training, the first seed's."""
        history = self.models.found.chosen(LONG)[0].training.history
        assert history is not None, "a training that is watched has one"
        at = history[history.validation_metric.notna()]
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
                title="Training on: surer and surer",
            ),
            "Validation accuracy and mean confidence over the steps of one long training. At the "
            f"end it says {last.confidence:.2f} and is right in {last.validation_metric:.2f}.",
        )

    def plot_reliability(self) -> None:
        """Show accuracy by confidence of the network trained on, as it is and with temperature."""
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
        """What training on does, and what the temperature does."""
        grown, mended = self.grown(), self.mended()
        first = "becomes more sure than it is right" if grown.value > 0 else "does not become surer"
        second = "lowers" if mended.value < 0 else "does not lower"
        return (
            f"Trained on, the network {first}: the gap between confidence and accuracy changes by "
            f"**{grown.value:+.3f}**. Its temperature is {np.mean(self.temperatures):.2f}; to "
            f"divide the logits by it {second} the calibration error ({mended.value:+.3f}), and "
            "changes no answer."
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


def confidence(models: Candidates) -> Confidence:
    """Of our network, and of the same one trained on."""
    return Confidence(models)
