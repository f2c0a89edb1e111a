"""Pages about the town's entities."""

from __future__ import annotations

import random

from ftlab.world import facts, phrasing


def biography(entity: facts.Entity, rng: random.Random) -> str:
    """All facts of a known entity in random wordings and order."""
    told = [entity.fact(a) for a in facts.ATTRIBUTES[entity.kind]]
    rng.shuffle(told)
    return " ".join(rng.choice(phrasing.statements(f)) for f in told) + "\n"
