"""What claims are about: the topics in which they are told, in reading order."""

from __future__ import annotations

from ftlab.common.errors import LabError

TOPICS = {
    "pretraining": "What pretraining gives",
    "freezing": "Freezing",
    "forgetting": "Forgetting",
    "lora": "LoRA and its relatives",
    "facts": "Facts: retrieval or training",
    "prompts": "Prompts, cost and size",
    "answers": "Answers and their form",
    "evaluation": "Evaluation",
    "overfitting": "Overfitting",
    "search": "Search and ensembles",
}
# What the claims of a notebook are about that name no topic, by how the notebook's name begins.
OF_NOTEBOOKS = {
    "00_": "pretraining",
    "01_": "pretraining",
    "02_": "freezing",
    "03_": "lora",
    "04_": "facts",
    "05_rag": "facts",
    "06_": "evaluation",
    "07_": "overfitting",
    "08_": "search",
}


def topic_of(notebook: str, given: str = "") -> str:
    """The topic of a claim: the one that it names, or else its notebook's own; LabError if that is
    none of `TOPICS`."""
    known = ", ".join(TOPICS)
    if given:
        if given not in TOPICS:
            raise LabError(f"the topic must be one of {known}, not '{given}'.")
        return given
    for beginning, topic in OF_NOTEBOOKS.items():
        if notebook.startswith(beginning):
            return topic
    raise LabError(f"claims of {notebook} need a topic, one of {known}.")
