"""The ladder climbed: equal tries, one look at the test, and an honest count of what is lost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ftlab.claims import Record
from ftlab.data import Task, encode, load_task
from ftlab.evaluation.forgetting import Memory, base_memory
from ftlab.experiments.comparison import COUNTED, Climb, climb, ladder_frame
from ftlab.experiments.estimators import Schooling
from ftlab.experiments.learning_curve import FULL
from ftlab.models import bits_per_character, load_causal_lm, load_classifier, load_tokenizer
from ftlab.models.classifier import as_language_model
from ftlab.training import predict
from ftlab.tuning.methods import ladder

ModelDir = Callable[[str], Path]
TINY = Schooling(passes=1, least_steps=4, most_steps=4, max_length=24, batch_size=8, looks=2)
ALL = {rung.name: rung for rung in ladder(2, ranks=(4,))}
NAMES = ["head", "soft prompt", "LoRA 4", "gradual unfreezing", "full"]
SEEDS = [3, 4]
GIVEN = 0.0123  # a learning rate that LoRA is not to search for
BASELINES = ["majority", "TF-IDF + regression"]
COLUMNS = {
    "task", "method", "seeds", "n", "value", "ci_low", "ci_high", "knob", *COUNTED,
    "seconds_per_step", "seconds_to_95", "forgotten", "forgotten_low", "forgotten_high", "recall",
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore")  # peft's remarks about versions


@pytest.fixture(scope="module")
def climbed(tiny_model_dir: ModelDir, word_task: Callable[[], Task]) -> Climb:
    """A few rungs on a tiny model, two tries each, two seeds."""
    base = str(tiny_model_dir("llama"))
    memory = base_memory(base, pages=3, questions=4)
    task = word_task()
    rungs = [ALL[name] for name in NAMES]
    rungs[2] = replace(rungs[2], rate=GIVEN)
    return climb(task, base, rungs, SEEDS, TINY, tries=2, memory=memory, keep=["full"])


def test_every_method_has_a_row_with_all_columns(climbed: Climb) -> None:
    assert climbed.rungs == [*BASELINES, *NAMES]
    size = climbed.task.test_size
    for name in climbed.rungs:
        row = climbed.row(name)
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
            assert row["seconds_to_95"] <= climbed.column("seconds", name).mean()
    record = Record("n", "quick", 0, {}, {}, "run")
    for name in climbed.rungs:
        record.metric("ladder", **climbed.row(name))  # what a record refuses would show here
    assert len(record.metrics) == len(climbed.rungs)


def test_the_test_part_is_read_once(climbed: Climb) -> None:
    assert climbed.task.test_reads == 1


def test_the_networks_that_were_to_be_kept_are_those_that_were_examined(climbed: Climb) -> None:
    assert set(climbed.models) == {"full"}
    tokenizer = load_tokenizer(climbed.models["full"][0].config.name_or_path)
    features = encode(tokenizer, list(climbed.test.text), max_length=TINY.max_length)
    for model, right in zip(climbed.models["full"], climbed.right("full"), strict=True):
        said = predict(model, features, tokenizer.pad_token_id).argmax(1)
        assert list(said == climbed.test.label) == list(right == 1)


def test_tries_are_equal_and_the_choice_is_made_on_validation(climbed: Climb) -> None:
    tries = climbed.curve.tries
    assert set(tries.method) == set(climbed.rungs) - {"majority"}
    for name, own in tries.groupby("method"):
        assert len(own) == own.knob.nunique() == (1 if name == "LoRA 4" else 2)
        chosen = climbed.column("knob", str(name))
        assert set(chosen) == {own.knob[own.validation.idxmax()]}
        assert climbed.validation(str(name)) == own.validation.max()
    assert climbed.row("LoRA 4")["knob"] == GIVEN
    head, full = (tries[tries.method == name].knob.max() for name in ("head", "full"))
    assert head / full == pytest.approx(ALL["head"].start / ALL["full"].start)


def test_points_of_each_seed_are_named_alike_whatever_the_rung_is_called(climbed: Climb) -> None:
    points = climbed.by_seed("test", "LoRA 4", "LoRA")
    assert [point["seed"] for point in points] == SEEDS
    assert [point["value"] for point in points] == list(climbed.right("LoRA 4").mean(1))
    assert {(point["method"], point["task"]) for point in points} == {("LoRA", "words")}


def test_what_is_forgotten(climbed: Climb) -> None:
    lost = {name: climbed.row(name)["forgotten"] for name in climbed.rungs}
    assert abs(lost["head"]) < 1e-6
    assert {name for name, value in lost.items() if value is None} == {*BASELINES, "soft prompt"}
    for name in ("LoRA 4", "gradual unfreezing", "full"):
        row = climbed.row(name)
        assert row["forgotten_low"] < row["forgotten"] < row["forgotten_high"]
    memory = climbed.memory
    assert memory is not None
    after = [
        bits_per_character(
            as_language_model(memory.base_model, model), memory.tokenizer, memory.pages
        )
        for model in climbed.models["full"]
    ]
    assert lost["full"] == pytest.approx(sum(after) / len(SEEDS) - memory.bits)
    assert abs(lost["full"]) > 1e-3  # of a model that knew nothing it may fall as well as rise
    # The town's questions are for the lab's own model alone.
    assert {climbed.row(name)["recall"] for name in climbed.rungs} == {None}


def test_memory_is_that_of_the_untouched_model(climbed: Climb) -> None:
    memory = climbed.memory
    assert memory is not None
    base, tokenizer = load_causal_lm(memory.base_model), load_tokenizer(memory.base_model)
    assert memory.bits == bits_per_character(base, tokenizer, memory.pages)
    assert Memory(memory.base_model, 3, 4).pages == memory.pages


def test_gains_are_paired_by_seed_and_text(climbed: Climb) -> None:
    assert climbed.right("full").shape == (len(SEEDS), climbed.task.test_size)
    gain = climbed.gain("full", "head")
    accuracies = [climbed.accuracy(name).value for name in ("full", "head")]
    assert gain.value == pytest.approx(accuracies[0] - accuracies[1])
    assert (gain.low, gain.high) != (0, 0)
    assert climbed.gain("full", "full").value == 0


def test_a_tuned_network_that_moved_has_forgotten_and_nothing_else_has(
    tiny_model_dir: ModelDir,
) -> None:
    base = str(tiny_model_dir("llama"))
    memory = Memory(base, pages=2, questions=0)
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
    memory = base_memory(base, pages=3, questions=4)
    assert memory is None
    done = climb(task, base, [ALL["head"], ALL["full"]], [0], TINY, memory=memory)
    for name in done.rungs:
        row = done.row(name)
        assert [row[column] for column in ("forgotten", "forgotten_low", "recall")] == [None] * 3
    assert task.test_reads == 1


def test_the_ladder_as_a_table(climbed: Climb) -> None:
    table = ladder_frame(climbed.row(name) for name in climbed.rungs)
    assert list(table.index) == [("words", name) for name in climbed.rungs]
    assert not table.isna().any().any()
    assert table.loc[("words", "full"), "share"] == "100.00%"
    assert table.loc[("words", "majority"), "trained"] == "-"
    assert table.loc[("words", "soft prompt"), "bits forgotten"] == "-"
    assert table.loc[("words", "head"), "bits forgotten"] in ("0.00", "-0.00")
    accuracy = climbed.accuracy("full")
    shown: Any = table.loc[("words", "full"), "test accuracy"]
    assert shown.startswith(f"{accuracy.value:.2f} [")
    assert climbed.curve.accuracy("full", FULL) == accuracy


@pytest.mark.slow
def test_processes_of_their_own_give_the_same_numbers(
    tiny_model_dir: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, task = str(tiny_model_dir("llama")), load_task("reviews")
    rungs = [rung for rung in ladder(2) if rung.name in ("LoRA 4", "full")]
    short = Schooling(passes=1, least_steps=4, most_steps=4, max_length=16, looks=1)
    found = []
    for worth in (10**6, 1):  # never, and always
        monkeypatch.setattr("ftlab.experiments.comparison.WORTH_PROCESSES", worth)
        found.append(climb(task, base, rungs, [0, 1], short, keep=["full"]))
    alone, spread = found
    assert alone.rungs == spread.rungs
    assert len(spread.models["full"]) == 2
    for name in alone.rungs:
        assert (alone.right(name) == spread.right(name)).mean() > 0.99
        assert alone.column("knob", name).tolist() == spread.column("knob", name).tolist()
