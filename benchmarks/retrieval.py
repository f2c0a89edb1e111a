"""What a vector database costs over plain arithmetic, and what it finds of it.

    python benchmarks/retrieval.py

Passages with vectors of 128 numbers, in clusters as those of texts are, are searched by a FAISS
flat index, exact numpy, the embedded Milvus Lite as the lab uses it (which answers from memory),
and Milvus Lite as a server of its own on loopback (which searches itself, by the index types
given), one after the other. Prints and writes to benchmarks/retrieval.json: recall@10 against
exact search, milliseconds a query (one at a time, and in a batch), with a filter, and of one
changed document; seconds to write all and to open again; and the time in which the base model
writes one answer from four notes, with the share that a single search has in both together. A word
on what each needs: FAISS keeps vectors alone, no passages, no filter, no file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from ftlab.models import generate, load_causal_lm, load_tokenizer
from ftlab.rag.milvus import COLLECTION
from ftlab.rag.opening import open_store
from ftlab.rag.passages import Passage
from ftlab.rag.room import notes_prompt
from ftlab.rag.stores import Hit, Store, Where
from ftlab.rag.town import town_passages

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from milvus_server import own_server

K = 10
FILTER = Where({"shelf": "3"}, since="2020")


def corpus(options: argparse.Namespace, size: int) -> tuple[list[Passage], np.ndarray, np.ndarray]:
    """Passages, their vectors and the queries: noisy copies of some of them."""
    rng = np.random.default_rng(options.seed)
    centres = rng.normal(size=(200, options.dimension))
    rows = centres[rng.integers(0, 200, size)] + 0.6 * rng.normal(size=(size, options.dimension))
    near = rows[rng.integers(0, size, options.queries)]
    queries = near + 0.2 * rng.normal(size=near.shape)
    passages = [
        Passage(f"p{i}", f"Passage {i}. " * 15, f"d{i // 4}", f"{2000 + i % 30}",
                metadata={"shelf": f"{i % 10}"})
        for i in range(size)
    ]  # fmt: skip
    rows, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (rows, queries))
    return passages, rows.astype(np.float32), queries.astype(np.float32)


def milliseconds(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - began)


def timed(search: Callable[[np.ndarray], Any], queries: np.ndarray, singles: int) -> dict[str, Any]:
    search(queries[:1])
    single = [milliseconds(lambda row=row: search(row[None])) for row in queries[:singles]]
    batched = [milliseconds(lambda: search(queries)) / len(queries) for _ in range(3)]
    return {
        "single_ms": statistics.median(single),
        "single_ms_p95": sorted(single)[int(0.95 * (len(single) - 1))],
        "batched_ms": statistics.median(batched),
    }


def recall(found: Any, exact: np.ndarray) -> float:
    shares = [len(set(a) & set(b)) / K for a, b in zip(found, exact.tolist(), strict=True)]
    return statistics.mean(shares)


def measure_store(
    uri: str, options: argparse.Namespace, data: Any, exact: np.ndarray
) -> dict[str, Any]:
    """One of the lab's stores: written, closed, opened again (which builds what is missing)."""
    passages, rows, queries = data
    store: Any = open_store(uri, options.dimension)
    result: dict[str, Any] = {"write_s": milliseconds(lambda: store.upsert(passages, rows)) / 1000}
    if uri != "memory:":
        # As a server does by itself, later: Milvus Lite indexes only what is flushed.
        result["flush_s"] = milliseconds(lambda: store._client.flush(COLLECTION)) / 1000
        store.close()
        opened: list[Store] = []
        result["open_s"] = milliseconds(lambda: opened.append(open_store(uri))) / 1000
        store = opened[0]
    found = [[int(hit.passage.id[1:]) for hit in hits] for hits in store.search(queries, K)]
    result["recall"] = recall(found, exact)
    result |= timed(lambda rows: store.search(rows, K), queries, options.singles)
    filtered = [
        milliseconds(lambda row=row: store.search(row[None], K, where=FILTER))
        for row in queries[:5]
    ]
    result["filtered_ms"] = statistics.median(filtered)
    changes = [
        milliseconds(lambda i=i: store.upsert(passages[4 * i : 4 * i + 3], rows[4 * i : 4 * i + 3]))
        for i in range(5)
    ]
    result["change_ms"] = statistics.median(changes)
    store.close()
    return result


def measure_server(kind: str, options: argparse.Namespace, data: Any, exact: Any) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        own_server(Path(folder)) as address,
        patch("ftlab.rag.milvus.INDEX", kind),
        patch("ftlab.rag.milvus.SECONDS", 300.0),
    ):
        return measure_store(address, options, data, exact)


def measure_embedded(options: argparse.Namespace, data: Any, exact: Any) -> dict[str, Any]:
    folder = tempfile.mkdtemp()
    try:
        return measure_store(str(Path(folder) / "bench.db"), options, data, exact)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_faiss(data: Any, options: argparse.Namespace, exact: Any) -> dict[str, Any]:
    import faiss

    _, rows, queries = data
    index = faiss.IndexFlatIP(options.dimension)
    seconds = milliseconds(lambda: index.add(rows)) / 1000
    result = {"write_s": seconds, "recall": recall(index.search(queries, K)[1].tolist(), exact)}
    return result | timed(lambda r: index.search(r, K), queries, options.singles)


def answer_ms(options: argparse.Namespace) -> float:
    """The median time in which the base model answers one question from four notes."""
    model, tokenizer = load_causal_lm("lab"), load_tokenizer("lab")
    hits = [Hit(passage, 0.0) for passage in town_passages()[:4]]
    prompt = notes_prompt("What is the colour of the Pellyan kettle?", hits)
    times = [
        milliseconds(lambda: generate(model, tokenizer, [prompt], max_new_tokens=28))
        for _ in range(options.singles // 4 + 2)
    ]
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--indexes", nargs="*", default=["FLAT", "HNSW"], help="of the server")
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--singles", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default=str(Path(__file__).with_suffix(".json")))
    options = parser.parse_args()
    answered = answer_ms(options)
    settings = {k: v for k, v in vars(options).items() if k != "output"}
    settings |= {"cores": os.cpu_count(), "threads": os.environ.get("OMP_NUM_THREADS", "all")}
    result: dict[str, Any] = {"settings": settings, "answer_ms": answered}
    print(f"one answer of the base model from four notes: {answered:.0f} ms", flush=True)
    for size in options.sizes:
        data = corpus(options, size)
        _, rows, queries = data
        exact = np.argsort(-(queries @ rows.T), axis=1)[:, :K]
        ways: dict[str, Callable[[], dict[str, Any]]] = {
            "faiss flat": lambda d=data, e=exact: measure_faiss(d, options, e),
            "exact numpy": lambda d=data, e=exact: measure_store("memory:", options, d, e),
            "milvus lite embedded": lambda d=data, e=exact: measure_embedded(options, d, e),
        }
        for kind in options.indexes:
            ways[f"milvus lite server, {kind}"] = lambda k=kind, d=data, e=exact: measure_server(
                k, options, d, e
            )
        for name, way in ways.items():
            found = way()
            found["share_of_an_answer"] = found["single_ms"] / (found["single_ms"] + answered)
            result.setdefault(str(size), {})[name] = found
            shown = ", ".join(f"{key} {value:.3g}" for key, value in found.items())
            print(f"{size} passages, {name}: {shown}", flush=True)
            text = json.dumps(result, indent=2) + "\n"
            Path(options.output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
