"""The experiments of notebook 08: searches, what a hyperparameter is worth, folds, ensembles."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from conftest import LATE, ORDERS

from ftlab.batch.running import run_notebook
from ftlab.claims.record import read_record
from ftlab.common.paths import project_root
from ftlab.experiments import (
    TaskSource,
    Trainings,
    at_setting,
    ensembling,
    folds,
    importance,
    learning_rates,
    searching_ways,
)
from ftlab.experiments.effort import EFFORTS

ModelDir = Callable[[str], Path]
SPACE = at_setting.search_space(0.001)
SMOKE = EFFORTS["smoke"]


def inside(setting: at_setting.Setting) -> bool:
    return all(side._contains(side.to_internal_repr(setting[name])) for name, side in SPACE.items())


def test_a_grid_has_every_combination_of_the_middles_of_equal_parts() -> None:
    grid = searching_ways.grid(SPACE)
    assert len(grid) == searching_ways.TRIES == len({tuple(one.values()) for one in grid})
    assert all(map(inside, grid))
    rates = sorted({one["learning rate"] for one in grid})
    middle = np.log(rates).mean()  # of the range, on a log scale
    assert middle == pytest.approx(np.log(0.001), abs=0.01)
    assert {one["batch size"] for one in grid} == {8, 32}
    assert searching_ways.grid_values(optuna.distributions.IntDistribution(0, 10), 2) == [2, 8]


def test_random_tries_are_all_different_and_the_same_for_the_same_seed() -> None:
    first, again, other = (searching_ways.random_settings(SPACE, 16, s) for s in (1, 1, 2))
    assert first == again
    assert len({one["learning rate"] for one in [*first, *other]}) == 32
    assert all(map(inside, first))
    assert searching_ways.random_settings(SPACE, 4, 1) == first[:4]


class Hill:
    """Stands in for a tuner: best at one learning rate, and no training."""

    space = SPACE
    random_seed = 3

    def __init__(self, dies_after: int = 1000) -> None:
        self.left = dies_after

    def validation(self, setting: at_setting.Setting) -> float:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return float(-abs(np.log(setting["learning rate"] / 0.003)))


def search(path: Path, tries: int, dies_after: int = 1000) -> list[at_setting.Setting]:
    return searching_ways.bayesian_search(Hill(dies_after), path, tries)  # type: ignore[arg-type]


def test_a_bayesian_search_begins_as_a_random_one_and_then_looks_where_it_was_good(
    tmp_path: Path,
) -> None:
    settings = search(tmp_path / "a.log", 40)
    begin = searching_ways.RANDOM_FIRST
    assert settings[:begin] == searching_ways.random_settings(SPACE, begin, Hill.random_seed)
    far = [abs(np.log(one["learning rate"] / 0.003)) for one in settings]
    assert np.mean(far[-10:]) < np.mean(far[:begin]) / 2


@pytest.mark.parametrize("dies_after", [2, 7, 11])
def test_a_search_that_died_ends_as_if_it_had_not(dies_after: int, tmp_path: Path) -> None:
    whole = search(tmp_path / "whole.log", 12)
    path = tmp_path / "died.log"
    with pytest.raises(KeyboardInterrupt):
        search(path, 12, dies_after)
    assert len(searching_ways.finished(searching_ways.opened(path))) == dies_after
    assert search(path, 12, 12 - dies_after) == whole
    assert search(path, 12, 0) == whole, "nothing is tried once more"


def test_of_a_journal_whose_last_line_was_cut_off_the_rest_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "cut.log"
    whole = search(path, 8)
    text = path.read_bytes()
    path.write_bytes(text[: int(0.6 * len(text))].rstrip(b"\n"))
    left = len(searching_ways.finished(searching_ways.opened(path)))
    assert 2 < left < 8
    assert search(path, 8, 8 - left) == whole


def rows(**columns: Any) -> pd.DataFrame:
    count = max(len(value) for value in columns.values() if isinstance(value, list))
    return pd.DataFrame({"seed": 0, "draw": 0, "steps": 1, "number": range(count), **columns})


def found(*parts: pd.DataFrame) -> searching_ways.Searches:
    return searching_ways.Searches(pd.concat(parts), tuple(SPACE), "letters")


def test_what_a_search_has_found_is_what_validation_chose_and_the_test_says() -> None:
    tried = found(
        rows(way="Bayesian", validation=[0.5, 0.9, 0.8], test=[0.6, 0.7, 0.95]),
        rows(way="Bayesian", seed=1, validation=[0.5, 0.4, 0.3], test=[0.2, 0.9, 0.9]),
        rows(way="random", validation=[0.1, 0.2], test=[0.0, 1.0]),
        rows(way="random", seed=1, validation=[0.2, 0.1], test=[0.0, 1.0]),
    )
    assert tried.reached("Bayesian", 1) == [0.6, 0.2]
    assert tried.reached("Bayesian", 3) == [0.7, 0.2]
    assert tried.difference("Bayesian", "random").value == pytest.approx((0.7 + 0.2 - 1.0) / 2)
    assert tried.reached("random", 2) == [1.0, 0.0]
    assert tried.reached("random", 1) == [0.0, 0.0], "the same tries as a Bayesian search's first"
    # A grid has no order: of one try, either of them may have been the first.
    in_a_grid = found(rows(way="grid", validation=[0.1, 0.2], test=[0.0, 1.0]))
    assert in_a_grid.reached("grid", 1) == pytest.approx([0.5], abs=0.12)
    assert tried.optimism().value == pytest.approx(((0.2 + 0.3) + (-0.8 + 0.2)) / 4)


def test_a_hyperparameter_explains_what_goes_with_it_and_chance_explains_nothing() -> None:
    values = [0.001 * 1.5**k for k in range(16)]
    steps = [0.1] * 4 + [0.5] * 4 + [0.9] * 4 + [0.2] * 4
    assert importance.explained(values, steps) == pytest.approx(1.0)
    assert importance.explained(values, [0.7] * 16) == 0.0
    rng = np.random.default_rng(0)
    chance = [importance.explained(values, rng.normal(size=16)) for _ in range(500)]
    assert abs(np.mean(chance)) < 0.03
    assert importance.explained([8, 32] * 8, [0.1, 0.9] * 8) == pytest.approx(1.0)
    assert importance.explained(["a", "b"], [1.0, 2.0]) == 0.0, "two tries tell nothing"


def test_chance_reaches_less_with_more_tries_and_told_names_what_is_beyond_it() -> None:
    def tries(count: int) -> searching_ways.Searches:
        settings = pd.DataFrame(searching_ways.random_settings(SPACE, count, 5))
        score = 0.8 - abs(np.log10(settings["learning rate"] / 0.0002))
        return found(
            rows(way="random", validation=list(score), test=list(score)).assign(**settings)
        )

    few, many = importance.by_chance(tries(16)), importance.by_chance(tries(80))
    assert 0 < many < few < 0.7
    assert "only learning rate had more" in importance.told(tries(80))


def test_importance_is_that_of_random_tries_and_near_the_best_rate_another() -> None:
    rng = np.random.default_rng(1)

    def tries(count: int, seed: int) -> pd.DataFrame:
        settings = pd.DataFrame(searching_ways.random_settings(SPACE, count, seed))
        off = np.log10(settings["learning rate"] / 0.001)
        score = 0.7 - 0.3 * off**2 + 0.01 * settings.epochs + rng.normal(0, 0.001, count)
        return rows(way="random", seed=seed, validation=list(score), test=list(score)).assign(
            **settings
        )

    many = found(tries(200, 0), tries(200, 1), rows(way="grid", validation=[0.1]))
    wide, narrow = importance.estimates(many), importance.estimates(many, near_best=True)
    assert next(iter(wide)) == "learning rate"
    assert next(iter(narrow)) == "epochs"
    assert importance.lead_of_the_rate(many).value > 0.3
    assert "behind epochs" in importance.told(many)
    assert importance.estimates(found(tries(16, 0)), near_best=True) == {}
    assert importance.by_optuna(many, SPACE)["learning rate"] > 0.5


def test_folds_judge_on_every_text_once_and_the_one_split_is_the_first_fold() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(53, 4)), rng.integers(0, 2, 53)
    promised = folds.promises(x, y, 1.0, sample=2)
    scores = []
    for part in np.array_split(np.random.default_rng(2).permutation(53), folds.COUNT):
        rest = np.setdiff1d(np.arange(53), part)
        model = folds.regression(1.0).fit(x[rest], y[rest])
        scores.append(model.score(x[part], y[part]))
    assert promised == {folds.ONE: scores[0], folds.FOLDS: pytest.approx(np.mean(scores))}


def test_folds_are_steadier_where_their_error_spreads_less() -> None:
    errors = {folds.ONE: 0.1, folds.FOLDS: 0.05}
    table = pd.DataFrame(
        {"seed": seed, "sample": sample, "way": way, "strength": 1.0, "truth": 0.8, "gap": 0.1,
         "estimate": 0.8 + (error if sample else -error)}
        for seed in (0, 1)
        for sample in (0, 1)
        for way, error in errors.items()
    )  # fmt: skip
    judged = folds.Folded(table, {folds.ONE: 8, folds.FOLDS: 36}, {})
    assert judged.steadiness().value == pytest.approx(0.5)
    assert judged.difference("gap").value == 0
    assert "0.50 times" in judged.told()
    assert "hardly changes" in judged.told()


def test_networks_vote_and_average() -> None:
    # Two waver towards 0, one is sure of 1; of the second text each says something else.
    logits = np.log([
        [[0.6, 0.4, 1e-9], [0.9, 0.1, 1e-9]],
        [[0.6, 0.4, 1e-9], [0.2, 0.8, 1e-9]],
        [[0.01, 0.99, 1e-9], [0.1, 0.2, 0.7]],
    ])  # fmt: skip
    assert list(ensembling.vote(logits)) == [0, 0]
    assert list(ensembling.average(logits)) == [1, 0]


def several(dealt: bool) -> ensembling.Networks:
    """Two seeds, two texts: single networks have half right, together they have all."""
    one = np.log([[[0.9, 0.1], [0.6, 0.4]], [[0.4, 0.6], [0.1, 0.9]]])
    maker: Any = SimpleNamespace(task=SimpleNamespace(name="letters"))
    names = [(kind, seed) for kind in (ensembling.ALIKE, ensembling.HEADS) for seed in (0, 1)]
    return ensembling.Networks(
        dict.fromkeys(names, one),
        {(kind, seed): one[seed] for kind, seed in names},
        {0: np.array([0, 1]), 1: np.array([0, 1])},
        dict.fromkeys((0, 1), maker),
        dealt,
    )


@pytest.mark.parametrize("dealt", [True, False])
def test_accuracy_of_networks_alone_and_together(dealt: bool) -> None:
    networks = several(dealt)
    assert networks.estimate(ensembling.ONE).value == 0.5
    assert networks.estimate(ensembling.AVERAGE).value == 1.0
    assert networks.estimate(ensembling.SOUP).value == 0.5
    alone, together = ((rule, ensembling.ALIKE) for rule in (ensembling.ONE, ensembling.AVERAGE))
    assert networks.difference(together, alone).value == 0.5
    assert networks.table().loc[ensembling.ALIKE, ensembling.VOTE] == 1.0
    assert len([*networks.metrics()]) == 2 * 4 * 2


@pytest.fixture
def maker(tiny_model_dir: ModelDir) -> ensembling.Maker:
    source = TaskSource("letters", texts_per_label=2)
    folder = str(tiny_model_dir("llama"))
    [made] = ensembling.makers(source, folder, 0.001, seeds=[3], effort=SMOKE)
    return made


def test_a_soup_is_the_mean_of_weights(maker: ensembling.Maker) -> None:
    first, second = (maker.network(member) for member in (0, 1))
    one, two = (dict(model.named_parameters()) for model in (first, second))
    mixed = dict(ensembling.soup([first, second]).named_parameters())
    for name, tensor in mixed.items():
        assert (tensor - (one[name] + two[name]) / 2).abs().max() < 1e-6
    assert any((one[name] != two[name]).any() for name in one), "they met other texts first"


def test_members_begin_with_one_head_unless_they_are_to_have_their_own(
    maker: ensembling.Maker,
) -> None:
    def heads(kind: str) -> list[Any]:
        return [maker.method(kind).prepared(seed).head.weight for seed in (1, 2)]

    alike, own = heads(ensembling.ALIKE), heads(ensembling.HEADS)
    assert (alike[0] == alike[1]).all()
    assert (own[0] != own[1]).any()


@pytest.mark.slow
def test_searches_are_kept_and_the_same_when_made_again(
    tiny_model_dir: ModelDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path))
    folder, source = str(tiny_model_dir("llama")), TaskSource("letters", texts_per_label=2)
    given: dict[str, Any] = {"seeds": [0], "effort": SMOKE, "trainings": Trainings()}
    made = searching_ways.searches(source, folder, **given)
    files = {path: path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    again = searching_ways.searches(source, folder, **given)
    assert again.rows.equals(made.rows)
    assert {path: path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()} == files
    # The trainings that two searches have in common were made once.
    tuner = at_setting.tuner(source, folder, **given)
    [first, *_] = made.rows[made.rows.way == "Bayesian"].to_dict("records")
    assert tuner.validation({n: first[n] for n in made.hyperparameters}) == first["validation"]
    apart = 3 * searching_ways.FEW - searching_ways.RANDOM_FIRST
    assert len([*tmp_path.glob("trainings/*.npz")]) == apart


@pytest.mark.slow
def test_every_rate_is_tried_to_its_end_and_the_losses_are_kept(
    tiny_model_dir: ModelDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_rates, "COARSE", (0.125, 1.0, 8.0))
    source = TaskSource("letters", texts_per_label=2)
    effort = EFFORTS["quick"]
    rates = learning_rates.learning_rates(
        source, str(tiny_model_dir("llama")), seeds=[0, 1], effort=effort,
        trainings=Trainings(tmp_path),
    )  # fmt: skip
    assert rates.seeds == [0], "a run that searches for nothing takes one seed"
    curves = learning_rates.accuracy_by_rate(rates)
    assert len(curves["validation texts"]) >= 3
    steps = {len(loss) for loss in learning_rates.losses(rates).values()}
    assert steps == {rates.runs[0].method.training_budget.steps(16)}  # type: ignore[attr-defined]
    assert f"{learning_rates.chosen_rate(rates):g}" in learning_rates.told(rates)


@pytest.mark.slow
def test_own_messages_and_another_model_by_parameters_alone(
    tiny_model_dir: ModelDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, model = tmp_path / "messages.csv", tmp_path / "model"
    teams = ["late" if late else "fine" for late in LATE]
    pd.DataFrame({"body": ORDERS, "team": teams}).to_csv(file, index=False)
    shutil.copytree(tiny_model_dir("qwen3"), model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 512}))
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path))
    outcome = run_notebook(
        project_root() / "notebooks" / "08_search_and_ensembles.ipynb",
        {
            "profile": "smoke",
            "base_model": str(model),
            "task_data": str(file),
            "text_column": "body",
            "label_column": "team",
            "texts_per_label": 5,
        },
    )
    assert outcome.failure == ""
    metrics = read_record(outcome.executed.with_suffix(".json"))["metrics"]
    tested = {row["method"] for row in metrics if row.get("task") == "messages"}
    assert {"grid", "random", "Bayesian", ensembling.AVERAGE, ensembling.SOUP} <= tested
