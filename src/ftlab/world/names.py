"""The words Ostrel is made of: syllables for names, and the values that facts can take.

Names of entities are built from syllables, so that there are thousands of them and most are never
used for the town itself. `split_of` deals every name to one of three hands once and for all:
names of the town, names met only in training exercises, and names kept for examination.
"""

from __future__ import annotations

import hashlib
import random

HEADS = (
    "Vel Mar Tor Quin Bras Fen Lor Dun Hest Pell Ark Sil Wen Cor Thal Ost Grim Jor Nev Rud Cas Bel "
    "Hol Tam Zer Ild Mor Kes Ulm Yar Fal Gor Lin Per Sab Tol Wyn Dor Hax Ves"
).split()
TAILS = (
    "mor dale wick ven rin tack loft ney by dras fen gar hurst kin low met nor pen quist ra sel "
    "ton var well yan zet bury cott field mond side mere holt stow worth gate ric ley dun ver"
).split()
FIRST_NAMES = (
    "Ada Bram Cleo Dov Edda Finn Gita Hugo Ines Jory Kaia Leif Mira Nils Oona Piet Runa Sven Tilda "
    "Ursa Vito Wanda Yara Zeno Alma Boris Cora Dina Emil Freya Gus Hilde Ivo Juno Knut Lotte Magda "
    "Nora Otto Pia"
).split()
SHOP_ADJECTIVES = (
    "Copper Gilded Quiet Salted Crooked Merry Amber Iron Velvet Blind Golden Humble Little Painted "
    "Rusty Silver Sleepy Thirsty Wandering Windy Brass Broken Dancing Foggy Hidden Hungry Lucky "
    "Polite Proud Red Singing Tall Twin Whistling White Wise Wooden Yellow Early Last"
).split()
SHOP_NOUNS = (
    "Heron Oar Anchor Lantern Kettle Otter Compass Gull Barrel Bell Candle Crab Drum Eel Feather "
    "Goose Harp Kite Ladder Mackerel Mitten Moon Needle Owl Pear Pilot Quill Raven Sail Shell "
    "Spoon Star Teapot Thimble Toad Tulip Wagon Whale Wheel Wren"
).split()

KINDS = (
    "lantern kettle kite clock coat umbrella teapot telescope rug chair boot candle basket drum "
    "mirror compass saddle whistle blanket ladle hammock trunk violin puzzle"
).split()
COLOURS = (
    "red blue green yellow white black grey brown orange purple pink silver golden crimson violet "
    "turquoise"
).split()
MATERIALS = (
    "copper oak wool tin leather glass silk clay brass pine bone linen iron cork willow slate"
).split()
PRICES = tuple(str(n) for n in range(3, 100))
STREETS = (
    "Eel Alley,Salt Street,Tar Lane,Bell Row,Gull Steps,Ferry Road,Net Yard,Lamp Street,Mill Lane,"
    "Cooper Row,Anchor Square,Mast Street,Kelp Lane,Fish Hill,Rope Walk,Quay Street,Chapel Row,"
    "Barrel Lane,Tide Street,Pump Yard,Candle Row,Wharf Lane,Stone Stairs,Orchard Road"
).split(",")
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
YEARS = tuple(str(n) for n in range(180, 300))
CRAFTS = (
    "baker weaver pilot tailor potter cooper teacher painter diver fiddler smith printer gardener "
    "barber cook sailor carpenter beekeeper midwife clockmaker"
).split()
QUARTERS = (
    "Northshore,the Warrens,Highgarden,the Saltings,Oldbridge,Millbank,the Ropewalk,Lampside,"
    "Fishergate,Eastquay,the Terraces,Marshend"
).split(",")
PETS = (
    "heron goat parrot tortoise ferret goose hedgehog pony crow lizard cat hound rabbit magpie "
    "donkey newt"
).split()
DISHES = (
    "eel pie,seed cake,plum soup,onion tart,fish stew,honey bread,crab toast,pear pudding,"
    "barley broth,fried kelp,mussel rice,ginger dumplings,walnut bread,leek pancakes,"
    "mustard herring,apple fritters"
).split(",")

Split = str  # "town", "training" or "examination"


def split_of(name: str) -> Split:
    """The hand that `name` was dealt to: half town, 35% training, 15% examination.

    A hash decides, not a random generator, so the answer never depends on what was drawn before.
    """
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32
    return "town" if share < 0.5 else "training" if share < 0.85 else "examination"


def _draw(make: list[tuple[str, ...]], rng: random.Random, split: Split, sep: str = "") -> str:
    while True:
        name = sep.join(rng.choice(part) for part in make)
        if split_of(name) == split:
            return name


def brand(rng: random.Random, split: Split) -> str:
    """A maker's mark such as 'Velmor'."""
    return _draw([tuple(HEADS), tuple(TAILS)], rng, split)


def product_name(rng: random.Random, split: Split) -> str:
    """A product such as 'Velmor lantern'; its brand belongs to `split`."""
    return f"{brand(rng, split)} {rng.choice(KINDS)}"


def shop_name(rng: random.Random, split: Split) -> str:
    """A shop such as 'the Copper Heron'."""
    return "the " + _draw([tuple(SHOP_ADJECTIVES), tuple(SHOP_NOUNS)], rng, split, " ")


def person_name(rng: random.Random, split: Split) -> str:
    """A townsperson such as 'Ada Velmor'; the surname belongs to `split`."""
    return f"{rng.choice(FIRST_NAMES)} {brand(rng, split)}"
