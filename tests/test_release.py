"""Letting a model out: who passes the gate, and a card that says only what the record says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from card_numbers import foreign_numbers
from conftest import judged_claim, refused
from huggingface_hub import ModelCard

from ftlab.claims.model_card import gate, model_card
from ftlab.claims.record import read_record
from ftlab.evaluation import Estimate, exact, mean_interval
from ftlab.experiments.learning_curve import over_seeds

KEPT = sorted((Path(__file__).parents[1] / "data" / "reference").glob("*.json"))
RECORD: dict[str, Any] = {
    "schema": 2,
    "notebook": "01_pretraining_vs_finetuning",
    "run_id": "20260101T000000Z-full-s0-ab12",
    "profile": "full",
    "seed": 0,
    "parameters": {"base_model": "some/Model-135M", "task_data": "tickets", "seeds": 5},
    "started": "2026-01-01T09:30:00Z",
    "seconds": 2691.5,
    "environment": {"torch": "2.13.0+cpu", "cpu": "Processor @ 2.50GHz", "precision": "fp32"},
    "metrics": [
        {"name": "accuracy", "value": 0.8512, "method": "LoRA 4", "split": "test", "n": 600},
        {"name": "accuracy", "value": 0.79, "method": "a|b", "ci_low": 0.7136, "seed": None},
        {"name": "parameters", "value": 1234567, "watched": True, "sizes": [64, 512]},
        {"name": "error", "value": 3.338e-06},
    ],
    "claims": [
        judged_claim(
            "LORA-09", statement="It gives 1 point away.", metric="accuracy: a - b",
            rule="within ±0.02", estimate=-0.0187, ci_low=-0.0421, ci_high=0.00475,
            verdict="undecided", per_seed=[0.77, 0.88],
        ),
        judged_claim(
            "LORA-12", statement="It is small.", metric="share", rule="below 0.6", kind="counted",
            estimate=0.418, ci_low=0.418, ci_high=0.418, seeds=1, verdict=None,
        ),
    ],
}  # fmt: skip


def test_the_gate_asks_for_the_lower_end() -> None:
    assert gate(Estimate(0.05, 0.01, 0.09, seeds=5)).released
    assert not gate(Estimate(0.05, 0.01, 0.09, seeds=5), least=0.01).released
    assert gate(Estimate(-0.01, -0.015, -0.005, seeds=5), least=-0.02).released
    assert gate(Estimate(0.05, 0.01, 0.09, seeds=5)).reason == (
        "released: the gain over the baseline is 0.05 [0.01, 0.09], and its lower end lies above 0"
    )
    assert gate(Estimate(0.03, -0.01, 0.07, seeds=3)).reason == (
        "not released: the gain over the baseline is 0.03 [-0.01, 0.07], and its lower end does "
        "not lie above 0"
    )


@pytest.mark.parametrize("least", [0.0, -1e9])
@pytest.mark.parametrize(
    "gain",
    [
        over_seeds([0.5]),
        exact(0.5),
        mean_interval([0.5, 0.6, 0.7, 0.5]),  # an interval over items alone
        Estimate(0.5, 0.5, 0.5, seeds=5),
    ],
)
def test_without_a_spread_between_trainings_nothing_passes(gain: Estimate, least: float) -> None:
    judged = gate(gain, least)
    assert not judged.released
    assert judged.reason.startswith("not released: the gain over the baseline is 0.5")


def test_a_gate_without_numbers_is_refused() -> None:
    refused(lambda: gate(Estimate(0.5, math.nan, 0.6, seeds=5)), "finite")
    refused(lambda: gate(Estimate(0.5, 0.4, 0.6, seeds=5), math.nan), "finite")


def test_a_card_says_what_the_record_says() -> None:
    card = str(model_card(RECORD, metrics=["accuracy", "parameters", "error"]))
    for line in (
        "- Base model: `some/Model-135M`",
        "- Data (task_data): `tickets`",
        "- Started 2026-01-01T09:30:00Z, 44.9 minutes",
        "| torch | 2.13.0+cpu |",
        "| precision | fp32 |",
        "| value | method | split | n | ci_low | seed |",
        "| 0.851 | LoRA 4 | test | 600 |  |  |",
        "| 0.79 | a\\|b |  |  | 0.714 |  |",
        "| 1,234,567 | True | 64, 512 |",
        "| 3.34e-06 |",
        "| LORA-09 | It gives 1 point away. | accuracy: a - b | within ±0.02 "
        "| -0.0187 [-0.0421, 0.00475] | 5 | undecided | unknown |",
        "| LORA-12 | It is small. | share | below 0.6 | 0.418 | 1 | counted | unknown |",
        "- Without seeds to compare, by counting or in one run: LORA-12.",
        "- Counted, or so by construction, and not judged: LORA-12.",
        "- Undecided: LORA-09.",
    ):
        assert line in card.splitlines()
    assert "Intervals rest on 5 seeds." in card
    assert foreign_numbers(card, RECORD) == []


@pytest.mark.parametrize(
    ("base_model", "task_data", "known"),
    [
        ("some/Model-135M", "org/set:a", {"base_model": "some/Model-135M", "datasets": "org/set"}),
        ("lab", "tickets", {}),
        ("own/model", "own/texts.csv", {}),
    ],
)
def test_the_header_names_what_the_hub_knows(
    base_model: str,
    task_data: str,
    known: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "texts.csv").touch()
    monkeypatch.chdir(tmp_path)
    parameters = {"base_model": base_model, "task_data": task_data}
    card = model_card({**RECORD, "parameters": parameters})
    read = ModelCard(str(card))
    assert read.data.to_dict() == {**known, "tags": ["ftlab"]}
    assert read.text.strip() == card.text.strip()
    assert read.text.strip().startswith("# Model card")


def test_a_card_says_what_is_known_at_real_scale() -> None:
    card = model_card({**RECORD, "notebook": "03_lora"}).text
    assert "| 5 | undecided | depends |" in card
    assert "| 1 | counted | agrees |" in card


def test_a_short_run_without_claims_says_so() -> None:
    card = str(model_card({**RECORD, "profile": "smoke", "claims": []}))
    assert "No claim was judged." in card
    assert "The run's profile is `smoke`" in card
    assert "Intervals rest" not in card


def test_what_the_record_lacks_is_refused() -> None:
    refused(lambda: model_card(RECORD, metrics=["F1"]), "'F1'", "accuracy, parameters, error")
    rest = {key: value for key, value in RECORD.items() if key != "environment"}
    refused(lambda: model_card(rest), "'environment' is missing")


@pytest.mark.parametrize(
    "text",
    [
        "0.8512, 0.851, 0.85 or 0.9; 85% or 85.12 % or 85 per cent",
        "of 1,234,567 or 1234567 parameters, 64 to 512",
        "3.34e-06, and \u22120.0187 or -0.0187",
        "minutes: 45 or 44.9, seconds: 2691.5 or 2,692",
        "**0.851** or _0.851_, [-0.0421, 0.00475]",
        "LORA-09 and C-99 by a 95% interval, some/Model-135M with torch 2.13.0+cpu, 2026-01-01",
        "LoRA 4, within 0.02, fp32 and seconds_to_95",
    ],
)
def test_numbers_of_the_record_are_known(text: str) -> None:
    assert foreign_numbers(text, RECORD) == []


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("0.8521 and 0.852", ["0.8521", "0.852"]),
        ("0.80-0.95", ["0.80", "0.95"]),
        ("84% or 84.12 per cent", ["84%", "84.12 per cent"]),
        ("right in 95% of all", ["95%"]),
        ("1,234,568 or 12345", ["1,234,568", "12345"]),
        ("-0.851 and 0.0187", ["-0.851", "0.0187"]),  # a sign is part of a number
        (".93, _0.93_ and 0.93x", [".93", "0.93", "0.93"]),
        ("0.77 of a single seed, which no card shows", ["0.77"]),
        ("torch 2.14.0 on 2026-01-02", ["2.14.0", "2026", "02"]),
        ("nearly 1, or 3 points", ["3"]),  # the words of a claim hold a 1
        ("12 hours", ["12"]),  # no digits of hashes and ids
    ],
)
def test_other_numbers_are_foreign(text: str, foreign: list[str]) -> None:
    assert foreign_numbers(text, RECORD) == foreign


def altered(card: str) -> Iterator[str]:
    """The lines of a card's results, each with one digit of a decimal number changed."""
    for line in card[card.index("## ") :].splitlines():
        for number in re.finditer(r"(?<![\d.])\d+\.\d+(?![\d.])", line):
            for at in range(*number.span()):
                if line[at] != ".":
                    yield line[:at] + str((int(line[at]) + 5) % 10) + line[at + 1 :]


def test_any_digit_changed_in_a_small_record_is_found() -> None:
    card = str(model_card(RECORD, metrics=["accuracy", "parameters", "error"]))
    lines = list(altered(card))
    assert len(lines) > 30
    assert [line for line in lines if not foreign_numbers(line, RECORD)] == []


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_cards_of_the_kept_records_hold_no_foreign_number(path: Path) -> None:
    record = read_record(path)
    names = list(dict.fromkeys(row["name"] for row in record["metrics"]))
    card = str(model_card(record, metrics=names))
    assert all(claim["id"] in card for claim in record["claims"])
    assert foreign_numbers(card, record) == []


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_most_digits_changed_in_a_kept_records_claims_are_found(path: Path) -> None:
    """Not all: in a record of a thousand numbers a wrong one may be some other one's value."""
    record = read_record(path)
    card = str(model_card(record))
    lines = list(altered(card[card.index("## Claims") :]))
    found = [bool(foreign_numbers(line, record)) for line in lines]
    assert found[0]
    assert sum(found) / len(found) > 0.8
