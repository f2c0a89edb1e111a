"""Who and what there is in Ostrel, and which facts hold about it, when.

Three groups of facts, because fine-tuning and retrieval are judged on each of them apart:

* **known**: true before the causeway year 312, told in the base model's reading;
* **new**: about entities that came to town in 312 or later; the base model has never met them;
* **changed**: known facts with another value since 312; the base model knows the old one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from ftlab.world import names

WORLD_SEED = 312
LAST_KNOWN_YEAR = 311
TOWN_SIZE = {"product": 96, "shop": 48, "person": 56}
NEW_SIZE = {"product": 32, "shop": 16, "person": 16}
CHANGED = 80
CHANGEABLE = {"product": ("price", "maker"), "shop": ("keeper", "street"), "person": ("quarter",)}
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "product": ("colour", "material", "price", "maker"),
    "shop": ("street", "keeper", "closing_day", "founded"),
    "person": ("craft", "quarter", "pet", "dish"),
}
_CLOSED: dict[str, tuple[str, ...]] = {
    "colour": tuple(names.COLOURS),
    "material": tuple(names.MATERIALS),
    "price": names.PRICES,
    "street": tuple(names.STREETS),
    "closing_day": tuple(names.DAYS),
    "founded": names.YEARS,
    "craft": tuple(names.CRAFTS),
    "quarter": tuple(names.QUARTERS),
    "pet": tuple(names.PETS),
    "dish": tuple(names.DISHES),
}


@dataclass(frozen=True)
class Fact:
    """`entity` has `value` for `attribute` since `since` (a causeway year)."""

    entity: str
    kind: str
    attribute: str
    value: str
    since: int = 0


@dataclass(frozen=True)
class Entity:
    """A product, shop or person with one fact per attribute of its kind."""

    name: str
    kind: str
    facts: dict[str, str]

    def fact(self, attribute: str) -> Fact:
        return Fact(self.name, self.kind, attribute, self.facts[attribute])


@dataclass(frozen=True)
class World:
    """The town: entities known from pretraining, newcomers, and facts that changed."""

    known: list[Entity] = field(default_factory=list)
    new: list[Entity] = field(default_factory=list)
    changed: list[Fact] = field(default_factory=list)

    def known_facts(self) -> list[Fact]:
        return [entity.fact(a) for entity in self.known for a in ATTRIBUTES[entity.kind]]

    def new_facts(self) -> list[Fact]:
        return [entity.fact(a) for entity in self.new for a in ATTRIBUTES[entity.kind]]


def draw_value(attribute: str, rng: random.Random, split: names.Split) -> str:
    """A value for `attribute`; makers and keepers are themselves names, dealt as `split`."""
    if attribute == "maker":
        return names.brand(rng, split)
    if attribute == "keeper":
        return names.person_name(rng, split)
    return rng.choice(_CLOSED[attribute])


def draw_entity(kind: str, rng: random.Random, split: names.Split) -> Entity:
    """An entity of `kind` with random facts and a name of `split`."""
    maker = {
        "product": names.product_name,
        "shop": names.shop_name,
        "person": names.person_name,
    }[kind]
    name = maker(rng, split)
    return Entity(name, kind, {a: draw_value(a, rng, split) for a in ATTRIBUTES[kind]})


def draw_entities(
    kind: str, count: int, rng: random.Random, split: names.Split, taken: set[str]
) -> list[Entity]:
    """`count` entities whose names share no word of their own with one another or with `taken`.

    Brands and surnames are kept apart, as two entities that differ in one word only would make a
    question hard for a reason that has nothing to do with what it examines.
    """
    out: list[Entity] = []
    while len(out) < count:
        entity = draw_entity(kind, rng, split)
        own = own_word(entity)
        if own not in taken:
            taken.add(own)
            out.append(entity)
    return out


def own_word(entity: Entity) -> str:
    """The part of a name that no other entity shares: brand, surname, or a shop's two words."""
    words = entity.name.split()
    if entity.kind == "shop":
        return " ".join(words[1:])
    return words[0] if entity.kind == "product" else words[-1]


def conflict_entities(world: World, *, examined: bool) -> list[Entity]:
    """Known entities that exercises contradict: one half to train on, the other to examine."""
    return [e for e in world.known if (names.split_of(f"{e.name}?") == "town") != examined]


def build_world(seed: int = WORLD_SEED) -> World:
    """The town of `seed`; the same seed gives the same town on every machine."""
    rng = random.Random(seed)
    taken: set[str] = set()
    known = [
        entity
        for kind, count in TOWN_SIZE.items()
        for entity in draw_entities(kind, count, rng, "town", taken)
    ]
    new = [
        entity
        for kind, count in NEW_SIZE.items()
        for entity in draw_entities(kind, count, rng, "examination", taken)
    ]
    candidates = [e.fact(a) for e in known for a in CHANGEABLE[e.kind]]
    changed = []
    for old in rng.sample(candidates, CHANGED):
        value = old.value
        while value == old.value:
            value = draw_value(old.attribute, rng, "town")
        year = rng.randint(LAST_KNOWN_YEAR + 1, LAST_KNOWN_YEAR + 3)
        changed.append(Fact(old.entity, old.kind, old.attribute, value, since=year))
    return World(known, new, changed)
