"""Prose as token ids, from which texts are drawn and cut into halves that belong together."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

import numpy as np

SHORTEST = 12  # tokens of a half, at least


@dataclass(frozen=True)
class Prose:
    """Tokens of all documents, one after the other.

    `starts`: where each paragraph begins; `document`: the number of the document of each
    paragraph; `chance`: how likely a text begins with it (they add up to 1).
    """

    tokens: np.ndarray
    starts: np.ndarray
    document: np.ndarray
    chance: np.ndarray

    @cached_property
    def _total(self) -> np.ndarray:
        return np.cumsum(self.chance)

    def text(self, rng: random.Random, longest: int) -> list[int]:
        """Tokens of up to `longest`, from the beginning of a paragraph, within one document."""
        first = int(np.searchsorted(self._total, rng.random() * self._total[-1]))
        first = min(first, len(self.starts) - 1)
        begin = int(self.starts[first])
        last = int(np.searchsorted(self.document, self.document[first], side="right"))
        end = int(self.starts[last]) if last < len(self.starts) else len(self.tokens)
        return self.tokens[begin : min(end, begin + longest)].tolist()

    def halves(
        self, rng: random.Random, longest: int, opens_word: np.ndarray
    ) -> tuple[list[int], list[int]]:
        """A text of `longest` tokens at most, cut where a word begins (`opens_word`, by id)."""
        text: list[int] = []
        while len(text) < 2 * SHORTEST:
            text = self.text(rng, longest)
        cut = rng.randint(SHORTEST, len(text) - SHORTEST)
        while cut < len(text) - SHORTEST and not opens_word[text[cut]]:
            cut += 1
        return text[:cut], text[cut:]
