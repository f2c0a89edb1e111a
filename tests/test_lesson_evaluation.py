"""The experiments of notebook 06: what they count, and what a reader would notice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import refused

from ftlab.evaluation import mean_interval, softmax
from ftlab.experiments import candidates, confidence, doubts, judging, luck, measuring, thresholds
from ftlab.experiments.effort import EFFORTS
from ftlab.experiments.keeping import Trainings
from ftlab.plots import measuring as drawn

ModelDir = Callable[[str], Path]


def engine(scores: np.ndarray) -> tuple[float, float]:
    found = mean_interval(scores)
    return found.low, found.high


def one_training(scores: np.ndarray) -> tuple[float, float]:
    share, count = scores[0].mean(), scores.shape[1]
    half = 1.96 * (share * (1 - share) / count) ** 0.5
    return share - half, share + half


def test_made_up_scores_have_the_accuracy_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    for accuracy in (0.6, 0.9):
        means = [
            measuring.made_up_scores(rng, 4, 50, accuracy=accuracy).mean() for _ in range(3000)
        ]
        assert np.mean(means) == pytest.approx(accuracy, abs=0.005)
    refused(lambda: measuring.made_up_scores(rng, 4, 50, accuracy=1.0), "between 0 and 1")


def test_the_interval_over_seeds_and_items_keeps_its_word_and_the_usual_one_does_not() -> None:
    kinds = {"seeds and items": engine, "one training": one_training}
    found = measuring.coverage(kinds, n_seeds=5, items=150, trials=600)
    assert found.share("seeds and items").value > 0.92
    assert found.share("one training").value < 0.8
    assert "None" not in found.told()
    assert "**one training**" in found.told().split(". ")[0]
    assert [row["name"] for row in found.metrics()] == ["coverage"] * 2


def test_where_trainings_do_not_differ_the_usual_interval_is_right() -> None:
    found = measuring.coverage({"one": one_training}, trials=600, seed_sd=0.0)
    assert found.share("one").value > 0.92


def test_an_interval_that_is_none_is_refused() -> None:
    refused(lambda: measuring.coverage({"mine": lambda scores: 0.5}, trials=1), "mine", "two")  # type: ignore[dict-item,return-value]


def test_the_larger_the_difference_the_fewer_texts_it_takes() -> None:
    first, second = np.tile([1.0, 1, 1, 1, 0], 20), np.tile([1.0, 1, 1, 0, 1], 20)
    disagree, table = measuring.texts_needed(first, second)
    assert disagree == pytest.approx(0.4)
    needed = list(table["test texts needed"])
    assert needed == sorted(needed, reverse=True)
    assert needed[0] == pytest.approx(4 * needed[1], rel=0.05)
    assert measuring.texts_needed(first, first)[0] == measuring.WORTH


def test_weights_make_the_positives_as_rare_as_one_likes() -> None:
    truth = np.array([1, 0, 0, 1, 0])
    weights = thresholds.weighted(truth, 1 / 20)
    assert weights[truth == 1].sum() == pytest.approx(1 / 20)
    assert weights.sum() == pytest.approx(1)


def test_what_a_thousand_texts_cost() -> None:
    chance, truth = np.array([0.9, 0.2, 0.8, 0.1]), np.array([1, 1, 0, 0])
    # Half of the positives are missed, half of the negatives are called positive.
    found = thresholds.cost_of_thousand(chance, truth, 0.5, 1 / 20, 10, 1)
    assert found == pytest.approx(1000 * (0.05 * 10 * 0.5 + 0.95 * 0.5))


def test_what_is_said_of_thresholds_follows_from_the_table() -> None:
    models: Any = FakeModels()
    rare = thresholds.Detector(models, 1)
    assert len(rare.pooled()[0]) == 2 * 120, "the answers of both seeds"
    rows = {"accuracy": [0.95, 0.90], "cost of 1,000": [400.0, 300.0], "threshold": [0.5, 0.2]}
    table = pd.DataFrame(rows, ["one half", "chosen"])
    told = rare.weighed(table)
    assert "below one half" in told
    assert "'chosen' costs least" in told
    assert "of 'one half': two different things" in told
    assert "it also has" in rare.weighed(table.assign(accuracy=[0.9, 0.95]))


class FakeTask:
    def __init__(self, validation: pd.DataFrame, names: list[str]) -> None:
        self.name, self.validation, self.label_names = "fake", validation, names


class FakeModels:
    """Two seeds of a network that is right, and sure of it."""

    seeds = (0, 1)

    def __init__(self, items: int = 120, sure: float = 6.0) -> None:
        labels = np.arange(items) % 4
        rows = pd.DataFrame({"text": [f"letter {i}" for i in range(items)], "label": labels})
        self.task, self.test = FakeTask(rows, list("abcd")), rows
        self.given = sure * np.eye(4)[labels]

    def logits(self, method: str, seed: int, part: str = "test") -> np.ndarray:
        return self.given

    def probabilities(self, method: str, seed: int, part: str = "test") -> np.ndarray:
        return softmax(self.given)


def test_planted_labels_are_found_by_a_network_that_is_right() -> None:
    models: Any = FakeModels()
    given, wrong = doubts.spoiled_labels(models, 0)
    assert {*np.flatnonzero(given != models.task.validation.label)} == {*wrong}
    assert len(wrong) == round(doubts.WRONG * 120)
    assert {*doubts.spoiled_labels(models, 1)[1]} != {*wrong}, "each seed spoils others"
    found = doubts.planted_labels(models)
    assert found.estimate().value == 1
    assert "**100%** were planted" in found.told()
    assert found.rows.planted.tolist() == [round(doubts.WRONG * 120)] * 2


def test_the_interval_of_wrong_labels_found_allows_for_other_texts() -> None:
    wrong, doubted = np.zeros((2, 100), dtype=bool), np.zeros((2, 100), dtype=bool)
    wrong[:, :20], doubted[:, 10:25] = True, True  # both seeds alike: only the texts vary
    found = doubts.Planted(pd.DataFrame(), wrong, doubted).estimate()
    assert found.value == pytest.approx(2 * 10 / (20 + 15))
    assert found.low < found.value < found.high


def test_what_a_network_does_not_doubt_is_not_found() -> None:
    models: Any = FakeModels(sure=0.0)
    found = doubts.planted_labels(models)
    assert found.estimate("recall").value == 0


class SureModels(FakeModels):
    """Right in four of five answers; trained longer, it says 0.99 of every one, before 0.8."""

    def logits(self, method: str, seed: int, part: str = "test") -> np.ndarray:
        labels = self.test.label.to_numpy()
        said = np.where(np.arange(len(labels)) % 5 > 0, labels, (labels + 1) % 4)
        sure = 0.99 if method == candidates.LONG else 0.8
        return np.log(np.where(np.eye(4)[said] == 1, sure, (1 - sure) / 3))

    def probabilities(self, method: str, seed: int, part: str = "test") -> np.ndarray:
        return softmax(self.logits(method, seed, part))


def test_a_temperature_mends_a_network_that_is_too_sure() -> None:
    models: Any = SureModels()
    found = confidence.confidence(models)
    assert found.grown().value == pytest.approx(0.19, abs=0.01)
    assert found.temperatures[0] > 2
    assert found.mended().value < -0.15
    assert "more sure than it is right" in found.told()
    assert "lowers the calibration error" in found.told()
    table = found.table()
    assert table.accuracy.nunique() == 1, "a temperature changes no answer"
    assert found.mended().low < found.mended().high, "there are other texts, if no other seeds"
    for name in found.tables:
        errors = confidence.binned_error(found.sure(name), found.gaps(name))
        assert errors == pytest.approx(found.error(name))
    assert 0 < found.floor(candidates.OURS) < 0.1


def test_what_is_undecided_is_told_as_that() -> None:
    class Unsure(SureModels):
        """Trained longer, the network of one seed is surer, that of the other is less sure."""

        def logits(self, method: str, seed: int, part: str = "test") -> np.ndarray:
            given = super().logits(candidates.OURS, seed, part)
            return given * (1.6 - 1.1 * seed) if method == candidates.LONG else given

    models: Any = Unsure()
    assert "do not tell" in confidence.confidence(models).told()


def test_the_best_of_equals_is_said_to_be_better_than_it_is() -> None:
    rng = np.random.default_rng(0)
    hits = (rng.random((40, 2000)) < 0.8).astype(float)  # forty settings, all alike
    lost = luck._optimism(hits, 100, rng)
    assert lost[luck.ON_TEST] > 0.05
    assert abs(lost[luck.ON_VALIDATION]) < 0.01


def test_a_pair_has_a_truth_and_a_lie_in_the_same_words() -> None:
    for pair in judging.draw_pairs(20, seed=3):
        for true, false in ((pair.truth, pair.lie), (pair.other_truth, pair.other_lie)):
            assert true != false
            assert true.split()[0] == false.split()[0]
        assert pair.other_truth != pair.truth


def judged(style: float, first: float) -> judging.Judgements:
    rows = [
        {"by": judging.JUDGE, "pair": pair, "seed": 0, "right": right}
        for pair, right in ((judging.OWN, 1.0), (judging.STYLE, style))
    ]
    placed = [{"seed": 0, "first": first, "steady": 1 - 2 * abs(first - 0.5)}]
    return judging.Judgements(pd.DataFrame(rows), pd.DataFrame(placed), [])


def test_what_is_told_of_a_judge_follows_from_what_it_preferred() -> None:
    assert "no longer does: **10%**" in judged(0.1, 1.0).told()
    assert "where an answer stands" in judged(0.1, 0.0).told()
    fair = judged(0.95, 0.5).told()
    assert "still does" in fair
    assert "more than the place" in fair


def test_a_figure_shows_every_seed_and_every_item() -> None:
    hits = measuring.made_up_scores(np.random.default_rng(0), 3, 40)
    cells = drawn.seeds_by_items(hits, [0, 1, 2], title="t").axes[0].images[0].get_array()
    assert cells is not None
    assert cells.shape == hits.shape
    assert cells.sum() == hits.sum()
    assert (np.diff(cells.mean(axis=0)) <= 0).all(), "from easy to hard"


@pytest.mark.slow
def test_a_colleague_has_learned_half_of_the_test(tiny_model_dir: ModelDir, tmp_path: Path) -> None:
    source = candidates.TaskSource("letters", texts_per_label=2)
    found = candidates.candidates(
        source,
        str(tiny_model_dir("llama")),
        seeds=[0, 1],
        effort=EFFORTS["smoke"],
        trainings=Trainings(tmp_path),
    )
    seen = {*found.training_texts(candidates.COLLEAGUES, 0)}
    assert [text in seen for text in found.test.text] == list(found.leaked)
    assert found.leaked.mean() == 0.5
    assert not {*found.training_texts(candidates.OURS, 0)} & {*found.test.text}
    assert found.hits(candidates.OURS).shape == (2, len(found.test))
    table = found.probabilities(candidates.OURS, 1)
    predicted = found.predictions(candidates.OURS, 1)
    assert (table.argmax(axis=1) == predicted).all(), "the network that was kept is the one asked"
    assert found.gained_by_leak().seeds == 2
    assert ("is memory" in found.told_of_leak()) == (found.gained_by_leak().low > 0)
