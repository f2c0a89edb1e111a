"""`fit()`: one plain training loop for classifiers and causal language models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ftlab.common.errors import LabError
from ftlab.common.hardware import choose_device, choose_precision
from ftlab.data.features import Feature
from ftlab.models.layers import layer_of
from ftlab.models.rng import private_rng
from ftlab.training.checkpoints import Checkpoints, hash_features, hash_weights
from ftlab.training.loop import Metric, Run
from ftlab.training.settings import Settings, check_features


@dataclass
class Fit:
    """What a training run did. The trained model is the one that was given to `fit()`."""

    history: pd.DataFrame
    """One row a step: `step` from 1, `epoch` (fraction done), `loss`, `gradient_norm` before
    clipping, `learning_rate`, `validation_loss` and `validation_metric` (NaN between evaluations),
    and so far: `seconds` of training without evaluation, `examples`, `tokens` without padding."""
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
    train: Sequence[Feature],
    *,
    pad_id: int,
    learning_rate: float,
    validation: Sequence[Feature] | None = None,
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
    """Train `model` in place on features from `encode` or `encode_pairs`.

    The parameters that require a gradient are trained, with AdamW. One step is one update from
    `accumulate` batches of `batch_size` examples of like length: such splitting changes the memory
    it takes, not the result. `max_steps` takes the place of `epochs`. The learning rate rises over
    the share `warmup` of the steps, then falls to 0 ("linear", "cosine") or stays ("constant").
    `rate_factors` multiply it by layer ("embeddings", "block 1", ..., "last norm", "head").
    `weight_decay` acts on matrices, embeddings included, not on norms and biases. `clip` limits
    the norm of the gradient. Where the layers below the first trainable one drop nothing out, they
    are run once a text and not in every epoch (`ftlab.tuning.freezing`): equal up to rounding.

    `validation` is evaluated every `eval_every` steps or "epoch", and at the end. `patience`
    stops after that many evaluations without a better validation loss (or `metric`, a function of
    logits and labels of which more is better) and restores the best weights.

    The same seed gives the same weights, bit for bit, on the same machine, and the caller's random
    numbers go on undisturbed. With `checkpoint_dir` a run that was killed at any moment goes on
    when called again, to the same weights; one that had ended returns at once. `progress` prints
    where and how it computes, and a bar.

    Raises LabError, one sentence, for settings, examples or checkpoints that do not fit, for a
    full disk, and when the loss is no longer finite (the model keeps its last good weights).
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
    check_features("training", train, model)
    if validation is not None:
        check_features("validation", validation, model)
    elif patience is not None or metric is not None:
        raise LabError("fit: patience and metric need validation examples.")
    if metric is not None and isinstance(train[0]["labels"], list):
        raise LabError("fit: a metric needs a classifier; a language model has its loss alone.")
    unknown = set(rate_factors or {}) - set(layer_of(dict(model.named_parameters())).values())
    if unknown:
        raise LabError(f"fit: rate_factors names {sorted(unknown)[0]!r}, no layer of the model.")
    if not any(p.requires_grad for p in model.parameters()):
        raise LabError("fit: every parameter of the model is frozen, so there is nothing to train.")
    if checkpoint_every < 1:
        raise LabError(f"fit: checkpoint_every must be 1 or more, not {checkpoint_every}.")

    checkpoints = None
    if checkpoint_dir is not None:
        fingerprint = {
            "training examples": hash_features(train),
            "validation examples": hash_features(validation),
            "starting weights": hash_weights(model),
            "metric": getattr(metric, "__name__", str(metric)),
            **asdict(settings),
        }
        checkpoints = Checkpoints(Path(checkpoint_dir), fingerprint)
    run = Run(model.to(where), train, validation, pad_id, settings, metric, checkpoints)
    reason = f"Computed {why_there}, {why_so}{run.shortcut}."
    if progress:
        print(f"fit: {len(train)} examples, {run.total} steps. {reason}")
    try:
        with private_rng(seed, where):
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
