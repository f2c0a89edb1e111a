"""Methods compared: a row for each, networks kept, and what is forgotten counted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ftlab.claims import Record
from ftlab.data import Task, encode
from ftlab.evaluation.forgetting import ForgettingProbe, forgetting_probe
from ftlab.experiments import (
    FairComparison,
    TrainingBudget,
    Trainings,
    baselines,
    fair_comparison,
    fine_tunings,
)
from ftlab.experiments.runs import COUNTED
from ftlab.models import bits_per_character, load_causal_lm, load_classifier, load_tokenizer
from ftlab.models.classifier import as_language_model
from ftlab.training import predict
from ftlab.tuning.methods import (
    FULL_FINE_TUNING,
    HEAD_ONLY,
    TuningMethod,
    peft_methods,
    schedule_methods,
    with_lora,
)

ModelDir = Callable[[str], Path]
TINY = TrainingBudget(
    epochs=1, min_steps=4, max_steps=4, max_length=24, batch_size=8, eval_points=2
)
SOFT_PROMPT, *_ = peft_methods()
GRADUAL, *_ = schedule_methods()
GIVEN = 0.0123  # a learning rate that LoRA is not to search for
METHODS = [
    HEAD_ONLY,
    SOFT_PROMPT,
    replace(with_lora(4), learning_rate=GIVEN),
    GRADUAL,
    FULL_FINE_TUNING,
]
NAMES = [method.name for method in METHODS]
SEEDS = [3, 4]
BASELINES = ["majority", "TF-IDF + regression"]
COLUMNS = {
    "task", "method", "seeds", "n", "value", "ci_low", "ci_high", *COUNTED, "seconds_per_step",
    "seconds_to_95", "forgotten", "forgotten_low", "forgotten_high", "recall", "chosen",
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore")  # peft's remarks about versions


def all_of(base: str, methods: list[TuningMethod], candidates: int) -> Callable[[Task], list[Any]]:
    """The baselines, and each tuning method."""
    return lambda task: [
        *baselines(task, candidates),
        *fine_tunings(base, task, methods, TINY, candidates),
    ]


@pytest.fixture(scope="module")
def probe(tiny_model_dir: ModelDir) -> ForgettingProbe:
    made = forgetting_probe(str(tiny_model_dir("llama")), pages=3, questions=4)
    assert made is not None
    return made


@pytest.fixture(scope="module")
def compared(
    tiny_model_dir: ModelDir,
    word_task: Callable[[], Task],
    probe: ForgettingProbe,
    tmp_path_factory: pytest.TempPathFactory,
) -> FairComparison:
    """A few methods on a tiny model, two candidates each to begin with, two seeds."""
    return fair_comparison(
        word_task(),
        all_of(str(tiny_model_dir("llama")), METHODS, 2),
        seeds=SEEDS,
        forgetting=probe,
        keep=["full"],
        trainings=Trainings(tmp_path_factory.mktemp("trainings")),
    )


def test_every_method_has_a_row_with_all_columns(compared: FairComparison) -> None:
    assert compared.methods == [*BASELINES, *NAMES]
    size = compared.runs[0].task.test_size
    rows = {name: compared.row(name, "words") for name in compared.methods}
    for name, row in rows.items():
        assert set(row) == COLUMNS
        assert (row["task"], row["method"], row["seeds"], row["n"]) == ("words", name, 2, size)
        assert 0 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= 1
        for value in row.values():
            assert value is None or isinstance(value, str) or math.isfinite(value)
        costs = {column: row[column] for column in (*COUNTED, "seconds_per_step", "seconds_to_95")}
        if name in BASELINES:
            assert set(costs.values()) == {None}
        else:
            assert all(value > 0 for value in costs.values())
            assert row["seconds_to_95"] <= compared.per_seed(name, "seconds").mean()
    record = Record("n", "quick", 0, {}, {}, "run")
    for row in rows.values():
        record.metric("ladder", **row)  # what a record refuses would show here
    assert len(record.metrics) == len(compared.methods)


def test_the_networks_that_were_to_be_kept_are_those_that_were_examined(
    compared: FairComparison, probe: ForgettingProbe
) -> None:
    tokenizer = load_tokenizer(probe.base_model)
    for run in compared.chosen("full"):
        test = run.task.read_test()
        features = encode(tokenizer, list(test.text), max_length=TINY.max_length)
        model = compared.network("full", run.seed, task="words")
        predicted = predict(model, features, tokenizer.pad_token_id).argmax(1)
        assert list(predicted == test.label) == list(run.correct == 1)


def test_searches_begin_where_the_methods_factors_say(compared: FairComparison) -> None:
    tried = compared.tries()
    assert set(tried[tried.method == "LoRA 4"].learning_rate) == {GIVEN}
    assert set(tried.method) == {*compared.methods} - {"majority"}
    head, full = ({*compared.chosen(name)[0].method.candidates} for name in ("head", "full"))
    assert {*tried[tried.method == "full"].learning_rate} >= full
    assert max(head) / max(full) == pytest.approx(
        HEAD_ONLY.learning_rate_factor / FULL_FINE_TUNING.learning_rate_factor
    )


def test_what_is_forgotten(compared: FairComparison, probe: ForgettingProbe) -> None:
    rows = {name: compared.row(name, "words") for name in compared.methods}
    lost = {name: row["forgotten"] for name, row in rows.items()}
    assert abs(lost["head"]) < 1e-6
    assert {name for name, value in lost.items() if value is None} == {*BASELINES, "soft prompt"}
    for name in ("LoRA 4", "gradual unfreezing", "full"):
        row = rows[name]
        assert row["forgotten_low"] < row["forgotten"] < row["forgotten_high"]
    after = [
        bits_per_character(
            as_language_model(probe.base_model, compared.network("full", seed, task="words")),
            probe.tokenizer,
            probe.pages,
        )
        for seed in SEEDS
    ]
    assert lost["full"] == pytest.approx(sum(after) / len(SEEDS) - probe.bits)
    assert abs(lost["full"]) > 1e-3  # of a model that knew nothing it may fall as well as rise
    # The town's questions are for the lab's own model alone.
    assert {row["recall"] for row in rows.values()} == {None}


def test_what_is_forgotten_is_counted_from_the_untouched_model(probe: ForgettingProbe) -> None:
    base, tokenizer = load_causal_lm(probe.base_model), load_tokenizer(probe.base_model)
    assert probe.bits == bits_per_character(base, tokenizer, probe.pages)
    assert ForgettingProbe(probe.base_model, 3, 4).pages == probe.pages


def test_a_tuned_network_that_moved_has_forgotten_and_nothing_else_has(
    tiny_model_dir: ModelDir,
) -> None:
    base = str(tiny_model_dir("llama"))
    memory = ForgettingProbe(base, pages=2, questions=0)
    model = load_classifier(base, ["a", "b"])

    def left() -> dict[str, float | None]:
        return memory.after(model)  # type: ignore[arg-type,return-value]

    forgotten = left()["forgotten"]
    assert forgotten is not None
    assert abs(forgotten) < 1e-6
    for parameter in model.trunk.parameters():
        parameter.data *= 0.5
    forgotten = left()["forgotten"]
    assert forgotten is not None
    assert abs(forgotten) > 1e-3
    nothing = memory.after(None)  # type: ignore[arg-type,return-value]
    assert nothing == {"forgotten": None, "recall": None}


def test_an_encoder_forgets_nothing_that_could_be_measured(
    tiny_model_dir: ModelDir, word_task: Callable[[], Task], tmp_path: Path
) -> None:
    base, task = str(tiny_model_dir("bert")), word_task()
    assert forgetting_probe(base, pages=3, questions=4) is None
    methods = all_of(base, [HEAD_ONLY, FULL_FINE_TUNING], 1)
    done = fair_comparison(task, methods, seeds=[0], trainings=Trainings(tmp_path / "trainings"))
    for name in done.methods:
        row = done.row(name, "words")
        assert [row[column] for column in ("forgotten", "forgotten_low", "recall")] == [None] * 3
    assert task.test_reads == 1


def test_the_comparison_as_a_table(compared: FairComparison) -> None:
    table = compared.table()
    assert list(table.index) == [("words", name) for name in compared.methods]
    assert not table.isna().any().any()
    assert table.loc[("words", "full"), "share"] == "100.00%"
    assert table.loc[("words", "majority"), "trainable parameters"] == "-"
    assert table.loc[("words", "soft prompt"), "forgetting (bits per character)"] == "-"
    forgotten = table.loc[("words", "head"), "forgetting (bits per character)"]
    assert forgotten in ("0.00", "-0.00")
    accuracy = compared.estimate("full")
    shown: Any = table.loc[("words", "full"), "test accuracy"]
    assert shown.startswith(f"{accuracy.value:.2f} [")
