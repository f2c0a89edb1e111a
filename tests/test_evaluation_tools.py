"""Calibration, comparisons and inspection, against numbers worked out by hand and simulations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import refused

from ftlab.evaluation.calibration import (
    cheapest_threshold,
    expected_calibration_error,
    fit_temperature,
    reliability,
    softmax,
)
from ftlab.evaluation.comparing import items_needed, mcnemar
from ftlab.evaluation.inspecting import by_loss, doubtful_labels, slices


def honest(items: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose probabilities are true: labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (items, 3))
    chances = softmax(logits)
    return logits, np.array([rng.choice(3, p=row) for row in chances])


@pytest.mark.parametrize("stretch", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_a_stretch_and_never_changes_what_is_said(stretch: float) -> None:
    logits, labels = honest(4000)
    found = fit_temperature(stretch * logits, labels)
    assert found == pytest.approx(stretch, rel=0.1)
    said = softmax(stretch * logits, found).argmax(axis=1)
    assert (said == logits.argmax(axis=1)).all()


def test_calibration_error_is_small_for_the_honest_and_large_for_the_boastful() -> None:
    logits, labels = honest(4000)
    assert expected_calibration_error(softmax(logits), labels) < 0.03
    assert expected_calibration_error(softmax(4 * logits), labels) > 0.15


def test_reliability_by_hand() -> None:
    chances = [[0.95, 0.05], [0.92, 0.08], [0.6, 0.4], [0.35, 0.65]]
    rows = reliability(chances, [0, 1, 0, 1])
    assert rows["items"].tolist() == [2, 2]
    assert rows.accuracy.tolist() == [1.0, 0.5]
    assert rows.confidence.tolist() == pytest.approx([0.625, 0.935])
    by_hand = 0.5 * (1 - 0.625) + 0.5 * (0.935 - 0.5)
    assert expected_calibration_error(chances, [0, 1, 0, 1]) == pytest.approx(by_hand)


def test_labels_that_do_not_fit_are_refused() -> None:
    refused(lambda: reliability([[0.5, 0.5]], [0, 1]), "There are 1 predictions but 2 labels.")
    refused(lambda: fit_temperature([[0.5, 0.5]], [0, 1]), "There are 1 predictions but 2 labels.")


def test_the_dearer_a_miss_the_lower_the_line() -> None:
    scores, labels = [0.1, 0.4, 0.6, 0.9], [0, 1, 0, 1]
    assert cheapest_threshold(scores, labels, miss=10, alarm=1) == (0.4, 0.25)
    assert cheapest_threshold(scores, labels, miss=1, alarm=10) == (0.9, 0.25)
    assert cheapest_threshold(scores, [1, 0, 1, 0], miss=1, alarm=10) == (np.inf, 0.5)


def test_mcnemar_by_hand() -> None:
    a = [1] * 8 + [0] * 2 + [1] * 10
    b = [0] * 8 + [1] * 2 + [1] * 10
    assert mcnemar(a, b) == pytest.approx(2 * (1 + 10 + 45) / 2**10)  # 8 of 10, two-sided
    assert mcnemar(a, a) == 1.0
    refused(lambda: mcnemar([0.5], [1]), "only takes scores of 1 (correct) or 0 (wrong)")


def test_with_the_items_that_are_needed_the_difference_is_found_as_often_as_said() -> None:
    needed = items_needed(0.1, 0.2)
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(400):
        draw = rng.random(needed)
        a, b = (draw < 0.15).astype(int), ((draw >= 0.15) & (draw < 0.2)).astype(int)
        found += mcnemar(a, b) < 0.05
    assert 0.7 < found / 400 < 0.88
    assert items_needed(0.02, 0.2) > 20 * needed
    refused(lambda: items_needed(0.3, 0.2), "disagreement")


def test_the_worst_row_comes_first() -> None:
    rows = pd.DataFrame({"text": ["fine", "sure and wrong", "unsure"], "label": [0, 1, 1]})
    found = by_loss(rows, [[0.9, 0.1], [0.99, 0.01], [0.6, 0.4]], ["late", "lost"])
    assert found.text.tolist() == ["sure and wrong", "unsure", "fine"]
    assert found.iloc[0].to_dict() == {
        "text": "sure and wrong", "label": "lost", "predicted": "late", "confidence": 0.99,
        "loss": pytest.approx(-np.log(0.01)),
    }  # fmt: skip


def test_a_weak_slice_is_told_and_a_small_one_is_not_blamed() -> None:
    right = [1] * 95 + [0] * 5 + [1] * 10 + [0] * 30 + [0]
    groups = ["plain"] * 100 + ["typos"] * 40 + ["rare"]
    found = slices(right, groups)
    assert found.index.tolist() == ["rare", "typos", "plain"]
    assert found.below.tolist() == [False, True, False]


def test_planted_label_errors_are_found_again() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 600)
    logits = 3.0 * np.eye(3)[truth] + rng.normal(0, 1, (600, 3))
    planted = rng.choice(600, 60, replace=False)
    labels = truth.copy()
    labels[planted] = (truth[planted] + 1) % 3
    found = doubtful_labels(softmax(logits), labels)
    hits = len(set(found) & set(planted))
    assert hits / len(planted) > 0.8
    assert hits / len(found) > 0.8
    assert set(found[:20]) <= set(planted)
    assert len(doubtful_labels(softmax(10 * np.eye(3)[truth]), truth)) == 0
