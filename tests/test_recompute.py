"""Every interval and every verdict can be computed again from a record's files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import refused

from ftlab.batch.folder import SweepFolder
from ftlab.claims import Claim, Record, read_record, recompute
from ftlab.common.errors import LabError
from ftlab.common.paths import project_root
from ftlab.evaluation import (
    Estimate,
    bootstrap_interval,
    exact,
    mean_interval,
    paired_difference,
    ratio_interval,
    recomputed,
    seeds_interval,
    single,
    unpaired_difference,
    wilson,
)

KEPT = sorted((project_root() / "data" / "reference").rglob("*.json"))
RNG = np.random.default_rng(0)
RIGHT, OTHER = (RNG.random((3, 40)) < chance for chance in (0.8, 0.6))
SCORES = RNG.random((3, 25))
SECONDS, MORE = RNG.random(3) + 1, RNG.random(3) + 2
ESTIMATES = {
    "mean-right": mean_interval(RIGHT),
    "mean-scores": mean_interval(SCORES),
    "one-seed": mean_interval(RIGHT[0]),
    "paired": paired_difference(RIGHT, OTHER),
    "unpaired": unpaired_difference(RIGHT, SCORES),
    "seeds": seeds_interval(SECONDS),
    "ratio": ratio_interval(SECONDS, MORE),
    "repeats": replace(ratio_interval(SECONDS, MORE), seeds=1),
    "bootstrap": bootstrap_interval(lambda items: SCORES[:, items].mean(1), 25),
    "wilson": wilson(19, 20),
    "exact": exact(0.1),
    "single": single(0.25),
    "single-ratio": single(2.5, 0.0),
}
IDS = {name: f"X-{number}" for number, name in enumerate(ESTIMATES)}


def claims() -> dict[str, Claim]:
    """One of every kind of rule, in turn."""
    rules: list[dict[str, Any]] = [
        {"direction": "above", "effect": 0.02},
        {"direction": "above", "effect": -0.02},
        {"direction": "within", "effect": 0.05},
        {"direction": "above", "effect": 0.9, "unit": "share", "null": None},
        {"direction": "below", "effect": 0.5, "kind": "counted"},
    ]
    return {
        name: Claim(name, "s", "q", **rules[number % len(rules)])
        for number, name in enumerate(IDS.values())
    }


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The record of a quick run that estimated in every way there is."""
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path))
    run = Record("00_start_here", "quick", 0, {}, {}, "run-1", claims())
    for name, estimate in ESTIMATES.items():
        run.judge(IDS[name], estimate)
    run.write()
    return run.path


def test_a_runs_intervals_and_verdicts_come_out_again(written: Path) -> None:
    found = {each.claim: each for each in recompute(written)}
    assert list(found) == [*IDS.values()]
    for name, estimate in ESTIMATES.items():
        again = found[IDS[name]].again
        assert again is not None
        assert (again.value, again.low, again.high) == (estimate.value, estimate.low, estimate.high)
        assert found[IDS[name]].agrees, name
    assert {each.verdict for each in found.values()} > {None, "undecided", "supported"}


def test_a_sweep_keeps_the_answers_with_the_record(written: Path, tmp_path: Path) -> None:
    place = SweepFolder(tmp_path / "sweep")
    for name in ("runs", "failed"):
        (place.path / name).mkdir(parents=True)
    (tmp_path / "executed.ipynb").write_text("{}")
    place.keep("run-1", tmp_path / "executed.ipynb", written)
    assert place.is_done("run-1")
    assert {path.name for path in (place.path / "runs").iterdir()} == {
        f"run-1{suffix}" for suffix in (".ipynb", ".json", ".npz")
    }
    assert all(each.agrees for each in recompute(place.record("run-1")))


def change(path: Path, claim_id: str, **changes: Any) -> None:
    content = json.loads(path.read_text())
    (row,) = (row for row in content["claims"] if row["id"] == claim_id)
    row.update(changes)
    path.write_text(json.dumps(content))


def odd(path: Path) -> list[str]:
    return [each.claim for each in recompute(path) if not each.agrees]


def test_a_number_or_a_verdict_changed_by_hand_is_found(written: Path) -> None:
    assert odd(written) == []
    paired, seeds = IDS["paired"], IDS["seeds"]
    change(written, paired, estimate=ESTIMATES["paired"].value + 1e-6)
    assert odd(written) == [paired]
    change(written, seeds, ci_low=None)
    assert odd(written) == [paired, seeds]
    change(written, IDS["ratio"], verdict="supported")
    change(written, IDS["single"], verdict="contrary")
    assert {IDS["ratio"], IDS["single"]} & set(odd(written))


def test_an_answer_changed_by_hand_is_found(written: Path) -> None:
    items = written.with_suffix(".npz")
    with np.load(items, allow_pickle=False) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    first = content[f"{IDS['paired']}.0"]
    assert first.dtype == np.uint8  # a byte for an answer that is right or wrong
    first[0, 0] = 1 - first[0, 0]
    np.savez_compressed(items, **content)
    assert odd(written) == [IDS["paired"]]


def test_missing_broken_and_wrong_items_are_refused(written: Path) -> None:
    items = written.with_suffix(".npz")
    whole = items.read_bytes()
    items.write_bytes(whole[: len(whole) // 2])
    refused(lambda: recompute(written), "Cannot read the arrays", items.name)
    np.savez(items, x=np.array([{}], dtype=object), allow_pickle=True)
    refused(lambda: recompute(written), "Cannot read the arrays", items.name)
    items.unlink()
    refused(lambda: recompute(written), "Cannot read the arrays", items.name)
    np.savez(items)
    refused(
        lambda: recompute(written), IDS["mean-right"], "do not fit the estimator 'mean_interval'"
    )
    content = json.loads(written.read_text())
    written.write_text(json.dumps({**content, "items": "../elsewhere.npz"}))
    refused(lambda: recompute(written), "../elsewhere.npz", "no plain name")


def test_an_unknown_estimator_is_refused(written: Path) -> None:
    change(written, IDS["wilson"], estimator="guess")
    refused(lambda: recompute(written), IDS["wilson"], "There is no estimator 'guess'")
    with pytest.raises(LabError, match="do not fit the estimator"):
        recomputed("paired_difference", [np.ones(3)])


def test_an_estimate_that_no_estimator_made_is_judged_by_its_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path))
    run = Record(
        "00_start_here", "quick", 0, {}, {}, "r", {"X-1": Claim("X-1", "", "", "above", 0)}
    )
    run.judge("X-1", Estimate(0.5, 0.4, 0.6, 3))
    run.write()
    (found,) = recompute(run.path)
    assert (found.again, found.verdict_again) == (None, "supported")
    assert found.agrees


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_kept_records_and_those_they_replaced_agree(path: Path) -> None:
    """Those of schema 1 hold no answers: of them the rule alone is applied again."""
    schema = read_record(path)["schema"]
    found = recompute(path)
    assert found
    for each in found:
        assert each.agrees, each.claim
        assert each.again is not None or schema == 1


@pytest.mark.parametrize("name", ESTIMATES)
def test_the_values_of_the_seeds_average_to_the_estimate(name: str) -> None:
    estimate = ESTIMATES[name]
    values = estimate.per_seed
    if estimate.seeds == 1:
        assert values == []
        return
    assert len(values) == estimate.seeds
    mean = np.exp(np.mean(np.log(values))) if name == "ratio" else np.mean(values)
    assert mean == pytest.approx(estimate.value)


def test_answers_are_kept_small_and_exact() -> None:
    assert [array.dtype for array in ESTIMATES["paired"].data] == [np.uint8, np.uint8]
    assert ESTIMATES["mean-scores"].data[0].dtype == np.float64
    scores = np.array([[1.0, 2.0], [3.0, 4.0]])
    estimate = mean_interval(scores)
    scores[:] = 0  # what is done to the array afterwards does not change what was measured
    assert recomputed(estimate.estimator, estimate.data).value == 2.5
