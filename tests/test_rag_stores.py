"""Stores: exact, Milvus Lite and a Milvus server through one interface; bad input; kills."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import refused
from milvus_server import own_server

from ftlab.rag.opening import embedded_uri, open_store
from ftlab.rag.passages import Passage, digest
from ftlab.rag.stores import Store, Where

WIDTH = 8
HOSTILE = ['x" or 1==1 --', "'; drop", '"]', "%", "_", "\\", '\\" or true', "ünï 犬\n\t", "a%b_c"]
Open = Callable[..., Store]


def vectors(number: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(number, WIDTH)).astype(np.float32)


def page(source: str, count: int, text: str = "text", **rest: str) -> list[Passage]:
    return [Passage(f"{source}#{i}", f"{text} {i}", source, **rest) for i in range(count)]


def names(store: Store) -> set[str]:
    return {passage.id for passage in store.passages()}


@pytest.fixture(params=["npz", "db"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"index.{request.param}"


@pytest.fixture(params=["memory:", "npz", "db", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "server":
        with_server = request.getfixturevalue("server")
        opened = open_store(with_server, WIDTH)
        opened.delete({passage.source for passage in opened.passages()})
    else:
        ending = request.param
        opened = open_store(ending if ending == "memory:" else tmp_path / f"a.{ending}", WIDTH)
    yield opened
    opened.close()


def rows_in(folder: Path) -> list[str]:
    """The ids of all rows in the folder of a closed database, as the database itself reads it."""
    from milvus_lite import MilvusLite

    with MilvusLite(str(folder)) as database:
        collection = database.get_collection("ftlab_passages")
        collection.load()
        return sorted(row["id"] for row in collection.query())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with own_server(tmp_path_factory.mktemp("server")) as address:
        yield address


def test_a_server_that_ends_before_it_listens_has_no_address(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(RuntimeError, match="does not listen"),
        own_server(tmp_path / "file"),
    ):
        pass


def test_every_store_finds_what_plain_arithmetic_finds(store: Store) -> None:
    rows, asked = vectors(60), vectors(5, seed=1)
    passages = [Passage(f"p{i}", f"text {i}", f"s{i // 3}") for i in range(60)]
    store.upsert(passages, 3 * rows)  # lengths do not matter: it is the cosine
    cosines = (asked / np.linalg.norm(asked, axis=1, keepdims=True)) @ (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
    ).T
    for line, hits in zip(cosines, store.search(asked, 7), strict=True):
        best = np.argsort(-line)[:7]
        assert [hit.passage for hit in hits] == [passages[i] for i in best]
        np.testing.assert_allclose([hit.score for hit in hits], line[best], atol=1e-5)
    assert len(store.search(asked[:1], 100)[0]) == 60


def test_the_next_search_sees_an_insertion_a_change_and_a_deletion(store: Store) -> None:
    store.upsert([*page("a", 3), *page("b", 1)], vectors(4))
    assert store.count() == 4
    store.upsert(page("a", 2, "changed"), vectors(2, seed=5))
    assert names(store) == {"a#0", "a#1", "b#0"}
    (hits,) = store.search(vectors(2, seed=5)[:1], 9)
    assert hits[0].passage.text == "changed 0"
    assert {hit.passage.id for hit in hits} == {"a#0", "a#1", "b#0"}
    store.delete(["a", "unknown"])
    assert names(store) == {"b#0"}
    assert [hit.passage.id for hit in store.search(vectors(1), 9)[0]] == ["b#0"]
    assert store.count() == 1


def test_search_by_metadata_and_date(store: Store) -> None:
    dates = ["", "0311", "0312", "2024-02", "2024-02-29"]
    passages = [
        Passage(f"d{i}", "t", f"d{i}", date, metadata={"shop": "Foggy Mitten", "kind": f"{i % 2}"})
        for i, date in enumerate(dates)
    ]
    store.upsert(passages, vectors(5))

    def found(where: Where) -> set[str]:
        return {hit.passage.id for hit in store.search(vectors(1), 9, where=where)[0]}

    assert found(Where()) == {"d0", "d1", "d2", "d3", "d4"}
    assert found(Where(since="0312")) == {"d2", "d3", "d4"}
    assert found(Where(until="0312")) == {"d1", "d2"}
    assert found(Where(since="2024-02-01", until="2024-12-31")) == {"d4"}
    assert found(Where({"kind": "1"})) == {"d1", "d3"}
    assert found(Where({"kind": "1", "shop": "Foggy Mitten"}, since="0312")) == {"d3"}
    assert found(Where({"kind": "2"})) == found(Where({"Foggy Mitten": "shop"})) == set()


def test_no_value_of_the_data_acts_as_a_filter(store: Store) -> None:
    passages = [
        Passage(value, value, value, key=value, metadata={value: value, "n": value})
        for value in HOSTILE
    ]
    store.upsert([*passages, Passage("plain", "plain", "plain")], vectors(len(HOSTILE) + 1))
    assert set(store.passages()) >= set(passages)
    for value in HOSTILE:
        for where in (Where({"n": value}), Where({value: value})):
            hits = store.search(vectors(1), 99, where=where)[0]
            assert [hit.passage.id for hit in hits] == [value]
        assert store.search(vectors(1), 99, where=Where({"n": value + '" or "" == "'}))[0] == []
    for gone, value in enumerate(HOSTILE, start=1):
        store.delete([value])
        assert store.count() == len(HOSTILE) + 1 - gone
    refused(lambda: Where(since='2024" or 1==1'), "YYYY-MM-DD")


def test_bad_input_is_refused_and_changes_nothing(store: Store) -> None:
    refused(lambda: store.search(vectors(1), 3), "empty")
    store.upsert(page("a", 2), vectors(2))
    for action, words in (
        (lambda: store.search(np.ones((1, WIDTH + 1)), 3), (f"{WIDTH} numbers", "another encoder")),
        (lambda: store.search(vectors(1), 0), ("k must be 1 or more", "0")),
        (lambda: store.search(vectors(1), -1), ("k must be 1 or more", "-1")),
        (lambda: store.upsert(page("b", 2), np.ones((2, 3))), (f"{WIDTH} numbers",)),
        (lambda: store.upsert(page("b", 2), vectors(3)), ("2 passages but 3 vectors",)),
        (lambda: store.upsert(page("b", 1), np.zeros((1, WIDTH))), ("zeros",)),
        (lambda: store.upsert(page("b", 1), np.full((1, WIDTH), np.nan)), ("not finite",)),
        (lambda: store.upsert(page("b", 1) * 2, vectors(2)), ("b#0", "Two passages")),
        (lambda: store.upsert([Passage("a#1", "t", "c")], vectors(1)), ("a#1", "another source")),
    ):
        refused(action, *words)
    assert names(store) == {"a#0", "a#1"}


@pytest.mark.parametrize("store", ["db", "server"], indirect=True)
def test_a_database_lists_passages_in_one_order_however_they_were_written(store: Store) -> None:
    """A search by words must not find another one of two equals after opening again."""
    pages = [Passage(f"p{i}", "the same text", f"s{i}") for i in range(9)]
    store.upsert(pages, vectors(9))
    listed = store.passages()
    store.delete(["s3", "s0"])
    store.upsert([pages[3], pages[0]], vectors(2))
    assert store.passages() == listed == sorted(pages, key=lambda p: digest(p.id))


def test_a_kept_index_is_opened_again(path: Path) -> None:
    refused(lambda: open_store(path), "There is no index", path.name)
    first = open_store(path, WIDTH)
    first.upsert(page("a", 3, date="2024"), vectors(3))
    kept = first.passages()
    first.close()
    second = open_store(path)  # no lock is left, and the dimension is known
    assert second.dimension == WIDTH
    assert set(second.passages()) == set(kept)
    assert [hit.passage.id for hit in second.search(vectors(3)[1:2], 1)[0]] == ["a#1"]
    second.close()
    refused(lambda: open_store(path, WIDTH + 1), f"{WIDTH} numbers", f"{WIDTH + 1}")
    open_store(path, WIDTH).close()  # a refusal leaves no lock either


def test_what_is_no_index_is_refused_and_left_alone(tmp_path: Path) -> None:
    for name in ("a.npz", "b.db"):
        (tmp_path / name).write_text("something else")
        refused(lambda name=name: open_store(tmp_path / name, WIDTH), name, "not an index")
        assert (tmp_path / name).read_text() == "something else"
    (tmp_path / "c.db").mkdir()
    (tmp_path / "c.db" / "thesis.txt").write_text("mine")
    refused(lambda: open_store(tmp_path / "c.db", WIDTH), "c.db", "other files")
    assert [p.name for p in (tmp_path / "c.db").iterdir()] == ["thesis.txt"]
    np.savez(tmp_path / "d.npz", other=np.ones(3))
    refused(lambda: open_store(tmp_path / "d.npz", WIDTH), "d.npz", "not an index")
    refused(lambda: open_store(tmp_path / "folder", WIDTH), "is not a store", ".db")


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftlab.rag.milvus.SECONDS", 1.0)
    refused(lambda: open_store("http://127.0.0.1:9", WIDTH), "127.0.0.1:9")


@pytest.mark.slow
def test_two_on_one_index(path: Path) -> None:
    first = open_store(path, WIDTH)
    first.upsert(page("a", 1), vectors(1))
    code = (
        "import sys, numpy as np\nfrom ftlab.common.errors import LabError\n"
        "from ftlab.rag.opening import open_store\nfrom ftlab.rag.passages import Passage\n"
        "try:\n    store = open_store(sys.argv[1])\n"
        "    store.upsert([Passage('b', 't', 'b')], np.ones((1, store.dimension)))\n"
        "except LabError as error:\n    print(error)\n"
    )
    run = [sys.executable, "-c", code, str(path)]
    other = subprocess.run(run, capture_output=True, text=True, check=True, timeout=120)
    assert other.stderr == ""
    if path.suffix == ".db":  # the database locks its folder
        assert "is open in another process" in other.stdout
        first.close()
        other = subprocess.run(run, capture_output=True, text=True, check=True, timeout=120)
        assert (other.stdout, other.stderr) == ("", "")
        with open_again(path) as names_now:
            assert names_now == {"a#0", "b"}
    else:  # a file cannot: whoever comes second with a change is refused
        assert other.stdout == ""
        refused(lambda: first.upsert(page("c", 1), vectors(1)), "changed by another process")
        with open_again(path) as names_now:
            assert names_now == {"a#0", "b"}


class open_again:
    """The ids in an index, which is closed again."""

    def __init__(self, path: Path) -> None:
        self.store = open_store(path)

    def __enter__(self) -> set[str]:
        return names(self.store)

    def __exit__(self, *error: object) -> None:
        self.store.close()


def test_without_the_database_a_sentence_names_what_serves_instead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused(
        lambda: open_store(tmp_path / "a.db", WIDTH),
        "milvus_lite",
        "pip install 'ftlab[rag]'",
        ".npz",
        "memory:",
    )
    refused(lambda: open_store("http://127.0.0.1:1", WIDTH), "pymilvus", "'ftlab[rag]'.")
    open_store(tmp_path / "a.npz", WIDTH)


def test_rows_that_a_torn_flush_leaves_twice_are_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between filing the rows and deleting their log: both are there."""
    folder = tmp_path / "a.db"
    store = open_store(folder, WIDTH)
    with monkeypatch.context() as patch:
        patch.setattr(store, "_flush", lambda: None)
        store.upsert([*page("a", 3), *page("b", 1)], vectors(4))
    logs = {path: path.read_bytes() for path in folder.rglob("wal_*.arrow")}
    assert logs
    store.delete([])  # flushes
    store.close()
    assert not any(path.exists() for path in logs)
    for path, content in logs.items():
        path.write_bytes(content)
    for _ in range(2):  # mended for good
        store = open_store(folder)
        assert sorted(p.id for p in store.passages()) == ["a#0", "a#1", "a#2", "b#0"]
        assert len(store.search(vectors(1), 9)[0]) == store.count() == 4
        store.close()
        assert len(rows_in(folder)) == 4


def everything(store: Store) -> list[list[tuple[Passage, float]]]:
    """All that a search tells, best first."""
    found = store.search(vectors(3, seed=9), 99)
    return [[(hit.passage, hit.score) for hit in hits] for hits in found]


def test_an_index_searches_alike_before_and_after_it_is_opened_again(path: Path) -> None:
    """After many changes, so that what is in memory has been copied and made room in."""
    chance = random.Random(3)
    store = open_store(path, WIDTH)
    stored: dict[str, list[Passage]] = {}
    for step in range(60):
        source = f"s{chance.randrange(12)}"
        if chance.random() < 0.3:
            store.delete([source])
            stored.pop(source, None)
        else:
            stored[source] = page(source, chance.randint(1, 5), f"{step}")
            store.upsert(stored[source], vectors(len(stored[source]), seed=step))
        assert store.count() == sum(map(len, stored.values()))
        if stored:
            found = {hit.passage.id: hit.passage for hit in store.search(vectors(1), 99)[0]}
            assert found == {p.id: p for pages in stored.values() for p in pages}
    before, listed = everything(store), store.passages()
    store.close()
    if path.suffix == ".db":
        for action in (lambda: store.search(vectors(1), 1), store.count, store.passages):
            refused(action, "closed")
    store = open_store(path)
    assert store.passages() == listed
    for now, then in zip(everything(store), before, strict=True):
        assert [passage for passage, _ in now] == [passage for passage, _ in then]
        np.testing.assert_allclose([x for _, x in now], [x for _, x in then], atol=1e-6)
    store.close()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_after_a_change_that_fails_search_tells_what_the_database_holds(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymilvus.exceptions import MilvusException

    monkeypatch.setattr("ftlab.rag.rows.ROWS", 1)  # every document is a request of its own
    store: Any = open_store(tmp_path / "a.db", WIDTH)
    store.upsert([*page("a", 3), *page("b", 2)], vectors(5))
    before = everything(store)
    changed = [*page("a", 2, "new"), *page("b", 1, "new")]  # an upsert and a deletion for each
    requests = 0

    def failing(do: Callable[..., Any]) -> Callable[..., Any]:
        def request(*arguments: Any, **options: Any) -> Any:
            nonlocal requests
            requests += 1
            if requests == number:
                raise MilvusException(message="the disk is full")
            return do(*arguments, **options)

        return request

    with monkeypatch.context() as patch:
        for name in ("upsert", "delete"):
            patch.setattr(store._client, name, failing(getattr(store._client, name)))
        refused(lambda: store.upsert(changed, vectors(3, seed=5)), "a.db", "the disk is full")
    assert requests == number
    if number == 1:  # the first upsert: nothing was written
        for now, then in zip(everything(store), before, strict=True):
            assert [passage for passage, _ in now] == [passage for passage, _ in then]
    else:  # the deletion after it, and the upsert of the next document: the first one is changed
        assert {p.text for p in store.passages() if p.source == "a"} == {"new 0", "new 1"}
        assert {p.text for p in store.passages() if p.source == "b"} == {"text 0", "text 1"}
    held = set(store.passages())
    assert len(held) == store.count()
    store.close()
    store = open_store(tmp_path / "a.db")
    assert set(store.passages()) == held
    store.upsert(changed, vectors(3, seed=5))  # once more, and nothing stands in its way
    assert names(store) == {"a#0", "a#1", "b#0"}
    assert {hit.passage.text for hit in store.search(vectors(1), 9)[0]} == {"new 0", "new 1"}
    store.close()
    assert len(rows_in(tmp_path / "a.db")) == 3


KILLS = 6
# Document s of version v has 1 to 4 passages that all carry v: a mixture is seen at once.
WRITER = """
import sys, numpy as np
from ftlab.rag.opening import open_store
from ftlab.rag.passages import Passage
store = open_store(sys.argv[1], 8)
rng = np.random.default_rng()
version = int(sys.argv[2])
print("ready", flush=True)
while True:
    version += 1
    documents = []
    for s in range(3):
        count = 1 + (version + s) % 4
        documents += [Passage(f"{s}/{i}", f"{version} of {count}", f"{s}") for i in range(count)]
    documents += [Passage(f"{version}", "passing", "passing")]
    store.upsert(documents, rng.normal(size=(len(documents), 8)))
    if version % 3 == 0:
        store.delete(["passing"])
    print("wrote", flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_every_document_is_whole(path: Path) -> None:
    """Six writers are killed (SIGKILL) at random moments, every other one after a first update."""
    chance = random.Random(0)
    versions: list[int] = []
    for number in range(KILLS):
        last = max(versions, default=0)
        run = [sys.executable, "-c", WRITER, str(path), str(last)]
        writer = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        if number % 2:
            assert writer.stdout.readline() == b"wrote\n"
        time.sleep(chance.uniform(0.0, 0.25))
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        store = open_store(path, WIDTH)
        documents: dict[str, list[str]] = {}
        for passage in store.passages():
            documents.setdefault(passage.source, []).append(passage.text)
        found = store.search(vectors(1), 99)[0] if documents else []
        assert len(found) == sum(map(len, documents.values())) == store.count()
        assert len(documents.pop("passing", ["passing"])) == 1
        for texts in documents.values():
            assert len(set(texts)) == 1
            version, _, count = texts[0].partition(" of ")
            assert len(texts) == int(count)
            versions.append(int(version))
            assert versions[-1] >= last - 1
        store.close()
    assert len(set(versions)) >= KILLS // 2  # the writers did get to write


@pytest.mark.parametrize("kept", [0, 40, 150])
def test_an_index_file_that_a_kill_left_torn_is_made_anew(tmp_path: Path, kept: int) -> None:
    with closing(open_store(tmp_path / "a.db", WIDTH)) as store:
        store.upsert(page("a", 2), vectors(2))
        before = everything(store)
    files = list((tmp_path / "a.db").rglob("*.idx"))
    assert files
    for path in files:
        assert path.stat().st_size > kept
        path.write_bytes(path.read_bytes()[:kept])
    with closing(open_store(tmp_path / "a.db")) as store:
        for now, then in zip(everything(store), before, strict=True):
            assert [found for found, _ in now] == [found for found, _ in then]


def test_where_the_database_does_not_exist_a_file_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert embedded_uri(tmp_path) == str(tmp_path / "passages.db")
    assert capsys.readouterr().out == ""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "milvus_lite" else find(name)
    )
    instead = embedded_uri(tmp_path)
    assert "not installed" in capsys.readouterr().out
    store = open_store(instead, 2)
    store.upsert([Passage("a", "A text.", "a")], [[1.0, 0.0]])
    assert open_store(instead).count() == 1
