"""Metrics against examples worked out by hand, intervals against simulated truth."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ftlab.errors import LabError
from ftlab.evaluation import (
    accuracy,
    bootstrap_interval,
    correct,
    exact,
    exact_match,
    macro_f1,
    matches,
    mean_interval,
    paired_difference,
    ratio_interval,
    seeds_interval,
    unpaired_difference,
)


def test_accuracy() -> None:
    assert accuracy([0, 1, 2, 2], [0, 1, 2, 0]) == 0.75


def test_macro_f1() -> None:
    # class 0: precision 1, recall 1/2, F1 2/3; class 1: precision 2/3, recall 1, F1 4/5
    assert macro_f1([0, 1, 1, 1], [0, 0, 1, 1]) == pytest.approx((2 / 3 + 4 / 5) / 2)
    # class 1 occurs but is never predicted: its F1 is 0, and it counts
    assert macro_f1([0, 0, 0], [0, 0, 1]) == pytest.approx((0.8 + 0) / 2)


def test_exact_match_forgives_blanks_case_and_a_full_stop_only() -> None:
    answers = [" Brass.", "BRASS", "brass lamp", "brass!", "Straße"]
    assert exact_match(answers, ["brass"] * 4 + ["STRASSE."]) == pytest.approx(3 / 5)
    assert matches(["a.", "b"], ["A", "c"]).tolist() == [1.0, 0.0]


def test_metrics_refuse_what_they_would_misread() -> None:
    with pytest.raises(LabError, match="whole numbers"):
        accuracy([0.2, 1.5], [0, 1])
    with pytest.raises(LabError, match="3 predictions but 2 labels"):
        accuracy([0, 1, 1], [0, 1])
    with pytest.raises(LabError, match="no items"):
        accuracy([], [])
    with pytest.raises(LabError, match="2 predictions but 3 labels"):
        correct([[0, 1], [1, 1]], [0, 1, 1])


def test_scores_keep_one_row_for_each_seed() -> None:
    scores = correct([[0, 1, 1], [0, 0, 1]], [0, 1, 0])
    assert scores.tolist() == [[1, 1, 0], [1, 0, 0]]


def test_interval_over_seeds_is_students_t() -> None:
    estimate = seeds_interval([1.0, 2.0, 3.0])
    half = 4.302653 * (1 / 3) ** 0.5  # t(0.975; 2) times the standard error
    assert estimate.value == 2.0
    assert (estimate.low, estimate.high) == pytest.approx((2 - half, 2 + half), abs=1e-5)
    assert estimate.seeds == 3


def test_interval_over_seeds_and_items_adds_their_variances() -> None:
    scores = np.array([[0.1, 0.5, 0.9, 0.4], [0.3, 0.9, 0.8, 0.7]])
    per_seed, per_item = scores.mean(axis=1), scores.mean(axis=0)
    seeds, items = per_seed.var(ddof=1) / 2, per_item.var(ddof=1) / 4
    freedom = (seeds + items) ** 2 / (seeds**2 / 1 + items**2 / 3)
    assert 3 < freedom < 4
    estimate = mean_interval(scores)
    assert estimate.value == pytest.approx(scores.mean())
    t = (estimate.high - estimate.value) / (seeds + items) ** 0.5
    assert 2.776 < t < 3.183  # Student's t at 4 and at 3 degrees of freedom


def test_all_right_is_not_certainty() -> None:
    estimate = mean_interval(np.ones((3, 200)))
    assert estimate.value == estimate.high == 1.0
    assert 0.96 < estimate.low < 0.985
    same = paired_difference(np.ones((3, 100)), np.ones((3, 100)))
    assert same.low < 0 < same.high


def test_pairing_cancels_what_is_hard_for_both() -> None:
    generator = np.random.default_rng(0)
    difficulty = generator.normal(size=(1, 100))
    a = difficulty + generator.normal(0.2, 0.1, (3, 100))
    b = difficulty + generator.normal(0.0, 0.1, (3, 100))
    paired, unpaired = paired_difference(a, b), unpaired_difference(a, b)
    assert paired.value == pytest.approx(unpaired.value)
    assert paired.low > 0 > unpaired.low


def test_ratio_is_a_geometric_mean() -> None:
    estimate = ratio_interval([2.0, 8.0, 4.0], [1.0, 2.0, 2.0])
    assert estimate.value == pytest.approx(16 ** (1 / 3))
    assert estimate.low < estimate.value < estimate.high
    with pytest.raises(LabError, match="above zero"):
        ratio_interval([1.0, 0.0], [1.0, 1.0])


def test_an_exact_fact_has_no_width() -> None:
    estimate = exact(0)
    assert (estimate.value, estimate.low, estimate.high, estimate.seeds) == (0.0, 0.0, 0.0, 1)
    assert "exactly" in str(estimate)


def test_bootstrap_agrees_with_the_formula_where_both_apply() -> None:
    scores = np.random.default_rng(1).normal(size=(3, 150))
    formula = mean_interval(scores)
    bootstrap = bootstrap_interval(lambda rows: scores[:, rows].mean(axis=1), 150)
    assert bootstrap.value == pytest.approx(formula.value)
    assert bootstrap.seeds == 3
    width = formula.high - formula.low
    assert bootstrap.high - bootstrap.low == pytest.approx(width, rel=0.15)


@pytest.mark.parametrize(
    "scores", [[[np.nan, 1.0]], [[np.inf, 1.0]], [], [[0.5]], np.zeros((2, 2, 2))]
)
def test_scores_without_an_interval_are_refused(scores: object) -> None:
    with pytest.raises(LabError):
        mean_interval(scores)  # type: ignore[arg-type]


def test_unequal_sides_are_refused() -> None:
    with pytest.raises(LabError, match="same seeds and items"):
        paired_difference(np.zeros((3, 5)), np.zeros((3, 6)))
    with pytest.raises(LabError, match="same seeds"):
        unpaired_difference(np.zeros((3, 5)), np.zeros((2, 5)))


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(
    ("spread", "difficulty", "noise"), [(0.0, 0.3, 1.0), (0.2, 0.3, 1.0), (0.5, 0.0, 1.0)]
)
def test_the_interval_covers_the_truth(
    seeds: int, spread: float, difficulty: float, noise: float
) -> None:
    """Seeds differ by `spread`, items by `difficulty`; the true mean is 0."""
    generator = np.random.default_rng(seeds)
    inside = 0
    for _ in range(1000):
        scores = (
            generator.normal(0, spread, (seeds, 1))
            + generator.normal(0, difficulty, (1, 100))
            + generator.normal(0, noise, (seeds, 100))
        )
        estimate = mean_interval(scores)
        inside += estimate.low <= 0 <= estimate.high
    assert 0.92 <= inside / 1000 <= 0.995


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("level", [0.5, 2.5])
def test_the_interval_covers_the_truth_of_right_and_wrong(seeds: int, level: float) -> None:
    """Two methods answer 100 items; the easier the items, the rarer an error."""
    generator = np.random.default_rng(seeds)

    def chances(shape: tuple[int, ...], method: float) -> np.ndarray:
        return 1 / (1 + np.exp(-generator.normal(level + method, 0.3, shape)))

    truth = chances((2_000_000,), 0.5).mean() - chances((2_000_000,), 0.0).mean()
    inside = 0
    for _ in range(1000):
        a, b = (
            (generator.random((seeds, 100)) < chances((seeds, 1), method)).astype(float)
            for method in (0.5, 0.0)
        )
        estimate = paired_difference(a, b)
        inside += estimate.low <= truth <= estimate.high
    assert 0.92 <= inside / 1000 <= 0.999


def test_importing_it_does_not_pull_in_the_metrics_library() -> None:
    code = "import sys, ftlab.evaluation; print('evaluate' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
