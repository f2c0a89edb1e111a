"""What the town wants of a model: facts of three kinds in three forms, and a rule of sorting.

A fact is *old* (the base model has read it) or *recent* (new, or changed since); some questions
have no answer. A form is plain, the house's voice, or JSON. Form and fact are judged apart, and
together: an answer is of use only if both are right.

Recent facts are taught to a model in plain words alone, forms with old facts alone: a recent fact
in a form has to be put together.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ftlab.world import NOT_TOLD, answer, build_world, question_prompt, seen_questions
from ftlab.world.facts import Fact
from ftlab.world.needs import Item, Need, about, as_json, in_house_voice, needs
from ftlab.world.phrasing import STATEMENTS, no_answer, unseen_question

OLD, RECENT = "old fact", "recent fact"
NO_ANSWER, SORTING, OWN = "no answer exists", "sorting goods", "own"
VOICE, JSON = "voice", "JSON"
FORMS: dict[str, Callable[[Fact], str]] = {VOICE: in_house_voice, JSON: as_json}
OPENINGS = {VOICE: "Clerk", JSON: "JSON"}
IN_A_FORM = tuple(f"{fact}, {form}" for fact in (OLD, RECENT) for form in FORMS)
NEEDS = (OLD, RECENT, NO_ANSWER, *IN_A_FORM, SORTING)
WHAT = {
    OLD: "a fact that the base model has read",
    RECENT: "a fact that is new, or has changed since",
    NO_ANSWER: "a question that nothing in the chronicle answers",
    SORTING: "goods put onto the shelf that the town has for their kind",
}


@dataclass(frozen=True)
class Asked(Item):
    """A fact asked for, wanted in a form; `value` is "" where there is no answer to find."""

    entity: str = ""
    attribute: str = ""
    value: str = ""
    form: str = ""

    def says(self, text: str) -> bool:
        """Whether the text names whom it is about and the right value, however it is put."""
        wanted = rf"(?<!\w){re.escape(self.value)}(?!\w)" if self.value else re.escape(NOT_TOLD)
        return self.entity in text and bool(re.search(wanted, text))


def judged(item: Item, text: str) -> tuple[bool, bool]:
    """Whether an answer has the wanted form, whatever it says, and whether it tells the fact,
    however it is put. Where no form is asked for (sorting, your own questions) both are the same.
    """
    if isinstance(item, Asked):
        return item.is_kept(text), item.says(text)
    right = item.is_right(text)
    return right, right


@dataclass(frozen=True)
class Amounts:
    """How many `items` and `validation` items of each need there are, and how many lessons of each
    sort there are, for a training and for prompts alike: `rehearsed` old facts, `told` recent ones
    (those asked for come first), `each` of every form, of sorting, and of questions without an
    answer."""

    items: int
    validation: int
    rehearsed: int
    told: int
    each: int


def town_needs(seed: int, amounts: Amounts) -> dict[str, Need]:
    """All needs by name. `seed` deals facts to items, validation and lessons; the same facts are
    asked in every form. What a need's lessons are is what may be shown in its prompts."""
    world, rng = build_world(), random.Random(f"comparison/{seed}")
    asked = amounts.items + amounts.validation
    moved = {(fact.entity, fact.attribute): fact for fact in world.changed}
    was = {key: answer(f) for f in world.known_facts() if (key := (f.entity, f.attribute)) in moved}
    steady = [fact for fact in world.known_facts() if (fact.entity, fact.attribute) not in moved]
    rng.shuffle(steady)
    old, rest = steady[:asked], _by_turns(steady[asked:])
    new, changed = world.new_facts(), list(world.changed)
    rng.shuffle(new)
    rng.shuffle(changed)
    recent = [fact for pair in zip(new, changed, strict=False) for fact in pair]
    others = [fact for fact in (*new, *changed) if fact not in recent[:asked]]
    stale = {about(fact): was.get((fact.entity, fact.attribute), "") for fact in recent}

    found: dict[str, tuple[Iterable[Item], Sequence[Item]]] = {
        OLD: ([_lesson(f) for f in rest], [_asked(f) for f in old]),
        RECENT: (
            [_lesson(f) for f in (*recent[:asked], *others)],
            [replace(_asked(f), stale=stale[about(f)]) for f in recent[:asked]],
        ),
    }
    for form in FORMS:
        rng.shuffle(rest)
        lessons = [_asked(fact, form) for fact in _by_turns(rest)]
        found[f"{OLD}, {form}"] = (lessons, [_asked(f, form) for f in old])
        found[f"{RECENT}, {form}"] = (lessons, [_asked(f, form) for f in recent[:asked]])
    dealt = needs(world, seed, max(asked, amounts.each))
    for name, source in ((NO_ANSWER, "untold"), (SORTING, "sorting")):
        there = dealt[source]
        items = [*there.validation, *there.items][:asked]
        known = [_without(item) if name == NO_ANSWER else item for item in items]
        found[name] = (there.lessons, known)
    many = {OLD: amounts.rehearsed, RECENT: amounts.told}
    return {
        name: Need(
            name,
            _what(name),
            tuple(lessons)[: many.get(name, amounts.each)],
            tuple(items[amounts.validation :]),
            tuple(items[: amounts.validation]),
            header=dealt["sorting"].header if name == SORTING else "",
        )
        for name in NEEDS
        for lessons, items in [found[name]]
    }


def examples(seed: int) -> dict[str, Need]:
    """The town's needs with a few items each, to look at."""
    return town_needs(seed, Amounts(10, 4, 40, 20, 60))


def lessons_of(wanted: dict[str, Need]) -> dict[str, Sequence[Item]]:
    """What a model is fine-tuned on, by need: recent facts in plain words, forms with old facts.
    These are all the examples that prompts may show, too."""
    return {
        name: () if name in IN_A_FORM and name.startswith(RECENT) else need.lessons
        for name, need in wanted.items()
    }


def _by_turns(facts: Sequence[Fact]) -> list[Fact]:
    """The facts in their order, but every attribute in turn: the first few cover as many
    attributes as they can, so that no key of a form is wanted that was never shown."""
    turns: dict[str, int] = {}
    order = []
    for place, fact in enumerate(facts):
        turns[fact.attribute] = turns.get(fact.attribute, 0) + 1
        order.append((turns[fact.attribute], place))
    return [facts[place] for _, place in sorted(order)]


def form_of(need: str) -> str:
    """The form that a need is wanted in; "" for plain words."""
    return need.partition(", ")[2]


def _what(need: str) -> str:
    said = {VOICE: ", in the house's voice", JSON: ", as strict JSON"}
    return WHAT[need.partition(", ")[0]] + said.get(form_of(need), "")


@functools.cache
def pattern(form: str) -> re.Pattern[str]:
    """What every answer in a form looks like, whatever it names."""
    render = FORMS.get(form, answer)
    shapes = []
    for attribute in STATEMENTS:
        fact = Fact("ENTITY", "", attribute, "VALUE")
        for text in (render(fact), no_answer(fact))[: 1 if form else 2]:
            shape = re.escape(text).replace("ENTITY", r"[^\".!?]+")
            shape = shape.replace(r"\ a\ VALUE", r"\ an?\ VALUE")  # a goat, an owl
            shapes.append(shape.replace("VALUE", r"[^\".!?]+"))
    return re.compile("|".join(shapes))


def _asked(fact: Fact, form: str = "") -> Asked:
    """A fact asked for in words that pretraining kept from it."""
    question = unseen_question(fact)
    query = f"Question: {question}\n{OPENINGS.get(form, 'Answer')}:"
    return Asked(
        query,
        FORMS.get(form, answer)(fact),
        question,
        about=about(fact),
        manner=pattern(form),
        entity=fact.entity,
        attribute=fact.attribute,
        value=fact.value,
        form=form,
    )


def _lesson(fact: Fact) -> Asked:
    """A fact to learn, or to be reminded of: asked in other words than in the test."""
    question = seen_questions(fact)[0]
    return replace(_asked(fact), query=question_prompt(question), question=question)


def _without(item: Item) -> Asked:
    """A question without an answer: right is to say so."""
    entity = item.answer.partition(" of ")[2].removesuffix(f" {NOT_TOLD}")
    return Asked(item.query, item.answer, item.question, manner=pattern(""), entity=entity)
