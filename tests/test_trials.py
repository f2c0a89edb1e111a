"""Verdicts follow the declared rule, and a run's record is whole or absent."""

from __future__ import annotations

import errno
import functools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ftlab.claims.claim import Claim, rule_parts
from ftlab.claims.record import Record, new_run_id, read_record
from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate, exact, paired_difference

JUDGED = {
    "id": "PRE-09",
    "statement": "s",
    "metric": "m",
    "rule": "above 0.02",
    "estimate": 0.1,
    "ci_low": 0.05,
    "ci_high": 0.15,
    "seeds": 3,
    "verdict": "supported",
}


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path / "results"))
    return make_record("quick")


def make_record(profile: str) -> Record:
    return Record("00_start_here", profile, 0, {"seed": 0}, {"git": None}, new_run_id(profile, 0))


def claim(**changes: Any) -> Claim:
    fields = {"id": "PRE-09", "statement": "s", "metric": "m", "side": "above", "effect": 0.02}
    return Claim(**{**fields, **changes})


@pytest.mark.parametrize(
    ("side", "effect", "low", "high", "verdict"),
    [
        ("above", 0.02, 0.03, 0.09, "supported"),
        ("above", 0.02, 0.01, 0.09, "inconclusive"),
        ("above", 0.02, -0.03, 0.09, "inconclusive"),
        ("above", 0.02, 0.001, 0.015, "refuted"),  # above zero, but too small to matter
        ("above", 0.0, -0.5, -0.1, "refuted"),
        ("below", -0.1, -0.5, -0.2, "supported"),
        ("below", -0.1, -0.05, 0.2, "refuted"),
        ("below", -0.1, -0.2, 0.2, "inconclusive"),
        ("within", 0.01, -0.005, 0.009, "supported"),
        ("within", 0.01, -0.02, 0.009, "inconclusive"),
        ("within", 0.01, -0.02, 0.02, "inconclusive"),
        ("within", 0.01, 0.011, 0.5, "refuted"),
        ("within", 0.01, -0.5, -0.011, "refuted"),
        ("below", 0.0, 0.0, 0.0, "refuted"),  # exact: not one parameter fewer
        ("above", 0.0, 0.0, 0.0, "refuted"),
        ("within", 0.0, 0.0, 0.0, "supported"),
    ],
)
def test_verdict(side: str, effect: float, low: float, high: float, verdict: str) -> None:
    estimate = Estimate((low + high) / 2, low, high, seeds=3)
    assert claim(side=side, effect=effect).judge(estimate) == verdict


def test_claims_that_make_no_sense_are_refused() -> None:
    with pytest.raises(LabError, match="above, below, within"):
        claim(side="larger")
    with pytest.raises(LabError, match="at least 0"):
        claim(side="within", effect=-0.1)


@pytest.mark.parametrize(
    ("side", "effect"), [("above", -0.02), ("below", 1e-07), ("within", 0.0), ("within", 0.01)]
)
def test_a_rule_can_be_read_from_its_words(side: str, effect: float) -> None:
    assert rule_parts(claim(side=side, effect=effect).rule) == (side, effect)


@pytest.mark.parametrize(
    "words", ["", "above", "above nan", "over 0.1", "below 1-1", "above 0 or so"]
)
def test_other_words_are_no_rule(words: str) -> None:
    assert rule_parts(words) is None


def test_a_record_of_before_rules_were_written_is_read(record: Record) -> None:
    old = {key: value for key, value in JUDGED.items() if key != "rule"}
    record.path.parent.mkdir(parents=True)
    record.path.write_text(json.dumps({**record.as_dict(), "claims": [old]}))
    assert read_record(record.path)["claims"] == [old]


def test_a_run_from_declaration_to_the_written_record(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    record.declare(claim(), claim(id="C-01", side="below", effect=0))
    record.metric("accuracy", np.float32(0.5), method="lora", seed=np.int64(1), n=np.array([4]))
    record.claim("C-01", exact(0))
    record.claim("PRE-09", Estimate(0.1, 0.05, 0.15, seeds=3))
    record.write()
    written = read_record(record.path)
    assert list(written) == [
        "schema",
        "notebook",
        "run_id",
        "profile",
        "seed",
        "parameters",
        "started",
        "seconds",
        "environment",
        "metrics",
        "claims",
    ]
    assert written["started"].endswith("Z")
    assert written["seconds"] >= 0
    assert written["metrics"] == [
        {"name": "accuracy", "value": 0.5, "method": "lora", "seed": 1, "n": [4]}
    ]
    assert written["claims"][0] == JUDGED
    assert [row["verdict"] for row in written["claims"]] == ["supported", "refuted"]
    assert str(record.path.parents[2]) not in capsys.readouterr().out  # no machine's folders


def test_the_table_shows_what_was_declared_and_where_it_holds(record: Record) -> None:
    record.declare(claim())
    record.claim("PRE-09", Estimate(0.1, 0.05, 0.15, seeds=3))
    table = record.table()
    assert table.loc["PRE-09", "declared"] == "above 0.02"
    assert table.loc["PRE-09", "verdict, in this lab"] == "supported"
    assert "0.05" in table.loc["PRE-09", "estimate [95% interval]"]
    assert record.by_verdict() == "- **supported**: PRE-09"


def test_smoke_gives_no_verdicts(record: Record) -> None:
    smoke = make_record("smoke")
    smoke.declare(claim())
    smoke.claim("PRE-09", Estimate(0.1, 0.05, 0.15, seeds=1))
    assert smoke.table().loc["PRE-09", "verdict, in this lab"] == "not judged"
    smoke.write()
    assert read_record(smoke.path)["claims"] == []


def test_claims_come_first_and_stay_in(record: Record) -> None:
    record.declare(claim())
    record.metric("accuracy", 0.5)
    record.declare(claim())  # the cell run again
    with pytest.raises(LabError, match="before anything is measured"):
        record.declare(claim(id="LATE-01"))
    with pytest.raises(LabError, match="already declared"):
        record.declare(claim(effect=0.01))
    with pytest.raises(LabError, match="not declared"):
        record.claim("NONE-01", exact(1))
    with pytest.raises(LabError, match="never judged"):
        record.write()
    assert not record.path.exists()


def test_a_cell_run_twice_replaces_its_numbers(record: Record) -> None:
    record.metric("accuracy", 0.5, seed=0)
    record.metric("accuracy", 0.6, seed=1)
    record.metric("accuracy", 0.7, seed=0)
    assert [row["value"] for row in record.metrics] == [0.7, 0.6]
    record.metric("error", 1.0, layers=[1, 2], setting={"rank": 4, "rate": None})
    record.metric("error", 2.0, setting={"rate": None, "rank": 4}, layers=(1, 2))
    record.metric("error", 3.0, layers=[2, 1], setting={"rank": 4, "rate": None})
    assert [row["value"] for row in record.metrics] == [0.7, 0.6, 2.0, 3.0]
    assert record.metrics[2]["layers"] == [1, 2]


def test_a_number_is_not_compared_with_all_that_were_measured_before(record: Record) -> None:
    class Text(str):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Text.compared += 1
            return super().__eq__(other)

        __hash__ = str.__hash__

    for number in range(100):
        record.metric("accuracy", 0.5, text=Text(number))
    assert len(record.metrics) == 100
    assert Text.compared <= 100


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan"), {1, 2}])
def test_numbers_that_are_none_are_refused(record: Record, value: Any) -> None:
    with pytest.raises(LabError, match="accuracy"):
        record.metric("accuracy", value)
    record.metric("accuracy", None)  # not measured, said openly
    record.write()
    assert read_record(record.path)["metrics"] == [{"name": "accuracy", "value": None}]


def test_a_full_disk_leaves_the_earlier_record_and_no_half_one(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.write()
    before = record.path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    record.metric("accuracy", 0.5)
    with pytest.raises(LabError, match=r"Cannot write .*\.json: No space left on device\."):
        record.write()
    assert record.path.read_bytes() == before
    assert [path.name for path in record.path.parent.iterdir()] == [record.path.name]


def test_results_that_cannot_be_a_folder_are_refused(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path / "file"))
    with pytest.raises(LabError, match="Cannot write"):
        record.write()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": 2}, "schema is 2"),
        ({"seed": "0"}, "'seed' is a str"),
        ({"metrics": [{"name": "accuracy"}]}, "no value"),
        ({"claims": [{"id": "X"}]}, "lacks"),
        ({"claims": [{**JUDGED, "estimate": "0.1"}]}, "claim PRE-09 has no number"),
        ({"claims": [{**JUDGED, "ci_low": float("nan")}]}, "claim PRE-09 has no number"),
        ({"claims": [{**JUDGED, "verdict": "proved"}]}, "verdict 'proved'"),
    ],
)
def test_broken_records_are_refused(record: Record, change: dict[str, Any], reason: str) -> None:
    record.path.parent.mkdir(parents=True)
    record.path.write_text(json.dumps({**record.as_dict(), **change}))
    with pytest.raises(LabError, match=reason) as caught:
        read_record(record.path)
    assert str(record.path) in str(caught.value)


def test_half_a_record_and_none_are_refused(record: Record) -> None:
    record.write()
    with pytest.raises(LabError, match="Cannot read"):
        read_record(record.path.with_name("other.json"))
    record.path.write_text(record.path.read_text()[:50])
    with pytest.raises(LabError, match="not a whole JSON file"):
        read_record(record.path)


def test_run_ids_differ_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert new_run_id("quick", 0) != new_run_id("quick", 0)
    monkeypatch.setenv("FTLAB_RUN_ID", "mine-1")
    assert new_run_id("quick", 0) == "mine-1"
    monkeypatch.setenv("FTLAB_RUN_ID", "../elsewhere")
    with pytest.raises(LabError, match="FTLAB_RUN_ID"):
        new_run_id("quick", 0)


# Judging on simulated data. Chances of a right answer are logistic in: how easy an item is, which
# item suits which method, and how well a training went. The last differs by 0.2, which is 3 to 4
# points of accuracy from seed to seed, as in the kept records of the 'near' task.
ITEM_SPREAD, SUITS_SPREAD, SEED_SPREAD, TRIALS = 1.5, 1.0, 0.2, 1000


def chance_of_all(level: float) -> float:
    """Accuracy over all seeds and items there could be, by Gauss-Hermite quadrature."""
    places, weights = np.polynomial.hermite_e.hermegauss(60)
    spread = np.sqrt(ITEM_SPREAD**2 + SUITS_SPREAD**2 + SEED_SPREAD**2)
    return float(weights @ (1 / (1 + np.exp(-level - spread * places))) / weights.sum())


@functools.cache
def simulated(seeds: int) -> tuple[float, list[Estimate]]:
    """The true gain of one method over another (0.047) and 1,000 estimates from 300 items."""
    rng = np.random.default_rng(seeds)
    levels = (0.7, 0.4)
    estimates = []
    for _ in range(TRIALS):
        easy = rng.normal(0, ITEM_SPREAD, 300)
        sides = []
        for level in levels:
            items = level + easy + rng.normal(0, SUITS_SPREAD, 300)
            logits = items + rng.normal(0, SEED_SPREAD, (seeds, 1))
            sides.append((rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float))
        estimates.append(paired_difference(*sides))
    return chance_of_all(levels[0]) - chance_of_all(levels[1]), estimates


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_behind_a_verdict_covers_the_truth(seeds: int) -> None:
    truth, estimates = simulated(seeds)
    inside = sum(estimate.low <= truth <= estimate.high for estimate in estimates)
    assert 0.90 <= inside / TRIALS <= 0.98


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("beyond", [0.0, 0.01, 0.03])
def test_wrong_verdicts_are_rare(seeds: int, beyond: float) -> None:
    """The truth lies at the declared border (where neither side is shown), or beyond it."""
    truth, estimates = simulated(seeds)
    wrong = [
        ("above", truth + beyond, "supported"),
        ("above", truth - beyond, "refuted"),
        ("below", truth - beyond, "supported"),
        ("below", truth + beyond, "refuted"),
        ("within", truth - beyond, "supported"),
        ("within", truth + beyond, "refuted"),
    ]
    for side, effect, verdict in wrong:
        judged = [claim(side=side, effect=effect).judge(estimate) for estimate in estimates]
        assert judged.count(verdict) / TRIALS <= 0.05


def test_what_is_far_from_the_border_is_told() -> None:
    truth, estimates = simulated(5)
    judged = [claim(effect=truth - 0.12).judge(estimate) for estimate in estimates]
    assert judged.count("supported") / TRIALS > 0.8
