"""Fair splits: stratified by label, and no text on two sides."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ftlab.common.errors import LabError
from ftlab.data.cleaning import Rows, normalise
from ftlab.data.wording import count, quoted

NEW_LABELS_ALLOWED = 0.05  # share of a test file's rows; above, the files hardly belong together


def split(rows: Rows, shares: Mapping[str, float], seed: int) -> dict[str, Rows]:
    """Split into "train" and the sides in `shares` (the share of each, train gets the rest).

    Stratified by label: a label of n different texts gives each side its rounded share and at least
    one while train keeps one; a label with a single text is in train alone. Rows whose texts are
    the same up to `normalise` stay together. A pure function of its arguments.
    """
    keys = rows.frame.text.map(normalise)
    firsts = rows.frame[~keys.duplicated()]
    side_of: dict[str, str] = {}
    for number, (_, group) in enumerate(firsts.groupby("label", sort=True)):
        order = np.random.default_rng([seed, number]).permutation(len(group))
        texts = keys[group.index].to_numpy()[order]
        begin = 0
        for side, share in shares.items():
            room = len(texts) - begin - 1
            end = begin + min(room, max(1, round(share * len(texts))))
            side_of.update(dict.fromkeys(texts[begin:end], side))
            begin = end
    sides = keys.map(lambda key: side_of.get(key, "train"))
    return {side: rows.keep(sides == side) for side in ("train", *shares)}


def most_frequent(train: Rows, labels: int, notes: list[str]) -> list[str]:
    """The `labels` most frequent labels of train (ties: in order of name), sorted; 0: all.

    Labels that are all whole numbers are sorted as numbers. LabError if fewer than two are left.
    """
    counts = train.frame.label.value_counts()
    ranked = sorted(counts.index, key=lambda label: (-counts[label], label))
    kept = ranked[: labels or None]
    if labels > len(ranked):
        notes.append(
            f"{train.name}: has {count(len(ranked), 'label')}, fewer than {labels}: all kept."
        )
    elif len(kept) < len(ranked):
        notes.append(
            f"{train.name}: the {labels} most frequent of {count(len(ranked), 'label')} kept, "
            f"{int(counts[kept].sum()):,} of {count(len(train.frame), 'row')}."
        )
    if len(kept) < 2:
        raise LabError(
            f"{train.name}: every row has the label {quoted(kept)}; a classifier "
            "needs at least two labels."
        )
    return sorted(kept, key=_by_number if all(_is_whole(label) for label in kept) else str)


def _is_whole(label: str) -> bool:
    return len(label) < 20 and label.removeprefix("-").isdecimal()


def _by_number(label: str) -> tuple[int, str]:
    return int(label), label


def drop_new_labels(sides: dict[str, Rows], notes: list[str]) -> dict[str, Rows]:
    """Drop rows of the other sides whose label train does not have: no model could be right there.

    LabError if more than `NEW_LABELS_ALLOWED` of a side would go.
    """
    known = set(sides["train"].frame.label)
    cleaned = dict(sides)
    for side, rows in sides.items():
        new = ~rows.frame.label.isin(known)
        if not new.any():
            continue
        names = quoted(sorted(rows.frame.label[new].unique()))
        what = f"{count(int(new.sum()), 'row')} of {len(rows.frame):,} with labels that train lacks"
        if new.mean() > NEW_LABELS_ALLOWED:
            raise LabError(
                f"{rows.name}: {what} ({names}; {rows.places(new)}): make the labels of the files "
                "agree, or keep only the most frequent ones."
            )
        notes.append(f"{rows.name}: {what} dropped ({names}; {rows.places(new)}).")
        cleaned[side] = rows.keep(~new)
    return cleaned


def drop_overlaps(sides: dict[str, Rows], notes: list[str]) -> dict[str, Rows]:
    """Keep a text that is on several sides in test, else in validation: train must not hold it."""
    cleaned = dict(sides)
    taken: dict[str, str] = {}
    for side in ("test", "validation", "train"):
        if side not in cleaned:
            continue
        rows = cleaned[side]
        keys = rows.frame.text.map(normalise)
        double = keys.isin(taken)
        if double.any():
            where = " or ".join(sorted({taken[key] for key in keys[double]}))
            notes.append(
                f"{rows.name}: {count(int(double.sum()), 'text')} also in {where} dropped here "
                f"({rows.places(double)})."
            )
            cleaned[side] = rows.keep(~double)
            if double.all():
                raise LabError(f"{rows.name}: every text in it is also in {where}.")
        taken.update(dict.fromkeys(keys[~double], rows.name))
    return cleaned


def remark_on_train(rows: Rows, notes: list[str]) -> None:
    """Tell about texts that come repeatedly, with different labels, and about labels seen once."""
    keys = rows.frame.text.map(normalise)
    again = keys.duplicated()
    if again.any():
        notes.append(
            f"{rows.name}: {count(int(again.sum()), 'row')} repeating an earlier text "
            f"({rows.places(again)}), kept on one side."
        )
    kinds: pd.Series = rows.frame.label.groupby(keys).transform("nunique")
    if (kinds > 1).any():
        notes.append(
            f"{rows.name}: {count(int(keys[kinds > 1].nunique()), 'text')} with different labels "
            f"({rows.places(kinds > 1)}): at most one can be right."
        )
    counts = rows.frame.label.map(rows.frame.label.value_counts())
    if (counts == 1).any():
        names = quoted(sorted(rows.frame.label[counts == 1]))
        notes.append(
            f"{rows.name}: {count(int((counts == 1).sum()), 'label')} seen only once ({names}; "
            f"{rows.places(counts == 1)}): such a row stays in train."
        )
