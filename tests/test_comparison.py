"""Methods compared: equal candidates, one look at the test, and what is forgotten counted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ftlab.claims import Record
from ftlab.data import Task, encode, load_task
from ftlab.evaluation.forgetting import ForgettingProbe, forgetting_probe
from ftlab.experiments import (
    Comparison,
    TrainingBudget,
    baselines,
    compare,
    comparison_table,
    fine_tunings,
)
from ftlab.experiments.comparison import COUNTED
from ftlab.models import bits_per_character, load_causal_lm, load_classifier, load_tokenizer
from ftlab.models.classifier import as_language_model
from ftlab.training import predict
from ftlab.tuning.methods import TuningMethod, all_methods

ModelDir = Callable[[str], Path]
TINY = TrainingBudget(
    epochs=1, min_steps=4, max_steps=4, max_length=24, batch_size=8, eval_points=2
)
ALL = {method.name: method for method in all_methods(2, ranks=(4,))}
NAMES = ["head", "soft prompt", "LoRA 4", "gradual unfreezing", "full"]
SEEDS = [3, 4]
GIVEN = 0.0123  # a learning rate that LoRA is not to search for
BASELINES = ["majority", "TF-IDF + regression"]
COLUMNS = {
    "task", "method", "seeds", "n", "value", "ci_low", "ci_high", "learning_rate", "C", *COUNTED,
    "seconds_per_step", "seconds_to_95", "forgotten", "forgotten_low", "forgotten_high", "recall",
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore")  # peft's remarks about versions


def all_of(
    base: str, task: Task, methods: list[TuningMethod], budget: TrainingBudget, candidates: int
) -> list[Any]:
    """The baselines, and each tuning method."""
    tuned = fine_tunings(base, task, methods, budget, candidates)
    return [*baselines(task, candidates), *tuned]


@pytest.fixture(scope="module")
def probe(tiny_model_dir: ModelDir) -> ForgettingProbe:
    made = forgetting_probe(str(tiny_model_dir("llama")), pages=3, questions=4)
    assert made is not None
    return made


@pytest.fixture(scope="module")
def compared(
    tiny_model_dir: ModelDir, word_task: Callable[[], Task], probe: ForgettingProbe
) -> Comparison:
    """A few methods on a tiny model, two candidates each, two seeds."""
    base, task = str(tiny_model_dir("llama")), word_task()
    methods = [ALL[name] for name in NAMES]
    methods[2] = replace(methods[2], learning_rate=GIVEN)
    estimators = all_of(base, task, methods, TINY, 2)
    return compare(task, estimators, SEEDS, forgetting=probe, keep=["full"])


def test_every_method_has_a_row_with_all_columns(compared: Comparison) -> None:
    assert compared.methods == [*BASELINES, *NAMES]
    size = compared.task.test_size
    for name in compared.methods:
        row = compared.row(name)
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
            assert row["seconds_to_95"] <= compared.column("seconds", name).mean()
    record = Record("n", "quick", 0, {}, {}, "run")
    for name in compared.methods:
        record.metric("ladder", **compared.row(name))  # what a record refuses would show here
    assert len(record.metrics) == len(compared.methods)


def test_the_test_part_is_read_once(compared: Comparison) -> None:
    assert compared.task.test_reads == 1


def test_the_networks_that_were_to_be_kept_are_those_that_were_examined(
    compared: Comparison,
) -> None:
    assert set(compared.models) == {"full"}
    tokenizer = load_tokenizer(compared.models["full"][0].config.name_or_path)
    features = encode(tokenizer, list(compared.test.text), max_length=TINY.max_length)
    for model, outcome in zip(compared.models["full"], compared.correct("full"), strict=True):
        predicted = predict(model, features, tokenizer.pad_token_id).argmax(1)
        assert list(predicted == compared.test.label) == list(outcome == 1)


def test_candidates_are_equal_and_the_choice_is_made_on_validation(compared: Comparison) -> None:
    tried = compared.tried.assign(value=compared.tried.learning_rate.fillna(compared.tried.C))
    assert set(tried.method) == set(compared.methods) - {"majority"}
    for name, own in tried.groupby("method"):
        assert len(own) == own.value.nunique() == (1 if name == "LoRA 4" else 2)
        hyperparameter = "C" if name in BASELINES else "learning_rate"
        chosen = compared.column(hyperparameter, str(name))
        assert set(chosen) == {own.value[own.validation.idxmax()]}
        assert compared.validation(str(name)) == own.validation.max()
        row = compared.row(str(name))
        assert {row["learning_rate"], row["C"]} == {*chosen, None}
    assert compared.row("LoRA 4")["learning_rate"] == GIVEN
    assert [compared.row("majority")[name] for name in ("learning_rate", "C")] == [None, None]
    head, full = (tried[tried.method == name].value.max() for name in ("head", "full"))
    assert head / full == pytest.approx(
        ALL["head"].learning_rate_factor / ALL["full"].learning_rate_factor
    )


def test_points_of_each_seed_are_named_alike_whatever_the_method_is_called(
    compared: Comparison,
) -> None:
    points = compared.by_seed("test", "LoRA 4", "LoRA")
    assert [point["seed"] for point in points] == SEEDS
    assert [point["value"] for point in points] == list(compared.correct("LoRA 4").mean(1))
    assert {(point["method"], point["task"]) for point in points} == {("LoRA", "words")}


def test_what_is_forgotten(compared: Comparison, probe: ForgettingProbe) -> None:
    lost = {name: compared.row(name)["forgotten"] for name in compared.methods}
    assert abs(lost["head"]) < 1e-6
    assert {name for name, value in lost.items() if value is None} == {*BASELINES, "soft prompt"}
    for name in ("LoRA 4", "gradual unfreezing", "full"):
        row = compared.row(name)
        assert row["forgotten_low"] < row["forgotten"] < row["forgotten_high"]
    memory = probe
    after = [
        bits_per_character(
            as_language_model(memory.base_model, model), memory.tokenizer, memory.pages
        )
        for model in compared.models["full"]
    ]
    assert lost["full"] == pytest.approx(sum(after) / len(SEEDS) - memory.bits)
    assert abs(lost["full"]) > 1e-3  # of a model that knew nothing it may fall as well as rise
    # The town's questions are for the lab's own model alone.
    assert {compared.row(name)["recall"] for name in compared.methods} == {None}


def test_what_is_forgotten_is_counted_from_the_untouched_model(probe: ForgettingProbe) -> None:
    memory = probe
    base, tokenizer = load_causal_lm(memory.base_model), load_tokenizer(memory.base_model)
    assert memory.bits == bits_per_character(base, tokenizer, memory.pages)
    assert ForgettingProbe(memory.base_model, 3, 4).pages == memory.pages


def test_differences_are_paired_by_seed_and_text(compared: Comparison) -> None:
    assert compared.correct("full").shape == (len(SEEDS), compared.task.test_size)
    difference = compared.difference("full", "head")
    accuracies = [compared.accuracy(name).value for name in ("full", "head")]
    assert difference.value == pytest.approx(accuracies[0] - accuracies[1])
    assert (difference.low, difference.high) != (0, 0)
    assert compared.difference("full", "full").value == 0


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
    tiny_model_dir: ModelDir, word_task: Callable[[], Task]
) -> None:
    base, task = str(tiny_model_dir("bert")), word_task()
    assert forgetting_probe(base, pages=3, questions=4) is None
    methods = all_of(base, task, [ALL["head"], ALL["full"]], TINY, 1)
    done = compare(task, methods, [0])
    for name in done.methods:
        row = done.row(name)
        assert [row[column] for column in ("forgotten", "forgotten_low", "recall")] == [None] * 3
    assert task.test_reads == 1


def test_the_comparison_as_a_table(compared: Comparison) -> None:
    table = comparison_table(compared.row(name) for name in compared.methods)
    assert list(table.index) == [("words", name) for name in compared.methods]
    assert not table.isna().any().any()
    assert table.loc[("words", "full"), "share"] == "100.00%"
    assert table.loc[("words", "majority"), "trainable parameters"] == "-"
    assert table.loc[("words", "soft prompt"), "forgetting (bits per character)"] == "-"
    forgotten = table.loc[("words", "head"), "forgetting (bits per character)"]
    assert forgotten in ("0.00", "-0.00")
    accuracy = compared.accuracy("full")
    shown: Any = table.loc[("words", "full"), "test accuracy"]
    assert shown.startswith(f"{accuracy.value:.2f} [")


def test_rows_of_older_records_make_the_same_table(compared: Comparison) -> None:
    """Records of before the hyperparameters had names of their own say "knob"."""
    rows = [compared.row(name) for name in compared.methods]
    new = ("learning_rate", "C")
    old = [{k: v for k, v in row.items() if k not in new} | {"knob": 0.1} for row in rows]
    assert comparison_table(old).equals(comparison_table(rows))


def test_parts_of_a_comparison_join(compared: Comparison, word_task: Callable[[], Task]) -> None:
    task = word_task()
    merged = Comparison.merge([compare(task, [method], SEEDS) for method in baselines(task, 2)])
    assert merged.methods == BASELINES
    for name in BASELINES:
        assert merged.accuracy(name) == compared.accuracy(name)
        assert merged.row(name) == compared.row(name)
    regression = BASELINES[1]
    assert merged.validation(regression) == compared.validation(regression)


@pytest.mark.slow
def test_processes_of_their_own_give_the_same_numbers(
    tiny_model_dir: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, task = str(tiny_model_dir("llama")), load_task("reviews")
    methods = [method for method in all_methods(2) if method.name in ("LoRA 4", "full")]
    short = TrainingBudget(epochs=1, min_steps=4, max_steps=4, max_length=16, eval_points=1)
    found = []
    for worth in (10**6, 1):  # never, and always
        monkeypatch.setattr("ftlab.experiments.comparison.WORTH_PROCESSES", worth)
        found.append(compare(task, all_of(base, task, methods, short, 1), [0, 1], keep=["full"]))
    alone, spread = found
    assert alone.methods == spread.methods
    assert len(spread.models["full"]) == 2
    assert alone.costs == spread.costs
    for name in alone.methods:
        assert (alone.correct(name) == spread.correct(name)).mean() > 0.99
        assert alone.column("learning_rate", name)[-1:] == pytest.approx(
            spread.column("learning_rate", name)[-1:], nan_ok=True
        )
