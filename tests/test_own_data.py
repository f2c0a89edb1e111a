"""The notebooks of the ladder with the reader's own data and models: parameters alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from conftest import LATE, ORDERS

from ftlab.batch.running import run_notebook
from ftlab.claims.record import read_record
from ftlab.common.paths import project_root
from ftlab.rag.opening import open_store

ModelDir = Callable[[str], Path]


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "messages.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["body", "team"])
        for text, late in zip(ORDERS, LATE, strict=True):
            writer.writerow([text, "late" if late else "fine"])
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("name", "family"), [("02_layer_freezing", "distilbert")])
def test_own_messages_and_another_model_by_parameters_alone(
    name: str,
    family: str,
    messages: Path,
    tiny_model_dir: ModelDir,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path))
    outcome = run_notebook(
        project_root() / "notebooks" / f"{name}.ipynb",
        {
            "profile": "smoke",
            "base_model": str(tiny_model_dir(family)),
            "task_data": str(messages),
            "text_column": "body",
            "texts_per_label": 5,
            "label_column": "team",
        },
    )
    assert outcome.failure == ""
    record = read_record(outcome.executed.with_suffix(".json"))
    if name == "02_layer_freezing":
        depth = [r for r in record["metrics"] if r.get("experiment") == "depth"]
        full = {r["name"]: r for r in depth if r.get("method") == "full"}
        assert full["share"]["value"] == 1.0
        assert full["share"]["task"] == "messages"
        forgotten = full.get("forgotten", {}).get("value")
    else:
        rungs = {row["method"]: row for row in record["metrics"] if row["name"] == "ladder"}
        assert {row["task"] for row in rungs.values()} == {"messages"}
        assert rungs["full"]["share"] == 1.0
        forgotten = rungs["full"]["forgotten"]
    assert (forgotten is None) == (family == "distilbert")


@pytest.fixture(scope="module")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of documents, one of them Japanese, and questions about them."""
    folder = tmp_path_factory.mktemp("handbook")
    (folder / "docs" / "more").mkdir(parents=True)
    kinds = {"red": "lamp", "blue": "kettle", "green": "mirror", "grey": "saddle"}
    rows = []
    for place, (colour, thing) in enumerate(kinds.items()):
        source = f"more/{thing}.md" if place % 2 else f"{thing}.txt"
        text = f"The colour of the Sabmet {thing} is {colour}. The price is {place + 3} crowns."
        (folder / "docs" / source).write_text(text, encoding="utf-8")
        for asked in ("What colour is", "What is the colour of", "Of which colour is"):
            rows.append({"question": f"{asked} the Sabmet {thing}?", "answer": colour})
            rows[-1] |= {"source": source}
    (folder / "docs" / "返品.txt").write_text(
        "商品の返品は二週間以内です。送料は無料です。", encoding="utf-8"
    )
    rows.append({"question": "返品は何週間以内ですか。", "answer": "二週間", "source": "返品.txt"})
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "questions.jsonl").write_text(lines, encoding="utf-8")
    return folder / "docs", folder / "questions.jsonl"


@pytest.mark.slow
def test_own_documents_and_questions_by_parameters_alone(
    handbook: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path))
    documents, questions = handbook
    outcome = run_notebook(
        project_root() / "notebooks" / "04_rag.ipynb",
        {
            "profile": "smoke",
            "documents": str(documents),
            "questions": str(questions),
            "index": str(tmp_path / "handbook.db"),
        },
    )
    assert outcome.failure == ""
    record = read_record(outcome.executed.with_suffix(".json"))
    scores = {row["way"]: row["value"] for row in record["metrics"] if row["name"] == "score"}
    assert {row["need"] for row in record["metrics"] if row["name"] == "score"} == {"own"}
    assert scores["RAG"] > scores["closed book"]
    found = {r["search"]: r["value"] for r in record["metrics"] if r.get("at") == "first 5"}
    assert found["sparse"] == 1.0
    with closing(open_store(tmp_path / "handbook.db")) as index:  # it stays, and holds all files
        assert {passage.source for passage in index.passages()} == {
            "lamp.txt", "more/kettle.md", "mirror.txt", "more/saddle.md", "返品.txt",
        }  # fmt: skip
