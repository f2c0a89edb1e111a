"""A model as a stack: which layer a weight belongs to, and the blocks themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from torch import nn

from ftlab.errors import LabError

EMBEDDINGS, LAST_NORM, HEAD = "embeddings", "last norm", "head"


def layer_of(names: Iterable[str]) -> dict[str, str]:
    """The layer of each weight, by its name: "embeddings", "block 1", ..., "last norm", "head".

    `names` come in the order of the model. A name with a number in it ("layers.2.mlp...") belongs
    to that block, counted from 1; what stands before the blocks are the embeddings.
    """
    found: dict[str, str] = {}
    layer = EMBEDDINGS
    for name in names:
        number = re.search(r"\.(\d+)\.", f".{name}")
        if number:
            layer = f"block {int(number[1]) + 1}"
        elif re.search(r"(^|\.)(head|lm_head)\.", name):
            layer = HEAD
        elif layer != EMBEDDINGS:
            layer = LAST_NORM
        found[name] = layer
    return found


def blocks(model: Any) -> nn.ModuleList:
    """The blocks of a model of any family, from the one above the embeddings to the last.

    LabError if there is no list of as many modules as the configuration names.
    """
    count = getattr(model.config, "num_hidden_layers", None)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise LabError(f"{type(model).__name__} has no list of {count} blocks to freeze or cache.")
