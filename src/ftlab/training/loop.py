"""The loop that `fit()` runs: steps, evaluations, checkpoints, and the way back into them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from ftlab.common.errors import LabError
from ftlab.common.hardware import autocast
from ftlab.common.progress import progress_bar
from ftlab.data.features import bucketed_batches
from ftlab.models.rng import reseed
from ftlab.training.checkpoints import Checkpoints
from ftlab.training.examples import Examples, listed
from ftlab.training.frozen import MOST_BYTES, FrozenTrunk
from ftlab.training.optimizer import (
    learning_rate_at,
    load_optimizer,
    make_optimizer,
    moving_tensors,
    optimizer_tensors,
)
from ftlab.training.predicting import BATCH_SIZE, evaluate
from ftlab.training.settings import Settings

Metric = Callable[[np.ndarray, np.ndarray], float]


class Diverged(LabError):
    """The loss, or its gradient, is no longer a finite number: mostly of too high a rate."""


@dataclass
class RunState:
    """Where a run is, beside its tensors; goes into checkpoints as it is."""

    history: list[dict[str, float]] = field(default_factory=list)
    best: float = math.inf
    best_step: int = 0
    without_gain: int = 0
    stopped_early: bool = False
    finished: bool = False


class Run:
    """One call of `fit()`, everything checked; `go()` does it."""

    def __init__(
        self,
        model: Any,
        train: Examples,
        validation: Examples | None,
        settings: Settings,
        metric: Metric | None,
        checkpoints: Checkpoints | None,
    ) -> None:
        self.model, self.train, self.validation = model, train, validation
        self.objective = train.objective
        self.settings, self.metric, self.checkpoints = settings, metric, checkpoints
        self.device = next(model.parameters()).device
        self.per_epoch = math.ceil(len(train) / (settings.batch_size * settings.accumulate))
        self.total = settings.max_steps or settings.epochs * self.per_epoch
        self.moving = moving_tensors(model)
        self.trainable = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(model, settings.weight_decay, settings.rate_factors)
        self.best_weights: dict[str, torch.Tensor] = {}
        self.order: tuple[int, list[list[int]]] = (-1, [])  # epoch, its batches
        self.state = RunState()
        self.trunk = self._frozen_trunk()
        self.kept: dict[str, list[torch.Tensor]] = {}
        self.spent = 0.0  # seconds of running the frozen part: they belong to the first step

    def _frozen_trunk(self) -> FrozenTrunk | None:
        """The frozen part of the model, if running it once a text is enough, and saves work."""
        if not self.objective.plain:
            return None
        trunk = FrozenTrunk(self.model)
        seen = self.total * self.settings.batch_size * self.settings.accumulate
        if not trunk.depth or seen < 2 * len(self.train):
            return None
        texts = [*self.train.rows, *(self.validation.rows if self.validation else [])]
        return trunk if trunk.bytes_for(texts) <= MOST_BYTES else None

    def go(self, checkpoint_every: int, progress: bool) -> None:
        """From the newest checkpoint, or from the start, to the end."""
        self._resume()
        state = self.state
        if not state.finished:
            self._remember()
        with progress_bar(self.total, len(state.history), progress) as advance:
            while not state.finished:
                row = self._step(len(state.history))
                state.history.append(row)
                step = len(state.history)
                if self.validation is not None and self._evaluation_due(step):
                    self._evaluate(row)
                advance(f"loss {row['loss']:.3f}")
                state.finished = step == self.total or state.stopped_early
                if state.finished:
                    self._restore(self.best_weights)
                if state.finished or step % checkpoint_every == 0:
                    self._save(step)

    @property
    def shortcut(self) -> str:
        """What is said about a frozen part that is run only once; empty if there is none."""
        if self.trunk is None:
            return ""
        return f"; the {self.trunk.depth} frozen blocks are run once a text"

    def _remember(self) -> None:
        pad_id = self.objective.pad_id
        if self.trunk is None or pad_id is None:
            return
        began = time.perf_counter()
        with autocast(self.device, self.settings.precision):
            for name, examples in (("train", self.train), ("validation", self.validation)):
                rows = examples.rows if examples else []
                self.kept[name] = self.trunk.remember(rows, pad_id)
        self.spent = time.perf_counter() - began

    def _replay(self, name: str, chosen: list[int]) -> AbstractContextManager[None]:
        if self.trunk is None:
            return nullcontext()
        return self.trunk.replay([self.kept[name][i] for i in chosen])

    def _step(self, done: int) -> dict[str, float]:
        """One update, and its row of the history."""
        settings, began = self.settings, time.perf_counter()
        size = settings.batch_size
        epoch, place = divmod(done, self.per_epoch)
        chosen = self._batches(epoch)[place]
        chosen = sorted(chosen, key=lambda i: self.train.lengths[i])
        # Dropout depends on seed and step alone: a resumed run needs no state of random numbers.
        reseed(int(np.random.SeedSequence([settings.seed, done]).generate_state(1)[0]), self.device)
        weights = self.train.weight(chosen)
        self.model.train()
        losses = []
        for part in (chosen[i : i + size] for i in range(0, len(chosen), size)):
            batch = self.train.batch(part, self.device)
            with autocast(self.device, settings.precision), self._replay("train", part):
                loss, _ = self.objective(self.model, batch, f"step {done + 1}")
            # The mean over the whole step, not the mean of the parts' means.
            loss = loss * (self.train.weight(part) / weights)
            if loss.requires_grad:
                loss.backward()
            losses.append(loss.detach())
        self._require_gradient(done + 1)
        norm = torch.nn.utils.clip_grad_norm_(self.trainable, settings.clip or math.inf)
        last = self.state.history[-1] if self.state.history else {}
        row = {
            "step": done + 1,
            "epoch": (done + 1) / self.per_epoch,
            "loss": float(torch.stack(losses).sum()),
            "gradient_norm": float(norm),
            "learning_rate": learning_rate_at(done, self.total, settings),
            "validation_loss": math.nan,
            "validation_metric": math.nan,
            "examples": last.get("examples", 0) + len(chosen),
            "tokens": last.get("tokens", 0) + self.train.tokens(chosen),
        }
        for what, value in (("loss", row["loss"]), ("gradient", row["gradient_norm"])):
            self._require_finite(what, value, row, kept=done, chosen=chosen)
        for group in self.optimizer.param_groups:
            group["lr"] = row["learning_rate"] * group["factor"]
        self.optimizer.step()
        self.optimizer.zero_grad()
        row["seconds"] = last.get("seconds", self.spent) + time.perf_counter() - began
        return row

    def _batches(self, epoch: int) -> list[list[int]]:
        if self.order[0] != epoch:
            size = self.settings.batch_size * self.settings.accumulate
            batches = bucketed_batches(self.train.lengths, size, self.settings.seed, epoch)
            self.order = (epoch, batches)
        return self.order[1]

    def _require_gradient(self, step: int) -> None:
        """Stop a run whose loss says nothing about the weights that are to be trained."""
        if all(parameter.grad is None for parameter in self.trainable):
            raise LabError(
                f"fit: the loss of step {step} has no gradient: it does not depend on any weight "
                "that is trained, or it was detached from them or computed under no_grad."
            )

    def _require_finite(
        self,
        what: str,
        value: float,
        row: dict[str, float],
        kept: int,
        chosen: Sequence[int] = (),
    ) -> None:
        """Stop a run that has left the numbers; `kept` is the step whose weights the model has."""
        if math.isfinite(value):
            return
        self.optimizer.zero_grad()
        self._restore(self.best_weights)
        kept = self.state.best_step if self.best_weights else kept
        on = f" on the training examples {listed(chosen)}" if chosen else ""
        advice = (
            f"the model keeps its weights of step {kept}: try a lower learning rate"
            if kept
            else "no weight has moved yet, so look at these examples and at the loss"
        )
        raise Diverged(
            f"fit: the {what} became {value} at step {row['step']} with learning rate "
            f"{row['learning_rate']:.3g}{on}; {advice}."
        )

    def _evaluation_due(self, step: int) -> bool:
        every = self.settings.eval_every
        every = self.per_epoch if isinstance(every, str) else every
        return step % every == 0 or step == self.total

    def _evaluate(self, row: dict[str, float]) -> None:
        """Validation into `row`; the best weights so far are kept if they are to be restored."""
        assert self.validation is not None
        step = int(row["step"])
        classifies = self.objective.plain and hasattr(self.model, "label_names")
        loss, outputs = evaluate(
            self.model,
            self.validation,
            BATCH_SIZE if classifies else self.settings.batch_size,
            self.settings.precision,
            lambda chosen: self._replay("validation", chosen),
            f"the validation of step {step}",
            logits=self.metric is not None,
        )
        self._require_finite("validation loss", loss, row, kept=step)
        row["validation_loss"] = value = loss
        if self.metric is not None and outputs is not None:
            row["validation_metric"] = float(self.metric(*outputs))
            value = -row["validation_metric"]
        state = self.state
        if value < state.best:
            state.best, state.best_step, state.without_gain = value, step, 0
            if self.settings.patience is not None:
                self.best_weights = {k: v.detach().clone() for k, v in self.moving.items()}
        else:
            state.without_gain += 1
            state.stopped_early = state.without_gain == self.settings.patience

    def _restore(self, weights: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, tensor in weights.items():
                self.moving[name].copy_(tensor)

    def _save(self, step: int) -> None:
        if self.checkpoints is None:
            return
        tensors = {f"weights/{name}": tensor for name, tensor in self.moving.items()}
        if not self.state.finished:
            tensors |= {f"best/{name}": tensor for name, tensor in self.best_weights.items()}
            tensors |= optimizer_tensors(self.model, self.optimizer)
        self.checkpoints.save(step, asdict(self.state), tensors)

    def _resume(self) -> None:
        found = self.checkpoints.load() if self.checkpoints else None
        if found is None:
            return
        state, tensors = found
        self.state = RunState(**state)
        self._restore(_under("weights/", tensors))
        self.best_weights = {k: v.to(self.device) for k, v in _under("best/", tensors).items()}
        if not self.state.finished:
            load_optimizer(self.model, self.optimizer, tensors)


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
