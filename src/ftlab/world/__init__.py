"""Ostrel, a fictional tidal town: products, shops, people and dated facts, told in many wordings.

Pure Python and seeded: `python -m ftlab.world` writes `data/world` again, bit for bit.
"""

from ftlab.world.facts import Entity, Fact, World, build_world

__all__ = ["Entity", "Fact", "World", "build_world"]
