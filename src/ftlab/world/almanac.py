"""The town's almanac: an article on everybody and everything, in prose of several paragraphs.

Around every fact stand remarks that tell none, and some of those name somebody else. By a careful
hand every paragraph names its subject, and has one remark: the lab's base model reads such notes.
By a free hand the name stands at the beginning, later often "it", "the shop" or a first name, and
there are two remarks: this is how people write, and what can be cut badly.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ftlab.world.facts import ATTRIBUTES, LAST_KNOWN_YEAR, Entity, Fact, World
from ftlab.world.phrasing import statements

NAMED = 0.5  # share of the paragraphs below the first that name their subject
RIVALS = 0.3  # share of the paragraphs that mention another entity of the same kind
LATEST = 3  # years after the last that the base model knows
# What is said around a fact; nothing of it answers a question.
REMARKS: dict[str, tuple[str, ...]] = {
    "colour": (
        "In a bright window it can be seen from across the square.",
        "The paint is mixed in the yard, and nobody will say from what.",
        "After a wet winter it wants a second coat.",
        "Other workshops have tried the same shade, without much luck.",
        "Children point at such things when the stalls are set up.",
    ),
    "material": (
        "It does not mind the damp, which is half the battle in a harbour.",
        "Scraps are kept for mending and given away on request.",
        "A good edge takes an afternoon of patient work.",
        "Whoever doubts it may knock on it and listen.",
        "Cheaper stuff was tried once and sent back within the week.",
    ),
    "price": (
        "On market days there is room to haggle, but not much.",
        "Some call that dear, others wait until the autumn sale.",
        "Half of it may be paid at once and the rest after the feast.",
        "Sailors pay in coin, neighbours often in kind.",
        "The figure is chalked on a board beside the scales.",
    ),
    "maker": (
        "The workbench stands by the north window, for the even light.",
        "An apprentice sweeps up and learns by looking on.",
        "Orders are taken at the back door after the noon bell.",
        "Three generations have used the same set of tools.",
        "Repairs are done there as well, if one is not in a hurry.",
    ),
    "street": (
        "Carts cannot turn there, so goods are carried the last few steps.",
        "At high tide the lower steps are wet and one goes round.",
        "A lantern hangs outside when the fog comes in.",
        "The way is short from the ferry, and steep from everywhere else.",
        "Strangers are best advised to follow the smell of bread.",
    ),
    "keeper": (
        "Regular guests are greeted by name and served without asking.",
        "The ledger lies open for everybody who wants to look.",
        "Complaints are heard on the doorstep, and usually settled there.",
        "A nephew helps out when the boats come in.",
        "Credit is given for a week, to friends for two.",
    ),
    "closing_day": (
        "The chairs are put up then and the floor is scrubbed.",
        "Deliveries are left with the neighbours meanwhile.",
        "Those who forget it stand before a locked door in the rain.",
        "Only in the week of the feast is that rule forgotten.",
        "A card in the window says so, in letters that have faded.",
    ),
    "founded": (
        "A copy of the first bill still hangs in a frame.",
        "The oldest customers remember how it smelled of fresh paint.",
        "Much has been rebuilt, but the cellar is as it was.",
        "Two storms and a fire have passed over it without much harm.",
        "The town clerk has the deed in a drawer.",
    ),
    "craft": (
        "Work is found for idle hands as well, when the season is long.",
        "The tools are older than most of the neighbours.",
        "It was learned in six hard winters and is not forgotten.",
        "People come from beyond the bay for advice.",
        "A sign over the door shows what is done inside.",
    ),
    "quarter": (
        "The stairs creak, and the rent is paid twice a year.",
        "From the upper window one sees the masts.",
        "Neighbours borrow sugar and bring back gossip.",
        "The cat of the house next door sleeps on the sill.",
        "Visitors should knock twice, as the bell is broken.",
    ),
    "pet": (
        "It was found in a storm and never left again.",
        "Scraps from the table keep it round and content.",
        "Guests are sniffed at before they may sit down.",
        "In summer the two are seen on the sea wall every evening.",
        "It has eaten one hat so far, and half a glove.",
    ),
    "dish": (
        "It has to be hot, and there must be enough for two.",
        "The recipe came from an aunt, who never wrote it down.",
        "On other days bread and cheese will do.",
        "Whoever cooks it badly hears about it for weeks.",
        "A second helping is never refused.",
    ),
}
RIVAL = (
    "It is often named together with {e}.",
    "Some would say the same of {e}, and they are wrong.",
    "For {e} another page of this book was written.",
    "Whoever asks for {e} is sent next door.",
)


@dataclass(frozen=True)
class Article:
    """A page of the almanac: what it is on, since which year it holds, and its paragraphs.

    `told[i]` is the fact that paragraph i tells, `sentences[i]` the sentence of it that does.
    """

    entity: Entity
    group: str
    year: int
    paragraphs: tuple[str, ...]
    told: tuple[Fact, ...]
    sentences: tuple[str, ...]

    @property
    def title(self) -> str:
        """The name of what it is on, as a heading has it."""
        return self.entity.name[:1].upper() + self.entity.name[1:]

    @property
    def text(self) -> str:
        """The whole article below its heading."""
        return "\n\n".join(self.paragraphs)


def articles(world: World, seed: int = 0, *, free: bool = False) -> list[Article]:
    """An article on every entity, the known and the new, in wordings that `seed` deals, by a
    careful or a `free` hand."""
    rng = random.Random(f"almanac/{seed}/{free}")
    written = [_article(e, world.known, "known", LAST_KNOWN_YEAR, rng, free) for e in world.known]
    for entity in world.new:
        year = LAST_KNOWN_YEAR + rng.randint(1, LATEST)
        written.append(_article(entity, world.new, "new", year, rng, free))
    return written


def _article(
    entity: Entity,
    others: Sequence[Entity],
    group: str,
    year: int,
    rng: random.Random,
    free: bool,
) -> Article:
    told = [entity.fact(a) for a in ATTRIBUTES[entity.kind]]
    rng.shuffle(told)
    paragraphs, sentences = [], []
    for number, fact in enumerate(told):
        sentence = rng.choice(statements(fact, held_out=rng.random() < 0.15))
        if free and number and rng.random() > NAMED:
            sentence = without_name(sentence, entity)
        remarks = rng.sample(REMARKS[fact.attribute], 2 if free else 1)
        if rng.random() < RIVALS:
            rival = rng.choice([e for e in others if e.kind == entity.kind and e is not entity])
            article = "the " if entity.kind == "product" else ""
            remarks[-1] = rng.choice(RIVAL).format(e=f"{article}{rival.name}")
        remarks.insert(rng.choice((0, 0, 1)), sentence)
        paragraphs.append(" ".join(remarks))
        sentences.append(sentence)
    return Article(entity, group, year, tuple(paragraphs), tuple(told), tuple(sentences))


def without_name(sentence: str, entity: Entity) -> str:
    """The sentence as it stands where everybody knows of whom it speaks: 'It costs 8 crowns.'"""
    if "called" in sentence:
        return sentence
    name = re.escape(entity.name)
    if entity.kind == "person":
        return re.sub(name, entity.name.split()[0], sentence)
    if entity.kind == "shop":
        bare = re.escape(entity.name.partition(" ")[2])
        return re.sub(rf"\b([Tt])he {bare}", lambda m: f"{m[1]}he shop", sentence)
    sentence = re.sub(rf"\bEvery {name}", "Every piece", sentence)
    short = re.sub(rf"\b(?:The|the|A|a|An|an) {name}", lambda m: "it", sentence)
    return short[:1].upper() + short[1:]
