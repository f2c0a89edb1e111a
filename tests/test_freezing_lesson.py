"""What the lesson on freezing measures: methods, curves, layers put back, memory, figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import LATE, ORDERS
from matplotlib.patches import Rectangle

from ftlab import experiments, plots
from ftlab.data import Task
from ftlab.evaluation import Estimate, costs
from ftlab.experiments import (
    EFFORTS,
    FineTuning,
    LearnedForgotten,
    TaskSource,
    Trainings,
    fair_comparison,
    memory_parts,
    put_back,
)
from ftlab.experiments.freezing import depths, upper_minus_lower_half
from ftlab.experiments.freezing_methods import (
    HeadFirst,
    OwnTokens,
    as_estimator,
    linear_probe,
    patient,
)
from ftlab.experiments.putting_back import layer_of_base
from ftlab.models import load_classifier, load_tokenizer
from ftlab.plots.freezing import over_depth, trade_off
from ftlab.training.budget import TrainingBudget
from ftlab.tuning import FULL_FINE_TUNING, HEAD_ONLY, single_block, top_blocks

ModelDir = Callable[[str], Path]
BUDGET = TrainingBudget(2, 4, 4, max_length=32, batch_size=4, eval_points=1)
SOME = Estimate(0.5, 0.4, 0.6, 3)


@pytest.fixture
def task() -> Task:
    rows = pd.DataFrame({"text": ORDERS, "label": LATE})
    parts = rows[:16], rows[16:20].reset_index(drop=True), rows[20:].reset_index(drop=True)
    return Task("orders", "made here", ["fine", "late"], parts[0], parts[1], [], parts[2])


def tuning(task: Task, folder: str, kind: type[FineTuning] = FineTuning) -> FineTuning:
    return kind("full", folder, task, BUDGET, candidates=(1e-3,))


@pytest.mark.parametrize("labels", [2, 3])
def test_a_linear_probe_is_the_regression_as_a_head(labels: int) -> None:
    rng = np.random.default_rng(0)
    wanted = rng.integers(0, labels, 90)
    vectors = rng.normal(size=(90, 6)) + 4 * np.eye(labels, 6)[wanted] + 3
    weight, bias = linear_probe(vectors, wanted)
    assert weight.shape == (labels, 6)
    assert ((vectors @ weight.T + bias).argmax(1) == wanted).mean() > 0.9


def test_a_network_whose_head_came_first_starts_with_that_head(
    task: Task, tiny_model_dir: ModelDir
) -> None:
    folder = str(tiny_model_dir("llama"))
    method = as_estimator(HeadFirst, tuning(task, folder), "head, then all")
    plain = tuning(task, folder)
    still = 1e-12  # a rate at which nothing moves: what is left is the start
    texts = list(task.train.text)
    fitted = method.fit(task.train, still, 0)
    right = (fitted.predict(texts) == task.train.label.to_numpy()).mean()
    assert right > (plain.fit(task.train, still, 0).predict(texts) == task.train.label).mean()
    assert right == 1.0
    assert method.name == "head, then all"


def test_words_that_are_cut_get_tokens_that_start_as_the_mean_of_their_pieces(
    task: Task, tiny_model_dir: ModelDir
) -> None:
    folder = str(tiny_model_dir("llama"))
    tokenizer = load_tokenizer(folder)
    text = "zorblax quimpet zorblax quimpet zorblax quimpet rarely"
    rows = pd.DataFrame({"text": [text, "a b"], "label": [0, 1]})
    own = OwnTokens("own", folder, Task("t", "", ["x", "y"], rows, rows, [], rows), BUDGET)
    assert experiments.cut_words(tokenizer, rows.text) == ["zorblax", "quimpet"]
    assert len(own.tokenizer.tokenize(" zorblax")) == 1
    assert len(own.tokenizer) == len(tokenizer) + 2
    table = own.load(0).get_input_embeddings().weight
    pieces = tokenizer(" zorblax", add_special_tokens=False)["input_ids"]
    row = table[own.tokenizer.convert_tokens_to_ids("zorblax")]
    torch.testing.assert_close(row, table[pieces].mean(0))
    model = own.load(0)
    assert len(own.features(model, [text])[0]["input_ids"]) < len(
        FineTuning.features(own, model, [text])[0]["input_ids"]
    )


def test_what_is_put_back_is_the_base_and_comes_out_again(tiny_model_dir: ModelDir) -> None:
    folder = str(tiny_model_dir("llama"))
    tuned, base = (load_classifier(folder, ["a", "b"]) for _ in range(2))
    with torch.no_grad():
        for parameter in tuned.trunk.parameters():
            parameter.add_(1.0)
    bits = {name: p.clone() for name, p in tuned.named_parameters()}
    with layer_of_base(tuned, base, "block 2"):
        for (name, p), q in zip(tuned.named_parameters(), base.parameters(), strict=True):
            assert torch.equal(p, q) == (".1." in name or name.startswith("head"))
    assert all(torch.equal(p, bits[name]) for name, p in tuned.named_parameters())


def test_only_the_block_that_was_trained_is_missed(
    task: Task, tiny_model_dir: ModelDir, tmp_path: Path
) -> None:
    folder = str(tiny_model_dir("llama"))
    method = FineTuning("one", folder, task, BUDGET, (1e-2,), tuning=single_block(2))
    trainings = Trainings(tmp_path)
    found = fair_comparison(
        task, lambda task: [method], seeds=[0, 1], keep={"one"}, trainings=trainings
    )
    back = put_back(found, folder, method="one")
    assert back.layers == ["embeddings", "block 1", "block 2", "last norm"]
    moved = {layer: back.estimate(layer, "moved").value for layer in back.layers}
    assert moved["block 2"] > 0
    others = [layer for layer in back.layers if layer != "block 2"]
    assert all(moved[layer] == 0 for layer in others)
    assert all(back.estimate(layer).value == 0 for layer in others)
    assert back.difference("block 1", "embeddings").value == 0
    assert {row["name"] for row in back.metrics()} == {"lost_when_put_back", "weights_moved"}
    assert list(back.table().index) == back.layers


def curve(name: str, scores: dict[float, float], lost: dict[float, float | None]) -> Any:
    tries = {rate: SimpleNamespace(measured={"forgotten": lost[rate]}) for rate in lost}
    return SimpleNamespace(method=SimpleNamespace(name=name), scores=scores, tries=tries)


class Found:
    """As much of a comparison as curves need: two seeds."""

    def __init__(self, **runs: list[Any]) -> None:
        self.by_name = runs
        self.methods = list(runs)
        self.runs = [run for own in runs.values() for run in own]

    def chosen(self, method: str) -> list[Any]:
        return self.by_name[method]


def test_methods_are_compared_at_the_lowest_rates_that_are_as_good_as_both_can() -> None:
    lost = {0.001: 0.1, 0.002: 0.3, 0.004: 0.9}
    a = curve("a", {0.001: 0.80, 0.002: 0.90, 0.004: 0.91}, lost)  # good from 0.002 on
    b = curve("b", {0.001: 0.70, 0.002: 0.80, 0.004: 0.95}, {r: 2 * v for r, v in lost.items()})
    trade = LearnedForgotten(Found(a=[a, a], b=[b, b]))  # type: ignore[arg-type]
    # Both reach 0.91, less two points: a between the first rates, b between the last.
    found = trade.at_equal_accuracy("a", "b")
    assert found is not None
    assert found.value == pytest.approx((0.1 + 0.9 * 0.2) - (0.6 + 0.6 * 1.2))
    assert trade.careful("a") == [(0.002, 0.3), (0.002, 0.3)]
    table = trade.table()
    assert table.loc["a", "lowest good rate"] == "0.002"
    assert table.loc["b", "forgetting there (bits per character)"] == pytest.approx(1.8)
    assert list(trade.curves().query("method == 'a'").rate) == [0.001, 0.002, 0.004]
    assert "from the rate 0.001 to 0.004, forgetting goes from 0.10 to 0.90." in (
        trade.along_the_rates("a")
    )


def test_where_nothing_is_known_of_forgetting_there_is_no_estimate_of_it() -> None:
    run = curve("a", {0.001: 0.8, 0.002: 0.9}, {0.001: None, 0.002: None})
    trade = LearnedForgotten(Found(a=[run], b=[run]))  # type: ignore[arg-type]
    assert not trade.measured
    assert trade.at_equal_accuracy("a", "b") is None
    assert trade.along_the_rates("a") == ""
    assert "forgetting" not in " ".join(trade.table().columns)
    figure = trade_off(trade.curves(), trade.measured, {"TF-IDF": 0.5})
    assert figure.axes[0].get_xlabel() == "learning rate"


def test_the_lower_a_block_lies_the_more_is_kept_for_the_backward_pass(
    task: Task, tiny_model_dir: ModelDir
) -> None:
    folder = str(tiny_model_dir("llama"))
    methods = [HEAD_ONLY, single_block(2), single_block(1), FULL_FINE_TUNING]
    parts = memory_parts(folder, task, methods, batch_size=4)
    kept = list(parts["kept for the backward pass"])
    assert kept == sorted(kept)
    assert kept[1] < kept[2]
    same = ["weights", "gradients", "optimizer state"]
    assert (parts.loc["block 1", same] == parts.loc["block 2", same]).all()
    model = load_classifier(folder, task.label_names)
    method = tuning(task, folder)
    batch = experiments.memory.collate(
        method.features(model, task.train.text[:4], list(task.train.label[:4])), 0
    )
    assert parts.loc["full"].sum() == pytest.approx(costs(model, batch)["memory_bytes"] / 1e6)


def test_a_task_of_the_lab_is_dealt_anew_and_one_of_ones_own_is_not(tmp_path: Path) -> None:
    letters = TaskSource("letters", texts_per_label=4)
    one, two = (letters.task(seed, (20, 30)) for seed in (0, 1))
    assert (len(one.train), len(one.validation), one.test_size) == (32, 20, 30)
    assert not {*one.train.text} & {*two.train.text}
    assert callable(letters.for_comparison(EFFORTS["quick"], 0))
    assert len(letters.of("near").task(0).train) > 100
    file = tmp_path / "own.csv"
    pd.DataFrame({"text": ORDERS, "label": LATE}).to_csv(file, index=False)
    own = TaskSource(str(file), text_column="text", texts_per_label=5)
    assert isinstance(own.for_comparison(EFFORTS["quick"], 0), Task)
    assert own.of("dialect").task(0).name == "dialect"


def test_of_many_blocks_the_quarters_stand_for_all() -> None:
    assert depths(4, EFFORTS["full"]) == [0, 1, 2, 3, 4]
    assert depths(24, EFFORTS["full"]) == [0, 1, 6, 12, 18, 24]
    assert depths(24, EFFORTS["quick"]) == [0, 12, 24]


def test_a_head_alone_gets_more_steps(task: Task) -> None:
    method = patient(tuning(task, "lab"), 8)
    assert method.training_budget.steps(16) == 8 * BUDGET.steps(16)


def test_the_halves_are_compared_where_both_were_trained() -> None:
    found = SimpleNamespace(methods=["top 2", "full"])
    assert upper_minus_lower_half(found) is None  # type: ignore[arg-type]
    found = SimpleNamespace(methods=["top 2", "bottom 2"], difference=lambda a, b: (a, b))
    assert upper_minus_lower_half(found) == ("top 2", "bottom 2")  # type: ignore[arg-type]


def test_the_drawn_stacks_show_what_is_frozen_and_how_far_the_gradient_goes() -> None:
    layers = {"embeddings": 500_000, "block 1": 400_000, "block 2": 400_000, "head": 3080}
    figure = plots.stacks(layers, {"head": ["head"], "block 1": ["block 1", "head"]})
    [axes] = figure.axes
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(boxes) == 8
    assert sum(box.get_hatch() == "///" for box in boxes) == 5
    ends = [text.xy[1] for text in axes.texts if getattr(text, "arrowprops", None)]
    assert [round(end) for end in ends] == [3, 1]
    assert next(t.get_text() for t in axes.get_yticklabels()) == "embeddings\n0.50 M weights"


def test_panels_share_their_steps_and_parts_of_memory_add_up() -> None:
    figure = over_depth(
        {"accuracy": {"0": SOME, "1": SOME}, "memory": {"0": SOME, "1": SOME}},
        x="blocks", title="t", levels={"TF-IDF": 0.3},
    )  # fmt: skip
    assert [axes.get_title("left") for axes in figure.axes] == ["accuracy", "memory"]
    assert figure.axes[0].lines[-1].get_ydata()[0] == 0.3
    parts = pd.DataFrame({"weights": [10.0, 10.0], "kept": [1.0, 30.0]}, index=["head", "full"])
    axes = plots.stacked(parts, x="MB", title="t").axes[0]
    assert {"11", "40"} <= {text.get_text() for text in axes.texts}
    axes = plots.rows({"a": SOME}, x="accuracy lost", title="t").axes[0]
    assert "0.50" in {text.get_text() for text in axes.texts}


def test_the_top_two_blocks_of_a_deep_model_can_be_trained(tiny_model_dir: ModelDir) -> None:
    model = load_classifier(str(tiny_model_dir("llama")), ["a", "b"])
    top_blocks(1).prepare(model, 0)
    assert not next(model.trunk.parameters()).requires_grad
