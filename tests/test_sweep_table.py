"""Tables and figures of a sweep: nothing is lost, types hold, and captions say what is averaged."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import full_record, judged_claim

from ftlab.batch.figures import sweep_plots, write_plots
from ftlab.batch.plan import Run
from ftlab.batch.tables import Records, column_of, tidy, verdicts, write_tables
from ftlab.common.errors import LabError
from ftlab.evaluation import seeds_interval

Metrics = Callable[[dict[str, Any]], list[dict[str, Any]]]
CLAIM = judged_claim("C-01", statement="s, with a comma", seeds=3, per_seed=[0.1, 0.2])
COUNTED = judged_claim("C-02", kind="counted", verdict=None, ci_low=None)


def records_of(
    folder: Path, space: dict[str, list[Any]], metrics: Metrics, claims: list[dict[str, Any]]
) -> Records:
    """Made-up records of a grid."""
    found = []
    for number, values in enumerate(itertools.product(*space.values())):
        parameters = dict(zip(space, values, strict=True))
        run = Run(f"run-{number:04d}", Path("x.ipynb"), parameters)
        record = full_record(
            "03_lora", run_id=run.id, metrics=metrics(parameters), claims=claims, seconds=2.5
        )
        path = folder / f"{run.id}.json"
        path.write_text(json.dumps(record), encoding="utf-8")
        found.append((run, path))
    return found


def accuracies(noise: float = 0.01) -> Metrics:
    chance = random.Random(0)

    def metrics(parameters: dict[str, Any]) -> list[dict[str, Any]]:
        height = 0.5 + 0.05 * math.log2(parameters["rank"]) + chance.gauss(0, noise)
        keys = {"n": 400, "seed": parameters["seed"], "method": "LoRA"}
        return [
            {"name": "seconds", "value": 3, "method": "LoRA"},
            {"name": "accuracy", "value": height, "split": "test", **keys},
            {"name": "accuracy", "value": 0.99, "split": "train", **keys},
        ]

    return metrics


SPACE: dict[str, list[Any]] = {
    "rank": [1, 2, 4, 8, 32],
    "rate": [1e-4, 1e-3, 1e-2],
    "seed": [0, 1, 2],
}
SWEPT = list(SPACE)


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    return tidy(records_of(tmp_path, SPACE, accuracies(), [CLAIM]), SWEPT)


def test_one_row_for_each_run_and_metric_in_the_plans_order(table: pd.DataFrame) -> None:
    assert list(table) == [
        "run_id", "rank", "rate", "seed", "metric", "value", "method", "split", "n", "metric_seed",
        "run_seconds",
    ]  # fmt: skip
    assert len(table) == 45 * 3
    assert list(table["run_id"]) == [f"run-{run:04d}" for run in range(45) for _ in range(3)]
    assert (table.iloc[-1]["rank"], table.iloc[-1]["rate"], table.iloc[-1]["seed"]) == (32, 0.01, 2)
    assert table["split"].isna().sum() == 45
    assert set(table["run_seconds"]) == {2.5}


def test_no_key_takes_anothers_name(tmp_path: Path) -> None:
    row = {
        "name": "m", "value": 1, "seed": 5, "metric_seed": 6, "run_id": "r", "metric": "f1",
        "run_seconds": 7, "value_text": "v",
    }  # fmt: skip
    table = tidy(records_of(tmp_path, {"seed": [0]}, lambda _: [row], []), ["seed"])
    one = table.iloc[0]
    assert (one["seed"], one["metric_seed"], one["metric_metric_seed"]) == (0, 5, 6)
    assert (one["run_id"], one["metric_run_id"]) == ("run-0000", "r")
    assert (one["metric"], one["metric_metric"]) == ("m", "f1")
    assert (one["run_seconds"], one["metric_run_seconds"]) == (2.5, 7)
    assert column_of("seed", ["seed"]) == "metric_seed"
    assert column_of("seed", ["rank"]) == "seed"


def test_a_column_has_one_type_and_survives_both_files(tmp_path: Path) -> None:
    rows = [
        {
            "name": "a",
            "value": 1,
            "never": None,
            "mixed": 3,
            "whole": 2**40,
            "truth": True,
            "part": None,
        },
        {"name": "b", "value": None, "mixed": 'x, "y"\nz', "huge": 10**30, "list": [1, "a"]},
        {"name": "c", "value": 0.5, "mixed": True, "number": 1, "part": "ノート"},
        {"name": "d", "value": [1, 2], "number": 2.5},
    ]
    sweep = {"task_data": ["town", "007"]}
    records = records_of(tmp_path, sweep, lambda _: rows, [])
    table = tidy(records, ["task_data"])
    paths = write_tables(tmp_path / "out", table, verdicts(records, ["task_data"]))
    assert [path.name for path in paths] == ["table.csv", "table.parquet", "claims.csv"]
    back = pd.read_parquet(paths[1])
    pd.testing.assert_frame_equal(back, table)
    assert list(back["mixed"].dropna()) == ["3", 'x, "y"\nz', "true"] * 2
    assert list(back["value_text"].dropna()) == ["[1, 2]"] * 2
    assert list(back["list"].dropna()) == ['[1, "a"]'] * 2
    assert back["whole"].dtype == "Int64"
    assert back["truth"].dtype == "boolean"
    assert back["number"].dtype == "float64"
    assert list(back["huge"].dropna()) == [str(10**30)] * 2
    text = pd.read_csv(paths[0], dtype={"task_data": str})
    assert list(text["task_data"].unique()) == ["town", "007"]
    assert list(text["part"].dropna()) == ["ノート"] * 2
    first = [path.read_bytes() for path in (paths[0], paths[2])]
    again = write_tables(tmp_path / "again", tidy(records, ["task_data"]), verdicts(records, []))
    assert again[0].read_bytes() == first[0]
    assert b"\r" not in first[0]


def test_claims_have_a_table_of_their_own(tmp_path: Path) -> None:
    space = {"seeds": [2, 3]}
    table = verdicts(records_of(tmp_path, space, lambda _: [], [CLAIM, COUNTED]), ["seeds"])
    assert list(table) == [
        "run_id", "seeds", "claim", "statement", "metric", "estimate", "ci_low", "ci_high",
        "claim_seeds", "verdict", "kind", "unit", "null", "direction", "effect", "rule", "per_seed",
    ]  # fmt: skip
    assert list(table["seeds"]) == [2, 2, 3, 3]
    assert list(table["claim_seeds"]) == [3, 5, 3, 5]
    assert list(table["verdict"].dropna()) == ["supported"] * 2
    assert list(table["ci_low"].dropna()) == [0.05] * 2


def test_sweeps_that_measured_nothing_have_empty_tables(tmp_path: Path) -> None:
    records = records_of(tmp_path, {"seed": [0, 1]}, lambda _: [], [])
    measured, judged = tidy(records, ["seed"]), verdicts(records, ["seed"])
    assert (len(measured), len(judged)) == (0, 0)
    assert list(measured) == ["run_id", "seed", "metric", "value", "run_seconds"]
    write_tables(tmp_path / "out", measured, judged)
    assert (tmp_path / "out" / "claims.csv").read_text().startswith("run_id,seed,claim,statement")
    assert sweep_plots(measured, ["seed"]) == {}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, table: pd.DataFrame) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match=r"Cannot write .*file"):
        write_tables(tmp_path / "file", table, table)


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    records = records_of(tmp_path, {"seed": [0]}, lambda _: [], [])
    records[0][1].write_text("{")
    with pytest.raises(LabError, match=r"run-0000\.json is not a whole JSON file"):
        tidy(records, ["seed"])


def words_below(figure: Any) -> str:
    return " ".join(figure.get_supxlabel().split())


def lines_of(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_every_parameter_but_the_seed_has_its_figure(table: pd.DataFrame) -> None:
    figures = sweep_plots(table, SWEPT)
    assert list(figures) == ["accuracy_by_rank", "accuracy_by_rate"]
    rank = figures["accuracy_by_rank"]
    axes = rank.axes[0]
    assert axes.get_title(loc="left") == "accuracy on the test split by rank"
    assert axes.get_xscale() == "log"
    assert "log scale" in axes.get_xlabel()
    assert lines_of(rank) == ["rate 0.0001", "rate 0.001", "rate 0.01"]
    mine = table[(table["rank"] == 4) & (table["rate"] == 1e-4) & (table["split"] == "test")]
    assert axes.lines[0].get_ydata()[2] == pytest.approx(mine["value"].mean())
    low = min(axes.collections[0].get_paths()[0].vertices[:, 1])
    assert low < min(axes.lines[0].get_ydata())
    assert words_below(rank) == (
        "Every value is the mean of 3 runs, which differ in seed, with its 95% interval (Student's "
        "t over seeds)."
    )


def test_methods_are_lines_and_the_rest_of_a_run_is_averaged(tmp_path: Path) -> None:
    def metrics(parameters: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"name": "m", "value": base + seed, "method": name, "seed": seed, "task": "near"}
            for name, base in (("head", 0), ("LoRA", 10))
            for seed in (0, 1)
        ]

    space = {"texts": [8, 16], "task_data": ["/a/tickets.csv", "/b/reviews.csv"]}
    table = tidy(records_of(tmp_path, space, metrics, []), list(space))
    figures = sweep_plots(table, list(space))
    numbers, names = figures["m_by_texts"], figures["m_by_task_data"]
    assert lines_of(numbers) == ["head", "LoRA"]
    assert numbers.axes[0].get_xscale() == "linear"
    assert list(numbers.axes[0].lines[1].get_ydata()) == [10.5, 10.5]
    assert "2 runs, which differ in task_data. It has no interval" in words_below(numbers)
    assert "In each run it is the mean over its seed rows." in words_below(numbers)
    ticks = [tick.get_text() for tick in names.axes[0].get_xticklabels()]
    assert ticks == ["tickets.csv", "reviews.csv"]


def test_runs_that_only_repeat_a_seed_make_no_interval_narrower(tmp_path: Path) -> None:
    """Full fine-tuning knows no rank: nine runs of it with three seeds are three."""

    def metrics(parameters: dict[str, Any]) -> list[dict[str, Any]]:
        height = {0: 0.1, 1: 0.4, 2: 0.7}[parameters["seed"]]
        return [
            {"name": "accuracy", "value": height, "split": "test", "method": "full"},
            {"name": "accuracy", "value": parameters["rate"], "split": "test", "method": "LoRA"},
        ]

    space = {"rank": [1, 2], "rate": [0.1, 0.2, 0.6], "seed": [0, 1, 2]}
    table = tidy(records_of(tmp_path, space, metrics, []), list(space))
    figure = sweep_plots(table, list(space))["accuracy_by_rank"]
    full, lora = figure.axes[0].collections
    expected = seeds_interval([0.1, 0.4, 0.7])
    edges = full.get_paths()[0].vertices[:, 1]
    assert (min(edges), max(edges)) == pytest.approx((expected.low, expected.high))
    # What differs by rate alone is the same for every seed.
    assert set(lora.get_paths()[0].vertices[:, 1].round(9)) == {0.3}
    assert "9 runs, which differ in rate and seed" in words_below(figure)
    assert "runs with the same seed count as one" in words_below(figure)


def test_single_runs_are_said_to_be_single(tmp_path: Path) -> None:
    space = {"seed": [0, 1, 2]}
    records = records_of(tmp_path, space, lambda p: [{"name": "m/s", "value": p["seed"]}], [])
    figures = sweep_plots(tidy(records, ["seed"]), ["seed"])
    assert list(figures) == ["m_s_by_seed"]
    assert words_below(figures["m_s_by_seed"]) == "Every value is of one run."


def test_a_metric_can_be_chosen_and_an_unknown_one_is_refused(table: pd.DataFrame) -> None:
    assert list(sweep_plots(table, SWEPT, "seconds")) == ["seconds_by_rank", "seconds_by_rate"]
    with pytest.raises(LabError, match=r"'acuracy': did you mean 'accuracy'\? Known are seconds"):
        sweep_plots(table, SWEPT, "acuracy")


def test_one_method_alone_leaves_the_lines_to_the_other_parameters(tmp_path: Path) -> None:
    def metrics(parameters: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"name": "m", "value": value, "method": name}
            for name, value in (("head", 0.5), ("LoRA", parameters["rank"] * parameters["rate"]))
        ]

    space = {"rank": [1, 2, 4], "rate": [0.1, 0.2]}
    table = tidy(records_of(tmp_path, space, metrics, []), list(space))
    figures = sweep_plots(table, list(space), only={"method": "LoRA"})
    assert list(figures) == ["m_LoRA_by_rank", "m_LoRA_by_rate"]
    rank = figures["m_LoRA_by_rank"]
    assert rank.axes[0].get_title(loc="left") == "m (method LoRA) by rank"
    assert lines_of(rank) == ["rate 0.1", "rate 0.2"]
    assert list(rank.axes[0].lines[1].get_ydata()) == pytest.approx([0.2, 0.4, 0.8])
    assert list(sweep_plots(table, list(space), only={"rate": "0.2"})) == ["m_0.2_by_rank"]
    with pytest.raises(LabError, match=r"method 'LORA': did you mean .*Known are head, LoRA"):
        sweep_plots(table, list(space), only={"method": "LORA"})
    with pytest.raises(LabError, match=r"no column 'methods': did you mean 'method'"):
        sweep_plots(table, list(space), only={"methods": "LoRA"})


def test_without_accuracy_the_metric_of_most_runs_is_drawn(tmp_path: Path) -> None:
    def metrics(parameters: dict[str, Any]) -> list[dict[str, Any]]:
        rare = [{"name": "rare", "value": 1.0}] * (parameters["rank"] == 1)
        return [*rare, {"name": "none", "value": None}, {"name": "loss", "value": 0.1}]

    table = tidy(records_of(tmp_path, {"rank": [1, 2, 3]}, metrics, []), ["rank"])
    assert list(sweep_plots(table, ["rank"])) == ["loss_by_rank"]


def test_figures_are_saved_with_their_captions(tmp_path: Path, table: pd.DataFrame) -> None:
    from PIL import Image

    paths = write_plots(tmp_path / "plots", sweep_plots(table, SWEPT))
    assert [path.name for path in paths] == ["accuracy_by_rank.png", "accuracy_by_rate.png"]
    with Image.open(paths[0]) as picture:
        assert picture.info["Description"].startswith("Every value is the mean of 3 runs")
        assert picture.width == 770
