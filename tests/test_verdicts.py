"""Verdicts of all notebooks in one place: what is found, what is unreadable, what differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import full_record, refused

from ftlab.claims import verdicts
from ftlab.claims.claim import Claim
from ftlab.claims.record import Record
from ftlab.claims.reference import reference
from ftlab.claims.shown import declared_claims, shown_runs
from ftlab.common.paths import project_root
from ftlab.evaluation import Estimate
from ftlab.notebook.files import clean, read_notebook
from ftlab.notebook.parameters import NOTEBOOKS

NAME, OTHER = "03_lora", "04_rag"
MODEL = "d11e5ea2084734988642"
DECLARE = """lab.record.declare(
    Claim("LORA-06", "LoRA gives next to " "nothing away.", f"{gap}: a - b", "above", -0.02),
    Claim("C-10", f"Rank {RANK} is light.", "bytes: a / b", "below", LIMIT),
)"""


def claim(**changes: Any) -> dict[str, Any]:
    return {
        "id": "LORA-06",
        "statement": "LoRA gives next to nothing away.",
        "metric": "test accuracy: LoRA - full",
        "rule": "above -0.02",
        "estimate": 0.03,
        "ci_low": 0.01,
        "ci_high": 0.05,
        "seeds": 5,
        "verdict": "supported",
        **changes,
    }


def record(**changes: Any) -> dict[str, Any]:
    about = {"cpu": "A, 2 cores", "precision": "fp32", "base_model_sha256": MODEL}
    return full_record(NAME, environment=about, claims=[claim()]) | changes


def put(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def executed(verdict: str, estimate: Estimate) -> Any:
    """A notebook that declares two claims and shows the verdict of the first, as a run keeps it."""
    run = Record(NAME, "quick", 0, {}, {}, "run-1")
    run.declare(Claim("LORA-06", "LoRA gives < nothing away.", "a - b", "above", -0.02))
    run.claim("LORA-06", estimate)
    assert run.trials[0].verdict == verdict
    lines = "  cpu                B, 4 cores\n  precision          bf16\n"
    printed = f"{NAME}: profile quick\n{lines}  base_model_sha256  {MODEL[:12]}\n"
    written = f"Record written: elsewhere/{NAME}/run-1.json\n"
    made = [
        ("lab = 1", [nbformat.v4.new_output("stream", text=printed)]),
        (DECLARE, []),
        (
            "table",
            [
                nbformat.v4.new_output(
                    "execute_result",
                    data={"text/html": run.table().to_html()},
                    execution_count=3,
                )
            ],
        ),
        ("Claim('X', '-', '-', 'above', 0.3).judge(gain)", []),
        ("%broken off", []),
        ("lab.record.write()", [nbformat.v4.new_output("stream", text=written)]),
    ]
    cells = [nbformat.v4.new_code_cell(source, outputs=out) for source, out in made]
    exercise = nbformat.v4.new_code_cell('Claim("C-99", "asked", "-", "above", 0)')
    exercise.metadata["tags"] = ["exercise"]
    title = nbformat.v4.new_markdown_cell("# T\n\n**Minutes:** ?")
    return clean(nbformat.v4.new_notebook(cells=[title, *cells, exercise]), seconds=60, cores=2)


@pytest.fixture
def root(root: Path) -> Path:
    """A lab with one notebook, run in the quick profile: inconclusive there."""
    shown = executed("inconclusive", Estimate(-0.0123456, -0.0301, 1.5e-05, 3))
    nbformat.write(shown, root / "notebooks" / f"{NAME}.ipynb")
    return root


def test_a_fresh_lab_has_only_what_its_notebooks_show(root: Path) -> None:
    assert verdicts.kept_judgements() == []
    own = verdicts.own_runs()
    assert (own.read, own.judgements, own.broken) == (0, [], [])
    (found,) = verdicts.kept_outputs()
    assert found.estimate == Estimate(-0.0123, -0.0301, 1.5e-05, 3)  # as exact as it is shown
    assert (found.claim, found.statement) == ("LORA-06", "LoRA gives < nothing away.")
    assert (found.rule, found.verdict, found.limit) == (
        "above -0.02",
        "inconclusive",
        ("above", -0.02),
    )
    assert (found.run, found.profile, found.machine) == ("run-1", "quick", "B, 4 cores, bf16")
    assert found.model == MODEL[:12]


def test_outputs_of_other_code_are_left_out(root: Path) -> None:
    path = root / "notebooks" / f"{NAME}.ipynb"
    notebook = read_notebook(path)
    notebook.cells[1].source = "lab = 2"
    nbformat.write(notebook, path)
    assert shown_runs() == []
    assert verdicts.kept_outputs() == []


def test_declared_claims_are_read_from_the_code_alone(root: Path) -> None:
    first, second = declared_claims()
    assert (first.claim, first.statement) == ("LORA-06", "LoRA gives next to nothing away.")
    assert (first.notebook, first.rule) == (NAME, "above -0.02")
    assert (second.claim, second.statement) == ("C-10", "Rank … is light.")
    assert second.rule == ""  # LIMIT is known only in a run


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


def test_records_without_rules_get_the_declared_one_if_it_fits(root: Path) -> None:
    old = claim()
    del old["rule"]
    put(root / "data" / "reference" / f"{NAME}.json", record(claims=[old]))
    assert reference(NAME) is not None
    assert [j.rule for j in verdicts.kept_judgements()] == ["above -0.02"]
    # The same estimate with a verdict that the present rule does not give: it has changed since.
    other = {**old, "verdict": "refuted"}
    put(root / "data" / "reference" / f"{NAME}.json", record(claims=[other]))
    (found,) = verdicts.kept_judgements()
    assert (found.rule, found.limit) == ("", None)


def test_claims_that_profiles_judge_differently_stand_side_by_side(root: Path) -> None:
    same = claim(id="C-10", metric="bytes: a / b")
    kept = verdicts.judgements_of(record(claims=[claim(), same]), "kept record")
    quick = verdicts.judgements_of(
        record(profile="quick", claims=[claim(verdict="inconclusive"), same]), "own run"
    )
    pairs = verdicts.side_by_side(quick, kept)
    assert [(a.claim, a.verdict, b.verdict) for a, b in pairs] == [
        ("LORA-06", "inconclusive", "supported"),
        ("C-10", "supported", "supported"),
    ]
    assert verdicts.side_by_side(verdicts.kept_outputs(), kept)[0][1].verdict == "supported"
    other_model = {**record()["environment"], "base_model_sha256": "0" * 64}
    for foreign in (
        {"parameters": {**NOTEBOOKS[NAME], "task_data": "tickets"}},
        {"environment": other_model, "parameters": {**NOTEBOOKS[NAME], "base_model": "mine"}},
    ):
        judged = verdicts.judgements_of(record(**foreign), "own run")
        assert verdicts.side_by_side(judged, kept) == []
    assert judged[0].other_data == ""  # another model is told by its hash


def test_machines_are_compared_within_a_profile(root: Path) -> None:
    def on(cpu: str, **changes: Any) -> list[verdicts.Judgement]:
        about = {**record()["environment"], "cpu": cpu}
        return verdicts.judgements_of(record(environment=about, **changes), "own run")

    here, there = on("A"), on("B", claims=[claim(verdict="inconclusive")])
    (group,) = verdicts.across_machines([*here, *there, *on("C", profile="quick")])
    assert [(j.cpu, j.verdict) for j in group] == [("A", "supported"), ("B", "inconclusive")]
    assert verdicts.across_machines([*here, *here]) == []
    on_gpu = verdicts.judgements_of(
        record(environment={**record()["environment"], "cpu": "A", "gpu": "B"}), "own run"
    )
    (group,) = verdicts.across_machines([*here, *on_gpu])
    assert [j.machine for j in group] == [f"A, {here[0].precision}", f"A, B, {here[0].precision}"]
    later = on("A", started="2026-02-01T00:00:00Z", run_id="later")
    assert [j.run for j in verdicts.newest([*later, *here, *there])] == ["run-full", "later"]


def test_a_claim_stands_as_the_first_source_has_it(root: Path) -> None:
    kept = verdicts.judgements_of(record(), "kept record")
    mine = verdicts.judgements_of(record(notebook=OTHER, claims=[claim(id="C-02")]), "own run")
    outputs = verdicts.kept_outputs()
    assert verdicts.standing(kept, outputs, mine) == [*kept, *mine]
    assert verdicts.standing([], outputs, mine) == [*outputs, *mine]
    known = {(j.notebook, j.claim) for j in verdicts.standing(kept, outputs)}
    untried = [c.claim for c in declared_claims() if (c.notebook, c.claim) not in known]
    assert untried == ["C-10"]


def test_another_rule_may_judge_otherwise(root: Path) -> None:
    (found,) = verdicts.judgements_of(record(), "kept record")
    assert verdicts.rejudged(found, "above 0.02") == "inconclusive"
    assert verdicts.rejudged(found, "within ±0.06") == "supported"
    refused(lambda: verdicts.rejudged(found, "above ..."), "above ...", "no rule")


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("rank correlation over settings: loss, accuracy on fresh texts", verdicts.CORRELATION),
        ("95% range of a test estimate around the truth", verdicts.SHARE),
        ("fall with fewer positives: average precision - ROC-AUC", verdicts.SHARES),
        ("test accuracy on 'near': LoRA 4 - full", verdicts.SHARES),
        ("exact match on new facts: retrieval - closed book", verdicts.SHARES),
        ("accuracy that the last block alone falls short of full: far - near", verdicts.SHARES),
        ("training steps until 90% of the best accuracy: pretrained / random", verdicts.RATIO),
        ("bits a character forgotten, 'near': LoRA 4 - full", verdicts.BITS),
        ("share of answers after bare questions, temperature 1", verdicts.SHARE),
        ("weights of the base that differ after training", verdicts.WEIGHTS),
        ("likeness (CKA) to the base: first block - last", "likeness (CKA) to the base"),
    ],
)
def test_only_equal_units_share_a_panel(metric: str, unit: str) -> None:
    assert verdicts.judgements_of(record(claims=[claim(metric=metric)]), "own run")[0].unit == unit


def test_the_kept_notebook_shows_the_records_that_are_kept_now() -> None:
    text = (project_root() / "notebooks" / "99_verdicts.ipynb").read_text(encoding="utf-8")
    for name in NOTEBOOKS:
        kept = reference(name)
        if kept and kept["claims"]:
            assert kept["run_id"] in text, "run ftlab run --refresh 99"
