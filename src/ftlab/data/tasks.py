"""Classification tasks: any labelled texts, cleaned and split the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ftlab.common.errors import LabError
from ftlab.common.hub import is_hub_name
from ftlab.common.paths import data_dir
from ftlab.data.cleaning import Rows, clean, find_columns
from ftlab.data.hub import read_hub_dataset
from ftlab.data.splits import drop_new_labels, drop_overlaps, most_frequent, remark_on_train, split
from ftlab.data.tables import SIDES, TABLE_SUFFIXES, Table, read_table, split_column
from ftlab.data.wording import quoted
from ftlab.world.corrections import DISTANCES, SORTS, corrections
from ftlab.world.inbox import inbox
from ftlab.world.letters import SUBJECTS

SHIPPED_TASKS = ("tickets", "reviews")
TOWN = "town"  # the name for all tasks that the town makes, which differ in their distance
TOWN_SIZES = (512, 200, 600)  # texts to learn from, for choices, for the test
LETTERS = "letters"  # the name of the task of the shops' inbox
LETTERS_SIZES = (800, 300, 3000)
OWN_TASKS = (*SHIPPED_TASKS, TOWN, *DISTANCES, LETTERS)
FILE_SUFFIXES = (*TABLE_SUFFIXES, ".txt", ".parquet", ".xlsx", ".xls", ".zip", ".gz")


@dataclass(frozen=True, eq=False)
class Task:
    """Texts with one label each, in three parts.

    `train` and `validation` have columns text (str) and label (int, an index into `label_names`).
    `notes` tells everything that was dropped, repaired or is unusual, with counts and first lines.
    `test_reads` counts the calls of `read_test`: in a fair trial it ends at 1.
    """

    name: str
    source: str
    label_names: list[str]
    train: pd.DataFrame
    validation: pd.DataFrame
    notes: list[str]
    _test: pd.DataFrame = field(repr=False)
    test_reads: int = field(default=0, init=False)

    @property
    def test_size(self) -> int:
        """Rows of the test part, known without reading it."""
        return len(self._test)

    def read_test(self) -> pd.DataFrame:
        """The test part, with the columns of `train`; every call is counted."""
        object.__setattr__(self, "test_reads", self.test_reads + 1)
        return self._test.copy()

    def sample_per_class(self, n: int, seed: int) -> pd.DataFrame:
        """`n` rows of train for every label, or all there are of it; 0: the whole of train.

        With the same seed a smaller sample is part of every larger one, so that points of a
        learning curve are paired. Rows come in the order of train.
        """
        if n < 0:
            raise LabError(f"sample_per_class takes n rows per label, 0 or more, not {n}.")
        if n == 0:
            return self.train.copy()
        chosen: list[int] = []
        for label, group in self.train.groupby("label"):
            order = np.random.default_rng([seed, int(label)]).permutation(len(group))  # type: ignore[call-overload]
            chosen.extend(group.index[order[:n]])
        return self.train.loc[sorted(chosen)].reset_index(drop=True)

    def at_most(self, validation: int, test: int, *, seed: int) -> Task:
        """The same task with so many texts for choices and for the test, drawn by `seed`."""

        def some(rows: pd.DataFrame, count: int) -> pd.DataFrame:
            order = np.random.default_rng([seed, count]).permutation(len(rows))
            return rows.iloc[sorted(order[:count])].reset_index(drop=True)

        return replace(
            self, validation=some(self.validation, validation), _test=some(self._test, test)
        )


def load_tasks(
    task_data: str,
    *,
    text_column: str = "",
    label_column: str = "",
    labels: int = 0,
    texts_per_label: int = 0,
    seed: int = 0,
) -> dict[str, Task]:
    """Tasks by name: the three of the town (near, far, dialect) for "town", else the one that
    `load_task` reads. `texts_per_label` keeps so many texts of each label to learn from, 0 all."""
    columns = {"text_column": text_column, "label_column": label_column, "labels": labels}
    tasks = [
        load_task(name, **columns, seed=seed)  # type: ignore[arg-type]
        for name in (DISTANCES if task_data == TOWN else (task_data,))
    ]
    return {
        task.name: replace(task, train=task.sample_per_class(texts_per_label, seed))
        for task in tasks
    }


def load_task(
    task_data: str, *, text_column: str = "", label_column: str = "", labels: int = 0, seed: int = 0
) -> Task:
    """Read, check, clean and split labelled texts.

    `task_data` is the name of a shipped task ("tickets", "reviews"), one that the town makes
    ("near", "far", "dialect": see `ftlab.world.corrections`; "letters": `ftlab.world.inbox`), a
    .csv, .tsv, .jsonl or .json
    file, a folder with train.* and test.* (and validation.*, if there), or a Hub dataset
    ("org/name", "org/name:configuration"). Rows are assigned by the data's own splits (files, or a
    column "split"); otherwise train, validation and test get 7:1:2, stratified. Without validation
    an eighth of train becomes it; without a labelled test part validation stands in.

    `labels` keeps the k most frequent labels of train, 0 all. `seed` decides the random splits.
    Columns are found by their usual names or named by the arguments. What the town makes has no
    columns and no rare labels: there these three are refused. LabError says in one sentence what
    cannot be used, with file and line.
    """
    if labels < 0 or labels == 1:
        raise LabError(f"labels must be 0 (all) or at least 2, not {labels}.")
    if task_data in (*DISTANCES, LETTERS):
        _refuse_choices(task_data, text_column, label_column, labels)
    if task_data in DISTANCES:
        made = corrections(task_data, TOWN_SIZES, seed)
        return _from_town(task_data, "made by the town's clerk", list(SORTS), made)
    if task_data == LETTERS:
        made = inbox(LETTERS_SIZES, seed)
        return _from_town(task_data, "the inbox of the town's shops", list(SUBJECTS), made)
    notes: list[str] = []
    name, source, tables = _open(str(task_data), notes)
    text, label = find_columns(tables["train"], text_column, label_column, notes)
    if set(tables) == {"train"}:
        tables = split_column(tables["train"]) or tables
    sides = {side: clean(table, text, label, notes) for side, table in tables.items()}
    sides = drop_overlaps(_labelled_sides(sides, notes), notes)
    label_names = most_frequent(sides["train"], labels, notes)
    if len(label_names) < sides["train"].frame.label.nunique():
        sides = {s: rows.keep(rows.frame.label.isin(label_names)) for s, rows in sides.items()}
    else:
        sides = drop_new_labels(sides, notes)
    sides = _three_sides(sides, notes, seed)
    index = {label_name: number for number, label_name in enumerate(label_names)}
    parts = {
        side: pd.DataFrame(
            {
                "text": rows.frame.text.astype(str),
                "label": rows.frame.label.map(index).astype("int64"),
            }
        )
        for side, rows in sides.items()
    }
    return Task(
        name, source, label_names, parts["train"], parts["validation"], notes, parts["test"]
    )


def _refuse_choices(task_data: str, text_column: str, label_column: str, labels: int) -> None:
    """LabError for what chooses among the columns or labels of a table."""
    given = {"text_column": text_column, "label_column": label_column, "task_labels": labels}
    named = [f"{name} {value!r}" for name, value in given.items() if value]
    if named:
        raise LabError(
            f"{' and '.join(named)} cannot be used: the texts of task_data "
            f"{TOWN if task_data in DISTANCES else task_data!r} are made by the lab: they "
            "have no columns, and all their labels are equally frequent."
        )


def _from_town(
    name: str, source: str, label_names: list[str], parts: Sequence[Sequence[tuple[str, str]]]
) -> Task:
    train, validation, test = (
        pd.DataFrame(
            {"text": [t for t, _ in rows], "label": [label_names.index(label) for _, label in rows]}
        )
        for rows in parts
    )
    return Task(name, source, label_names, train, validation, [], test)


def _labelled_sides(sides: dict[str, Rows], notes: list[str]) -> dict[str, Rows]:
    """The sides that have rows, with validation in the place of a test part that is missing."""
    kept = {side: rows for side, rows in sides.items() if len(rows.frame)}
    train = sides["train"]
    if "train" not in kept:
        raise LabError(f"{train.name}: no row has both a text and a label.")
    if "test" not in kept and "validation" in kept:
        notes.append(
            f"{train.name}: no labelled test split, so {kept['validation'].name} stands in."
        )
        kept["test"] = kept.pop("validation")
    return kept


def _three_sides(sides: dict[str, Rows], notes: list[str], seed: int) -> dict[str, Rows]:
    """Train, validation and test, each with at least one row."""
    train = sides["train"]
    remark_on_train(train, notes)
    if "test" not in sides:
        notes.append(f"{train.name}: split at random into train, validation and test, 7:1:2.")
        sides = split(train, {"test": 0.2, "validation": 0.1}, seed)
    elif "validation" not in sides:
        notes.append(f"{train.name}: an eighth taken as validation.")
        sides = {**sides, **split(train, {"validation": 1 / 8}, seed)}
    for side, rows in sides.items():
        if not len(rows.frame):
            raise LabError(
                f"{train.name}: no rows are left for a {side} split; a random split needs a "
                "label with at least three different texts."
            )
    return sides


def _open(task_data: str, notes: list[str]) -> tuple[str, str, dict[str, Table]]:
    """Name, one line on the source, and the tables by side."""
    if task_data in SHIPPED_TASKS:
        path = data_dir() / f"{task_data}.csv"
        return (
            task_data,
            f"shipped with the lab, data/{path.name}",
            {"train": read_table(path, notes)},
        )
    path = Path(task_data).expanduser()
    if task_data.strip() and path.is_dir():
        return path.resolve().name, f"folder {path}", _read_folder(path, notes)
    if path.is_file():
        return path.stem, f"file {path}", {"train": read_table(path, notes)}
    if path.suffix.lower() in FILE_SUFFIXES or not is_hub_name(task_data.partition(":")[0]):
        raise LabError(
            f"task_data: there is no file or folder '{task_data}' in {Path.cwd()}; "
            f"give an existing one, one of the lab's ({', '.join(OWN_TASKS)}) or a Hub dataset."
        )
    try:
        return task_data, f"Hub dataset {task_data}", read_hub_dataset(task_data, notes)
    except LabError as error:
        if "/" in task_data:
            raise
        raise LabError(
            f"'{task_data}' is neither a task of the lab "
            f"({', '.join(OWN_TASKS)}) nor a file or folder here; on the Hub: {error}"
        ) from error


def _read_folder(folder: Path, notes: list[str]) -> dict[str, Table]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        side = SIDES.get(path.stem.lower())
        if side is None or path.suffix.lower() not in TABLE_SUFFIXES or not path.is_file():
            continue
        if side in found:
            raise LabError(
                f"{folder} has both {found[side].name} and {path.name}: keep only one {side} file."
            )
        found[side] = path
    if "train" not in found:
        names = [path.name for path in sorted(folder.iterdir())]
        raise LabError(
            f"{folder} has no train file (train{', train'.join(TABLE_SUFFIXES)}); it holds "
            f"{quoted(names, 10) if names else 'nothing'}."
        )
    return {side: read_table(path, notes) for side, path in found.items()}
