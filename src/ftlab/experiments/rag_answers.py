"""Answers of a model, fine-tuned or as it is, kept on the disk: what was answered is not redone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ftlab.common.files import write_atomically
from ftlab.common.parallel import in_parallel, worth_processes
from ftlab.common.paths import results_dir
from ftlab.experiments.identity import base_sha256, code_sha256, here, key_of
from ftlab.tuning.sft import Generations, SFTConfig, fine_tune, generate_answers

LONGEST = 48  # tokens of an answer, at most: JSON takes the most
WORTH = 40  # training steps, or hundreds of prompts, from which other processes pay
FOLDER = "answers"
Prompts = Mapping[str, Sequence[str]]  # by a name of one's own


@dataclass(frozen=True)
class Job:
    """What is asked of a model: `prompts`, after it was fine-tuned on `pairs`, if there are any,
    with `config` and `seed`. `modules` are those whose code decides what is asked."""

    base_model: str
    prompts: Prompts
    pairs: Sequence[tuple[str, str]] = ()
    config: SFTConfig | None = None
    seed: int = 0


@dataclass(frozen=True)
class Answered:
    """Greedy answers by the names of their prompts, and the seconds and tokens of the training."""

    generations: dict[str, Generations]
    seconds: float = 0.0
    training_tokens: int = 0


def answers(jobs: Sequence[Job], what: str) -> list[Answered]:
    """The answers of every job, on all cores where that is worth it; those that are kept on the
    disk are read from there. `what` is the remark of the progress bar."""
    keys = [_key(job) for job in jobs]
    kept = {key: _load(key) for key in keys}
    todo = {key: job for key, job in zip(keys, jobs, strict=True) if kept[key] is None}
    work: list[dict[str, Any]] = [{"job": job, "key": key} for key, job in todo.items()]
    effort = sum(_effort(job) for job in todo.values())
    if len(work) > 1 and worth_processes(effort, WORTH):
        work.sort(key=lambda one: -_effort(one["job"]))  # the longest first
        done = in_parallel(_answered, work, what)
    else:
        done = [_answered(**one) for one in work]
    found = kept | {one["key"]: made for one, made in zip(work, done, strict=True)}
    return [found[key] for key in keys]  # type: ignore[misc]


def _effort(job: Job) -> int:
    steps = job.config.steps if job.config else 0
    return steps + sum(map(len, job.prompts.values())) // 100


def _answered(job: Job, key: str) -> Answered:
    from ftlab.data import encode_pairs
    from ftlab.models import load_causal_lm, load_tokenizer

    tokenizer = load_tokenizer(job.base_model)
    seconds, tokens = 0.0, 0
    if job.config is None:
        model = load_causal_lm(job.base_model)
    else:
        model, seconds, _ = fine_tune(job.base_model, job.pairs, job.config, job.seed)
        asked, wanted = [p for p, _ in job.pairs], [a for _, a in job.pairs]
        read = encode_pairs(tokenizer, asked, wanted)
        length = float(np.mean([len(feature["input_ids"]) for feature in read]))
        tokens = int(length * job.config.steps * job.config.batch_size)
    unique = list(dict.fromkeys(text for some in job.prompts.values() for text in some))
    said = generate_answers(model, tokenizer, unique, LONGEST)  # each prompt once
    place = {text: number for number, text in enumerate(unique)}
    made = {}
    for name, some in job.prompts.items():
        at = [place[text] for text in some]
        texts = [said.texts[number] for number in at]
        made[name] = Generations(texts, said.prompt_tokens[at], said.new_tokens[at])
    done = Answered(made, seconds, tokens)
    path = results_dir() / FOLDER / f"{key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(_plain(done)))
    return done


def _key(job: Job) -> str:
    """The digest of all that decides the answers, the code of the package included."""
    about: dict[str, Any] = {
        "base": base_sha256(job.base_model),
        "code": code_sha256((__name__,)),
        "prompts": {name: list(some) for name, some in job.prompts.items()},
        "pairs": list(map(list, job.pairs)),
        "config": asdict(job.config) if job.config else None,
        "seed": job.seed if job.config else 0,
        **here(),
    }
    return key_of(about)


def _load(key: str) -> Answered | None:
    """The answers of this key, if there are any that can be read."""
    path = results_dir() / FOLDER / f"{key}.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        made = {
            name: Generations(one["texts"], np.array(one["prompt"]), np.array(one["new"]))
            for name, one in told["generations"].items()
        }
        return Answered(made, told["seconds"], told["training_tokens"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _plain(done: Answered) -> dict[str, Any]:
    made = {
        name: {
            "texts": one.texts,
            "prompt": [int(n) for n in one.prompt_tokens],
            "new": [int(n) for n in one.new_tokens],
        }
        for name, one in done.generations.items()
    }
    return {
        "generations": made,
        "seconds": done.seconds,
        "training_tokens": done.training_tokens,
    }
