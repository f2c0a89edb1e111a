"""Fair comparisons whose trainings are kept: searched for each seed, resumed, never run twice."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import refused
from killable_comparison import TINY, rivals

from ftlab import training
from ftlab.claims import Record
from ftlab.data import Task
from ftlab.evaluation import paired_difference, seeds_interval
from ftlab.evaluation.forgetting import forgetting_probe
from ftlab.experiments import (
    FULL,
    FairComparison,
    FineTuning,
    FittedModel,
    Majority,
    TfidfRegression,
    Trainings,
    all_baselines,
    fair_comparison,
)
from ftlab.experiments.identity import about_method, base_sha256, code_sha256, key_of, task_sha256
from ftlab.experiments.searching import WIDENINGS, at_the_end, choice, wider
from ftlab.lab import Lab
from ftlab.training.budget import TrainingBudget
from ftlab.tuning.methods import TuningMethod, with_lora

Folder = Callable[[str], Path]
COLOURS = {"red", "blue", "green", "grey"}


@dataclass(frozen=True)
class Peaked:
    """Right about all texts at the `best` C, and about fewer the farther from it, by powers of
    ten; for odd seeds the best is ten times that."""

    task: Task
    best: float
    candidates: tuple[float, ...] = (0.1, 1.0, 10.0)
    name: str = "peaked"
    given: bool = False
    hyperparameter: str = "C"
    by_seed: bool = False

    def fit(self, rows: pd.DataFrame, C: float, seed: int) -> FittedModel:
        best = self.best * (10 if self.by_seed and seed % 2 else 1)
        return FittedModel(partial(self.predict, round(abs(math.log10(C / best)))), 0.1)

    def predict(self, missed: int, texts: list[str]) -> np.ndarray:
        names = self.task.label_names
        right = [
            names.index("colour" if text.split()[0] in COLOURS else "number") for text in texts
        ]
        return np.array([1 - label if i < missed else label for i, label in enumerate(right)])


@pytest.fixture(scope="module")
def task(word_task: Callable[[], Any]) -> Any:
    return word_task()


@pytest.fixture
def trainings(tmp_path: Path) -> Trainings:
    return Trainings(tmp_path / "trainings")


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rates of the trainings that were run."""
    seen: list[float] = []
    fit = training.fit

    def counted(*arguments: Any, **named: Any) -> Any:
        seen.append(named["learning_rate"])
        return fit(*arguments, **named)

    monkeypatch.setattr(training, "fit", counted)
    return seen


def words(seed: int) -> Task:
    """A task whose texts are others with every seed."""
    rng = np.random.default_rng(seed)
    parts = []
    for size in (24, 12, 20):
        labels = np.arange(size) % 2
        pools = [sorted(COLOURS), "one two six ten".split()]
        texts = [f"{rng.choice(pools[label])} thing {rng.integers(10**6)}" for label in labels]
        parts.append(pd.DataFrame({"text": texts, "label": labels}))
    train, validation, test = parts
    return Task("words", "made", ["colour", "number"], train, validation, [], test)


# The search


def test_ties_go_to_the_middle_value_and_of_two_to_the_smaller() -> None:
    assert choice({1.0: 0.5, 2.0: 0.9, 4.0: 0.5}) == 2.0
    assert choice({4.0: 0.9, 1.0: 0.9, 2.0: 0.9}) == 2.0
    assert choice({2.0: 0.9, 1.0: 0.5, 4.0: 0.9}) == 2.0


def test_a_grid_is_widened_at_the_end_where_the_best_lies() -> None:
    start = (1.0, 2.0, 4.0)
    assert wider(start, {1.0: 0.5, 2.0: 0.9, 4.0: 0.5}, 2.0) is None
    assert wider(start, {1.0: 0.5, 2.0: 0.6, 4.0: 0.7}, 2.0) == 8.0
    assert wider(start, {1.0: 0.7, 2.0: 0.6, 4.0: 0.5}, 10.0) == 0.1
    assert wider((1.0,), {1.0: 0.5}, 2.0) is None  # no search


def test_a_search_that_diverged_everywhere_goes_down() -> None:
    assert wider((1.0, 2.0), {1.0: -1.0, 2.0: -1.0}, 2.0) == 0.5


def test_widening_ends_and_that_the_best_lies_at_the_end_is_told() -> None:
    scores = {1.0: 0.1, 2.0: 0.2}
    while (value := wider((1.0, 2.0), scores, 2.0)) is not None:
        scores[value] = value
    assert max(scores) == 2.0 * 2**WIDENINGS
    assert at_the_end((1.0, 2.0), scores)


def test_every_seed_chooses_for_itself_and_all_tries_are_told(
    task: Any, trainings: Trainings
) -> None:
    done = fair_comparison(
        task, lambda t: [Peaked(t, 10.0, by_seed=True)], seeds=[0, 1], trainings=trainings
    )
    assert list(done.per_seed("peaked", "setting")) == [10.0, 100.0]
    tried = done.rows[done.rows.split == "validation"]
    assert [sorted(own.setting) for _, own in tried.groupby("seed")] == [
        [0.1, 1.0, 10.0, 100.0],
        [0.1, 1.0, 10.0, 100.0, 1000.0],
    ]
    assert list(tried[tried.chosen].value) == [1.0, 1.0]
    assert done.estimate("peaked").value == 1.0
    assert done.tries().validation.min() < 1.0
    assert "10 (1), 100 (1) of 0.1 to 1000" in done.table().to_string()
    alone = fair_comparison(words, all_simple, seeds=[0], trainings=trainings).table()
    assert alone["test accuracy"].str.endswith(" (one seed)").all()


def test_a_given_value_is_not_searched_for(task: Any, trainings: Trainings) -> None:
    one = replace(Peaked(task, 100.0), candidates=(1.0,), given=True, name="given")
    done = fair_comparison(task, lambda t: [one, Peaked(t, 1.0)], seeds=[0], trainings=trainings)
    assert list(
        done.rows[(done.rows.method == "given") & (done.rows.split == "validation")].setting
    ) == [1.0]


def test_methods_begin_with_as_many_candidates(task: Any, trainings: Trainings) -> None:
    def unequal(task: Task) -> list[Any]:
        return [Peaked(task, 1.0), TfidfRegression((1.0,)), Majority(task)]

    refused(
        lambda: fair_comparison(task, unequal, seeds=[0], trainings=trainings),
        "peaked 3, TF-IDF + regression 1",
    )
    nothing: Any = lambda task: [TfidfRegression(())]  # noqa: E731
    refused(
        lambda: fair_comparison(task, nothing, seeds=[0], trainings=trainings),
        "TF-IDF + regression' has no candidates",
    )
    assert not trainings.folder.exists()


# The test


def test_the_test_is_read_once_and_its_labels_train_nobody(
    task: Any, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = replace(task)
    given: list[Any] = []
    run_job = fair_comparison.__globals__["run_job"]
    monkeypatch.setitem(
        fair_comparison.__globals__,
        "run_job",
        lambda job, trainings: given.append(job) or run_job(job, trainings),
    )
    fair_comparison(task, lambda t: [Peaked(t, 1.0)], seeds=[0, 1], trainings=trainings)
    assert task.test_reads == 1
    assert len(given) == 6
    assert all(isinstance(text, str) for job in given for text in job.test)


# What is kept


def made(base: str, trainings: Trainings, seeds: list[int], **more: Any) -> FairComparison:
    return fair_comparison(words, partial(rivals, base), seeds=seeds, trainings=trainings, **more)


def without_seconds(done: FairComparison) -> pd.DataFrame:
    return done.rows.drop(columns="seconds")


def test_a_comparison_made_again_trains_nothing(
    tiny_model_dir: Folder, trainings: Trainings, fits: list[float]
) -> None:
    base = str(tiny_model_dir("llama"))
    first = made(base, trainings, [0, 1])
    assert fits
    fits.clear()
    again = made(base, trainings, [0, 1])
    assert not fits
    pd.testing.assert_frame_equal(first.rows, again.rows)
    assert first.difference("LoRA 2", "majority") == again.difference("LoRA 2", "majority")
    assert again.row("LoRA 2", "words") == first.row("LoRA 2", "words")


def test_more_seeds_cost_only_the_new_ones(
    tiny_model_dir: Folder, trainings: Trainings, fits: list[float]
) -> None:
    base = str(tiny_model_dir("llama"))
    few = made(base, trainings, [0])
    cost = len(fits)
    fits.clear()
    more = made(base, trainings, [0, 7])
    searched = more.tries()
    assert len(fits) == len(searched[(searched.seed == 7) & (searched.method == "LoRA 2")])
    assert cost == len(searched[(searched.seed == 0) & (searched.method == "LoRA 2")])
    old = more.rows[more.rows.seed == 0]
    pd.testing.assert_frame_equal(few.rows, old, check_index_type=False)


def test_other_trainings_have_other_keys(task: Any, tiny_model_dir: Folder) -> None:
    base = str(tiny_model_dir("llama"))
    tuned = FineTuning("full", base, task, TINY, (1e-3,))

    def on_half(model: Any, seed: int) -> None:
        model.head.weight.data *= factor

    factor = 0.5
    half = TuningMethod("full", on_half)
    methods = [
        tuned,
        replace(tuned, random_weights=True),
        replace(tuned, tuning=with_lora(2)),
        replace(tuned, tuning=with_lora(4)),
        replace(tuned, training_budget=replace(TINY, patience=1)),
        replace(tuned, base_model=str(tiny_model_dir("gpt2"))),
        replace(tuned, tuning=half),
    ]
    keys = [key_of(about_method(method)) for method in methods]
    factor = 0.25  # what a function from a notebook reads is a part of it
    keys.append(key_of(about_method(methods[-1])))
    assert len({*keys}) == len(keys)
    # A name, and the other candidates, change nothing about a training.
    renamed = replace(tuned, name="all weights", candidates=(1e-3, 2e-3))
    assert key_of(about_method(renamed)) == keys[0]


def test_other_data_and_other_weights_are_told_apart(
    tiny_model_dir: Folder, tmp_path: Path
) -> None:
    one = words(0)
    test = one.read_test()
    known = task_sha256(one, test)
    assert known == task_sha256(words(0), test) != task_sha256(words(1), test)
    assert known != task_sha256(one, test.assign(label=1 - test.label))
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tiny_model_dir("llama").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert base_sha256(str(copy)) == base_sha256(str(tiny_model_dir("llama")))
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert base_sha256(str(copy)) != base_sha256(str(tiny_model_dir("llama")))


def test_code_that_only_draws_or_judges_does_not_count() -> None:
    """A figure may be mended without a training being run again; the loop may not."""
    from ftlab.experiments import identity

    read: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "package_sha256", lambda files: read.extend(files) or "")
        code_sha256(["ftlab.lab", "ftlab.experiments.fair", "__main__"])
    assert {"training/loop.py", "tuning/lora.py", "models/pooling.py", "ftlab.lab"} <= {*read}
    assert not [name for name in read if name.split("/")[0] in ("plots", "claims", "notebook")]
    assert not [name for name in read if "pretraining" in name or "fair" in name]


@pytest.mark.parametrize("how", ["cut", "empty", "flipped", "renamed"])
def test_a_damaged_file_is_told_about_and_trained_anew(
    how: str, task: Any, trainings: Trainings
) -> None:
    def once() -> FairComparison:
        return fair_comparison(task, lambda t: [Peaked(t, 1.0)], seeds=[0], trainings=trainings)

    first = once()
    files = sorted(trainings.folder.iterdir())
    content = files[0].read_bytes()
    middle = len(content) // 2
    files[0].write_bytes(
        {
            "cut": content[:middle],
            "empty": b"",
            "flipped": content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :],
            "renamed": files[1].read_bytes(),
        }[how]
    )
    with pytest.warns(UserWarning, match="cannot be used and is run again") as told:
        again = once()
    assert len(told) == 1
    pd.testing.assert_frame_equal(first.rows, again.rows)
    assert files[0].read_bytes() != b""
    once()  # and now nothing is told


def test_what_a_killed_process_left_half_written_is_no_training(trainings: Trainings) -> None:
    trainings.folder.mkdir()
    (trainings.folder / ".aaaa.npz.123").write_bytes(b"half")
    assert trainings.load("aaaa") is None


def test_a_killed_comparison_goes_on_where_it_was(
    tiny_model_dir: Folder, tmp_path: Path, fits: list[float]
) -> None:
    base = str(tiny_model_dir("llama"))
    killed = Trainings(tmp_path / "killed")
    script = Path(__file__).with_name("killable_comparison.py")
    process = subprocess.Popen([sys.executable, script, base, killed.folder])
    try:
        deadline = time.monotonic() + 600  # a busy machine takes its time
        while len([*killed.folder.glob("*.npz")]) < 4:
            assert process.poll() is None, "it ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = {*killed.folder.glob("*.npz")}
    written = {file: file.stat().st_ino for file in kept}
    resumed = made(base, killed, [0, 1, 2])
    resumed_fits = len(fits)
    fits.clear()
    whole = made(base, Trainings(tmp_path / "whole"), [0, 1, 2])
    pd.testing.assert_frame_equal(without_seconds(resumed), without_seconds(whole))
    assert 0 < resumed_fits < len(fits)
    assert {file: file.stat().st_ino for file in kept} == written  # none of them anew
    told = [json.loads(str(np.load(file)["about"])) for file in kept]
    networks = [one for one in told if one["about"]["method"]["class"].endswith("FineTuning")]
    assert resumed_fits == len(fits) - len(networks)


@pytest.mark.slow
def test_a_killed_run_started_again_writes_the_record_of_a_whole_one(
    tiny_model_dir: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: list[float]
) -> None:
    """Killed with all its processes, at work on two trainings."""
    import killable_run

    base = str(tiny_model_dir("llama"))
    killed, script = tmp_path / "killed", Path(killable_run.__file__)
    monkeypatch.setenv("FTLAB_RESULTS", str(killed))
    process = subprocess.Popen([sys.executable, script, base], start_new_session=True)
    try:
        deadline = time.monotonic() + 600
        while len([*(killed / "trainings").glob("*.npz")]) < 4:
            assert process.poll() is None, "it ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    kept = {*(killed / "trainings").glob("*.npz")}
    assert not [*killed.rglob("*.json")]
    resumed = killable_run.run(base)
    cost = len(fits)
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path / "whole"))
    fits.clear()
    whole = killable_run.run(base)
    assert cost < len(fits) <= cost + len(kept)
    records = [json.loads(path.read_text()) for path in (resumed, whole)]
    for record in records:
        del record["seconds"], record["started"]
        record["metrics"] = [row for row in record["metrics"] if row["name"] != "seconds"]
    assert records[0] == records[1]
    assert records[0]["claims"][0]["verdict"]
    items = [dict(np.load(path.with_suffix(".npz"))) for path in (resumed, whole)]
    assert items[0].keys() == items[1].keys()
    assert all(np.array_equal(items[0][name], items[1][name]) for name in items[0])


@pytest.mark.slow
def test_other_processes_keep_what_they_train_and_the_longest_comes_first(
    tiny_model_dir: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = str(tiny_model_dir("llama"))
    here = made(base, Trainings(tmp_path / "here"), [0, 1])
    monkeypatch.setattr("ftlab.experiments.fair.WORTH_PROCESSES", 1)
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    there = made(base, Trainings(tmp_path / "there"), [0, 1])
    names = [{file.name for file in (tmp_path / one).iterdir()} for one in ("here", "there")]
    assert names[0] == names[1]
    assert (here.per_seed("LoRA 2") == there.per_seed("LoRA 2")).all()


def test_the_longest_trainings_are_the_first(
    task: Any, tiny_model_dir: Folder, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = str(tiny_model_dir("llama"))
    asked: list[int] = []
    monkeypatch.setattr("ftlab.experiments.fair.WORTH_PROCESSES", 1)

    def spread(run: Any, jobs: Any, what: str) -> list[Any]:
        asked.extend(one["job"].steps for one in jobs)
        return [run(**one) for one in jobs]

    monkeypatch.setattr("ftlab.experiments.fair.in_parallel", spread)
    monkeypatch.setattr("ftlab.common.parallel.on_gpu", lambda: False)
    budget = TrainingBudget(epochs=1, min_steps=1, max_steps=4, max_length=16)

    def methods(task: Task) -> list[Any]:
        return [Majority(task), FineTuning("full", base, task, budget, (1e-3,))]

    fair_comparison(task, methods, seeds=[0], budgets=[4, FULL, 20], trainings=trainings)
    assert asked == sorted(asked, reverse=True)
    assert asked[0] > asked[-1] == 0


# Networks


def test_networks_are_kept_only_where_asked_for_and_are_those_that_were_examined(
    tiny_model_dir: Folder, trainings: Trainings, fits: list[float]
) -> None:
    base = str(tiny_model_dir("llama"))
    made(base, trainings, [0])
    assert not [*trainings.folder.glob("*.safetensors")]
    fits.clear()
    kept = made(base, trainings, [0], keep=["LoRA 2"])
    assert len(fits) == 1  # the chosen one was trained without being kept, and so once more
    assert len([*trainings.folder.glob("*.safetensors")]) == 1
    [run] = kept.chosen("LoRA 2")
    model = kept.network("LoRA 2", 0, task="words")
    outputs = run.method.outputs(model, list(words(0).read_test().text))  # type: ignore[attr-defined]
    assert list(outputs.argmax(1)) == list(run.training.test)
    refused(lambda: kept.network("majority", 0, task="words"), "was not kept")


def test_only_the_chosen_network_stays(tiny_model_dir: Folder, trainings: Trainings) -> None:
    done = made(str(tiny_model_dir("llama")), trainings, [0, 1], keep=["LoRA 2"])
    names = {file.stem for file in trainings.folder.glob("*.safetensors")}
    assert names == {run.key for run in done.chosen("LoRA 2")}


def test_a_training_that_diverged_is_a_try_that_is_not_chosen(
    task: Any, tiny_model_dir: Folder, trainings: Trainings
) -> None:
    base = str(tiny_model_dir("llama"))
    rates = (1e-3, 1e38)

    def methods(task: Task) -> list[Any]:
        return [FineTuning("full", base, task, TINY, rates)]

    done = fair_comparison(task, methods, seeds=[0], trainings=trainings)
    assert done.chosen("full")[0].tries[1e38].diverged
    assert done.per_seed("full", "setting") < 1e38
    refused(
        lambda: fair_comparison(
            task,
            lambda t: [replace(methods(t)[0], candidates=(1e38,))],
            seeds=[0],
            trainings=trainings,
        ),
        "'full' learned nothing on 'words' with seed 0",
    )


def test_training_ends_when_validation_stops_improving(task: Any, tiny_model_dir: Folder) -> None:
    budget = TrainingBudget(1, 40, 40, max_length=16, eval_points=20, patience=2)
    method = FineTuning("full", str(tiny_model_dir("llama")), task, budget, (0.0,))
    fitted = method.fit(task.train, 1e-9, 0)  # nothing moves: the first evaluation is the best
    assert fitted.steps == 6
    assert fitted.history is not None
    assert fitted.history.validation_metric.notna().sum() == 3


# Estimates


def test_of_tasks_dealt_anew_the_interval_is_students_t_over_seeds(trainings: Trainings) -> None:
    seeds = [0, 1, 2]
    done = fair_comparison(words, lambda t: [*all_simple(t)], seeds=seeds, trainings=trainings)
    texts = [tuple(run.task.train.text) for run in done.chosen("majority")]
    assert len({*texts}) == 3
    right = [done.correct(name, task="words") for name in ("TF-IDF + regression", "majority")]
    gaps = [float(a.mean() - b.mean()) for a, b in zip(*right, strict=True)]
    found = done.difference("TF-IDF + regression", "majority")
    assert found == seeds_interval(gaps, bounds=(-1.0, 1.0))
    # By hand: mean, and 4.303 standard errors at two degrees of freedom.
    half = 4.303 * np.std(gaps, ddof=1) / math.sqrt(3)
    assert found.low == pytest.approx(np.mean(gaps) - half, abs=1e-3)


def all_simple(task: Task) -> list[Any]:
    return [Majority(task), TfidfRegression((10.0, 1.0))]


def test_of_one_test_set_the_interval_covers_seeds_and_items(
    task: Any, trainings: Trainings
) -> None:
    done = fair_comparison(task, all_simple, seeds=[0, 1], budgets=[2, FULL], trainings=trainings)
    a, b = (
        np.stack(done.correct(name, task="words", budget=2))
        for name in ("TF-IDF + regression", "majority")
    )
    assert done.difference("TF-IDF + regression", "majority", budget=2) == paired_difference(a, b)
    assert done.best_on_validation() == "TF-IDF + regression"


def test_several_tasks_are_pooled_alike_unless_one_is_named(
    task: Any, trainings: Trainings
) -> None:
    test = task.read_test()
    other = replace(task, name="other", _test=test.assign(label=1 - test.label)[:7])
    done = fair_comparison([task, other], all_simple, seeds=[0, 1], trainings=trainings)
    single = [done.estimate("TF-IDF + regression", task=name).value for name in done.tasks]
    assert single[0] > 0.9 > 0.1 > single[1]
    assert done.estimate("TF-IDF + regression").value == pytest.approx(np.mean(single))
    assert done.per_seed("TF-IDF + regression").mean() == pytest.approx(np.mean(single))
    refused(lambda: done.estimate("TF-IDF"), "'TF-IDF' was not run on the task 'words'")


def test_dealt_and_given_tasks_have_no_interval_in_common(task: Any, trainings: Trainings) -> None:
    given = replace(task, name="given")
    done = fair_comparison([words, given], all_simple, seeds=[0, 1], trainings=trainings)
    refused(lambda: done.estimate("majority"), "no interval in common")
    assert done.estimate("majority", task="given").seeds == 2


def test_all_that_is_measured_can_be_estimated(
    tiny_model_dir: Folder, trainings: Trainings
) -> None:
    base = str(tiny_model_dir("llama"))
    probe = forgetting_probe(base, pages=2, questions=2)
    done = fair_comparison(
        words,
        lambda t: [
            *all_baselines(base, t, TINY, 1),
            FineTuning("full", base, t, TINY, (1e-3,)),
        ],
        seeds=[0, 1],
        forgetting=probe,
        trainings=trainings,
    )
    assert done.methods == [
        "majority", "TF-IDF + regression", "frozen features", "random weights", "full",
    ]  # fmt: skip
    assert done.ratio("full", "random weights", "memory_bytes").value == pytest.approx(1.0)
    assert done.estimate("full", "forgotten").low < done.estimate("full", "forgotten").high
    assert done.estimate("full", split="train").high <= 1.0
    assert done.estimate("full", "seconds").low >= 0.0
    for name in ("majority", "random weights"):
        refused(lambda name=name: done.estimate(name, "forgotten"), f"not measured of '{name}'")
    table = done.table()
    assert list(table.index) == [("words", name) for name in done.methods]
    assert table.loc[("words", "majority"), "trainable parameters"] == "-"
    assert {*done.rows.metric} >= {"accuracy", "forgotten", "memory_bytes"}
    assert done.rows[done.rows.method == "full"].steps.eq(TINY.max_steps).all()


# In a notebook


def experiment(*tasks: Any, seeds: list[int], trainings: Trainings) -> FairComparison:
    return fair_comparison(tasks, all_simple, seeds=seeds, trainings=trainings)


def test_a_lab_runs_an_experiment_and_notes_what_it_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path))
    record = Record("n", "smoke", 3, {}, {}, "run")
    lab = Lab("smoke", [3, 4], record)
    done = lab.run(experiment, words)
    assert done.seeds == [3, 4]
    assert [*(tmp_path / "trainings").glob("*.npz")]
    before = record.as_dict()
    lab.run(experiment, words)
    after = record.as_dict()
    assert before["metrics"] == after["metrics"]
    assert before["candidates"] == after["candidates"]
    accuracies = [row for row in after["metrics"] if row["name"] == "accuracy"]
    assert {row["experiment"] for row in accuracies} == {"experiment"}
    tests = [
        row["value"] for row in accuracies if (row["split"], row["method"]) == ("test", "majority")
    ]
    assert tests == list(done.per_seed("majority"))
    assert len(after["candidates"]) == len(done.tries())
    lab.run(experiment, words, name="once more")
    assert len(record.metrics) == 2 * len(after["metrics"])


def test_an_experiment_that_searches_for_nothing_has_no_tries() -> None:
    class Counted:
        def metrics(self) -> Iterator[dict[str, Any]]:
            yield {"name": "answers", "value": 7}

    record = Record("n", "smoke", 0, {}, {}, "run")
    Lab("smoke", [0], record).run(Counted, name="counted")
    assert record.as_dict()["candidates"] == []
    (row,) = record.metrics
    assert (row["value"], row["experiment"]) == (7, "counted")
