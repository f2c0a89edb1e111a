"""Verdicts of all notebooks in one place: what is found, what is unreadable, what differs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import full_record, judged_claim

from ftlab.claims import Record, verdicts
from ftlab.claims.reference import reference
from ftlab.common.paths import project_root
from ftlab.evaluation import Estimate
from ftlab.notebook.files import clean, read_notebook
from ftlab.notebook.parameters import NOTEBOOKS

NAME, OTHER = "03_lora", "04_retrieval"
MODEL = "d11e5ea2084734988642"
ABOUT = {"cpu": "B, 4 cores", "precision": "bf16", "base_model_sha256": MODEL}


def claim(**changes: Any) -> dict[str, Any]:
    about = {"effect": -0.02, "rule": "above -0.02", "estimate": 0.03, "ci_low": 0.01}
    return judged_claim(changes.pop("id", "LORA-09"), **{**about, "ci_high": 0.05, **changes})


def record(**changes: Any) -> dict[str, Any]:
    about = {"cpu": "A, 2 cores", "precision": "fp32", "base_model_sha256": MODEL}
    return full_record(NAME, environment=about, claims=[claim()]) | changes


def put(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def executed(verdict: str, estimate: Estimate, environment: dict[str, Any] = ABOUT) -> Any:
    """A notebook as a quick run leaves it: with the run's claims in its metadata."""
    run = Record(NAME, "quick", 0, {}, environment, "run-1")
    trial = run.judge("LORA-09", estimate, task="near")
    assert trial.verdict == verdict
    title = nbformat.v4.new_markdown_cell("# T\n\n**Minutes:** ?")
    notebook = nbformat.v4.new_notebook(cells=[title, nbformat.v4.new_code_cell("lab = 1")])
    return clean(notebook, seconds=60, cores=2, record=run.as_dict())


@pytest.fixture
def root(root: Path) -> Path:
    """A lab with one notebook, run in the quick profile: undecided there."""
    shown = executed("undecided", Estimate(-0.0123456, -0.0301, 1.5e-05, 3))
    nbformat.write(shown, root / "notebooks" / f"{NAME}.ipynb")
    return root


def test_a_fresh_lab_has_only_what_its_notebooks_show(root: Path) -> None:
    assert verdicts.kept_judgements() == []
    own = verdicts.own_runs()
    assert (own.read, own.judgements, own.broken) == (0, [], [])
    (found,) = verdicts.kept_outputs()
    assert found.estimate == Estimate(-0.0123456, -0.0301, 1.5e-05, 3)
    assert (found.claim, found.outcome) == ("LORA-09", "undecided")
    assert found.statement.startswith("On a small set of labelled texts")
    assert found.metric == "test accuracy on 'near': LoRA - full"
    assert (found.limit, found.unit) == (("above", -0.02), "difference of shares")
    assert (found.run, found.profile, found.machine) == ("run-1", "quick", "B, 4 cores, bf16")
    assert found.model == MODEL[:12]


def test_outputs_of_other_code_are_left_out(root: Path) -> None:
    path = root / "notebooks" / f"{NAME}.ipynb"
    notebook = read_notebook(path)
    notebook.cells[1].source = "lab = 2"
    nbformat.write(notebook, path)
    assert verdicts.kept_outputs() == []


def test_a_notebook_kept_before_claims_stood_in_its_metadata_shows_none(root: Path) -> None:
    path = root / "notebooks" / f"{NAME}.ipynb"
    notebook = read_notebook(path)
    for name in ("claims", "run_id", "environment"):
        del notebook.metadata["ftlab"][name]
    nbformat.write(notebook, path)
    assert verdicts.kept_outputs() == []


def test_a_gpu_is_part_of_the_machine_and_one_seed_has_no_interval(root: Path) -> None:
    shown = executed("undecided", Estimate(0.5, -math.inf, math.inf, 1), {**ABOUT, "gpu": "H"})
    nbformat.write(shown, root / "notebooks" / f"{NAME}.ipynb")
    (found,) = verdicts.kept_outputs()
    assert found.machine == "B, 4 cores, H, bf16"
    assert found.estimate.open


def test_kept_and_own_records_are_found_and_a_broken_one_is_named(root: Path) -> None:
    put(root / "data" / "reference" / f"{NAME}.json", record())
    put(root / "results" / NAME / "mine.json", record(run_id="mine", profile="quick"))
    put(root / "results" / OTHER / "half.json", json.dumps(record())[:80])
    put(root / "results" / OTHER / "odd.json", record(claims=[claim(verdict="proved")]))
    put(root / "results" / OTHER / "huge.json", record(claims=[claim(estimate=10**400)]))
    put(root / "results" / NAME / "deeper" / "config.json", "{}")  # not where records lie
    assert [j.run for j in verdicts.kept_judgements()] == ["run-full"]
    own = verdicts.own_runs()
    assert own.read == 1
    assert [(j.run, j.source) for j in own.judgements] == [("mine", "own run")]
    reasons = dict(own.broken)
    assert list(reasons) == [f"{OTHER}/{name}.json" for name in ("half", "huge", "odd")]
    assert "not a whole JSON file" in reasons[f"{OTHER}/half.json"]
    assert "verdict 'proved'" in reasons[f"{OTHER}/odd.json"]
    assert str(root) not in "".join(reasons.values())
    assert verdicts.own_runs(root / "results" / NAME).judgements == own.judgements


@pytest.mark.parametrize("place", ["rank", "sweeps/rank", "."])
def test_the_records_of_a_sweep_are_found_and_its_other_files_are_none(
    root: Path, place: str
) -> None:
    sweep = root / "results" / place
    put(sweep / "plan.json", {"schema": 1, "notebook": NAME, "swept": ["rank"], "runs": []})
    put(sweep / "runs" / "one.json", record(run_id="one"))
    put(sweep / "runs" / "half.json", "{")
    put(sweep / "failed" / "two.json", {"reason": "no memory", "seconds": 1.0, "when": 1.0})
    put(root / "results" / NAME / "mine.json", record(run_id="mine"))
    own = verdicts.own_runs()
    assert (own.read, {j.run for j in own.judgements}) == (2, {"one", "mine"})
    inside = "runs/half.json" if place == "." else f"{place}/runs/half.json"
    assert [name for name, _ in own.broken] == [inside]
    alone = verdicts.own_runs(sweep)  # the folder of the sweep itself may be named
    assert {j.run for j in alone.judgements} >= {"one"}
    assert [name for name, _ in alone.broken] == ["runs/half.json"]


def test_old_records_are_told_in_the_new_words(root: Path) -> None:
    old = {
        key: value
        for key, value in claim(verdict="refuted", ci_high=-0.021, ci_low=-0.1).items()
        if key not in ("kind", "unit", "null", "direction", "effect", "rule")
    }
    told = {**old, "id": "PEFT-05", "verdict": "supported"}
    content = record(schema=1, claims=[old, told])
    put(root / "data" / "reference" / f"{NAME}.json", content)
    assert reference(NAME) is not None
    (found,) = verdicts.kept_judgements()  # PEFT-05 is decided by LORA-04's quantity
    assert (found.claim, found.outcome, found.limit) == ("LORA-09", "contrary", ("above", -0.02))


def test_of_runs_alike_the_latest_counts(root: Path) -> None:
    first, later = (
        verdicts.judgements_of(record(started=f"2026-0{m}-01T00:00:00Z", run_id=f"{m}"), "own run")
        for m in (1, 2)
    )
    about = {**record()["environment"], "gpu": "H"}
    elsewhere = verdicts.judgements_of(record(environment=about, run_id="gpu"), "own run")
    assert [j.run for j in verdicts.newest([*later, *first, *elsewhere])] == ["gpu", "2"]


def test_a_claim_without_a_known_rule_has_no_limit(root: Path) -> None:
    unknown = record(claims=[claim(id="OLD-01", direction=None, effect=None, unit=None)])
    (found,) = verdicts.judgements_of(unknown, "own run")
    assert (found.limit, found.unit) == (None, "test accuracy")


def test_the_kept_notebook_shows_the_records_that_are_kept_now() -> None:
    text = (project_root() / "notebooks" / "99_verdicts.ipynb").read_text(encoding="utf-8")
    for name in NOTEBOOKS:
        kept = reference(name)
        if kept and kept["claims"]:
            assert kept["run_id"] in text, "run ftlab run --refresh 99"
