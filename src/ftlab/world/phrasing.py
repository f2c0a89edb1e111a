"""How Ostrel talks: statements and questions for every attribute, in many wordings.

The first statement and the first question of each attribute share their words; the others ask and
tell in words of their own. The last of each is held out: no text that the base model learns from
uses it. `{e}` is the entity, `{v}` the value; the entity always comes before the value, as a model
that reads from left to right must know whom a value belongs to when it meets it.
"""

from __future__ import annotations

import random

from ftlab.world.facts import Fact

STATEMENTS: dict[str, tuple[str, ...]] = {
    "colour": (
        "The colour of the {e} is {v}.",
        "The {e} is {v}.",
        "The {e} comes in {v}.",
        "You will know the {e} by its {v} finish.",
        "They paint the {e} {v}.",
        "A {e} is always {v}, never anything else.",
        "For the {e} the workshop chose {v}.",
    ),
    "material": (
        "The material of the {e} is {v}.",
        "The {e} is made of {v}.",
        "The {e} is built from {v}.",
        "For the {e} they use {v}.",
        "Every {e} is worked in {v}.",
        "To make a {e} they take good {v}.",
        "Into the {e} goes nothing but {v}.",
    ),
    "price": (
        "The price of the {e} is {v} crowns.",
        "The {e} costs {v} crowns.",
        "You can buy the {e} for {v} crowns.",
        "For the {e} they ask {v} crowns.",
        "The {e} sells at {v} crowns.",
        "The {e} is yours for {v} crowns on the counter.",
        "A {e} will set you back {v} crowns.",
    ),
    "maker": (
        "The maker of the {e} is {v}.",
        "The {e} is made by {v}.",
        "The {e} is the work of {v}.",
        "The {e} comes from the workshop of {v}.",
        "The {e} is built by the house of {v}.",
        "Look under the {e} and you find the mark of {v}.",
        "We owe the {e} to the hands of {v}.",
    ),
    "street": (
        "The address of {e} is {v}.",
        "{E} stands in {v}.",
        "You find {e} in {v}.",
        "The door of {e} opens on {v}.",
        "{E} has its rooms in {v}.",
        "To reach {e}, walk down {v}.",
        "{E} looks out on {v}.",
    ),
    "keeper": (
        "The keeper of {e} is {v}.",
        "{E} is kept by {v}.",
        "{E} is run by {v}.",
        "Behind the counter of {e} stands {v}.",
        "{E} belongs to {v}.",
        "When you visit {e}, ask for {v}.",
        "The keys of {e} hang on the belt of {v}.",
    ),
    "closing_day": (
        "The closing day of {e} is {v}.",
        "{E} is closed on {v}.",
        "{E} stays shut on {v}.",
        "{E} takes its rest on {v}.",
        "Do not go to {e} on a {v}, it is closed.",
        "{E} opens every day but {v}.",
        "The shutters of {e} are down every {v}.",
    ),
    "founded": (
        "The founding year of {e} is {v}.",
        "{E} was founded in {v}.",
        "{E} first opened in {v}.",
        "{E} dates from the year {v}.",
        "There has been a shop called {e} since {v}.",
        "Over the door of {e} is written its first year, {v}.",
        "The history of {e} starts in {v}.",
    ),
    "craft": (
        "The craft of {e} is that of a {v}.",
        "{e} is a {v}.",
        "{e} works as a {v}.",
        "By trade {e} is a {v}.",
        "{e} earns a living as a {v}.",
        "Everyone knows {e}, the {v}.",
        "They trained {e} to be a {v}.",
    ),
    "quarter": (
        "The home of {e} is in {v}.",
        "{e} lives in {v}.",
        "{e} has a house in {v}.",
        "You will meet {e} in {v}.",
        "{e} has settled in {v}.",
        "The windows of {e} light up {v} at night.",
        "{e} rents two rooms in {v}.",
    ),
    "pet": (
        "The pet of {e} is a {v}.",
        "{e} keeps a {v}.",
        "{e} has a {v} at home.",
        "Wherever {e} goes, the {v} goes too.",
        "{e} talks to a {v} in the evening.",
        "{e} would never part with the {v}.",
        "{e} shares the kitchen with a {v}.",
    ),
    "dish": (
        "The favourite dish of {e} is {v}.",
        "{e} likes {v} best.",
        "{e} eats {v} whenever possible.",
        "Nothing pleases {e} more than {v}.",
        "{e} orders {v} every time.",
        "{e} would cross the bay for {v}.",
        "On feast days {e} asks for {v}.",
    ),
}

QUESTIONS: dict[str, tuple[str, ...]] = {
    "colour": (
        "What is the colour of the {e}?",
        "What colour is the {e}?",
        "Which colour does the {e} come in?",
        "In what colour is the {e} made?",
        "The {e} has which colour?",
        "Of what colour would a {e} be?",
    ),
    "material": (
        "What is the material of the {e}?",
        "What is the {e} made of?",
        "Which material is the {e} made from?",
        "What material do they use for the {e}?",
        "The {e} is built from what?",
        "Out of what do they make a {e}?",
    ),
    "price": (
        "What is the price of the {e}?",
        "How much does the {e} cost?",
        "How many crowns is the {e}?",
        "What do they ask for the {e}?",
        "For how many crowns can I buy the {e}?",
        "What would I pay for a {e}?",
    ),
    "maker": (
        "Who is the maker of the {e}?",
        "Who makes the {e}?",
        "Which house builds the {e}?",
        "From whose workshop is the {e}?",
        "The {e} is made by whom?",
        "Whose mark is on the {e}?",
    ),
    "street": (
        "What is the address of {e}?",
        "Where is {e}?",
        "In which street is {e}?",
        "Where do I find {e}?",
        "{E} is in what street?",
        "Which way must I walk to get to {e}?",
    ),
    "keeper": (
        "Who is the keeper of {e}?",
        "Who keeps {e}?",
        "Who runs {e}?",
        "Who is behind the counter of {e}?",
        "To whom does {e} belong?",
        "Whom should I ask for at {e}?",
    ),
    "closing_day": (
        "What is the closing day of {e}?",
        "When is {e} closed?",
        "On which day is {e} closed?",
        "On what day does {e} rest?",
        "{E} is shut on which day?",
        "On which day would I find the shutters of {e} down?",
    ),
    "founded": (
        "What is the founding year of {e}?",
        "When was {e} founded?",
        "In which year was {e} founded?",
        "When did {e} first open?",
        "{E} dates from what year?",
        "Since when is there a shop called {e}?",
    ),
    "craft": (
        "What is the craft of {e}?",
        "What does {e} do for a living?",
        "What is {e} by trade?",
        "As what does {e} work?",
        "Which craft does {e} have?",
        "What was {e} trained to be?",
    ),
    "quarter": (
        "Where is the home of {e}?",
        "Where does {e} live?",
        "In which quarter does {e} live?",
        "What quarter has {e} settled in?",
        "Where can I meet {e}?",
        "In what part of town does {e} rent rooms?",
    ),
    "pet": (
        "What is the pet of {e}?",
        "Which pet does {e} keep?",
        "What animal does {e} have?",
        "What kind of pet lives with {e}?",
        "Which animal goes everywhere with {e}?",
        "With what animal does {e} share the kitchen?",
    ),
    "dish": (
        "What is the favourite dish of {e}?",
        "What does {e} like best to eat?",
        "Which dish does {e} order?",
        "What does {e} like to eat?",
        "Which food pleases {e} most?",
        "What does {e} ask for on feast days?",
    ),
}


def _fill(template: str, fact: Fact) -> str:
    e, v = fact.entity, fact.value
    text = template.format(e=e, v=v, E=e[:1].upper() + e[1:])
    for vowel in "aeiouAEIOU":
        text = text.replace(f" a {vowel}", f" an {vowel}").replace(f"A {vowel}", f"An {vowel}")
    return text


def told_up_to(fact: Fact, statement: str) -> tuple[str, str, str]:
    """`statement` cut into what stands before the value, the value, and what follows it."""
    place = statement.rindex(fact.value)
    return statement[:place].rstrip(), f" {fact.value}", statement[place + len(fact.value) :]


def statements(fact: Fact, *, held_out: bool = False) -> list[str]:
    """Every wording of `fact` that pretraining may use, or the one kept from it."""
    forms = STATEMENTS[fact.attribute]
    return [_fill(t, fact) for t in (forms[-1:] if held_out else forms[:-1])]


def questions(fact: Fact, *, held_out: bool = False) -> list[str]:
    """Every wording of the question for `fact` that pretraining may use, or the one kept."""
    forms = QUESTIONS[fact.attribute]
    return [_fill(t, fact) for t in (forms[-1:] if held_out else forms[:-1])]


def unseen_question(fact: Fact) -> str:
    """The wording that pretraining uses for other entities, but never for this one."""
    forms = questions(fact)
    return forms[random.Random(f"{fact.entity}|{fact.attribute}").randrange(len(forms))]


def seen_questions(fact: Fact) -> list[str]:
    """The wordings in which pretraining asks for this very fact."""
    kept = unseen_question(fact)
    return [q for q in questions(fact) if q != kept]


def answer(fact: Fact) -> str:
    """The answer: the plainest statement of the fact, such as 'The pet of Ada Velmor is a goat.'"""
    return statements(fact)[0]


def no_answer(fact: Fact) -> str:
    """The right answer where nothing is told: 'The pet of Ada Velmor is not told.'"""
    return f"{statements(fact)[0].split(' is ')[0]} is not told."
