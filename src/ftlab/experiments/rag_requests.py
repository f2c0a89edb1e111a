"""What a request costs: milliseconds by the length of its prompt, and money by the tokens.

Milliseconds are those of one request alone. *Prefill* reads the whole prompt at once; *decode*
writes the answer, a token at a time.
"""

from __future__ import annotations

import functools
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate
from ftlab.experiments.effort import Effort
from ftlab.experiments.learning_curve import seed_ratio
from ftlab.rag import Retriever

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LENGTHS = (16, 64, 128, 256, 448)  # tokens of a prompt
NEW = 12  # tokens of an answer: a plain sentence of the town
NEXT = 1.1  # lengths whose ratio is smaller are next to each other: one of them is enough
BEST_OF = 3  # what slows a computer down only ever adds

# What a token of a tuned model costs, times that of its base: (words, times, source).
TUNED_PRICES = (
    ("your own server", 1.0, "both are the same arithmetic"),
    ("GPT-4.1, 2025", 1.5, "OpenAI's price list of 2025, as kept in public code"),
    ("GPT-4.1 mini, 2025", 2.0, "OpenAI's price list of 2025, as kept in public code"),
    ("babbage-002, early 2024", 4.0, "OpenAI's price list of early 2024"),
    ("gpt-3.5-turbo, 2023", 8.0, "OpenAI's price list of August 2023, as others quote it"),
)
OUTPUT_PRICE = 4.0  # what a token of an answer costs, times one of a prompt: GPT-4.1, 2025


@dataclass(frozen=True)
class RequestTimes:
    """Milliseconds of single requests: `rows` has tokens (of the prompt), part ("prefill" or
    "decode", of an answer of `NEW` tokens), seed and value. A seed is a process: only others show
    the spread. `search` are the milliseconds of one search."""

    rows: pd.DataFrame
    search: float

    @property
    def lengths(self) -> list[int]:
        return sorted({*self.rows.tokens})

    def per_seed(self, tokens: int, part: str = "") -> list[float]:
        """The whole request, or one part of it, a number a process."""
        own = self.rows[(self.rows.tokens == tokens) & self.rows.part.str.contains(part)]
        return list(own.groupby("seed").value.sum())

    def ratio(self, tokens: int, bare: int, searched: bool = True) -> Estimate:
        """Milliseconds with a prompt of `tokens`, and a search before, over those with `bare`."""
        extra = self.search if searched else 0.0
        return seed_ratio([ms + extra for ms in self.per_seed(tokens)], self.per_seed(bare))

    def figure(self) -> tuple[Figure, str]:
        """Milliseconds of both parts over the length of the prompt."""
        from ftlab.plots.ways import latency

        parts = {
            part: {n: float(np.mean(self.per_seed(n, part))) for n in self.lengths}
            for part in ("decode", "prefill")
        }
        short, long = min(self.lengths), max(self.lengths)
        told = " and ".join(
            f"{part} takes {at[short]:.0f} ms after {short} tokens and {at[long]:.0f} ms after "
            f"{long}"
            for part, at in parts.items()
        )
        return latency(
            parts, NEW
        ), f"Milliseconds of a request by the length of its prompt: {told}."

    def told(self, noted: int, bare: int) -> str:
        """Which part the length of the prompt makes longer; and how much of a request with notes
        (`noted` tokens instead of `bare`) is the search."""
        short, long = min(self.lengths), max(self.lengths)
        read, write = (
            np.mean(self.per_seed(long, part)) / np.mean(self.per_seed(short, part))
            for part in ("prefill", "decode")
        )
        whole = self.ratio(long, short, searched=False).value
        share = np.mean(self.per_seed(short, "decode")) / np.mean(self.per_seed(short))
        return (
            f"A prompt {long / short:.0f} times as long takes **{read:.1f}** times as long to "
            f"read; writing the answer takes {write:.1f} times as long, the whole request "
            f"{whole:.1f} times. After a short prompt {share:.0%} of the time is writing. One "
            f"search takes {self.search:.0f} ms.\n\n{self._search_told(noted, bare)}"
        )

    def _search_told(self, noted: int, bare: int) -> str:
        alone = self.ratio(noted, bare, searched=False).value
        both = self.ratio(noted, bare).value
        most = "search" if both - alone > max(alone - 1, 0.0) else "longer prompt"
        return (
            f"With passages the prompt has {noted} tokens in place of {bare}. The longer prompt "
            f"alone makes the request {alone:.2f} times as long, prompt and search together "
            f"{both:.2f} times." + (f" Most of that is the {most}." if both > 1.1 else "")
        )

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        yield {"name": "search_milliseconds", "value": self.search}
        for row in self.rows.to_dict("records"):
            yield {"name": "milliseconds", **{str(key): value for key, value in row.items()}}


def request_times(
    base_model: str,
    retriever: Retriever,
    questions: Sequence[str],
    lengths: Sequence[int] = (),
    *,
    seeds: Sequence[int],
    effort: Effort,
) -> RequestTimes:
    """Time one request at a time, by the length of its prompt: `LENGTHS`, and `lengths` of one's
    own, as far as the model takes them.

    A run that searches measures in a process of its own for every seed, one after the other, all
    others in this one alone.
    """
    from ftlab.models import load_causal_lm, max_length

    longest = max_length(load_causal_lm(base_model), 10**6) - NEW
    own = {min(length, longest) for length in lengths}
    apart = [n for n in LENGTHS if not any(1 / NEXT < n / one < NEXT for one in own)]
    wanted = sorted(own | {min(length, longest) for length in apart})
    repeats = effort.pick(smoke=1, quick=3, full=10)
    search = _median_ms(functools.partial(retriever.search, [q], 4) for q in questions[:repeats])
    if effort.candidates == 1:
        return RequestTimes(pd.DataFrame(_times(base_model, wanted, repeats, seeds[0])), search)
    rows: list[dict[str, Any]] = []
    context = multiprocessing.get_context("spawn")
    for seed in seeds:
        with context.Pool(1) as fresh:
            rows += fresh.apply(_times, (base_model, wanted, repeats, seed))
    return RequestTimes(pd.DataFrame(rows), search)


def _times(
    base_model: str, lengths: Sequence[int], repeats: int, seed: int
) -> list[dict[str, Any]]:
    """The median over repeats, each the best of three, of both parts. Every round goes through all
    lengths, so that what slows the computer down for a while slows all of them."""
    from ftlab.models import load_causal_lm

    model = load_causal_lm(base_model)
    generator = torch.Generator().manual_seed(seed)
    top = int(model.config.vocab_size)
    prompts = [
        torch.randint(top, (1, length), generator=generator).to(model.device) for length in lengths
    ]
    for ids in prompts:
        _request(model, ids)  # a first call does what later ones find done
    rounds = [[_request(model, ids) for ids in prompts] for _ in range(repeats * BEST_OF)]
    taken = np.array(rounds).reshape(repeats, BEST_OF, len(prompts), 2).min(axis=1)
    return [
        {"tokens": length, "part": part, "seed": seed, "value": float(value)}
        for length, both in zip(lengths, np.median(taken, axis=0), strict=True)
        for part, value in zip(("prefill", "decode"), both, strict=True)
    ]


@torch.inference_mode()
def _request(model: Any, ids: torch.Tensor) -> tuple[float, float]:
    """Milliseconds until the first token, and of the others."""
    began = time.perf_counter()
    out = model(input_ids=ids, use_cache=True)
    token = out.logits[:, -1:].argmax(-1)
    read = time.perf_counter()
    for _ in range(NEW - 1):
        out = model(input_ids=token, past_key_values=out.past_key_values, use_cache=True)
        token = out.logits[:, -1:].argmax(-1)
    return 1000 * (read - began), 1000 * (time.perf_counter() - read)


def _median_ms(calls: Iterator[Callable[[], object]]) -> float:
    taken = []
    for call in calls:
        call()
        began = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - began))
    return float(np.median(taken))


def break_even_price(
    long: float, short: float, answer: float, output_price: float = OUTPUT_PRICE
) -> float:
    """How many times the base's price a tuned model may cost a token, for a request with a prompt
    of `short` tokens to cost no more than one with `long` tokens to the base.

    Both answer in `answer` tokens, each `output_price` times a prompt token. LabError for numbers
    that are below zero or no numbers, and for a request without a token.
    """
    if not all(0 <= one < math.inf for one in (long, short, answer, output_price)):
        raise LabError("Tokens and prices must be 0 or more.")
    if not short + output_price * answer:
        raise LabError("A request needs at least one token.")
    return (long + output_price * answer) / (short + output_price * answer)


def price_figure(bare: float, answers: Sequence[int] = (10, 100)) -> tuple[Figure, str]:
    """The break-even price over the length of the prompt that training makes `bare` tokens long,
    a line a length of the answer, with published prices as levels."""
    from ftlab.plots.ways import break_even

    lengths = [float(n) for n in np.geomspace(bare, 4000, 40)]
    curves: Mapping[str, tuple[list[float], list[float]]] = {
        f"answers of {answer} tokens": (
            lengths,
            [break_even_price(n, bare, answer) for n in lengths],
        )
        for answer in answers
    }
    at = {answer: break_even_price(1000, bare, answer) for answer in answers}
    told = " and ".join(f"{price:.1f} (answers of {answer})" for answer, price in at.items())
    levels = {name: times for name, times, _ in TUNED_PRICES}
    return break_even(curves, levels), (
        "How many times the base's price a tuned model may cost, against the length of the prompt "
        f"that it makes needless; levels are published prices. At 1,000 tokens: {told}."
    )
