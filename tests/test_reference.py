"""The records that the lab stands by: which may be kept, and what the README makes of them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import full_record, judged_claim, refused

from ftlab.claims import Record, read_record, recompute, reference
from ftlab.claims.table import find_claim
from ftlab.cli import main
from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate, paired_difference
from ftlab.notebook.parameters import NOTEBOOKS

NAME = "01_pretraining_vs_finetuning"
BEGIN, END = "<!-- findings: begin -->", "<!-- findings: end -->"


def claim(**changes: Any) -> dict[str, Any]:
    about = {"metric": "accuracy: a | b", "estimate": 0.08417, "ci_low": 0.01913}
    about |= {"ci_high": 0.14753, "verdict": "undecided"}
    return judged_claim(changes.pop("id", "TRF-01"), **{**about, **changes})


EXACT = claim(
    id="C-01", estimate=1.0, ci_low=1.0, ci_high=1.0, seeds=1, verdict=None, kind="counted",
    unit="ratio", null=1.0, direction="below", effect=1.0, rule="below 1",
)  # fmt: skip
WORDS = {"like": "letters", "few": "20 labels per class", "most": "all labels"}
SAID = find_claim(NAME, "TRF-01").statement


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


def told(root: Path) -> str:
    return (root / "README.md").read_text().partition(f"{BEGIN}\n")[2].partition(f"\n{END}")[0]


def table(root: Path) -> str:
    text = (root / "data" / "reference" / reference.FINDINGS).read_text()
    return text.removeprefix(f"{reference.HEADING}\n").removesuffix("\n")


def test_a_kept_record_is_read_again_and_stands_in_the_readme(root: Path) -> None:
    path = run_of(root)
    kept = reference.keep_record(path)
    assert kept == root / "data" / "reference" / f"{NAME}.json"
    assert kept.read_bytes() == path.read_bytes()
    assert reference.reference(NAME) == record()
    assert [row["value"] for row in reference.rows(NAME, "ladder")] == [0.5, 0.6]
    assert reference.rows(NAME, "nothing") == []
    link = f"[01](../../notebooks/{NAME}.ipynb)"
    assert table(root).splitlines()[2:] == [
        f"| TRF-01 | {SAID} | accuracy: a \\| b | above 0.02 | 0.0842 [0.0191, 0.148] | 5 "
        f"| undecided | agrees | {link} |",
        "| C-01 | Fine-tuning makes a model smaller. Also said, C-03: fine-tuning removes what is "
        "not needed, so that the model answers faster. | accuracy: a \\| b | below 1 | 1 | 1 "
        f"| counted | otherwise | {link} |",
    ]
    text = (root / "README.md").read_text()
    assert text.startswith("top\n")
    assert text.endswith("\nbottom\n")
    assert told(root) == (
        f"- *{SAID}* **Undecided**: accuracy: a | b is 0.0842 [0.0191, 0.148] "
        f"([01](notebooks/{NAME}.ipynb); at real scale: agrees)."
    )


def test_a_number_changed_by_hand_shows(root: Path) -> None:
    kept = reference.keep_record(run_of(root))
    assert table(root) == reference.findings()
    kept.write_text(kept.read_text().replace("0.08417", "0.09417"))
    assert table(root) != reference.findings()
    reference.write_findings()
    assert table(root) == reference.findings()


def test_with_nothing_kept_the_readme_says_so(root: Path) -> None:
    assert reference.reference(NAME) is None
    assert reference.rows(NAME, "ladder") == []
    assert main(["keep"]) == 0
    assert table(root) == told(root) == reference.NONE_YET


def test_a_run_stands_beside_the_kept_one_only_if_it_is_about_the_same(root: Path) -> None:
    reference.keep_record(run_of(root))

    def judged(**parameters: Any) -> Record:
        run = Record(NAME, "quick", 0, parameters, {}, "run")
        run.judge("TRF-01", Estimate(0.08, 0.075, 0.085, seeds=3), **WORDS)
        run.judge("TRF-04", Estimate(1.0, 0.99, 1.01, seeds=3), **WORDS)  # not in the kept run
        return run

    (row,) = reference.compare_with_reference(judged(profile="quick", seed=7))
    assert (row["claim"], row["verdict"], row["its verdict"]) == (
        "TRF-01",
        "supported",
        "undecided",
    )
    assert row["reference run"] == "0.0842 [0.0191, 0.148]"
    assert reference.compare_with_reference(judged(task_data="reviews")) == []
    assert not reference.comparable(judged(base_model="elsewhere"))


@pytest.mark.parametrize(
    ("notebook", "name", "value"),
    [
        ("02_layer_freezing", "texts_per_label", 64),
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
    assert reference.differing_parameter(notebook, {**own, name: value}).startswith(
        f"its {name} is "
    )


def test_large_and_small_numbers_are_readable(root: Path) -> None:
    large = claim(estimate=1234567.8, ci_low=-1000.4, ci_high=2e6)
    small = claim(id="C-02", estimate=0.0004321, ci_low=-0.5, ci_high=12.3456)
    reference.keep_record(run_of(root, claims=[large, small]))
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
        ({"metrics": [{"name": "x" * 400_000, "value": 1}]}, ["bytes", "400,000"]),
        ({"schema": 3}, ["no record of a run"]),
        ({"items": "run-full.npz"}, ["items are missing", "run-full.npz"]),
        ({"claims": [claim(verdict="supported")]}, ["its items do not give TRF-01"]),
    ],
)
def test_what_the_lab_cannot_stand_by_is_refused(
    changes: dict[str, Any],
    words: list[str],
    root: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = reference.keep_record(run_of(root))
    before, readme = first.read_bytes(), (root / "README.md").read_bytes()
    path = run_of(root, **changes)
    refused(lambda: reference.keep_record(path), str(path), *words)
    assert main(["keep", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {path} ")
    assert {file.name for file in first.parent.iterdir()} == {first.name, reference.FINDINGS}
    assert first.read_bytes() == before
    assert (root / "README.md").read_bytes() == readme


def test_more_seeds_than_the_profiles_and_another_first_one_may_be_kept(root: Path) -> None:
    parameters = {**NOTEBOOKS[NAME], "profile": "full", "seed": 7, "seeds": 9}
    path = run_of(root, parameters=parameters, claims=[claim(seeds=9)])
    assert main(["keep", str(path)]) == 0
    assert "| 9 | undecided |" in table(root)


def test_a_record_spoilt_where_it_is_kept_is_refused(root: Path) -> None:
    kept = reference.keep_record(run_of(root))
    kept.write_text(json.dumps(record(profile="smoke")))
    refused(lambda: reference.reference(NAME), str(kept), "smoke")
    refused(reference.findings, str(kept), "smoke")
    refused(lambda: reference.keep_record(root / "none.json"), "Cannot read", "none.json")


def full_run(root: Path, number: int) -> Path:
    """The record of a full run that judged a claim, with its answers beside it."""
    parameters = {**NOTEBOOKS[NAME], "profile": "full"}
    run = Record(NAME, "full", 0, parameters, {}, f"run-{number}")
    answers = [[[1, 0, 1, 1, number % 2]] * 5, [[0, 0, 1, 0, 1]] * 5]
    run.judge("TRF-01", paired_difference(*answers), **WORDS)
    for name in run.table_of_claims.keys() - {"TRF-01"}:
        run.skip(name, "made up")
    run.write()
    return run.path


def files(root: Path) -> set[str]:
    folder = root / "data" / "reference"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return there - {reference.FINDINGS}


def test_a_record_that_is_replaced_goes_to_the_history_with_its_items(root: Path) -> None:
    first, second, third = (full_run(root, number) for number in (1, 2, 3))
    reference.keep_record(first)
    assert files(root) == {f"{NAME}.json", "run-1.npz"}
    reference.keep_record(first)  # once more: it replaces nothing
    assert files(root) == {f"{NAME}.json", "run-1.npz"}
    reference.keep_record(second)
    past = {f"history/{NAME}/run-1.json", f"history/{NAME}/run-1.npz"}
    assert files(root) == {f"{NAME}.json", "run-2.npz", *past}
    reference.keep_record(third)
    past |= {f"history/{NAME}/run-2.json", f"history/{NAME}/run-2.npz"}
    assert files(root) == {f"{NAME}.json", "run-3.npz", *past}
    kept = root / "data" / "reference" / "history" / NAME / "run-1.json"
    assert kept.read_bytes() == first.read_bytes()
    assert kept.with_suffix(".npz").read_bytes() == first.with_suffix(".npz").read_bytes()
    assert read_record(root / "data" / "reference" / f"{NAME}.json")["run_id"] == "run-3"


@pytest.mark.parametrize("step", range(1, 12))
def test_a_disk_that_fills_while_a_record_is_replaced_leaves_one_whole(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    first, second = full_run(root, 1), full_run(root, 2)
    reference.keep_record(first)
    plain, left = os.fsync, iter(range(step))

    def filling(descriptor: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", filling)
    with contextlib.suppress(LabError):
        reference.keep_record(second)
    monkeypatch.undo()
    monkeypatch.setenv("FTLAB_ROOT", str(root))
    found = reference.reference(NAME)
    assert found is not None
    assert found["run_id"] in ("run-1", "run-2")
    path = root / "data" / "reference" / f"{NAME}.json"
    assert all(each.agrees for each in recompute(path))
    reference.keep_record(second)
    assert {f"{NAME}.json", "run-2.npz", f"history/{NAME}/run-1.json"} <= files(root)


def test_a_full_disk_leaves_the_kept_record(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = reference.keep_record(run_of(root))
    before = kept.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    path = run_of(root, seconds=700.0)
    refused(lambda: reference.keep_record(path), "Cannot write", "No space left on device")
    assert kept.read_bytes() == before
    assert {file.name for file in kept.parent.iterdir()} == {kept.name, reference.FINDINGS}


def test_a_readme_without_its_marks_is_not_touched(root: Path) -> None:
    (root / "README.md").write_text("nothing generated here\n")
    refused(reference.write_findings, "README.md", BEGIN, END)
    assert (root / "README.md").read_text() == "nothing generated here\n"
