"""What a training minimises: how rows become batches, and a batch one number."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import default_collate

from ftlab.common.errors import LabError
from ftlab.data.features import IGNORED
from ftlab.data.features import collate as collate_texts

Loss = Callable[[Any, Any], torch.Tensor]
Collate = Callable[[list[Any]], Any]


@dataclass(frozen=True)
class Objective:
    """The functions that `fit()` was given, or what stands for them.

    Rows are texts if `pad_id` says how to pad them; others are put together by `collate`, else by
    torch's `default_collate`. Without a `loss` the model gives its own.
    """

    pad_id: int | None = None
    loss: Loss | None = None
    collate: Collate | None = None
    length: Callable[[Any], int] | None = None
    weight: Callable[[Any], float] | None = None

    def check(self, caller: str, rows: Sequence[Any]) -> None:
        """LabError if rows and functions do not go together."""
        if self.pad_id is not None and self.collate is not None:
            raise LabError(
                f"{caller}: pad_id is for padding texts: leave it out if you give your own collate."
            )
        bare = self.pad_id is None and self.collate is None and len(rows) > 0
        if bare and isinstance(rows[0], Mapping) and "input_ids" in rows[0]:
            raise LabError(f"{caller}: texts need pad_id, the tokenizer's pad_token_id.")

    @property
    def texts(self) -> bool:
        """Whether rows are features, as from `encode`."""
        return self.pad_id is not None

    @property
    def plain(self) -> bool:
        """Whether the model's own loss of texts is minimised, so that the model is run once a
        batch and on nothing else."""
        return self.texts and self.loss is None

    def put_together(self, rows: list[Any]) -> Any:
        """The batch of these rows."""
        if self.collate is not None:
            return self.collate(rows)
        return _stacked(rows) if self.pad_id is None else collate_texts(rows, self.pad_id)

    def length_of(self, row: Any) -> int | None:
        """How long a row is; None where nobody has said what that means."""
        if self.length is not None:
            return self.length(row)
        return len(row["input_ids"]) if self.texts else None

    def weight_of(self, row: Any) -> float:
        """What a row counts in a mean loss: 1, or its learned tokens in a language model's own.

        A causal model never predicts the first token, so its label does not count.
        """
        if self.weight is not None:
            return self.weight(row)
        labels = row.get("labels") if self.loss is None and isinstance(row, Mapping) else None
        return sum(label != IGNORED for label in labels[1:]) if isinstance(labels, list) else 1

    def __call__(self, model: Any, batch: Any, moment: str) -> tuple[torch.Tensor, Any]:
        """The mean loss over a batch, and what the model gave beside it if the loss is its own.

        LabError, which names the `moment`, if the loss is not one number.
        """
        loss: Any
        output = None
        if self.loss is not None:
            loss = self.loss(model, batch)
        else:
            output = run(model, batch) if self.texts else model(**batch)
            loss = getattr(output, "loss", None)
            if loss is None:
                raise LabError(
                    f"fit: at {moment} the model returns no loss: give fit() a loss, a "
                    "function of model and batch."
                )
        tensor = isinstance(loss, torch.Tensor)
        if not tensor or loss.ndim or not loss.is_floating_point():
            given = f"{loss.dtype} of shape {tuple(loss.shape)}" if tensor else type(loss).__name__
            raise LabError(
                f"fit: the loss at {moment} is not a single number but {given}: it must be a "
                "tensor of shape (), the mean over the batch."
            )
        return loss, output

    def check_own_loss(self, model: Any, batch: Any) -> None:
        """LabError if the model cannot be given this batch by name."""
        try:
            inspect.signature(model.forward).bind(**batch)
        except TypeError as error:
            raise LabError(
                f"fit: the model does not accept these batches ({error}): give fit() a loss, a "
                "function of model and batch."
            ) from None


def run(model: Any, batch: dict[str, torch.Tensor]) -> Any:
    """The model's output for a batch of texts; a language model keeps nothing for a
    continuation."""
    by_token = "labels" in batch and batch["labels"].ndim == 2
    return model(**batch, use_cache=False) if by_token else model(**batch)


def to_device(batch: Any, device: torch.device) -> Any:
    """A batch with all its tensors there."""
    return _on_every_tensor(batch, lambda tensor: tensor.to(device))


def _stacked(rows: list[Any]) -> Any:
    # Python's numbers are float64 there, which no loss takes beside outputs in fp32.
    return _on_every_tensor(
        default_collate(rows),
        lambda tensor: tensor.float() if tensor.dtype == torch.float64 else tensor,
    )


def _on_every_tensor(batch: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A batch with its tensors changed, in whatever dicts, lists and tuples they stand."""
    if isinstance(batch, torch.Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        return {name: _on_every_tensor(part, change) for name, part in batch.items()}
    if isinstance(batch, list | tuple):
        return [_on_every_tensor(part, change) for part in batch]
    return batch
