"""`fit()`: one plain training loop for any model, any loss and any batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from ftlab.common.errors import LabError
from ftlab.common.hardware import choose_device, choose_precision
from ftlab.models.layers import layer_of
from ftlab.models.rng import private_rng
from ftlab.training.checkpoints import Checkpoints
from ftlab.training.examples import Examples
from ftlab.training.fingerprint import describe, digest_of, hash_rows, hash_weights
from ftlab.training.loop import Metric, Run
from ftlab.training.objective import Collate, Loss, Objective
from ftlab.training.settings import Settings


@dataclass
class Fit:
    """What a training run did. The trained model is the one that was given to `fit()`."""

    history: pd.DataFrame
    """One row a step: `step` from 1, `epoch` (fraction done), `loss`, `gradient_norm` before
    clipping, `learning_rate`, `validation_loss` and `validation_metric` (NaN between evaluations),
    and so far: `seconds` of training without evaluation, `examples`, `tokens` without padding (the
    sum of what `length` gives; NaN if rows have no length)."""
    steps: int
    seconds: float
    device: str
    precision: str
    reason: str
    """Why this device and this precision, in one sentence."""
    best_step: int
    """The step with the best validation, else the last one."""
    stopped_early: bool


def fit(
    model: Any,
    train: Sequence[Any],
    *,
    pad_id: int | None = None,
    learning_rate: float,
    validation: Sequence[Any] | None = None,
    loss: Loss | None = None,
    collate: Collate | None = None,
    length: Callable[[Any], int] | None = None,
    weight: Callable[[Any], float] | None = None,
    epochs: int = 3,
    max_steps: int | None = None,
    batch_size: int = 16,
    warmup: float = 0.1,
    schedule: str = "linear",
    weight_decay: float = 0.01,
    accumulate: int = 1,
    clip: float | None = 1.0,
    eval_every: int | str = "epoch",
    patience: int | None = None,
    metric: Metric | None = None,
    seed: int = 0,
    rate_factors: Mapping[str, float] | None = None,
    precision: str = "auto",
    device: str = "auto",
    checkpoint_dir: str | Path | None = None,
    checkpoint_every: int = 100,
    progress: bool = True,
) -> Fit:
    """Train `model` in place on features from `encode` or `encode_pairs`, or on rows of any kind.

    Texts need `pad_id`; a classifier or a language model has its own loss. For all else:
    `loss(model, batch)` is the mean loss of a batch, a tensor of shape (). An `nn.Module` as loss
    goes to the device with the model, and a reference model in it, but is not trained.
    `collate(rows)` makes the batch: a tensor, or a dict, list or tuple of them (default: torch's
    `default_collate`). `length(row)` brings rows of like length together (default: they are all
    alike). `weight(row)` is what a row counts in the mean over a step and over the validation
    (default: 1; in a language model's own loss its learned tokens).

    The parameters that require a gradient are trained, with AdamW. One step is one update from
    `accumulate` batches of `batch_size` examples of like length: such splitting changes the memory
    it takes, not the result. `max_steps` takes the place of `epochs`. The learning rate rises over
    the share `warmup` of the steps, then falls to 0 ("linear", "cosine") or stays ("constant").
    `rate_factors` multiply it by layer ("embeddings", "block 1", ..., "last norm", "head").
    `weight_decay` acts on matrices, embeddings included, not on norms and biases. `clip` limits
    the norm of the gradient. Where the layers below the first trainable one drop nothing out, they
    are run once a text and not in every epoch (`ftlab.training.frozen`): equal up to rounding.

    `validation` is evaluated every `eval_every` steps or "epoch", and at the end. `patience`
    stops after that many evaluations without a better validation loss (or `metric`, a function of
    a classifier's logits and labels of which more is better) and restores the best weights.

    The same seed gives the same weights, bit for bit, on the same machine, and the caller's random
    numbers go on undisturbed. With `checkpoint_dir` a run that was killed at any moment goes on
    when called again, to the same weights; one that had ended returns at once. `progress` prints
    where and how it computes, and a bar.

    Raises LabError, one sentence, for settings, examples or checkpoints that do not fit, for a
    full disk, for a folder in which another run writes its checkpoints, for a loss that is no
    single number or has no gradient; and `Diverged`, one of them, when the loss is no longer finite
    (the model keeps its last good weights).
    """
    where, why_there = choose_device(device)
    kind, why_so = choose_precision(where, precision)
    settings = Settings(
        epochs=epochs,
        max_steps=max_steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        warmup=warmup,
        schedule=schedule,
        weight_decay=weight_decay,
        accumulate=accumulate,
        clip=clip,
        eval_every=eval_every,
        patience=patience,
        seed=seed,
        precision=kind,
        device=where.type,
        rate_factors=dict(rate_factors) if rate_factors else None,
    )
    settings.check()
    objective = Objective(pad_id, loss, collate, length, weight)
    objective.check("fit", train)
    learned = Examples("fit", "training", train, objective)
    learned.check(model)
    held_out = None
    if validation is not None:
        held_out = Examples("fit", "validation", validation, objective)
        held_out.check(model)
    elif patience is not None or metric is not None:
        raise LabError("fit: patience and metric need validation examples.")
    if metric is not None and not (objective.plain and hasattr(model, "label_names")):
        raise LabError(
            "fit: a metric needs a text classifier with its own loss; for all other models only "
            "the validation loss is computed: leave metric out."
        )
    unknown = set(rate_factors or {}) - set(layer_of(dict(model.named_parameters())).values())
    if unknown:
        raise LabError(
            f"fit: rate_factors names {sorted(unknown)[0]!r}, which is not a layer of the model."
        )
    if not any(p.requires_grad for p in model.parameters()):
        raise LabError("fit: every parameter of the model is frozen, so there is nothing to train.")
    if isinstance(loss, nn.Module):
        own = {id(p) for p in model.parameters()}
        if any(p.requires_grad and id(p) not in own for p in loss.parameters()):
            raise LabError(
                "fit: the loss has parameters that require a gradient but would not be trained: "
                "make them part of the model, or freeze them with requires_grad_(False)."
            )
        loss.to(where)
    if checkpoint_every < 1:
        raise LabError(f"fit: checkpoint_every must be 1 or more, not {checkpoint_every}.")

    checkpoints = None
    if checkpoint_dir is not None:
        fingerprint = {
            "training examples": hash_rows("training", train),
            "validation examples": hash_rows("validation", validation),
            "lengths and weights of examples": digest_of([learned.lengths, learned.weights]),
            "starting weights": hash_weights(model),
            "loss": describe(loss),
            "collate": describe(collate),
            "metric": describe(metric),
            **asdict(settings),
        }
        checkpoints = Checkpoints(Path(checkpoint_dir), fingerprint)
    run = Run(model.to(where), learned, held_out, settings, metric, checkpoints)
    reason = f"Computed {why_there}, {why_so}{run.shortcut}."
    if progress:
        print(f"fit: {len(train)} examples, {run.total} steps. {reason}")
    alone = checkpoints.locked() if checkpoints else nullcontext()
    try:
        with alone, private_rng(seed, where):
            run.go(checkpoint_every, progress)
    finally:
        model.eval()
    history = pd.DataFrame(run.state.history)
    return Fit(
        history=history,
        steps=len(history),
        seconds=float(history["seconds"].iloc[-1]),
        device=where.type,
        precision=kind,
        reason=reason,
        best_step=run.state.best_step or len(history),
        stopped_early=run.state.stopped_early,
    )
