"""The records that the lab stands by: which may be kept, and what the README makes of them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import full_record, refused

from ftlab.claims import reference
from ftlab.claims.claim import Claim
from ftlab.claims.record import Record
from ftlab.evaluation import Estimate
from ftlab.notebook.parameters import NOTEBOOKS

NAME = "01_pretraining_vs_finetuning"
BEGIN, END = "<!-- findings: begin -->", "<!-- findings: end -->"


def claim(**changes: Any) -> dict[str, Any]:
    return {
        "id": "PRE-09",
        "statement": "Little data suffices.",
        "metric": "accuracy: a | b",
        "estimate": 0.08417,
        "ci_low": 0.01913,
        "ci_high": 0.14753,
        "seeds": 5,
        "verdict": "inconclusive",
        **changes,
    }


EXACT = claim(id="C-01", estimate=1.0, ci_low=1.0, ci_high=1.0, seeds=1, verdict="refuted")


def record(**changes: Any) -> dict[str, Any]:
    metrics = [
        {"name": "ladder", "value": 0.5, "method": "head"},
        {"name": "accuracy", "value": 0.7},
        {"name": "ladder", "value": 0.6, "method": "full"},
    ]
    return full_record(NAME, metrics=metrics, claims=[claim(), EXACT]) | changes


@pytest.fixture
def root(root: Path) -> Path:
    """A lab with a README, and nothing kept yet."""
    (root / "README.md").write_text(f"top\n{BEGIN}\nold\n{END}\nbottom\n")
    return root


def run_of(root: Path, **changes: Any) -> Path:
    """The file of a run's record."""
    path = root / "results" / "run.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record(**changes), indent=1))
    return path


def table(root: Path) -> str:
    return (root / "README.md").read_text().partition(f"{BEGIN}\n")[2].partition(f"\n{END}")[0]


def test_a_kept_record_is_read_again_and_stands_in_the_readme(root: Path) -> None:
    path = run_of(root)
    kept = reference.keep(path)
    assert kept == root / "data" / "reference" / f"{NAME}.json"
    assert kept.read_bytes() == path.read_bytes()
    assert reference.reference(NAME) == record()
    assert [row["value"] for row in reference.rows(NAME, "ladder")] == [0.5, 0.6]
    assert reference.rows(NAME, "nothing") == []
    link = f"[01](notebooks/{NAME}.ipynb)"
    assert table(root).splitlines()[2:] == [
        "| PRE-09 | Little data suffices. | accuracy: a \\| b | 0.0842 [0.0191, 0.148] | 5 "
        f"| inconclusive | {link} |",
        f"| C-01 | Little data suffices. | accuracy: a \\| b | 1 | 1 | refuted | {link} |",
    ]
    text = (root / "README.md").read_text()
    assert text.startswith("top\n")
    assert text.endswith("\nbottom\n")


def test_a_number_changed_by_hand_shows(root: Path) -> None:
    kept = reference.keep(run_of(root))
    assert table(root) == reference.findings()
    kept.write_text(kept.read_text().replace("0.08417", "0.09417"))
    assert table(root) != reference.findings()
    reference.write_findings()
    assert table(root) == reference.findings()


def test_with_nothing_kept_the_readme_says_so(root: Path) -> None:
    assert reference.reference(NAME) is None
    assert reference.rows(NAME, "ladder") == []
    assert reference.main([]) == 0
    assert table(root) == reference.NONE_YET


def test_a_run_stands_beside_the_kept_one_only_if_it_is_about_the_same(root: Path) -> None:
    reference.keep(run_of(root))

    def judged(**parameters: Any) -> Record:
        run = Record(NAME, "quick", 0, parameters, {}, "run")
        kept = record()["claims"][0]
        run.declare(Claim(kept["id"], kept["statement"], kept["metric"], "above", 0.0))
        run.claim(kept["id"], Estimate(0.02, 0.01, 0.03, seeds=3))
        return run

    (row,) = reference.beside(judged(profile="quick", seed=7))
    assert (row["claim"], row["verdict"], row["its verdict"]) == (
        "PRE-09",
        "supported",
        "inconclusive",
    )
    assert row["reference run"] == "0.0842 [0.0191, 0.148]"
    assert reference.beside(judged(task_data="reviews")) == []
    assert not reference.comparable(judged(base_model="elsewhere"))


@pytest.mark.parametrize(
    ("notebook", "name", "value"),
    [
        ("02_layer_freezing", "first_task", "far"),
        ("02_layer_freezing", "trainable_blocks", 2),
        ("03_lora", "rank", 8),
        ("03_lora", "learning_rate", 0.01),
        ("03_lora", "other_ways", False),
        ("04_rag", "k", 2),
        ("04_rag", "chunk_size", 24),
    ],
)
def test_a_record_from_before_a_parameter_counts_as_one_with_its_default(
    notebook: str, name: str, value: object
) -> None:
    own = {key: given for key, given in NOTEBOOKS[notebook].items() if key != name}
    for parameters, same in (
        (own, True),
        ({**own, name: NOTEBOOKS[notebook][name]}, True),
        ({**own, name: value}, False),
    ):
        assert reference.comparable(Record(notebook, "quick", 0, parameters, {}, "r")) == same
    assert reference.foreign(notebook, {**own, name: value}).startswith(f"its {name} is ")


def test_large_and_small_numbers_are_readable(root: Path) -> None:
    large = claim(estimate=1234567.8, ci_low=-1000.4, ci_high=2e6)
    small = claim(id="C-02", estimate=0.0004321, ci_low=-0.5, ci_high=12.3456)
    reference.keep(run_of(root, claims=[large, small]))
    assert "| 1,234,568 [-1,000, 2,000,000] |" in table(root)
    assert "| 0.000432 [-0.5, 12.3] |" in table(root)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"profile": "quick"}, ["its profile is 'quick'", "full"]),
        ({"claims": [EXACT, claim(seeds=4)]}, ["rests on 4 seeds", "5 are the fewest"]),
        ({"claims": [claim(seeds=2)]}, ["rests on 2 seeds"]),
        ({"parameters": {"seeds": 1}, "claims": [EXACT]}, ["rests on 1 seeds"]),
        ({"parameters": {"task_data": "reviews"}}, ["task_data is 'reviews'", "'tickets'"]),
        ({"notebook": "01_mine"}, ["no notebook '01_mine'"]),
        ({"notebook": "../../README"}, ["no notebook '../../README'"]),
        ({"metrics": [{"name": "x" * 200_000, "value": 1}]}, ["bytes", "200,000"]),
        ({"schema": 2}, ["no record of a run"]),
    ],
)
def test_what_the_lab_cannot_stand_by_is_refused(
    changes: dict[str, Any],
    words: list[str],
    root: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = reference.keep(run_of(root))
    before, readme = first.read_bytes(), (root / "README.md").read_bytes()
    path = run_of(root, **changes)
    refused(lambda: reference.keep(path), str(path), *words)
    assert reference.main([str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {path} ")
    assert [file.name for file in first.parent.iterdir()] == [first.name]
    assert first.read_bytes() == before
    assert (root / "README.md").read_bytes() == readme


def test_more_seeds_than_the_profiles_and_another_first_one_may_be_kept(root: Path) -> None:
    parameters = {**NOTEBOOKS[NAME], "profile": "full", "seed": 7, "seeds": 9}
    path = run_of(root, parameters=parameters, claims=[claim(seeds=9)])
    assert reference.main([str(path)]) == 0
    assert "| 9 | inconclusive |" in table(root)


def test_a_record_spoilt_where_it_is_kept_is_refused(root: Path) -> None:
    kept = reference.keep(run_of(root))
    kept.write_text(json.dumps(record(profile="smoke")))
    refused(lambda: reference.reference(NAME), str(kept), "smoke")
    refused(reference.findings, str(kept), "smoke")
    refused(lambda: reference.keep(root / "none.json"), "Cannot read", "none.json")


def test_a_full_disk_leaves_the_kept_record(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = reference.keep(run_of(root))
    before = kept.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    path = run_of(root, seconds=700.0)
    refused(lambda: reference.keep(path), "Cannot write", "No space left on device")
    assert kept.read_bytes() == before
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


def test_a_readme_without_its_marks_is_not_touched(root: Path) -> None:
    (root / "README.md").write_text("nothing generated here\n")
    refused(reference.write_findings, "README.md", BEGIN, END)
    assert (root / "README.md").read_text() == "nothing generated here\n"
