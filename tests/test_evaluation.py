"""Metrics against examples worked out by hand, intervals against simulated truth."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from conftest import refused

from ftlab.common.errors import LabError
from ftlab.evaluation import (
    accuracy,
    bleu,
    bootstrap_interval,
    class_scores,
    correct,
    exact,
    matches,
    mean_interval,
    paired_difference,
    ratio_interval,
    seeds_interval,
    unpaired_difference,
    wilson,
)
from ftlab.evaluation.intervals import recomputed


def test_seeds_that_agree_by_chance_are_no_certainty_where_few_items_stand_behind_them():
    agree = seeds_interval([0.35] * 3, bounds=(-1, 1), items=20)
    assert agree.low < 0.25
    assert agree.high > 0.45
    never = seeds_interval([0.0] * 3, bounds=(0, 1), items=16)
    assert never.low == 0
    assert 0.03 < never.high < 0.1
    # Where seeds differ more than items can explain, it is their spread that counts.
    near = seeds_interval([0.46, 0.47, 0.48], bounds=(-1, 1))
    assert seeds_interval([0.46, 0.47, 0.48], bounds=(-1, 1), items=60).low < near.low
    wide = [0.2, 0.4, 0.6]
    assert seeds_interval(wide, items=1000) == seeds_interval(wide)
    assert recomputed(agree.estimator, agree.data) == agree


def test_accuracy() -> None:
    assert accuracy([0, 1, 2, 2], [0, 1, 2, 0]) == 0.75


def test_macro_f1_counts_every_class_alike() -> None:
    def macro_f1(predictions: list[int], labels: list[int]) -> float:
        return class_scores(predictions, labels)["macro F1"]

    # class 0: precision 1, recall 1/2, F1 2/3; class 1: precision 2/3, recall 1, F1 4/5
    assert macro_f1([0, 1, 1, 1], [0, 0, 1, 1]) == pytest.approx((2 / 3 + 4 / 5) / 2)
    # class 1 occurs but is never predicted: its F1 is 0, and it counts
    assert macro_f1([0, 0, 0], [0, 0, 1]) == pytest.approx((0.8 + 0) / 2)


def test_class_scores_by_hand() -> None:
    # Rows are labels, columns predictions:  2 1 0 | 0 1 1 | 0 0 0, and class 2 is never wanted.
    scores = class_scores([0, 0, 1, 1, 2], [0, 0, 0, 1, 1])
    # precision 2/2, 1/2, 0/1; recall 2/3, 1/2, 0; F1 4/5, 1/2, 0
    assert scores == {
        "accuracy": pytest.approx(3 / 5),
        "macro precision": pytest.approx((1 + 1 / 2 + 0) / 3),
        "macro recall": pytest.approx((2 / 3 + 1 / 2 + 0) / 3),
        "macro F1": pytest.approx((4 / 5 + 1 / 2 + 0) / 3),
        "micro F1": pytest.approx(3 / 5),
        # right x items - sum of (said x wanted) = 3 x 5 - (2 x 3 + 2 x 2 + 1 x 0) = 5, over the
        # root of (25 - (4 + 4 + 1)) x (25 - (9 + 4 + 0)) = 16 x 12
        "MCC": pytest.approx(5 / 192**0.5),
    }


def test_matthews_correlation_of_two_classes_by_hand() -> None:
    # 3 true and 1 false positives, 2 true and 2 false negatives: (3 x 2 - 1 x 2) / root(4 5 3 4)
    predictions, labels = [1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 1, 1]
    assert class_scores(predictions, labels)["MCC"] == pytest.approx(4 / 240**0.5)


def test_scores_of_one_class_are_defined_and_quiet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert class_scores([1, 1], [1, 1])["MCC"] == 0.0
        assert class_scores([0, 0, 0], [0, 0, 1])["macro precision"] == pytest.approx(1 / 3)
        assert class_scores([0, 0], [1, 1])["macro F1"] == 0.0


def test_bleu_by_hand() -> None:
    reference = "the cat sat on the mat"
    answers = [reference, "the cat sat on a mat", "the cat sat on", ""]
    # One word replaced: 5/6 words, 3/5 pairs, 2/4 triples and 1/3 runs of four are the reference's.
    # Cut short: all are, but four words for six cost exp(1 - 6/4).
    by_hand = [1.0, (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25, np.exp(-0.5), 0.0]
    assert bleu(answers, [reference] * 4) == pytest.approx(by_hand)


def test_texts_that_do_not_fit_are_refused() -> None:
    refused(lambda: bleu(["a", "b"], ["a"]), "2 answers but 1 references")
    refused(lambda: bleu([], []), "no items")
    refused(lambda: bleu("ab", "ab"), "not a single text")
    assert bleu(["brass"] * 3, ["brass", "tin", "brass"]).shape == (3,)


def test_a_match_forgives_blanks_case_and_a_full_stop_only() -> None:
    answers = [" Brass.", "BRASS", "brass lamp", "brass!", "Straße"]
    assert matches(answers, ["brass"] * 4 + ["STRASSE."]).tolist() == [1, 1, 0, 0, 1]


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


def test_two_seeds_that_agree_by_chance_are_no_certainty() -> None:
    assert seeds_interval([0.01, 0.01]).open
    assert not seeds_interval([0.01, 0.02]).open
    three = seeds_interval([0.01, 0.01, 0.01])
    assert three.low == three.high == 0.01


def test_an_interval_over_seeds_ends_where_the_measure_does() -> None:
    scores = [0.92, 0.99, 1.0]
    free, share = seeds_interval(scores), seeds_interval(scores, bounds=(0.0, 1.0))
    assert free.high > 1.0
    assert (share.value, share.low, share.high) == (free.value, free.low, 1.0)
    assert seeds_interval([-0.9, -1.0], bounds=(-1.0, 1.0)).low == -1.0
    same = seeds_interval([1.0, 1.0], bounds=(0.0, 1.0))  # by chance: it could be anything
    assert (same.low, same.value, same.high) == (0.0, 1.0, 1.0)


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


def test_wilsons_interval_by_hand() -> None:
    # z = 1.96, n = 20: all right leaves 1 / (1 + z^2 / n) as the low end, and half of them
    # 0.5 -+ z root(1 / (4 n) + z^2 / (4 n^2)) / (1 + z^2 / n).
    z = 1.959964
    sure, half = wilson(20, 20), wilson(10, 20)
    assert (sure.value, sure.low, sure.high) == pytest.approx((1, 1 / (1 + z**2 / 20), 1))
    apart = z * (1 / 80 + z**2 / 1600) ** 0.5 / (1 + z**2 / 20)
    assert (half.low, half.high) == pytest.approx((0.5 - apart, 0.5 + apart))
    for right, items in ((3, 2), (-1, 2), (0, 0)):
        refused(lambda right=right, items=items: wilson(right, items), "at least one item")


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


def test_importing_it_is_light() -> None:
    heavy = "{'evaluate', 'datasets', 'sklearn', 'sacrebleu', 'scipy', 'pandas'}"
    code = f"import sys, ftlab.evaluation; print(sorted({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
