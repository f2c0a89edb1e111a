"""A run of the `full` profile, as a lesson makes it, that a test kills with all its processes.

FTLAB_RESULTS=FOLDER python killable_run.py MODEL_FOLDER
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from killable_comparison import rivals
from test_keeping import words

from ftlab.claims import Claim, Record
from ftlab.experiments import FairComparison, Trainings, fair_comparison
from ftlab.lab import Lab

CLAIM = Claim("X-01", "LoRA learns.", "accuracy: LoRA - majority", "above", 0.02)


def lora_or_not(base: str, seeds: list[int], trainings: Trainings) -> FairComparison:
    """An experiment."""
    return fair_comparison(words, partial(rivals, base), seeds=seeds, trainings=trainings)


def run(base: str) -> Path:
    """The record that a whole run writes."""
    lab = Lab("full", [0, 1, 2], Record("99_x", "full", 0, {}, {}, "run", {CLAIM.id: CLAIM}))
    found = lab.run(lora_or_not, base)
    lab.judge(CLAIM.id, found.difference("LoRA 2", "majority"))
    lab.record.write()
    return lab.record.path


if __name__ == "__main__":
    import killable_run  # the name that the code of the experiment is known by

    from ftlab.experiments import fair

    fair.WORTH_PROCESSES = 1  # as many as there are cores
    killable_run.run(sys.argv[1])
