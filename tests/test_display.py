"""What a notebook says aloud: estimates in short, on which side they lie, and Markdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ftlab.evaluation import Estimate, exact
from ftlab.experiments.learning_curve import over_seeds
from ftlab.notebook.display import against, check, say, short


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


def answered(answer: Any, test: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> str:
    said: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda shown: said.append(shown.data))
    check(answer, test, "Count again.")
    (text,) = said
    return text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (..., "Your turn"),
        (4, "✓ Right."),
        (np.int64(4), "✓ Right."),
        (5, "✗ Not yet. Count again."),
    ],
)
def test_a_check_answers_at_once(answer: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert words in answered(answer, lambda given: given == 4, monkeypatch)


def test_a_check_whose_cells_were_not_run_says_so_and_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for answer in (4, "four"):
        said = answered(answer, lambda given: given == classifier.size, monkeypatch)  # type: ignore[name-defined]  # noqa: F821
        assert said == "✗ Run the cells above first: there is no `classifier` yet."


@pytest.mark.parametrize("answer", ["refuted", "Refuted", "REFUTED", " refuted "])
def test_a_word_may_be_in_capitals(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Right" in answered(answer, lambda given: given == "refuted", monkeypatch)
    assert "Right" in answered(
        [answer, "Head"], lambda given: sorted(given) == ["head", "refuted"], monkeypatch
    )


@pytest.mark.parametrize("answer", ["4", "often"])
@pytest.mark.parametrize(
    "test",
    [
        lambda given: given == 4,
        lambda given: given == np.float64(4),
        lambda given: np.isclose(given, 4),
        lambda given: abs(given - 4) < 1,
        lambda given: round(given * 0.5, 2) == 2,
    ],
)
def test_a_text_where_a_number_is_wanted_is_told_as_that(
    answer: str, test: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = answered(answer, test, monkeypatch)
    assert said == f"✗ A number is wanted here, without quotes: `{answer!r}` is a text."


def test_a_number_where_a_text_is_wanted_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    said = answered(3, lambda given: given == "refuted", monkeypatch)
    assert said == "✗ A text is wanted here, in quotes: `3` is a number."


@pytest.mark.parametrize(
    ("answer", "test"),
    [
        (3, lambda given: sorted(given) == ["a"]),
        ("often", lambda given: np.isclose(given, None)),  # it is the test that is broken
        (3, lambda given: given == 1 / 0),
    ],
)
def test_an_answer_that_breaks_its_check_is_not_called_wrong(
    answer: Any, test: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = answered(answer, test, monkeypatch)
    assert said.startswith("✗ This answer cannot be checked (")
    assert said.endswith(" Count again.")
