"""A model as a stack: which layer a weight belongs to, and the blocks themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from torch import nn

from ftlab.common.errors import LabError

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
        if re.search(r"(^|\.)(head|lm_head)\.", name):
            layer = HEAD
        elif number:
            layer = f"block {int(number[1]) + 1}"
        elif layer != EMBEDDINGS:
            layer = LAST_NORM
        found[name] = layer
    return found


def layers(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The parameters of each layer, from the embeddings up; a tied matrix stands where it is
    first used."""
    named = dict(model.named_parameters())
    found: dict[str, list[nn.Parameter]] = {}
    for name, layer in layer_of(named).items():
        found.setdefault(layer, []).append(named[name])
    return found


def find_blocks(model: Any) -> nn.ModuleList | None:
    """The blocks of a model, from the one above the embeddings to the last: the list of as many
    modules as the configuration names. None if there is no such list."""
    count = getattr(model.config, "num_hidden_layers", None)
    lists = (module for module in model.modules() if isinstance(module, nn.ModuleList))
    return next((found for found in lists if len(found) == count), None)


def blocks(model: Any) -> nn.ModuleList:
    """As `find_blocks`, but LabError if the model has none."""
    found = find_blocks(model)
    if found is None:
        raise LabError(f"{type(model).__name__} has no list of blocks to freeze or adapt.")
    return found
