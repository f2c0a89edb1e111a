"""Learned against forgotten: one method at several learning rates is a curve, not a point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ftlab.evaluation import Estimate
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.results import FairComparison
from ftlab.experiments.runs import Run

NEAR = 0.02  # accuracy that is given away for a more careful learning rate


@dataclass(frozen=True, eq=False)
class LearnedForgotten:
    """A comparison of which every try counts: at each learning rate the accuracy on validation and
    what was forgotten (bits per character; None where no network can tell)."""

    found: FairComparison

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told of the chosen trainings; the tries are told by `tries`."""
        yield from self.found.metrics()
        for row in self.curves().itertuples(index=False):
            if row.forgotten is not None:
                yield {
                    "name": "forgotten_at_rate",
                    "value": float(row.forgotten),
                    "method": row.method,
                    "learning_rate": float(row.rate),
                    "validation": float(row.learned),
                }

    def tries(self) -> pd.DataFrame:
        """All that was tried, one a row."""
        return self.found.tries()

    @property
    def measured(self) -> bool:
        """Whether anything is known of what was forgotten."""
        return all(_lost(run, value) is not None for run in self.found.runs for value in run.scores)

    def curves(self) -> pd.DataFrame:
        """Means over the seeds: method, rate, learned (accuracy on validation), forgotten and
        recall, by rising rate; only rates that every seed has tried."""
        rows = []
        for method in self.found.methods:
            runs = self.found.chosen(method)
            shared = set.intersection(*({*run.scores} for run in runs))
            for rate in sorted(shared):
                learned = np.mean([run.scores[rate] for run in runs])
                lost = [_lost(run, rate) for run in runs]
                recall = [run.tries[rate].measured.get("recall") for run in runs]
                rows.append((method, rate, learned, _mean(lost), _mean(recall)))
        columns = ["method", "rate", "learned", "forgotten", "recall"]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype(dict.fromkeys(columns[3:], object)).where(frame.notna(), None)

    def careful(self, method: str) -> list[tuple[float, float | None]]:
        """For each seed the lowest learning rate that is within two points of the method's best
        accuracy on validation, and what is forgotten there."""
        picked = []
        for run in self.found.chosen(method):
            rate = _lowest(run, max(run.scores.values()) - NEAR)
            picked.append((rate, _lost(run, rate)))
        return picked

    def at_equal_accuracy(self, a: str, b: str) -> Estimate | None:
        """What `a` forgets less what `b` does, in bits per character, paired by seed: each where
        its curve first comes within two points of what both reach on validation, read between two
        rates if need be. None where forgetting cannot be measured."""
        if not self.measured:
            return None
        differences = []
        for one, other in zip(self.found.chosen(a), self.found.chosen(b), strict=True):
            best = min(max(one.scores.values()), max(other.scores.values()))
            differences.append(_lost_at(one, best - NEAR) - _lost_at(other, best - NEAR))
        return over_seeds(differences)

    def along_the_rates(self, method: str) -> str:
        """A sentence: how much more a method forgets from its lowest learning rate to its highest;
        "" where that was not measured."""
        part = self.curves().query("method == @method")
        if not self.measured:
            return ""
        low, high = part.iloc[0], part.iloc[-1]
        return (
            f"Along the curve of {method} alone, from the rate {low.rate:g} to {high.rate:g}, "
            f"forgetting goes from {low.forgotten:.2f} to {high.forgotten:.2f}."
        )

    def table(self) -> pd.DataFrame:
        """Each method at its lowest good learning rate: what it has learned there, and lost."""
        rows = []
        for method in self.found.methods:
            runs, picked = self.found.chosen(method), self.careful(method)
            rates = [rate for rate, _ in picked]
            row: dict[str, Any] = {
                "method": method,
                "best validation accuracy": np.mean([max(r.scores.values()) for r in runs]),
                "lowest good rate": ", ".join(f"{rate:g}" for rate in sorted({*rates})),
                "accuracy there": np.mean(
                    [run.scores[rate] for run, rate in zip(runs, rates, strict=True)]
                ),
            }
            if self.measured:
                row["forgetting there (bits per character)"] = _mean([lost for _, lost in picked])
            rows.append(row)
        return pd.DataFrame(rows).set_index("method").round(2)

    def plot(self, levels: Mapping[str, float] | None = None) -> None:
        """Show a curve for each method over its learning rates; `levels` are accuracies to compare
        with, such as that of a method which forgets nothing."""
        from ftlab.plots import show
        from ftlab.plots.freezing import trade_off

        frame = self.curves()
        figure = trade_off(frame, self.measured, levels or {})
        best = {name: part.learned.max() for name, part in frame.groupby("method", sort=False)}
        told = ", ".join(f"{name} {accuracy:.2f}" for name, accuracy in best.items())
        lost = frame.loc[[part.rate.idxmax() for _, part in frame.groupby("method", sort=False)]]
        text = f"Best accuracy on validation: {told}."
        if self.measured:
            at = ", ".join(f"{row.method} {row.forgotten:.2f}" for row in lost.itertuples())
            text += (
                " Along each curve the learning rate rises; the number at its end is the highest."
            )
            text += f" Bits per character forgotten there: {at}."
        show(figure, text)


def _lost(run: Run, value: float) -> float | None:
    return run.tries[value].measured.get("forgotten")


def _lost_at(run: Run, level: float) -> float:
    """What is forgotten where the curve over rising rates first has this accuracy."""
    rates = sorted(run.scores)
    lost = [float(_lost(run, rate) or 0.0) for rate in rates]
    scores = [run.scores[rate] for rate in rates]
    place = next(i for i, score in enumerate(scores) if score >= level - 1e-9)
    if place == 0:
        return lost[0]
    share = (level - scores[place - 1]) / (scores[place] - scores[place - 1])
    return lost[place - 1] + share * (lost[place] - lost[place - 1])


def _lowest(run: Run, level: float) -> float:
    return min(value for value, score in run.scores.items() if score >= level - 1e-9)


def _mean(numbers: list[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return float(np.mean(known)) if known else None
