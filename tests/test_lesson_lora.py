"""The experiments of notebook 03: what they count, what they measure, and what they keep."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import LATE, ORDERS, refused

from ftlab.batch.running import run_notebook
from ftlab.claims.record import read_record
from ftlab.common.paths import project_root
from ftlab.experiments import adapters, lora, lora_cost
from ftlab.experiments.effort import EFFORTS
from ftlab.experiments.keeping import Trainings
from ftlab.models import load_causal_lm

ModelDir = Callable[[str], Path]


def roomy(model: Path, folder: Path) -> str:
    """A copy of a tiny model that takes texts as long as the lab's: its positions are rotary, so
    that only the configuration says how many there are."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 512}))
    return str(folder)


def test_counted_parameters_are_those_of_the_published_models() -> None:
    sizes = {name: shape.parameters for name, shape in lora_cost.MODELS.items()}
    # Model cards: 1.24, 8.03 and 70.6 billion; rank 16 on Llama-3-8B as peft prints it.
    assert sizes == {"1 B": 1_235_814_400, "8 B": 8_030_261_248, "70 B": 70_553_706_496}
    assert lora_cost.MODELS["8 B"].lora_parameters(16) == 41_943_040


def test_memory_is_counted_by_the_byte() -> None:
    sizes = lora_cost.training_gigabytes(rank=16)
    full, thin, rounded = (size["8 B"] for size in sizes.values())
    assert full == pytest.approx(16 * 8.030261248)
    assert thin == pytest.approx(2 * 8.030261248 + 16 * 0.04194304)
    assert thin / 3 < rounded < thin / 2  # token vectors and output layer are not rounded
    assert thin < lora_cost.CARDS[0] < lora_cost.CARDS[1] < full


def test_a_step_with_lora_has_two_thirds_of_the_operations_and_a_little() -> None:
    wide, narrow = (lora_cost.counted_operations(width, rank=4) for width in (2048, 192))
    assert 2 / 3 < wide < 0.68
    assert wide < narrow


def test_steps_are_timed_by_width_and_in_pairs() -> None:
    times = lora_cost.step_times(2, seeds=[0, 1], effort=EFFORTS["smoke"])
    assert [*times.ratios()] == [lora_cost.WIDTHS[0]]
    assert times.ratio(lora_cost.WIDTHS[0]).open, "one process shows no spread"
    assert (times.rows.value > 0).all()
    assert len([*times.metrics()]) == len(times.rows) == 2


def test_what_the_lab_makes_is_dealt_anew_with_each_seed_and_a_file_is_not(tmp_path: Path) -> None:
    dealt = lora.dealt_task("letters")
    first, again, other = (lora.example(dealt, seed) for seed in (0, 0, 1))
    assert list(first.train.text) == list(again.train.text) != list(other.train.text)
    assert first.test_size == lora.TEST_TEXTS
    assert len(first.train) == lora.PER_LABEL["letters"] * len(first.label_names)
    assert [*lora.first_texts(first).label] == [first.label_names[i] for i in first.train.label[:3]]
    file = tmp_path / "messages.csv"
    rows = {"text": ORDERS, "label": ["late" if late else "fine" for late in LATE]}
    pd.DataFrame(rows).to_csv(file, index=False)
    assert lora.dealt_task(str(file)) is not None
    assert not callable(lora.dealt_task(str(file)))
    refused(
        lambda: lora.dealt_task("dialect", text_column="body"), "text_column", "made by the lab"
    )


def test_a_rank_that_no_matrix_can_have_is_refused_and_the_model_left_alone(
    tiny_model_dir: ModelDir,
) -> None:
    model = load_causal_lm(str(tiny_model_dir("llama")))
    names = [name for name, _ in model.named_parameters()]
    refused(lambda: lora.check_rank(model, 1000), "rank 1000", "shorter side")
    lora.check_rank(model, 2)
    assert [name for name, _ in model.named_parameters()] == names
    assert all(p.requires_grad for p in model.parameters())


def history(*points: tuple[float, float]) -> Any:
    """A training that was evaluated at these (forgotten, learned), and not between."""
    rows: list[dict[str, float]] = []
    for forgotten, learned in points:
        rows.append({"forgotten": math.nan, "validation_metric": math.nan})
        rows.append({"forgotten": forgotten, "validation_metric": learned})
    return SimpleNamespace(history=pd.DataFrame(rows))


def test_forgetting_is_compared_where_both_have_learned_as_much() -> None:
    # Both reach 1.0 or more of the common target 0.95; full fine-tuning begins to forget at once.
    task = SimpleNamespace(label_names=["a", "b"])
    ours = history((0.1, 0.8), (0.2, 1.0), (9.0, 1.0))
    theirs = history((0.4, 0.8), (0.8, 1.0), (0.9, 1.0))
    runs = {
        lora.LORA: [SimpleNamespace(tries={1: ours}, task=task)],
        lora.FULL: [SimpleNamespace(tries={1: theirs}, task=task)],
    }
    found: Any = SimpleNamespace(chosen=runs.__getitem__)
    assert lora.forgotten_when_learned(found).value == pytest.approx(0.175 - 0.7)


def test_the_nearest_rate_is_so_as_a_factor() -> None:
    assert lora.nearest([0.001, 0.004], 0.0019) == 0.001
    assert lora.nearest([0.001, 0.004], 0.0021) == 0.004


@pytest.mark.slow
def test_every_learning_rate_is_followed_to_its_end(
    tiny_model_dir: ModelDir, tmp_path: Path
) -> None:
    folder, task = str(tiny_model_dir("llama")), lora.dealt_task("letters")
    found = lora.learning_rates(
        task, folder, 2, seeds=[3], effort=EFFORTS["smoke"], trainings=Trainings(tmp_path)
    )
    assert found.methods == [lora.LORA, lora.FULL]
    drawn = lora.paths(found)
    for method in found.methods:
        (rate,) = drawn[method]
        lost, learned = drawn[method][rate]
        assert np.isfinite([*lost, *learned]).all()
        assert rate == pytest.approx(lora.chosen_rates(found)[method])
    # The base is asked as a language model, with what was trained in its place.
    assert any(abs(lost).max() > 0 for at in drawn.values() for lost, _ in at.values())


@pytest.mark.slow
def test_an_adapter_for_each_task_is_trained_once_and_kept(
    tiny_model_dir: ModelDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path))
    folder = roomy(tiny_model_dir("llama"), tmp_path / "model")
    made = [
        adapters.one_for_each_task(folder, 2, seeds=[0, 1], effort=EFFORTS["smoke"])
        for _ in range(2)
    ]
    assert made[0].rows.equals(made[1].rows)
    assert made[0].seeds == [0]
    grid = made[0].grid()
    assert [*grid] == [adapters.NONE, *adapters.TASKS.values()]
    assert all([*row] == [*adapters.TASKS.values()] for row in grid.values())
    model = adapters.with_adapters(folder, made[0].folders)
    assert [*model.peft_config] == [*adapters.TASKS.values()]
    switching, loading = adapters.swap_seconds(model, folder)
    assert 0 < switching < loading
    assert all(size > 0 for size in made[0].bytes.values())


@pytest.mark.slow
def test_own_messages_and_another_model_by_parameters_alone(
    tiny_model_dir: ModelDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "messages.csv"
    rows = {"body": ORDERS, "team": ["late" if late else "fine" for late in LATE]}
    pd.DataFrame(rows).to_csv(file, index=False)
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path))
    outcome = run_notebook(
        project_root() / "notebooks" / "03_lora.ipynb",
        {
            "profile": "smoke",
            "base_model": roomy(tiny_model_dir("qwen3"), tmp_path / "model"),
            "task_data": str(file),
            "text_column": "body",
            "label_column": "team",
            "texts_per_label": 5,
        },
    )
    assert outcome.failure == ""
    metrics = read_record(outcome.executed.with_suffix(".json"))["metrics"]
    tested = {row["method"] for row in metrics if row.get("task") == "messages"}
    assert {"LoRA", "full", "IA3", "majority"} <= tested
