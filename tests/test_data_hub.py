"""Hub names without a network: from the local cache, or one sentence; and how offline is found."""

import os
import shutil
import socket
import subprocess
import sys

import datasets
import pytest
from huggingface_hub import constants

from ftlab.common import hub
from ftlab.common.errors import LabError
from ftlab.data import load_task

COMMIT = "a" * 40


def dataset(n, kinds=2, labelled=True, word="message"):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    rows = {
        "text": [f"{word} {i}" for i in range(n)],
        "label": [i % kinds if labelled else -1 for i in range(n)],
    }
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty Hub cache, and the process offline."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "_went_offline", False)
    return tmp_path


def put_snapshot(cache, repository, **splits):
    """What `hf download --repo-type dataset` leaves behind."""
    folder = cache / "hub" / f"datasets--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name, split in splits.items():
        split.to_parquet(snapshot / f"{name}-00000-of-00001.parquet")
    return snapshot


def test_a_downloaded_repository_is_read(cache):
    put_snapshot(cache, "lab/made", train=dataset(40), test=dataset(20, word="other"))
    task = load_task("lab/made")
    assert task.name == "lab/made"
    assert task.label_names == ["no", "yes"]
    assert (len(task.train), len(task.validation), task.test_size) == (36, 4, 20)
    assert set(task.read_test().text) == {f"other {i}" for i in range(20)}
    assert any("local Hub cache" in note for note in task.notes)


def test_what_load_dataset_prepared_earlier_is_read(cache):
    folder = cache / "made"
    folder.mkdir()
    dataset(40).to_parquet(folder / "train.parquet")
    datasets.load_dataset(str(folder), cache_dir=str(cache / "elsewhere"))
    [prepared] = (cache / "elsewhere").glob("made/default*/0.0.0/*/")
    target = cache / "datasets" / "lab___made" / "default" / "0.0.0" / COMMIT
    shutil.copytree(prepared, target)
    info = target / "dataset_info.json"
    [name] = {path.parts[-3] for path in [prepared]}
    info.write_text(info.read_text().replace(f'"{name}"', '"default"'))
    task = load_task("lab/made")
    assert task.label_names == ["no", "yes"]
    assert (len(task.train), len(task.validation), task.test_size) == (28, 4, 8)


def test_withheld_labels_of_test(cache):
    splits = {"train": dataset(40), "validation": dataset(20, word="other")}
    put_snapshot(cache, "lab/made", **splits, test=dataset(20, labelled=False, word="third"))
    task = load_task("lab/made")
    assert set(task.read_test().text) == {f"other {i}" for i in range(20)}


def test_an_unknown_configuration(cache):
    put_snapshot(cache, "lab/made", train=dataset(40))
    with pytest.raises(LabError, match=r"'lab/made:configuration' .*Available: \['default'\]"):
        load_task("lab/made:polite")


@pytest.mark.parametrize("name", ["lab/absent", "absent", "lab/absent:polite"])
def test_neither_cache_nor_network(cache, name):
    with pytest.raises(LabError) as caught:
        load_task(name)
    message = str(caught.value)
    for words in ("not in the local Hub cache", str(cache / "hub"), "HF_HUB_OFFLINE is set", "CSV"):
        assert words in message
    cause = caught.value
    while isinstance(cause, LabError):
        cause = cause.__cause__
    assert isinstance(cause, OSError)  # what the library said is there for a developer
    assert "\n" not in message


def test_a_file_format_is_no_dataset(cache):
    with pytest.raises(LabError, match="'csv' is a file format"):
        load_task("csv")


def test_a_dead_hub_is_found_without_its_retries(tmp_path):
    """In a process of its own, as a reader's is: nothing set, and nobody there who answers."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        environment = {
            **{
                k: v
                for k, v in os.environ.items()
                if "OFFLINE" not in k and "proxy" not in k.lower()
            },
            "HF_ENDPOINT": f"http://127.0.0.1:{reserved.getsockname()[1]}",
            "HF_HOME": str(tmp_path),
        }
        program = "from ftlab.data import load_task; load_task('lab/absent')"
        run = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True
        )
    last = run.stderr.strip().splitlines()[-1]
    assert "'lab/absent' is not in the local Hub cache" in last
    assert "127.0.0.1 cannot be reached" in last


@pytest.fixture
def online(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", False)
    monkeypatch.setattr(hub, "_went_offline", False)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def test_offline_and_back(online, monkeypatch):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert hub.go_offline_if_unreachable() == "127.0.0.1 cannot be reached"
        assert constants.is_offline_mode()
        assert datasets.config.HF_HUB_OFFLINE
        server.listen()
        assert hub.go_offline_if_unreachable() == ""
        assert not constants.is_offline_mode()
        assert not datasets.config.HF_HUB_OFFLINE


def test_the_readers_own_choice_is_not_undone(online, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert hub.go_offline_if_unreachable() == "HF_HUB_OFFLINE is set"
    assert constants.is_offline_mode()


def test_behind_a_proxy_the_proxy_is_asked(online, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.invalid")
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert hub.go_offline_if_unreachable() == ""


@pytest.mark.parametrize(
    ("name", "is_name"),
    [("org/data", True), ("data", True), ("org/data.v1-x_y", True), ("a/b/c", False),
     ("../data", False), ("data/", False), ("/data", False), ("my data", False), ("", False)],
)  # fmt: skip
def test_what_is_written_like_a_hub_name(name, is_name):
    assert hub.is_hub_name(name) is is_name
