"""Ostrel, a fictional tidal town: products, shops, people and dated facts, told in many wordings.

Pure Python and seeded: `python -m ftlab.world` writes `data/world` again, bit for bit.
"""

from ftlab.world import exercises, letters, web
from ftlab.world.exercises import NOT_TOLD, question_prompt
from ftlab.world.facts import ATTRIBUTES, Entity, Fact, World, build_world
from ftlab.world.inbox import misspelt
from ftlab.world.needs import about, in_manner, needs
from ftlab.world.pages import biography
from ftlab.world.phrasing import answer, seen_questions, statements, unseen_question

__all__ = [
    "ATTRIBUTES",
    "NOT_TOLD",
    "Entity",
    "Fact",
    "World",
    "about",
    "answer",
    "biography",
    "build_world",
    "exercises",
    "in_manner",
    "letters",
    "misspelt",
    "needs",
    "question_prompt",
    "seen_questions",
    "statements",
    "unseen_question",
    "web",
]
