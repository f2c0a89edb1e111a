"""The training loop of pretraining: lessons in order, checkpoints, resume, a log.

Apart from `ftlab.training.fit`, because it has no epochs and no fixed data: rows are made as it
goes, from the seed and the step.
"""

from __future__ import annotations

import csv
import json
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftlab.training.pretraining.corpus import MIX, Corpus
from ftlab.training.pretraining.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

LOG_EVERY = 20
SAVE_EVERY = 200
COPY_EVERY = 2
CHECKPOINT = "checkpoint.safetensors"


def answer_loss(
    model: LlamaForCausalLM, rows: list[tuple[list[int], list[float]]], pad_id: int
) -> torch.Tensor:
    """Weighted mean of the next-token loss (nats) over the tokens whose weight is not 0.

    The output layer is computed for those tokens only: it is a third of the work, and exercises
    are learned on one token in ten.
    """
    import torch
    import torch.nn.functional as F

    longest = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), longest), pad_id)
    weights = torch.zeros(len(rows), longest)
    for i, (row, weight) in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        weights[i, : len(row)] = torch.tensor(weight)
    # Padding stands on the right, so causal attention never sees it and needs no mask.
    hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
    weights = weights[:, 1:]
    wanted = weights > 0
    logits = model.lm_head(hidden[wanted])
    losses = F.cross_entropy(logits, ids[:, 1:][wanted], reduction="none")
    return (losses * weights[wanted]).sum() / weights[wanted].sum()


def _copying(
    level: tuple[int, int, int], rng: random.Random
) -> list[tuple[list[int], list[float]]]:
    """Strings of random tokens, said three times; what is learned is to say them again.

    The first token of a repetition is left out: nothing announces that a repetition begins.
    """
    pieces, shortest, longest = level
    length = rng.randint(shortest, longest)
    again = [0.0] + [1.0] * (length - 1)
    rows = []
    for _ in range(max(8, 2048 // (3 * length))):
        string = [rng.randrange(2, pieces) for _ in range(length)]
        rows.append((3 * string, [0.0] * length + 2 * again))
    return rows


def read_checkpoint(
    folder: Path,
) -> tuple[dict[str, torch.Tensor], dict[int, dict[str, torch.Tensor]], dict[str, Any]]:
    """What a run in `folder` has kept: the model's weights by name, the optimizer's tensors by the
    number of their parameter, and where the run stood."""
    from safetensors import safe_open

    weights: dict[str, torch.Tensor] = {}
    moments: dict[int, dict[str, torch.Tensor]] = {}
    with safe_open(folder / CHECKPOINT, "pt") as file:
        for key in file.keys():  # noqa: SIM118 (it is no dictionary)
            owner, _, name = key.partition(".")
            if owner == "model":
                weights[name] = file.get_tensor(key)
            else:
                number, _, name = name.partition(".")
                moments.setdefault(int(number), {})[name] = file.get_tensor(key)
        return weights, moments, json.loads(file.metadata()["state"])


class Pretraining:
    """A run of `recipe` on `corpus` in `folder`: start it, kill it, start it again."""

    def __init__(
        self,
        recipe: Recipe,
        corpus: Corpus,
        folder: Path,
        pad_id: int,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        import torch

        self.recipe, self.corpus, self.folder, self.pad_id = recipe, corpus, folder, pad_id
        self.rank, self.ranks = rank, ranks
        self.model = recipe.network(pad_id, corpus.end_id)
        decayed = [p for p in self.model.parameters() if p.dim() > 1]
        plain = [p for p in self.model.parameters() if p.dim() <= 1]
        groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": plain},
        ]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=recipe.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=0.0,
            fused=True,
        )
        self.state: dict[str, Any] = {"level": 0, "copied": 0, "step": 0}
        self.state |= {"tokens": 0, "seconds": 0.0}
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).exists():
            self._load()

    def run(self) -> LlamaForCausalLM:
        """Train to the last step; returns the model."""
        self.model.train()
        while self.state["level"] < len(self.recipe.copy_levels):
            self._copy()
            self._save()
        sums: dict[str, list[float]] = {}
        while self.state["step"] < self.recipe.steps:
            step = self.state["step"]
            rows_of: dict[str, Any] = {
                s.name: (self.corpus.batch(s, step), weight)
                for s in MIX
                if (weight := s.weight_at(step)) > 0
            }
            if (
                self.recipe.copy_levels and step % COPY_EVERY == 0
            ):  # so that the skill is not lost among the first texts
                rng = random.Random(f"copy/{self.recipe.seed}/again/{step}")
                rows_of["copying"] = (_copying(self.recipe.copy_levels[-1], rng)[:16], 0.5)
            losses = self._update(rows_of, self.recipe.rate(step))
            for name, loss in losses.items():
                sums.setdefault(name, []).append(loss)
            self.state["step"] = step + 1
            if (step + 1) % LOG_EVERY == 0:
                self._log(
                    step + 1, self.recipe.rate(step), {k: sum(v) / len(v) for k, v in sums.items()}
                )
                sums = {}
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == self.recipe.steps:
                self._save()
        return self.model

    def _copy(self) -> None:
        """One level of the copying lessons; it ends by its loss, as how long it takes varies."""
        level = self.recipe.copy_levels[self.state["level"]]
        smooth, first = None, self.state["copied"]
        while smooth is None or smooth > self.recipe.copy_until:
            rng = random.Random(f"copy/{self.recipe.seed}/{self.state['copied']}")
            rate = self.recipe.learning_rate * min(1.0, (self.state["copied"] + 1) / 50)
            loss = self._update({"copying": (_copying(level, rng), 1.0)}, rate)["copying"]
            smooth = loss if smooth is None else 0.9 * smooth + 0.1 * loss
            self.state["copied"] += 1
            if self.state["copied"] % LOG_EVERY == 0:
                self._log(self.state["copied"], rate, {"copying": smooth})
            if self.state["copied"] - first >= self.recipe.copy_steps:
                break
        self.state["level"] += 1

    def _update(self, rows_of: dict[str, Any], rate: float) -> dict[str, float]:
        import torch

        started = time.perf_counter()
        losses = {}
        loads = [0] * self.ranks  # tokens so far: processes wait for the one with the most
        for name, (rows, weight) in rows_of.items():
            order = sorted(range(self.ranks), key=loads.__getitem__)
            shares = {rank: rows[place :: self.ranks] for place, rank in enumerate(order)}
            loads = [load + sum(len(i) for i, _ in shares[r]) for r, load in enumerate(loads)]
            loss = answer_loss(self.model, shares[self.rank], self.pad_id)
            (weight * loss).backward()
            losses[name] = float(loss.detach())
            self.state["tokens"] += sum(len(ids) for ids, _ in rows)
        if self.ranks > 1:
            losses = self._average(losses)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.state["seconds"] += time.perf_counter() - started
        return losses

    def _average(self, losses: dict[str, float]) -> dict[str, float]:
        """Gradients and losses averaged over the processes, in one message."""
        import torch
        import torch.distributed as dist

        grads = [p.grad for p in self.model.parameters() if p.grad is not None]
        flat = torch.cat([*(g.flatten() for g in grads), torch.tensor(list(losses.values()))])
        dist.all_reduce(flat)
        flat /= self.ranks
        pieces = flat.split([*(g.numel() for g in grads), len(losses)])
        for grad, piece in zip(grads, pieces, strict=False):
            grad.copy_(piece.view_as(grad))
        return dict(zip(losses, pieces[-1].tolist(), strict=True))

    def _log(self, step: int, rate: float, losses: dict[str, float]) -> None:
        if self.rank:
            return
        columns = ["copying", *(s.name for s in MIX)]
        path = self.folder / "training_log.csv"
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(["step", "tokens", "seconds", "learning_rate", *columns])
            shown = [f"{losses[c]:.4f}" if c in losses else "" for c in columns]
            seconds = f"{self.state['seconds']:.0f}"
            writer.writerow([step, self.state["tokens"], seconds, f"{rate:.6f}", *shown])
        text = "  ".join(f"{c} {losses[c]:.3f}" for c in columns if c in losses)
        print(
            f"step {step}  {self.state['tokens'] / 1e6:.2f} M tokens  {seconds} s  {text}",
            flush=True,
        )

    def _save(self) -> None:
        from ftlab.models.storing import save_tensors

        if self.rank:
            return
        # Copied, as embeddings and output layer are one tensor, which safetensors does not take.
        tensors = {f"model.{n}": t.clone() for n, t in self.model.state_dict().items()}
        for number, numbers in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{n}": t for n, t in numbers.items()}
        save_tensors(self.folder / CHECKPOINT, tensors, {"state": json.dumps(self.state)})

    def _load(self) -> None:
        weights, moments, self.state = read_checkpoint(self.folder)
        self.model.load_state_dict(weights)
        # Rates and decays are the recipe's; what was kept of the optimizer is what it has seen.
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        log = self.folder / "training_log.csv"
        if log.exists() and not self.rank:  # lines after the checkpoint will be written again
            lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [x for x in lines[1:] if int(x.split(",")[1]) <= self.state["tokens"]]
            log.write_text("".join([*lines[:1], *kept]), encoding="utf-8")
        print(f"Resuming in {self.folder} after step {self.state['step']}.", flush=True)
