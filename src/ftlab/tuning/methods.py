"""The methods that are compared: which of a model's parameters are trained, and how.

Every method is a `prepare(model, seed)` that decides what is trainable; the same `training.fit`
does the rest. Methods are picklable, so that other processes can be given them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from ftlab.common.errors import LabError
from ftlab.models import Classifier, private_rng
from ftlab.models.layers import HEAD, blocks, layers
from ftlab.tuning import freezing, lora

SEARCH_FACTORS = (1.0, 2.0, 0.5)  # times the start of a search: the learning rates, in this order
VIRTUAL_TOKENS = 8
Prepare = Callable[[Classifier, int], None]


@dataclass(frozen=True)
class TuningMethod:
    """One way to train a part of a model.

    `learning_rate_factor` times the model's `starting_rate` is where the search for a learning
    rate begins: small added parts want larger steps than the model's own weights. `learning_rate`
    is one that was given: then none is searched for. `stages` lists the layers to train one stage
    after the other; `rate_factors` and `warmup` are those of `training.fit`.
    """

    name: str
    prepare: Prepare
    learning_rate_factor: float = 1.0
    learning_rate: float | None = None
    stages: Callable[[Classifier], list[list[str]]] | None = None
    rate_factors: Callable[[Classifier], dict[str, float]] | None = None
    warmup: float = 0.1

    def learning_rates(self, starting_rate: float, count: int) -> tuple[float, ...]:
        """The first `count` (at most three) candidates of a search, or the one that was given."""
        if self.learning_rate is not None:
            return (self.learning_rate,)
        first = self.learning_rate_factor * starting_rate
        return tuple(first * factor for factor in SEARCH_FACTORS[:count])


def peft_methods() -> list[TuningMethod]:
    """Parameter-efficient methods beside LoRA: few parameters, most of them added, are trained."""
    return [
        TuningMethod("soft prompt", partial(_add_virtual_tokens, "PromptTuningConfig"), 15.0),
        TuningMethod("prefix", partial(_add_virtual_tokens, "PrefixTuningConfig"), 15.0),
        TuningMethod("IA3", _add_ia3, 15.0),
        TuningMethod("norms and biases", _train_vectors, 15.0),
    ]


def top_blocks(count: int) -> TuningMethod:
    """The last `count` blocks and all that follows them are trained; 0: the head alone."""
    if not count:
        return HEAD_ONLY
    return TuningMethod(f"top {count}", _train(partial(freezing.top, count=count)))


def bottom_blocks(count: int) -> TuningMethod:
    """The first `count` blocks and the head are trained."""
    return TuningMethod(f"bottom {count}", _train(partial(freezing.bottom, count=count)))


def single_block(number: int) -> TuningMethod:
    """One block, counted from 1 at the embeddings, and the head are trained."""
    return TuningMethod(f"block {number}", _train(partial(_single, number=number)), 2.0)


def schedule_methods() -> list[TuningMethod]:
    """Everything is trained in the end, but not all at once or not at one learning rate."""
    return [
        TuningMethod("gradual unfreezing", _train_everything, stages=unfreezing_stages),
        TuningMethod("rates by depth", _train_everything, 2.0, rate_factors=rates_by_depth),
        TuningMethod("no warm-up", _train_everything, warmup=0.0),
    ]


def with_lora(
    rank: int, alpha: float | None = None, targets: str | Sequence[str] = lora.ALL_LINEAR
) -> TuningMethod:
    """LoRA of `rank`; alpha is twice the rank unless given, so that the scale of B A is the same
    for every rank."""
    name = f"LoRA {rank}" + ("" if alpha is None else f", alpha {alpha:g}")
    if targets != lora.ALL_LINEAR:
        name += f" on {targets if isinstance(targets, str) else ' '.join(targets)}"
    alpha = 2.0 * rank if alpha is None else alpha
    return TuningMethod(name, partial(_add_lora, rank=rank, alpha=alpha, targets=targets), 4.0)


def unfreezing_stages(model: Classifier) -> list[list[str]]:
    """Gradual unfreezing (Howard & Ruder 2018): the head, then one block more from the top in
    each stage, at last all layers."""
    count = len(blocks(model))
    return [*(freezing.top(model, k) for k in range(count + 1)), list(layers(model))]


def rates_by_depth(model: Classifier, factor: float = 0.7) -> dict[str, float]:
    """Discriminative rates (Howard & Ruder 2018): each layer `factor` times that above it."""
    names = [name for name in layers(model) if name != "last norm"]
    return {name: factor ** (len(names) - 1 - i) for i, name in enumerate(names)}


def _train(chosen: Callable[[Classifier], list[str]]) -> Prepare:
    return partial(_train_layers, chosen=chosen)


def _train_layers(model: Classifier, seed: int, chosen: Callable[[Classifier], list[str]]) -> None:
    freezing.train_only(model, chosen(model))


def _head(model: Classifier) -> list[str]:
    return [HEAD]


def _single(model: Classifier, number: int) -> list[str]:
    return [f"block {number}", HEAD]


def _train_everything(model: Classifier, seed: int) -> None:
    model.requires_grad_(True)


def _train_vectors(model: Classifier, seed: int) -> None:
    freezing.train_vectors(model)


def _add_lora(
    model: Classifier, seed: int, rank: int, alpha: float, targets: str | Sequence[str]
) -> None:
    lora.add_lora(model, rank, alpha, targets, seed)


def _add_ia3(model: Classifier, seed: int) -> None:
    """IA3 (Liu et al. 2022): learned factors on keys, values and inner activations."""
    from peft import IA3Config, inject_adapter_in_model

    with private_rng(seed), _unless_unknown("IA3", model):
        inject_adapter_in_model(IA3Config(), model)
    model.head.requires_grad_(True)


def _add_virtual_tokens(config_name: str, model: Classifier, seed: int) -> None:
    """A soft prompt (Lester et al. 2021) or a prefix (Li & Liang 2021) before every text."""
    import peft

    config = getattr(peft, config_name)(
        task_type="FEATURE_EXTRACTION", num_virtual_tokens=VIRTUAL_TOKENS
    )
    with private_rng(seed), _unless_unknown(config_name, model):
        model.trunk = peft.get_peft_model(model.trunk, config)  # type: ignore[assignment]


HEAD_ONLY = TuningMethod("head", _train(_head), 5.0)
FULL_FINE_TUNING = TuningMethod("full", _train_everything)


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
