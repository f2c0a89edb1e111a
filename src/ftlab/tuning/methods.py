"""The ladder: ways to move more and more of a model, each with what it costs.

Every rung is a `prepare(model, seed)` that decides what may move; the same `fit()` does the rest.
What a rung costs is counted, not timed, wherever counting is possible.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ftlab.common.errors import LabError
from ftlab.models import (
    Classifier,
    private_rng,
)
from ftlab.models.layers import EMBEDDINGS, HEAD, blocks, layers
from ftlab.tuning import freezing, lora

if TYPE_CHECKING:
    pass

VIRTUAL_TOKENS = 8
Prepare = Callable[[Classifier, int], None]


@dataclass(frozen=True)
class Rung:
    """One way to move part of a model.

    `start` times the model's `starting_rate` is where the search for a learning rate begins: small
    added parts want larger steps than the model's own weights. `rate` is a learning rate that was
    given: then none is searched for. `stages` lists the layers to train one stage after the other;
    `rate_factors` and `warmup` are those of `fit()`.
    """

    name: str
    prepare: Prepare
    start: float = 1.0
    stages: Callable[[Classifier], list[list[str]]] | None = None
    rate_factors: Callable[[Classifier], dict[str, float]] | None = None
    warmup: float | None = None
    rate: float | None = None


def _everything(model: Classifier, seed: int) -> None:
    model.requires_grad_(True)


def ladder(depth: int, ranks: Sequence[int] = (1, 4, 16)) -> list[Rung]:
    """All rungs for a model of `depth` blocks, from the fewest moving parts to all of them."""
    return [HEAD_ALONE, *added(ranks), *parts(depth), *schedules(), EVERYTHING]


def added(ranks: Sequence[int] = (1, 4, 16)) -> list[Rung]:
    """Rungs that put small trainable parts into a frozen network."""
    return [
        Rung("soft prompt", _virtual_tokens("PromptTuningConfig"), 15.0),
        Rung("prefix", _virtual_tokens("PrefixTuningConfig"), 15.0),
        Rung("IA3", _ia3, 15.0),
        Rung("norms and biases", lambda model, seed: freezing.train_vectors(model), 15.0),
        *(with_lora(rank) for rank in ranks),
    ]


def parts(depth: int) -> list[Rung]:
    """Rungs that train some layers as they are: embeddings, each block, the top and bottom k.

    Of a model with more than six blocks those at the quarters stand for all.
    """
    every = range(1, depth + 1)
    chosen = every if depth <= 6 else sorted({1, *(round(depth * i / 4) for i in range(1, 5))})
    return [
        Rung("embeddings", _only(lambda model: [EMBEDDINGS, HEAD]), 2.0),
        *(Rung(f"block {k}", _only(partial(_single, number=k)), 2.0) for k in chosen),
        *(top_blocks(k) for k in chosen),
        *(
            Rung(f"bottom {k}", _only(partial(freezing.bottom, count=k)))
            for k in chosen
            if 1 < k < depth
        ),
    ]


def top_blocks(count: int) -> Rung:
    """The last `count` blocks and all that follows them; 0: the head alone."""
    return Rung(f"top {count}", _only(partial(freezing.top, count=count))) if count else HEAD_ALONE


def schedules() -> list[Rung]:
    """Rungs that move everything in the end, but not all at once or not at one pace."""
    return [
        Rung("gradual unfreezing", _everything, stages=unfreezing_stages),
        Rung("rates by depth", _everything, 2.0, rate_factors=rates_by_depth),
        Rung("no warm-up", _everything, warmup=0.0),
    ]


def with_lora(
    rank: int, alpha: float | None = None, targets: str | Sequence[str] = lora.ALL_LINEAR
) -> Rung:
    """LoRA of `rank`; alpha is twice the rank unless given, so that the scale of B A is the same
    for every rank."""
    strength = 2.0 * rank if alpha is None else alpha

    def prepare(model: Classifier, seed: int) -> None:
        lora.add_lora(model, rank, strength, targets, seed)

    name = f"LoRA {rank}" + ("" if alpha is None else f", alpha {alpha:g}")
    if targets != lora.ALL_LINEAR:
        name += f" on {targets if isinstance(targets, str) else ' '.join(targets)}"
    return Rung(name, prepare, 4.0)


def unfreezing_stages(model: Classifier) -> list[list[str]]:
    """Gradual unfreezing (Howard & Ruder 2018): the head, then one block more from the top in
    each stage, at last all layers."""
    count = len(blocks(model))
    return [*(freezing.top(model, k) for k in range(count + 1)), list(layers(model))]


def rates_by_depth(model: Classifier, factor: float = 0.7) -> dict[str, float]:
    """Discriminative rates (Howard & Ruder 2018): each layer `factor` times that above it."""
    names = [name for name in layers(model) if name != "last norm"]
    return {name: factor ** (len(names) - 1 - i) for i, name in enumerate(names)}


def _only(wanted: Callable[[Classifier], list[str]]) -> Prepare:
    return lambda model, seed: freezing.train_only(model, wanted(model))


def _single(model: Classifier, number: int) -> list[str]:
    return [f"block {number}", HEAD]


def _ia3(model: Classifier, seed: int) -> None:
    """IA3 (Liu et al. 2022): learned factors on keys, values and inner activations."""
    from peft import IA3Config, inject_adapter_in_model

    with private_rng(seed), _unless_unknown("IA3", model):
        inject_adapter_in_model(IA3Config(), model)
    model.head.requires_grad_(True)


def _virtual_tokens(config_name: str) -> Prepare:
    """A soft prompt (Lester et al. 2021) or a prefix (Li & Liang 2021) before every text."""

    def prepare(model: Classifier, seed: int) -> None:
        import peft

        config = getattr(peft, config_name)(
            task_type="FEATURE_EXTRACTION", num_virtual_tokens=VIRTUAL_TOKENS
        )
        with private_rng(seed), _unless_unknown(config_name, model):
            model.trunk = peft.get_peft_model(model.trunk, config)  # type: ignore[assignment]

    return prepare


HEAD_ALONE = Rung("head", _only(lambda model: [HEAD]), 5.0)
EVERYTHING = Rung("full", _everything)


@contextmanager
def _unless_unknown(what: str, model: Classifier) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of what peft asks of transformers
            yield
    except ValueError as error:
        if not str(error).startswith("Please specify"):  # what its tables would have told
            raise
        raise LabError(f"peft has no {what} for a {model.config.model_type} model.") from error
