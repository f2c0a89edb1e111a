"""Models put to work: taught from pairs or pages, then asked, with what both took. And what they
are asked when the documents and questions are the reader's own."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ftlab.data import encode_pairs
from ftlab.errors import LabError
from ftlab.evaluation import normalise
from ftlab.parallel import in_parallel, pays
from ftlab.rag.passages import AskedQuestion, Passage, read_folder, read_questions
from ftlab.world.exercises import question_prompt
from ftlab.world.needs import Item, Need

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOWN = "town"  # the documents and questions that the lab brings
# Training steps from which other processes pay: fewer than in a climb, as each of these models then
# answers its prompts, token by token.
WORTH_PROCESSES = 100
FEWEST = 12  # questions of one's own: some to learn from, some for choices, some to be examined on
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
    from ftlab import lora
    from ftlab.models import count_parameters, load_causal_lm, load_tokenizer, starting_rate
    from ftlab.training import fit

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


def latencies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int = LONGEST,
) -> np.ndarray:
    """Milliseconds of each prompt, asked alone, one after the other: (prompts,)."""
    from ftlab.models import generate

    taken = []
    for prompt in prompts:
        began = time.perf_counter()
        generate(model, tokenizer, [prompt], max_new_tokens=max_new_tokens)
        taken.append(1000 * (time.perf_counter() - began))
    return np.array(taken)


@dataclass(frozen=True)
class OwnItem(Item):
    """A question of one's own; its `about` is the source that answers it."""

    def is_right(self, text: str) -> bool:
        """Whether the wanted answer stands in `text`, whatever else does."""
        return normalise(self.answer) in normalise(text)


def read_case(
    documents: str, questions: str, chunk_size: int = 0
) -> tuple[list[Passage], list[AskedQuestion]] | None:
    """A folder's passages, of at most `chunk_size` words (0: as `read_folder` cuts them), and a
    file's questions; None where both are "town".

    LabError names file, line and reason: what cannot be read, too few questions, or a source that
    is no document.
    """
    if (documents == TOWN) != (questions == TOWN):
        raise LabError(
            "documents and questions belong together: give both of your own, or 'town' for both."
        )
    if documents == TOWN:
        return None
    sized = {"size": chunk_size} if chunk_size else {}
    passages, asked = read_folder(documents, **sized), read_questions(questions)
    if len(asked) < FEWEST:
        raise LabError(f"{questions} holds {len(asked)} questions, and {FEWEST} are the fewest.")
    sources = {passage.source for passage in passages}
    lost = next((one.source for one in asked if one.source and one.source not in sources), None)
    if lost is not None:
        raise LabError(f"{questions} names the source {lost!r}, which is no file in {documents}.")
    return passages, asked


def own_need(asked: Sequence[AskedQuestion], seed: int, count: int) -> Need:
    """Questions of one's own, dealt by `seed`: a quarter for choices, half of the others (at most
    `count`) for the examination, the rest as lessons."""
    dealt = list(asked)
    random.Random(f"own/{seed}").shuffle(dealt)
    items = [
        OwnItem(question_prompt(one.question), one.answer, one.question, about=one.source)
        for one in dealt
    ]
    choices = len(items) // 4
    examined = choices + min(count, (len(items) - choices) // 2)
    return Need(
        "own",
        "your questions about your documents",
        tuple(items[examined:]),
        tuple(items[choices:examined]),
        tuple(items[:choices]),
    )


def _read(tokenizer: Any, pairs: Pairs) -> list[Any]:
    return encode_pairs(tokenizer, [p for p, _ in pairs], [a for _, a in pairs])
