"""The training loop of pretraining: lessons in order, checkpoints, resume, a log.

Apart from `ftlab.training.fit`, because it has no epochs and no fixed data: batches are made as it
goes, from the seed and the step.
"""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ftlab.training.pretraining.batches import Batch
from ftlab.training.pretraining.corpus import KINDS, LATER, MIX, Corpus
from ftlab.training.pretraining.recipe import Job, Recipe

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

LOG_EVERY = 20
SAVE_EVERY = 100
SNAPSHOT_EVERY = 400  # steps whose weights are kept for the curve over tokens
CHECKPOINT, SNAPSHOT = "checkpoint.safetensors", "snapshot_"


def read_checkpoint(
    path: Path,
) -> tuple[dict[str, torch.Tensor], dict[int, dict[str, torch.Tensor]], dict[str, Any]]:
    """What a checkpoint or a snapshot holds: weights by name, the tensors of the optimizer by the
    number of their parameter, and where the run stood."""
    from safetensors import safe_open

    weights: dict[str, torch.Tensor] = {}
    moments: dict[int, dict[str, torch.Tensor]] = {}
    with safe_open(path, "pt") as file:
        for key in file.keys():  # noqa: SIM118 (it is no dictionary)
            owner, _, name = key.partition(".")
            if owner == "model":
                weights[name] = file.get_tensor(key)
            else:
                number, _, name = name.partition(".")
                moments.setdefault(int(number), {})[name] = file.get_tensor(key)
        return weights, moments, json.loads(file.metadata()["state"])


class Pretraining:
    """A run of `recipe` on `corpus` in `folder`: start it, kill it, start it again.

    With several processes (`rank` of `ranks`) the batches of a step are shared out and the
    gradients averaged, so that their number changes nothing but the time.
    """

    def __init__(
        self,
        recipe: Recipe,
        corpus: Corpus,
        folder: Path,
        rank: int = 0,
        ranks: int = 1,
        compiled: bool = True,
    ) -> None:
        from ftlab.training.pretraining.network import fast_dtype, step_of
        from ftlab.training.pretraining.optimizer import Optimizer

        self.recipe, self.corpus, self.folder = recipe, corpus, folder
        self.rank, self.ranks = rank, ranks
        self.model = recipe.network(corpus.pad_id, corpus.end_id)
        self.optimizer = Optimizer(self.model, recipe)
        self.state: dict[str, Any] = {"copied": 0, "copies": False, "step": 0}
        self.state |= {"tokens": 0, "seconds": 0.0}
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).exists():
            self._load()
        self.model.to(dtype=fast_dtype())  # type: ignore[call-arg]
        self.optimizer.copy_to_model()
        self.losses = step_of(self.model, compiled)

    def run(self) -> LlamaForCausalLM:
        """Train to the last step; returns the model in fp32."""
        self.model.train()
        self._copy()
        sums: dict[str, list[float]] = {}
        while self.state["step"] < self.recipe.steps:
            step = self.state["step"]
            rate = self.recipe.rate(step)
            for name, loss in self._update(self._batches(step), rate).items():
                sums.setdefault(name, []).append(loss)
            self.state["step"] = step + 1
            if (step + 1) % LOG_EVERY == 0:
                self._log(step + 1, rate, {k: sum(v) / len(v) for k, v in sums.items()})
                sums = {}
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == self.recipe.steps:
                self._save()
        self.model.float()
        self.optimizer.copy_to_model()
        return self.model

    def _copy(self) -> None:
        """The copying lessons; they end by their loss, as how long it takes varies."""
        smooth = None
        while not self.state["copies"]:
            number = self.state["copied"]
            if number >= self.recipe.copy_steps:
                break
            rate = 0.5 * self.recipe.learning_rate * min(1.0, (number + 1) / 50)
            batches = [
                (self.corpus.copying(job.shape, number, job.part), job)
                for job in self.recipe.jobs(0)[self.rank :: self.ranks]
            ]
            loss = self._update(batches, rate)["copying"]
            smooth = loss if smooth is None else 0.9 * smooth + 0.1 * loss
            self.state["copied"] += 1
            self.state["copies"] = bool(smooth < self.recipe.copy_until)
            if self.state["copied"] % LOG_EVERY == 0:
                self._log(self.state["copied"], rate, {"copying": smooth})
        self._save()

    def _batches(self, step: int) -> list[tuple[Batch, Job]]:
        """This process's batches."""
        later = self.recipe.later(step)
        out = []
        for job in self.recipe.jobs(step)[self.rank :: self.ranks]:
            if job.texts:
                batch = self.corpus.texts(job.shape, step, job.part)
            else:
                batch = self.corpus.exercises(job.shape, step, job.part, LATER if later else MIX)
            out.append((batch, job))
        return out

    def _update(self, batches: list[tuple[Batch, Job]], rate: float) -> dict[str, float]:
        started = time.perf_counter()
        sums, counts = np.zeros(len(KINDS)), np.zeros(len(KINDS))
        tokens = 0
        weight = self.recipe.contrast[self.recipe.later(self.state["step"])]
        for batch, job in batches:
            losses, contrast = self.losses(batch.ids, batch.rows, batch.places, job.texts)
            total = (losses * batch.weights).sum()
            if job.texts:
                total = total + weight * contrast
                place = KINDS.index("contrast")
                sums[place] += float(contrast.detach())
                counts[place] += 1
            (job.weight * total).backward()
            wanted = batch.weights.numpy() > 0
            kinds, values = batch.kinds[wanted], losses.detach().float().numpy()[wanted]
            sums += np.bincount(kinds, values, minlength=len(KINDS))
            counts += np.bincount(kinds, minlength=len(KINDS))
            tokens += batch.tokens
        named = dict(self.model.named_parameters())
        gradients = {n: p.grad.float() for n, p in named.items() if p.grad is not None}
        for parameter in self.model.parameters():
            parameter.grad = None
        measured = np.concatenate([sums, counts, [tokens]])
        if self.ranks > 1:
            measured = self._sum(gradients, measured)
        self.optimizer.step(gradients, rate, self.recipe.clip)
        sums, counts, tokens = measured[: len(KINDS)], measured[len(KINDS) : -1], measured[-1]
        self.state["tokens"] += int(tokens)
        self.state["seconds"] += time.perf_counter() - started
        return {k: s / n for k, s, n in zip(KINDS, sums, counts, strict=True) if n}

    def _sum(self, gradients: dict[str, torch.Tensor], measured: np.ndarray) -> np.ndarray:
        """Gradients (in place) and measurements added up over the processes, in one message."""
        import torch
        import torch.distributed as dist

        flat = torch.cat([*(g.flatten() for g in gradients.values()), torch.tensor(measured)])
        flat = flat.float()
        dist.all_reduce(flat)
        pieces = flat.split([*(g.numel() for g in gradients.values()), len(measured)])
        for name, piece in zip(gradients, pieces, strict=False):
            gradients[name] = piece.view_as(gradients[name])
        return pieces[-1].double().numpy()

    def _log(self, step: int, rate: float, losses: dict[str, float]) -> None:
        if self.rank:
            return
        path = self.folder / "training_log.csv"
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(["step", "tokens", "seconds", "learning_rate", *KINDS])
            shown = [f"{losses[c]:.4f}" if c in losses else "" for c in KINDS]
            seconds = f"{self.state['seconds']:.0f}"
            writer.writerow([step, self.state["tokens"], seconds, f"{rate:.6f}", *shown])
        text = "  ".join(f"{c} {losses[c]:.3f}" for c in KINDS if c in losses)
        print(
            f"step {step}  {self.state['tokens'] / 1e6:.2f} M tokens  {seconds} s  {text}",
            flush=True,
        )

    def _save(self) -> None:
        from ftlab.models.storing import save_tensors

        if self.rank:
            return
        tensors = {f"model.{n}": t.detach() for n, t in self.optimizer.weights.items()}
        if self.state["step"] and self.state["step"] % SNAPSHOT_EVERY == 0:
            name = f"{SNAPSHOT}{self.state['step']:06d}.safetensors"
            half = {n: t.half() for n, t in tensors.items()}
            save_tensors(self.folder / name, half, {"state": json.dumps(self.state)})
        for number, numbers in self.optimizer.adamw.state_dict()["state"].items():
            tensors |= {f"adamw.{number}.{n}": t for n, t in numbers.items()}
        save_tensors(self.folder / CHECKPOINT, tensors, {"state": json.dumps(self.state)})

    def _load(self) -> None:
        import torch

        weights, moments, self.state = read_checkpoint(self.folder / CHECKPOINT)
        with torch.no_grad():
            for name, weight in self.optimizer.weights.items():
                weight.copy_(weights[name])
        # Rates and decays are the recipe's; what was kept of the optimizer is what it has seen.
        groups = self.optimizer.adamw.state_dict()["param_groups"]
        self.optimizer.adamw.load_state_dict({"state": moments, "param_groups": groups})
        log = self.folder / "training_log.csv"
        if log.exists() and not self.rank:  # lines after the checkpoint will be written again
            lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [x for x in lines[1:] if int(x.split(",")[1]) <= self.state["tokens"]]
            log.write_text("".join([*lines[:1], *kept]), encoding="utf-8")
        print(f"Resuming in {self.folder} after step {self.state['step']}.", flush=True)
