"""Prices: the worked examples, by hand."""

from __future__ import annotations

import math

import pytest
from conftest import refused

from ftlab.evaluation.cost import (
    TABLES,
    Prices,
    break_even_prompt_tokens,
    break_even_requests,
    request_cost,
    training_cost,
)

GPT = TABLES["gpt-3.5-turbo"]


def test_the_training_example_holds_for_three_epochs_only() -> None:
    assert training_cost(100_000, 1, GPT) == pytest.approx(0.80)
    assert training_cost(100_000, 3, GPT) == pytest.approx(2.40)
    # The other reading that gives the same sum: one pass, and 100,000 tokens of output.
    once = training_cost(100_000, 1, GPT) + request_cost(0, 100_000, GPT, tuned=True)
    assert once == pytest.approx(2.40)


def test_a_tuned_request_costs_as_many_times_the_base_as_the_tables_say() -> None:
    for name, times in (("babbage-002", 4), ("davinci-002", 6), ("gpt-3.5-turbo", 8)):
        prices = TABLES[name]
        for prompt, output in ((1000, 0), (0, 1000)):
            tuned = request_cost(prompt, output, prices, tuned=True)
            base = request_cost(prompt, output, prices, tuned=False)
            assert tuned / base == pytest.approx(times)


@pytest.mark.parametrize(("prompt", "output"), [(2000, 100), (300, 300), (100, 0)])
def test_how_short_a_prompt_must_become(prompt: float, output: float) -> None:
    found = {
        name: break_even_prompt_tokens(prompt, output, prices) for name, prices in TABLES.items()
    }
    assert found["babbage-002"] == pytest.approx((prompt + output) / 4 - output)
    assert found["davinci-002"] == pytest.approx((prompt + output) / 6 - output)
    assert found["gpt-3.5-turbo"] == pytest.approx(prompt / 8 - 7 / 6 * output)
    for name, short in found.items():
        if short >= 0:
            tuned = request_cost(short, output, TABLES[name], tuned=True)
            assert tuned == pytest.approx(request_cost(prompt, output, TABLES[name], tuned=False))


def test_long_answers_leave_no_prompt_short_enough() -> None:
    davinci = TABLES["davinci-002"]
    assert break_even_prompt_tokens(500, 100, davinci) == pytest.approx(0)  # p = 5o
    assert break_even_prompt_tokens(499, 100, davinci) < 0
    free = Prices(0, 1, 1, 0, 0)
    assert break_even_prompt_tokens(1, 1, free) == math.inf


def test_after_how_many_requests_training_has_come_back() -> None:
    assert break_even_requests(2.40, 0.0030, 0.0018) == pytest.approx(2000)
    assert break_even_requests(2.40, 0.001, 0.001) == math.inf
    assert break_even_requests(2.40, 0.001, 0.002) == math.inf
    assert break_even_requests(0, 0.001, 0.001) == 0


def test_prices_that_cannot_be_are_refused() -> None:
    refused(lambda: Prices(-1, 0, 0, 0, 0), "training", "0 or more")
    refused(lambda: training_cost(-5, 1, GPT), "0 or more")
    refused(lambda: training_cost(math.nan, 1, GPT), "0 or more")
