"""Supervised fine-tuning of a language model on pairs or pages, and its answers afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ftlab.common.parallel import in_parallel, pays
from ftlab.data import encode_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Training steps from which other processes pay: fewer than in a climb, as each of these models then
# answers its prompts, token by token.
WORTH_PROCESSES = 100
LONGEST = 44  # tokens of an answer, at most: the dialect takes the most
Key = TypeVar("Key")
Pairs = Sequence[tuple[str, str]]  # prompt and answer; a page to read is an answer to ""


@dataclass(frozen=True)
class Teaching:
    """How a base model is taught: steps of `batch_size` pairs, and `rate` times the rate at which
    a search for a full fine-tuning's best would start. `rank` above 0 is LoRA, alpha twice that."""

    steps: int
    rate: float
    rank: int = 0
    batch_size: int = 16


@dataclass(frozen=True)
class Served:
    """Greedy answers to prompts, and the tokens of both."""

    texts: list[str]
    prompt_tokens: np.ndarray
    new_tokens: np.ndarray


@dataclass(frozen=True)
class Taught:
    """What became of one teaching: its answers by need, and what it took.

    `tokens` are those read in training, padding aside: of a mean pair, without the space before its
    answer, times all pairs of all steps. `trained` counts the parameters that moved. `model` is
    there if it was to be kept.
    """

    served: dict[str, Served]
    seconds: float
    tokens: int
    trained: int
    model: PreTrainedModel | None = None


def teach(
    base_model: str, pairs: Pairs, teaching: Teaching, seed: int
) -> tuple[PreTrainedModel, float, int]:
    """The base model, taught; the seconds of its training; and how many parameters moved."""
    from ftlab.models import count_parameters, load_causal_lm, load_tokenizer, starting_rate
    from ftlab.training import fit
    from ftlab.tuning import lora

    tokenizer, model = load_tokenizer(base_model), load_causal_lm(base_model)
    rate = teaching.rate * starting_rate(model)
    if teaching.rank:
        lora.add_lora(model, teaching.rank, 2 * teaching.rank, seed=seed)
    # The space between prompt and answer belongs to the answer, as the model was pretrained.
    answers = [f" {answer}" if prompt else answer for prompt, answer in pairs]
    done = fit(
        model,
        encode_pairs(tokenizer, [prompt for prompt, _ in pairs], answers),
        pad_id=tokenizer.pad_token_id,
        learning_rate=rate,
        max_steps=teaching.steps,
        batch_size=teaching.batch_size,
        seed=seed,
        progress=False,
    )
    return model, done.seconds, count_parameters(model)["trainable"]


def teach_and_serve(
    base_model: str,
    pairs: Pairs,
    teaching: Teaching,
    seed: int,
    prompts: Mapping[str, Sequence[str]],
    max_new_tokens: int = LONGEST,
    keep: bool = False,
) -> Taught:
    """Teach, then answer the prompts of every need; `keep` the model if it is wanted after that."""
    from ftlab.models import load_tokenizer

    tokenizer = load_tokenizer(base_model)
    model, seconds, trained = teach(base_model, pairs, teaching, seed)
    lengths = np.array([len(f["input_ids"]) for f in _read(tokenizer, pairs)])
    return Taught(
        {need: serve(model, tokenizer, asked, max_new_tokens) for need, asked in prompts.items()},
        seconds,
        int(lengths.mean() * teaching.steps * teaching.batch_size),
        trained,
        model if keep else None,
    )


def teach_all(jobs: Mapping[Key, dict[str, Any]], what: str) -> dict[Key, Taught]:
    """`teach_and_serve(**job)` for every job, on all cores where that pays, under the jobs' keys.

    `what` is the remark of the progress bar.
    """
    steps = sum(job["teaching"].steps for job in jobs.values())
    todo = list(jobs.values())
    if pays(steps, WORTH_PROCESSES):
        done = in_parallel(teach_and_serve, todo, what)
    else:
        done = [teach_and_serve(**job) for job in todo]
    return dict(zip(jobs, done, strict=True))


def serve(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int = LONGEST,
) -> Served:
    """Answers of one line each, many prompts at a time."""
    from ftlab.models import generate

    texts = generate(model, tokenizer, list(prompts), max_new_tokens=max_new_tokens)
    return Served(
        [text.strip() for text in texts],
        np.array([len(ids) for ids in tokenizer(list(prompts))["input_ids"]]),
        # The end of the line is written too.
        np.array([len(ids) + 1 for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]),
    )


def _read(tokenizer: Any, pairs: Pairs) -> list[Any]:
    return encode_pairs(tokenizer, [p for p, _ in pairs], [a for _, a in pairs])
