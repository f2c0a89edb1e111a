"""The two tasks in data/: what a reader relies on when methods are compared on them."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from ftlab.common.paths import data_dir

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
NEAR_DUPLICATE = 0.5  # Jaccard similarity of the texts' sets of character 3-grams


class Expected(NamedTuple):
    rows: int  # at least
    labels: set[str]
    sha256: str


TASKS = {
    "tickets": Expected(
        600,
        {
            "account_access",
            "billing",
            "change_order",
            "damaged_item",
            "delivery_status",
            "product_question",
            "return_refund",
            "service_feedback",
        },
        "698a3d1a7262249aef768baf5a4acd4d75f2e5a49265ad25233b6813e51db68d",
    ),
    "reviews": Expected(
        400,
        {"mixed", "negative", "positive"},
        "aae281255c295fabc31c9d86ff5e7b5e000f05939b469756007565c92aab373b",
    ),
}

pytestmark = pytest.mark.parametrize("name", TASKS)


def read(name: str) -> pd.DataFrame:
    # Without keep_default_na a review that says only "None" would turn into a missing value.
    return pd.read_csv(data_dir() / f"{name}.csv", dtype=str, keep_default_na=False)


def similarities(texts: list[str]) -> np.ndarray:
    """Jaccard similarity of the character 3-gram sets of every two texts, shape (n, n)."""
    grams = CountVectorizer(analyzer="char", ngram_range=(3, 3), binary=True).fit_transform(texts)
    shared = (grams @ grams.T).toarray()
    sizes = shared.diagonal()
    return shared / (sizes[:, None] + sizes[None, :] - shared)


def test_columns_sizes_and_labels(name: str) -> None:
    task = read(name)
    assert list(task.columns) == ["id", "text", "label", "split"]
    assert len(task) >= TASKS[name].rows
    assert set(task.label) == TASKS[name].labels
    assert list(task.id) == [f"{name[0]}{i:04d}" for i in range(1, len(task) + 1)]


def test_files_are_the_fixed_ones(name: str) -> None:
    """Figures of different days can be compared only if nobody moved a row in between."""
    content = (data_dir() / f"{name}.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == TASKS[name].sha256


def test_every_text_is_one_clean_line(name: str) -> None:
    for text in read(name).text:
        assert text.strip(), "blank text"
        assert text == text.strip()
        assert len(text.splitlines()) == 1, text


def test_splits_are_stratified_seven_two_one(name: str) -> None:
    task = read(name)
    assert set(task.split) == set(SHARES)
    for label, rows in task.groupby("label"):
        for split, share in SHARES.items():
            assert (rows.split == split).mean() == pytest.approx(share, abs=0.02), (label, split)


def test_file_order_tells_nothing_about_the_label(name: str) -> None:
    """A reader who takes the first rows of the file gets a mixture."""
    labels = read(name).label
    same_as_the_one_before = np.mean([a == b for a, b in pairwise(labels)])
    by_chance = (labels.value_counts(normalize=True) ** 2).sum()
    assert same_as_the_one_before == pytest.approx(by_chance, abs=0.08)


def test_no_near_duplicates_across_splits(name: str) -> None:
    task = read(name)
    # A planted copy, one word changed, shows that the measure would notice one.
    first = task.text[task.text.str.split().str.len() > 15].iloc[0]
    copy = " ".join(["Yesterday", *first.split()[1:]])
    similar = similarities([*task.text, copy])
    assert similar[-1].max() >= NEAR_DUPLICATE

    similar = similar[:-1, :-1]
    split = task.split.to_numpy()
    crossing = (similar >= NEAR_DUPLICATE) & (split[:, None] != split[None, :])
    pairs = [(task.text[i], task.text[j]) for i, j in zip(*np.nonzero(crossing), strict=True)]
    assert not pairs


def test_every_label_has_short_and_long_texts(name: str) -> None:
    """Otherwise the length of a text alone would give its label away."""
    task = read(name)
    words = task.text.str.split().str.len()
    for label, lengths in words.groupby(task.label):
        assert (lengths < 8).sum() >= 5, label
        assert (lengths > 60).sum() >= 5, label


def test_counting_words_is_neither_enough_nor_useless(name: str) -> None:
    """Room above the baseline for better methods, and labels that the words do bear on."""
    task = read(name)
    baseline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=1000)
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    accuracy = cross_val_score(baseline, task.text, task.label, cv=folds).mean()
    majority = task.label.value_counts(normalize=True).max()
    assert max(0.4, majority + 0.2) < accuracy < 0.93


def test_data_card_counts_are_those_of_the_files(name: str) -> None:
    task = read(name)
    card = (data_dir() / "README.md").read_text(encoding="utf-8")
    counts = pd.crosstab(task.label, task.split)[list(SHARES)].assign(all=task.label.value_counts())
    for label, row in counts.iterrows():
        assert f"| `{label}` | {' | '.join(map(str, row))} |" in card
