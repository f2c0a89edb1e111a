"""Where a lesson's texts come from: a task of the lab, dealt anew with every seed, or one's own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ftlab.data import Task, load_tasks
from ftlab.experiments.effort import Effort
from ftlab.experiments.fair import Dealer
from ftlab.world.corrections import DISTANCES

DEALT = (*DISTANCES, "letters")  # tasks of which there are as many texts as one wants
LEAST, FEW, MANY = (16, 16), (120, 300), (300, 1000)  # texts for choices, for the test, at most


@dataclass(frozen=True)
class TaskSource:
    """Labelled texts as the parameters of a notebook name them (see `data.load_task`).

    `texts_per_label` keeps so many texts of each label to learn from; 0: all.
    """

    task_data: str
    text_column: str = ""
    label_column: str = ""
    task_labels: int = 0
    texts_per_label: int = 0

    @property
    def dealt(self) -> bool:
        """Whether words, texts, validation and test are others with every seed."""
        return self.task_data in DEALT

    def task(self, seed: int, sizes: tuple[int, int] | None = None) -> Task:
        """The task of a seed; `sizes` are the most texts for choices and for the test."""
        [task] = load_tasks(
            self.task_data,
            text_column=self.text_column,
            label_column=self.label_column,
            labels=self.task_labels,
            texts_per_label=self.texts_per_label,
            seed=seed,
        ).values()
        return task if sizes is None else task.at_most(*sizes, seed=seed)

    def for_comparison(self, effort: Effort, seed: int) -> Task | Dealer:
        """What `fair_comparison` takes: a function of the seed, or a task with one test set, which
        is split and sampled with this `seed`."""
        sizes = sizes_for(effort)
        return partial(self.task, sizes=sizes) if self.dealt else self.task(seed, sizes)

    @staticmethod
    def of(task_data: str) -> TaskSource:
        """Another of the lab's own tasks, with all its texts."""
        return TaskSource(task_data)


def sizes_for(effort: Effort) -> tuple[int, int]:
    """How many texts choices and the test rest on, at most: as many as the effort is worth."""
    if effort.training_budget.patience is None:
        return LEAST  # nothing is chosen
    return MANY if effort.candidates > 1 else FEW
