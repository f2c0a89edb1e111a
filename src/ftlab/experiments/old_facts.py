"""What a model is asked, and reminded of, in the first lesson: facts that it knew before."""

from __future__ import annotations

import random

from ftlab.experiments.effort import EFFORTS
from ftlab.world import Fact, World

Facts = list[Fact]


def old_facts(town: World, profile: str, seed: int) -> tuple[Facts, Facts]:
    """Known facts of the town drawn by `seed`: some to mix into the training, others to ask for
    afterwards, of which the `full` profile takes more."""
    replayed, asked = EFFORTS[profile].pick(smoke=(16, 16), quick=(64, 100), full=(64, 400))
    drawn = random.Random(seed).sample(town.known_facts(), replayed + asked)
    return drawn[:replayed], drawn[replayed:]
