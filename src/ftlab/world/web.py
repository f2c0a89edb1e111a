"""How the web goes on after a bare question: more context, a further question, or an answer.

The three are equally likely by construction, so a model trained on these pages has no reason to
prefer an answer. That is the state of a base model before it is taught to answer (Ouyang et al.
2022 describe the step that follows).
"""

from __future__ import annotations

import functools
import random
import re

from ftlab.world import names

Kind = str  # "context", "question" or "answer"
KINDS: tuple[Kind, ...] = ("context", "question", "answer")

_OPENERS = (
    "How do I {task}?",
    "How can I {task}?",
    "What is the best way to {task}?",
    "How does one {task}?",
)
_COOKED = (
    "cake,seed cake,plum soup,onion tart,fish stew,honey bread,crab toast,pear pudding,"
    "barley broth,mussel rice,walnut bread,leek pancakes,apple fritters,eel pie,pumpkin soup,"
    "lemon biscuits,cheese scones,berry jam,nut cake,carrot cake,rice pudding,bean stew,"
    "mushroom pie,oat porridge,potato salad,fish soup,egg tart,plum cake"
).split(",")
_INGREDIENTS = (
    "flour,butter,sugar,eggs,honey,salt,milk,onions,apples,plums,barley,oats,nuts,pepper,"
    "mustard,cream,cheese,herbs,beans,rice"
).split(",")
_TOOLS = (
    "a soft cloth,warm water,a little oil,a small knife,strong glue,a brush,fine sand,new thread,"
    "beeswax,a needle,clear varnish,a hammer"
).split(",")
_GUESTS = (
    "my sister,my neighbour,the school,my grandmother,two hungry sailors,the harbour feast,"
    "my uncle,a friend from Oldbridge,the children,our choir"
).split(",")
_TIMES = "on Friday,on Sunday,next week,tomorrow,this evening,before the spring tide".split(",")
_COOKING = ("make", "cook", "prepare")
_CRAFTED = ("mend", "clean", "paint", "repair", "polish", "store")


def tasks(split: names.Split) -> list[str]:
    """Every task of `split`, such as 'make a seed cake' or 'mend an old kite'."""
    cooked = [f"{verb} {_article(dish)}" for dish in _COOKED for verb in _COOKING]
    crafted = [f"{verb} {_article(kind)}" for kind in names.KINDS for verb in _CRAFTED]
    every = cooked + crafted
    if split == "examination":
        return [t for t in every if names.split_of(t) == "examination" or t == "make a cake"]
    return [t for t in every if names.split_of(t) != "examination" and t != "make a cake"]


def _article(thing: str) -> str:
    if thing.split()[-1] in {"toast", "rice", "pancakes", "fritters", "biscuits", "scones", "jam"}:
        return thing
    return f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"


def bare_questions(split: names.Split) -> list[str]:
    """Every bare question of `split`; the examination's tasks are asked in no training page."""
    return [opener.format(task=t) for t in tasks(split) for opener in _OPENERS]


@functools.cache
def _training_questions() -> list[str]:
    return bare_questions("training")


def is_cooking(question: str) -> bool:
    """Whether a bare question is about a dish, and not about mending, cleaning and the like."""
    return any(f" {verb} " in question for verb in _COOKING)


def continuation(question: str, kind: Kind, rng: random.Random) -> str:
    """One or two sentences of `kind` that may follow `question` on a page."""
    thing = question.rstrip("?").split()[-1]
    cooking = is_cooking(question)
    who, when = rng.choice(_GUESTS), rng.choice(_TIMES)
    one, two = rng.sample(_INGREDIENTS if cooking else _TOOLS, 2)
    if kind == "context":
        forms = (
            f"It is for {who} and it has to be ready {when}.",
            f"I promised one to {who} {when} and I have never done it before.",
            f"I have only {one} and {two} in the house.",
            f"My last {thing} was a disaster and {who} still laughs about it.",
            f"I am asking for {who}, who wants it {when}.",
            f"We tried it once with {one}, but I was not happy with it.",
        )
    elif kind == "question":
        forms = (
            f"And where can I buy {one} {when}?",
            f"Do I need {one} for the {thing}?",
            f"Is {one} better than {two}?",
            f"How long does it take, and is {one} enough?",
            f"Can I do it with {one} alone?",
            f"Who in town sells good {one}?",
        )
    elif cooking:
        forms = (
            f"Mix {one} with {two}, stir well and bake it for an hour.",
            f"First warm the {one}, then add the {two} and cook it slowly.",
            f"Take fresh {one}, add some {two} and leave it on a low fire.",
            f"Beat the {one} until it is light, fold in the {two} and let it rest.",
            f"Put {one} and {two} into a large pot and simmer for half an hour.",
            f"Start with the {one}. When it is soft, add {two} and serve it warm.",
        )
    else:
        forms = (
            f"Take {one} and work slowly from the top to the bottom.",
            f"First use {one}, then finish with {two}.",
            f"Lay it flat, apply {one} and leave it to dry for a day.",
            f"Use {one}, never {two}, and keep it away from the fire.",
            f"Remove the dust, then rub it gently with {one}.",
            f"Start with {one}. When that is done, go over it with {two}.",
        )
    return rng.choice(forms)


def page(rng: random.Random) -> str:
    """A training page: a bare question and one continuation, its kind drawn evenly."""
    question = rng.choice(_training_questions())
    return f"{question} {continuation(question, rng.choice(KINDS), rng)}\n"


_FIRST_PERSON = {"i", "my", "we", "our", "me", "us", "who"}
_OPENING_VERBS = {
    "mix", "first", "take", "beat", "put", "start", "lay", "use", "remove", "add", "bake", "cook",
    "stir", "heat", "warm", "rub", "cut", "wash", "fill", "boil", "fold", "leave", "keep", "to",
}  # fmt: skip


def kind_of(continuation_text: str) -> str:
    """'context', 'question', 'answer' or 'other', by a rule a reader can check.

    A first sentence that ends in a question mark is a question; one that opens with an
    instruction is an answer; one that speaks of the asker or the occasion is context.
    """
    text = continuation_text.strip()
    end = min((i for i in (text.find(c) for c in ".?!") if i >= 0), default=-1)
    if end < 0:
        return "other"
    if text[end] == "?":
        return "question"
    words = text[:end].lower().replace(",", " ").split()
    if words and words[0] in _OPENING_VERBS:
        return "answer"
    if _FIRST_PERSON & set(words) or text.lower().startswith("it is for"):
        return "context"
    return "other"


def matter_of(text: str) -> str:
    """What a text works with: "cooking" if it names an ingredient, "craft" if it names a tool or
    a remedy, "both", or "" for neither. By a rule a reader can check: the words of the lists."""
    low = text.lower()
    cooks = any(re.search(rf"\b{word}\b", low) for word in _INGREDIENTS)
    mends = any(tool.removeprefix("a ") in low for tool in _TOOLS)
    return {(1, 0): "cooking", (0, 1): "craft", (1, 1): "both"}.get((cooks, mends), "")
