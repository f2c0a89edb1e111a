"""Several adapters on one base: each trained for one task, and asked to do all of them."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ftlab.common.files import write_atomically
from ftlab.common.libraries import quiet
from ftlab.common.parallel import in_parallel, worth_processes
from ftlab.common.paths import results_dir
from ftlab.data import encode_pairs
from ftlab.evaluation import Estimate
from ftlab.experiments.effort import Effort
from ftlab.experiments.identity import base_sha256, code_sha256, here, key_of
from ftlab.experiments.learning_curve import over_seeds
from ftlab.tuning.sft import LONGEST, generate_answers
from ftlab.world import build_world
from ftlab.world.needs import Need, needs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TASKS = {"voice": "house's voice", "format": "JSON", "sorting": "sorting goods"}
NONE = "none"
BATCH, SHARE_OF_STEPS = 16, 4  # texts of a step; the budget of a classifier's steps over this
RATE_FACTOR = 2.0  # times the model's starting rate: an adapter learns its task, and keeps facts
ITEMS, MANY_ITEMS = 20, 60  # of each task that an adapter is asked, MANY in a longer run
WORTH = 100  # training steps from which other processes pay


@dataclass(frozen=True)
class Adapters:
    """What became of every adapter: `rows` has adapter ("none" for the base alone), task, seed and
    the share of answers that are as wanted; `folders` are where the adapters of the first seed
    lie, as `peft` saves them; `bytes` what they take there."""

    rows: pd.DataFrame
    folders: Mapping[str, Path]
    bytes: Mapping[str, int]

    @property
    def seeds(self) -> list[int]:
        return sorted({*self.rows.seed})

    def share(self, adapter: str, task: str) -> Estimate:
        """The share of a task's answers that are as wanted, over seeds."""
        own = self.rows[(self.rows.adapter == adapter) & (self.rows.task == task)]
        return over_seeds(list(own.value), bounds=(0.0, 1.0))

    def grid(self) -> dict[str, dict[str, float]]:
        """{adapter: {task: share}}, means over the seeds."""
        return {
            adapter: {task: self.share(adapter, task).value for task in TASKS.values()}
            for adapter in (NONE, *TASKS.values())
        }

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for row in self.rows.to_dict("records"):
            yield {"name": "as_wanted", **{str(key): value for key, value in row.items()}}
        for adapter, size in self.bytes.items():
            yield {"name": "stored_bytes", "value": size, "adapter": adapter}


def wanted(name: str, seed: int = 0) -> Need:
    """What the town wants of a model: "voice", "format" or "sorting", with lessons and items."""
    return needs(build_world(), seed)[name]


def pairs_of(need: Need) -> tuple[list[str], list[str]]:
    """Prompts and answers to learn from; the space between them belongs to the answer."""
    return [need.prompt(item) for item in need.lessons], [f" {i.answer}" for i in need.lessons]


def train_adapter(
    base_model: str, need: Need, folder: Path, rank: int, steps: int, seed: int
) -> Any:
    """Train a LoRA for one task with `peft`, and save it to `folder`."""
    import peft

    from ftlab import training
    from ftlab.models import load_causal_lm, load_tokenizer, private_rng, starting_rate

    tokenizer, base = load_tokenizer(base_model), load_causal_lm(base_model)
    rate = RATE_FACTOR * starting_rate(base)
    config = peft.LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    with private_rng(seed), quiet():
        model = peft.get_peft_model(base, config)
    training.fit(
        model,
        encode_pairs(tokenizer, *pairs_of(need)),
        pad_id=tokenizer.pad_token_id,
        learning_rate=rate,
        max_steps=steps,
        batch_size=BATCH,
        seed=seed,
        progress=False,
    )
    model.save_pretrained(str(folder))
    return model


def answered(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, need: Need, items: int
) -> tuple[list[str], list[bool]]:
    """The model's answers to a task's first items, and whether each is as wanted: the form for
    voice and format, the right answer for all else."""
    asked = need.items[:items]
    prompts = [need.prompt(item) for item in asked]
    texts = generate_answers(model, tokenizer, prompts, LONGEST).texts
    return texts, [item.is_kept(text) for item, text in zip(asked, texts, strict=True)]


def one_for_each_task(
    base_model: str, rank: int, *, seeds: Sequence[int], effort: Effort
) -> Adapters:
    """Train an adapter for each of three tasks with every seed, which deals their examples, and
    ask it, and the base alone, to do all three.

    In a run that searches for nothing there is one seed. What was trained once is kept.
    """
    searching = effort.candidates > 1
    seeds, items = (seeds, MANY_ITEMS) if searching else (seeds[:1], ITEMS)
    steps = max(2, effort.training_budget.max_steps // SHARE_OF_STEPS)
    shared = {"code": code_sha256((__name__,)), "base": base_sha256(base_model), **here()}
    jobs: list[dict[str, Any]] = []
    for seed in seeds:
        for name in (*TASKS, NONE):
            about = {**shared, "adapter": name, "seed": seed, "rank": rank, "steps": steps}
            folder = results_dir() / "adapters" / key_of({**about, "items": items})
            jobs.append({"name": name, "folder": folder, "seed": seed})
    do = functools.partial(_done, base_model=base_model, rank=rank, steps=steps, items=items)
    if worth_processes(steps * len(jobs), WORTH):
        shares = in_parallel(do, jobs, "adapters")
    else:
        shares = [do(**job) for job in jobs]
    rows = [
        {"adapter": TASKS.get(job["name"], NONE), "task": task, "seed": job["seed"], "value": value}
        for job, found in zip(jobs, shares, strict=True)
        for task, value in found.items()
    ]
    first = [job for job in jobs if job["seed"] == seeds[0] and job["name"] in TASKS]
    folders = {TASKS[job["name"]]: job["folder"] for job in first}
    sizes = {
        name: sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        for name, folder in folders.items()
    }
    return Adapters(pd.DataFrame(rows), folders, sizes)


def with_adapters(base_model: str, folders: Mapping[str, Path]) -> Any:
    """The base with all these adapters in memory, the first of them switched on."""
    import peft

    from ftlab.models import load_causal_lm

    names = list(folders)
    base = load_causal_lm(base_model)
    model = peft.PeftModel.from_pretrained(base, str(folders[names[0]]), adapter_name=names[0])
    for name in names[1:]:
        model.load_adapter(str(folders[name]), adapter_name=name)
    return model.eval()


def swap_seconds(model: Any, base_model: str) -> tuple[float, float]:
    """Median seconds of switching to another adapter in memory, and of loading a whole model."""
    from ftlab.models import load_causal_lm

    names = [*model.peft_config]
    switches = [functools.partial(model.set_adapter, name) for name in (*names, *names)]
    loads = [functools.partial(load_causal_lm, base_model)] * 3
    return _median_seconds(switches), _median_seconds(loads)


def _median_seconds(calls: Sequence[Callable[[], object]]) -> float:
    taken = []
    for call in calls:
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))


def _done(
    name: str, folder: Path, seed: int, base_model: str, rank: int, steps: int, items: int
) -> dict[str, float]:
    """The share of each task's answers that are as wanted; trained only if that is not kept."""
    from ftlab.models import load_causal_lm, load_tokenizer

    told = folder / "shares.json"
    if told.exists():
        return dict(json.loads(told.read_text(encoding="utf-8")))
    if name == NONE:
        model = load_causal_lm(base_model)
    else:
        model = train_adapter(base_model, wanted(name, seed), folder, rank, steps, seed)
    tokenizer = load_tokenizer(base_model)
    shares = {
        words: float(np.mean(answered(model, tokenizer, wanted(task, seed), items)[1]))
        for task, words in TASKS.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(told, json.dumps(shares))
    return shares
