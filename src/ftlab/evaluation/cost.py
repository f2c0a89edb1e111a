"""What tokens and training steps cost, and when a fine-tuned model with shorter prompts pays.

Prices are per 1,000 tokens in the currency of the table. The tables are those of early 2024, for
reading what was written about them; yours are one line: `Prices(training=..., ...)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftlab.common.errors import LabError

if TYPE_CHECKING:
    import torch

    from ftlab.models import Classifier


@dataclass(frozen=True)
class Prices:
    """Prices of 1,000 tokens: in training, and as input and output of the base model and of the
    tuned one."""

    training: float
    base_input: float
    base_output: float
    tuned_input: float
    tuned_output: float

    def __post_init__(self) -> None:
        for name, price in vars(self).items():
            if not 0 <= price < math.inf:
                raise LabError(f"Prices: {name} must be 0 or more, not {price!r}.")


ADAM_STATES = 2  # numbers that AdamW keeps for each trained parameter
# The base prices of gpt-3.5-turbo are from another source than its tuned ones.
TABLES = {
    "babbage-002": Prices(0.0004, 0.0004, 0.0004, 0.0016, 0.0016),
    "davinci-002": Prices(0.006, 0.002, 0.002, 0.012, 0.012),
    "gpt-3.5-turbo": Prices(0.008, 0.0015, 0.002, 0.012, 0.016),
}


def training_cost(tokens: float, epochs: float, prices: Prices) -> float:
    """The cost of training on a file of `tokens`, which are paid anew in every epoch.

    The example often given, 100,000 tokens at 0.008 for 2.40, holds for three epochs: one is 0.80.
    """
    return _checked(tokens) * _checked(epochs) * prices.training / 1000


def request_cost(prompt: float, output: float, prices: Prices, *, tuned: bool) -> float:
    """The cost of one request with so many tokens in its prompt and in its answer."""
    come = prices.tuned_input if tuned else prices.base_input
    go = prices.tuned_output if tuned else prices.base_output
    return (_checked(prompt) * come + _checked(output) * go) / 1000


def break_even_prompt_tokens(prompt: float, output: float, prices: Prices) -> float:
    """How short the tuned model's prompt must be for a request to cost no more than the base's.

    Both answer in `output` tokens, the base after `prompt` tokens. A negative number: no prompt is
    short enough, the answers alone cost more. With u times the base's price on both sides it is
    (prompt + output) / u - output.
    """
    spent = request_cost(prompt, output, prices, tuned=False)
    left = 1000 * spent - _checked(output) * prices.tuned_output
    if prices.tuned_input:
        return left / prices.tuned_input
    return math.inf if left >= 0 else -math.inf


def break_even_requests(spent: float, base_request: float, tuned_request: float) -> float:
    """After how many requests `spent` on training has come back; infinity if it never does.

    `base_request` and `tuned_request` are what one request costs on either way.
    """
    saved = _checked(base_request) - _checked(tuned_request)
    if not _checked(spent):
        return 0.0 if saved >= 0 else math.inf
    return spent / saved if saved > 0 else math.inf


def _checked(number: float) -> float:
    if not 0 <= number < math.inf:
        raise LabError(f"Tokens, epochs and costs must be 0 or more, not {number!r}.")
    return number


def costs(model: Classifier, batch: dict[str, torch.Tensor]) -> dict[str, float]:
    """What training one step of the prepared `model` on `batch` takes, counted.

    `trainable` parameters and their `share` of all; `optimizer_bytes` of AdamW; `stored_bytes`,
    what one task more needs on disk (fp32); `memory_bytes`: weights, gradients, optimizer and all
    that the forward pass keeps for the backward pass, each storage once.
    """
    import torch

    from ftlab.models import count_parameters, private_rng

    parameters = list(model.parameters())
    counted = count_parameters(model)
    own = {p.untyped_storage().data_ptr() for p in parameters}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    # Recorded while the graph still holds them, so that no address is used twice.
    with (
        private_rng(0, parameters[0].device),  # dropout draws
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        loss = model.train()(**batch).loss
    model.eval()
    del loss
    weights = sum(p.numel() * p.element_size() for p in parameters)
    moving = 4 * counted["trainable"]
    return {
        "trainable": counted["trainable"],
        "share": counted["trainable"] / counted["total"],
        "optimizer_bytes": ADAM_STATES * moving,
        "stored_bytes": moving,
        "memory_bytes": weights + moving * (1 + ADAM_STATES) + sum(kept.values()),
    }
