"""What a base model knows before it is tuned, and how much of that is left afterwards."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from ftlab.common.errors import LabError
from ftlab.evaluation.skills import answers_to, recall_items
from ftlab.evaluation.texts import matches
from ftlab.world import build_world, letters, web
from ftlab.world.pages import biography

if TYPE_CHECKING:
    from ftlab.models import Classifier


class ForgettingProbe:
    """Measures what a base model knows before it is tuned, and how much of it is left afterwards.

    `bits`: bits per character on held-out pages of the town. `recall`: its share of correct
    answers to questions about the town's facts, in words not seen for that fact; None for another
    base model, which has never heard of them.
    """

    def __init__(self, base_model: str, pages: int, questions: int, seed: int = 0) -> None:
        from ftlab.models import BASE_MODEL, load_causal_lm, load_tokenizer

        rng = random.Random(f"memory/{seed}")
        self.base_model, self.tokenizer = base_model, load_tokenizer(base_model)
        known = build_world().known
        self.pages = [
            rng.choice([biography(rng.choice(known), rng), web.page(rng), letters.letter(rng)])
            for _ in range(pages)
        ]
        self.pairs = recall_items(questions, seed) if base_model == BASE_MODEL else []
        self.bits, self.recall = self._measure(load_causal_lm(base_model))

    def _measure(self, model: Any) -> tuple[float, float | None]:
        from ftlab.models import bits_per_character

        bits = bits_per_character(model, self.tokenizer, self.pages)
        if not self.pairs:
            return bits, None
        answers = answers_to(model, self.tokenizer, self.pairs)
        return bits, float(matches(answers, [expected for _, expected in self.pairs]).mean())

    def after(self, classifier: Classifier | None) -> dict[str, float | None]:
        """`forgotten`, the increase in bits per character, and the `recall` left, with the tuned
        trunk in the place of the base's. None where there is no network, or where a prompt of its
        own stands before it.
        """
        from ftlab.models import as_language_model

        try:
            model = as_language_model(self.base_model, classifier) if classifier else None
        except LabError:  # behind a soft prompt: without it the base is what it was
            model = None
        if model is None:
            return {"forgotten": None, "recall": None}
        bits, recall = self._measure(model)
        return {"forgotten": bits - self.bits, "recall": recall}


def forgetting_probe(base_model: str, pages: int, questions: int) -> ForgettingProbe | None:
    """The probe for a language model; None for an encoder, which cannot tell what it knows."""
    from ftlab.models import is_causal_lm

    return ForgettingProbe(base_model, pages, questions) if is_causal_lm(base_model) else None
