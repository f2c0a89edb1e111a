"""The frozen lower part of a model, run once for each text and then replayed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from ftlab.data.features import Feature, batches_by_length, collate
from ftlab.models.classifier import Classifier
from ftlab.models.layers import EMBEDDINGS, HEAD, LAST_NORM, blocks, find_blocks, layers
from ftlab.models.modes import evaluation_mode

BATCH_SIZE = 64
MOST_BYTES = 2**30  # of vectors kept; beyond that running the trunk again is the lesser evil


class FrozenTrunk:
    """The frozen lower part of `model`, run once for each text and then replayed.

    As long as embeddings and the first `depth` blocks are frozen and drop nothing out, what they
    make of a text is the same in every epoch. `remember` keeps it, `replay` puts it in their
    place. Where all below a classifier's head is frozen, one vector a text is kept.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.depth = frozen_depth(model)
        self.pooled = (
            isinstance(model, Classifier)
            and self.depth > 0
            and self.depth == len(blocks(model))
            and not any(p.requires_grad for p in model.trunk.parameters())
        )
        self.in_tuple = False  # some families' blocks give their output in a tuple

    def bytes_for(self, features: Sequence[Feature]) -> int:
        """Bytes that `remember(features)` would keep."""
        if self.pooled:
            return 4 * len(features) * self.model.width
        return 4 * sum(len(f["input_ids"]) for f in features) * self.model.config.hidden_size

    @torch.no_grad()
    def remember(self, features: Sequence[Feature], pad_id: int) -> list[torch.Tensor]:
        """What the frozen part makes of each text: (length, width), or (width,) if pooled."""
        kept: dict[int, torch.Tensor] = {}
        lengths = [len(feature["input_ids"]) for feature in features]
        device = next(self.model.parameters()).device
        with evaluation_mode(self.model):
            for chosen in batches_by_length(lengths, BATCH_SIZE):
                rows = [{"input_ids": features[i]["input_ids"]} for i in chosen]
                batch = {k: v.to(device) for k, v in collate(rows, pad_id).items()}
                hidden = self._run(batch)
                for row, i in zip(hidden, chosen, strict=True):
                    # A copy: a slice would keep the whole batch with its padding.
                    kept[i] = (row if self.pooled else row[: lengths[i]]).clone()
        return [kept[i] for i in range(len(features))]

    def _run(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        if self.pooled:
            return self.model.pool(**batch)
        seen: list[torch.Tensor] = []

        def stop(module: nn.Module, arguments: Any, output: Any) -> None:
            self.in_tuple = isinstance(output, tuple)
            seen.append(output[0] if self.in_tuple else output)
            raise _Enough

        handle = blocks(self.model)[self.depth - 1].register_forward_hook(stop)
        try:
            self.model(**batch)
        except _Enough:
            pass
        finally:
            handle.remove()
        return seen[0]

    @contextmanager
    def replay(self, rows: Sequence[torch.Tensor]) -> Iterator[None]:
        """Within it the model takes `rows`, remembered for the texts of a batch, from memory."""
        if self.pooled:
            hidden = torch.stack(list(rows))
            replaced: list[tuple[Any, str]] = [(self.model, "pool")]
            self.model.pool = lambda input_ids, attention_mask: hidden
        else:
            hidden = pad_sequence(list(rows), batch_first=True)
            output = (hidden,) if self.in_tuple else hidden
            replaced = [(block, "forward") for block in blocks(self.model)[: self.depth]]
            for block, _ in replaced:
                block.forward = lambda *arguments, **named: output
        try:
            yield
        finally:
            for owner, name in replaced:
                delattr(owner, name)  # the class's own method shows again


class _Enough(Exception):
    """Raised to end a forward pass above which nothing is needed."""


def frozen_depth(model: Any) -> int:
    """How many blocks, counted from the embeddings, are frozen together with all below them.

    0 as well if the model drops out anything on its way, as then no two passes are the same, if a
    trainable prompt stands before its trunk, and if it has no blocks that could be told apart (some
    families share one among all layers).
    """
    wrapped = isinstance(model, Classifier) and not isinstance(model.trunk, PreTrainedModel)
    if wrapped or find_blocks(model) is None:
        return 0
    settings = model.config.to_dict()
    drops = (v for k, v in settings.items() if "drop" in k and not k.startswith("classifier"))
    if any(isinstance(rate, float) and rate > 0 for rate in drops):
        return 0
    depth = 0
    for layer, parameters in layers(model).items():
        if layer in (LAST_NORM, HEAD) or any(p.requires_grad for p in parameters):
            break
        depth += layer != EMBEDDINGS
    return depth
