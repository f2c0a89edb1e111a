"""What a notebook says aloud: estimates in short, on which side they lie, and Markdown."""

from __future__ import annotations

import pytest

from ftlab.evaluation import Estimate, exact
from ftlab.experiments.learning_curve import over_seeds
from ftlab.notebook.display import against, say, short


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        (Estimate(0.614, 0.546, 0.674, seeds=5), "0.61 [0.55, 0.67]"),
        (Estimate(-0.016, -0.104, 0.004, seeds=3), "-0.02 [-0.10, 0.00]"),
        (exact(12), "12.00"),
        (over_seeds([0.4]), "0.40 (one seed: no interval)"),
    ],
)
def test_an_estimate_is_read_aloud_with_two_decimals(estimate: Estimate, said: str) -> None:
    assert short(estimate) == said


@pytest.mark.parametrize(
    ("low", "high", "bound", "side"),
    [
        (0.01, 0.09, 0.0, "above 0"),
        (-0.09, -0.01, 0.0, "below 0"),
        (-0.01, 0.09, 0.0, "on both sides of 0"),
        (0.0, 0.09, 0.0, "on both sides of 0"),  # it reaches the bound
        (-0.09, 0.0, 0.0, "on both sides of 0"),
        (0.01, 0.09, 0.02, "on both sides of 0.02"),
        (0.03, 0.09, 0.02, "above 0.02"),
    ],
)
def test_the_whole_interval_decides_the_side(
    low: float, high: float, bound: float, side: str
) -> None:
    assert against(Estimate((low + high) / 2, low, high, seeds=3), bound) == side


def test_one_seed_is_on_no_side() -> None:
    assert against(over_seeds([0.4])) == "on both sides of 0"


def test_what_is_said_is_shown_as_markdown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    say("It costs **0.61**.")
    (text,) = shown
    assert text._repr_markdown_() == "It costs **0.61**."  # type: ignore[attr-defined]
