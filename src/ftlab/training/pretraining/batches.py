"""Batches of one shape: rows packed into windows, none of which sees its neighbour.

A compiled training step wants the same shape every time, and padding is work for nothing. So rows
are laid one after the other into windows of a fixed length, a number for each token says which row
it belongs to, and the loss is taken at a fixed number of positions, those of answers before others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

MISFITS = 4  # rows in a row for which no window has room, and the windows count as full
Row = tuple[list[int], list[float]]  # token ids, and the weight of each token's loss
Labelled = tuple[int, Row]  # with the number of its kind


@dataclass(frozen=True)
class Shape:
    """`windows` windows of `length` tokens, of which `predicted` are predicted."""

    windows: int
    length: int
    predicted: int


@dataclass(frozen=True)
class Batch:
    """`windows` windows of `length` tokens.

    `ids`, `rows`: (windows, length) token ids and the number of the row that a token belongs to,
    0 for padding. `places`: flat positions whose next token is predicted, `weights` of their
    losses, `kinds`: the number of what each is, for the log.
    """

    ids: torch.Tensor
    rows: torch.Tensor
    places: torch.Tensor
    weights: torch.Tensor
    kinds: np.ndarray

    @property
    def tokens(self) -> int:
        """Tokens that are not padding."""
        return int((self.rows > 0).sum())


def first_fit(rows: Iterable[Labelled], shape: Shape) -> list[list[Labelled]]:
    """`rows` shared out to windows until these are full: each goes into the first with room.

    One longer than a window is cut.
    """
    windows: list[list[Labelled]] = [[] for _ in range(shape.windows)]
    used = [0] * shape.windows
    misfits = 0
    for kind, (tokens, weights) in rows:
        size = min(len(tokens), shape.length)
        place = next((w for w, u in enumerate(used) if u + size <= shape.length), None)
        if place is not None:
            windows[place].append((kind, (tokens[:size], weights[:size])))
            used[place] += size
        elif (misfits := misfits + 1) == MISFITS:
            break
    return windows


def lay(
    windows: Sequence[Sequence[Labelled]],
    shape: Shape,
    *,
    pad_id: int,
    mean_weight: Sequence[float],
    seed: int,
) -> Batch:
    """The batch of these rows, each with the number of its kind.

    The loss is a weighted mean for each kind, times `mean_weight` of the kind. Where there is more
    to predict than `shape.predicted` tokens, those of little weight are drawn at random and count
    for all.
    """
    import torch

    ids = np.full((shape.windows, shape.length), pad_id, dtype=np.int64)
    owner = np.zeros_like(ids)
    kind_of = np.zeros_like(ids)
    weight = np.zeros(ids.shape, dtype=np.float32)
    for window, rows in enumerate(windows):
        begin = 0
        for number, (kind, (tokens, weights)) in enumerate(rows, start=1):
            end = begin + len(tokens)
            ids[window, begin:end] = tokens
            owner[window, begin:end] = number
            kind_of[window, begin:end] = kind
            # The weight of a token's loss stands where it is predicted: at the token before it.
            weight[window, begin : end - 1] = weights[1:]
            begin = end
    places, chosen = _chosen(weight.ravel(), shape.predicted, np.random.default_rng(seed))
    kinds = kind_of.ravel()[places]
    totals = np.bincount(kinds, chosen, minlength=len(mean_weight))
    share = np.asarray(mean_weight, dtype=np.float32) / np.maximum(totals, 1e-6)
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy(owner),
        torch.from_numpy(places),
        torch.from_numpy((chosen * share[kinds]).astype(np.float32)),
        kinds,
    )


def _chosen(
    weight: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`count` positions and the weights they count with; heavy ones are always among them."""
    places = np.flatnonzero(weight)
    if len(places) > count:
        heavy = places[weight[places] >= 0.5]
        light = places[weight[places] < 0.5]
        if len(heavy) >= count:
            places = np.sort(rng.choice(heavy, count, replace=False))
            return places, weight[places]
        picked = rng.choice(light, count - len(heavy), replace=False)
        out = np.concatenate([heavy, picked])
        scaled = np.concatenate([weight[heavy], weight[picked] * (len(light) / len(picked))])
        order = np.argsort(out)
        return out[order], scaled[order].astype(np.float32)
    filled = np.zeros(count, dtype=np.int64)  # with no weight, a position adds nothing
    filled[: len(places)] = places
    kept = np.zeros(count, dtype=np.float32)
    kept[: len(places)] = weight[places]
    return filled, kept
