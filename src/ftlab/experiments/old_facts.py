"""What a model is asked, and reminded of, in the first lesson: facts that it knew before."""

from __future__ import annotations

import random

from ftlab.world import Fact, World

REPLAYED, ASKED = 64, 100
Facts = list[Fact]


def old_facts(town: World, seed: int) -> tuple[Facts, Facts]:
    """Known facts of the town drawn by `seed`: `REPLAYED` to mix into the training, and others,
    `ASKED`, to ask for afterwards."""
    drawn = random.Random(seed).sample(town.known_facts(), REPLAYED + ASKED)
    return drawn[:REPLAYED], drawn[REPLAYED:]
