"""What one seed deals in the comparison: needs, notes for every request, and the prompts of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ftlab.experiments.rag_answers import LONGEST, Answered, Job
from ftlab.experiments.rag_case import Case, K
from ftlab.experiments.rag_needs import Amounts, judged, lessons_of
from ftlab.experiments.rag_prompts import NOTHING, Style, cut, fitted
from ftlab.experiments.rag_result import ASK, BOTH, GUIDED, PROMPT, RETRIEVE
from ftlab.rag import Retriever
from ftlab.tuning.sft import SFTConfig
from ftlab.world.needs import Item, Need

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NOTED = (RETRIEVE, GUIDED, BOTH)  # ways that put what was found into the prompt
MOST_ROOM = 2000  # tokens of a prompt, whatever a model would take
Pairs = list[tuple[str, str]]


@dataclass
class Dealt:
    """What one seed deals: needs, and the notes that were found for every item and lesson."""

    seed: int
    needs: dict[str, Need]
    lessons: dict[str, Sequence[Item]]
    notes: dict[str, list[str]]  # by question
    tokenizer: PreTrainedTokenizerBase
    room: int
    trimmed: int = 0
    made: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, which: Case, retriever: Retriever, seed: int, amounts: Amounts) -> Dealt:
        from ftlab.models import load_causal_lm, load_tokenizer, max_length

        needs = which.needs(seed, amounts)
        lessons = lessons_of(needs)
        asked = {
            item.question
            for name, need in needs.items()
            if not need.header  # goods stand in no chronicle
            for item in (*need.items, *need.validation, *lessons[name])
        }
        questions = sorted(asked)
        found = retriever.search(questions, K)
        notes = {
            question: [" ".join(hit.passage.text.split()) for hit in hits]
            for question, hits in zip(questions, found, strict=True)
        }
        room = min(max_length(load_causal_lm(which.base_model), MOST_ROOM), MOST_ROOM) - LONGEST - 2
        return cls(seed, needs, lessons, notes, load_tokenizer(which.base_model), room)

    def prompts(self, name: str, items: Sequence[Item], style: Style, noted: bool) -> list[str]:
        """A prompt for each item, cut to the room there is."""
        key = f"{name}|{style.name}|{noted}|{'|'.join(item.question for item in items)}"
        if key not in self.made:
            self.made[key] = []
            for item in items:
                notes = self.notes.get(item.question, []) if noted else []
                text, was_cut = fitted(
                    self.tokenizer, self.room, self.needs[name], item, style, notes
                )
                self.made[key].append(text)
                self.trimmed += was_cut
        return self.made[key]

    def pairs(self, way: str) -> Pairs:
        """What a model is fine-tuned on; with notes, if it will be asked with notes."""
        return [
            (text, cut(self.tokenizer, item.answer, LONGEST))
            for name, some in self.lessons.items()
            for text, item in zip(
                self.prompts(name, some, NOTHING, way in NOTED), some, strict=True
            )
        ]

    def asked(self, way: str, style: Callable[[str], Style]) -> dict[str, list[str]]:
        """The prompts of a way, for items and for validation."""
        return {
            f"{way}|{split}|{name}": self.prompts(
                name, getattr(need, split), style(name), way in NOTED
            )
            for name, need in self.needs.items()
            for split in ("items", "validation")
        }

    def base_job(self, which: Case, chosen: dict[tuple[str, str], Style]) -> Job:
        """What the base model is asked in all ways that train nothing."""
        prompts: dict[str, list[str]] = {}
        for way in (ASK, PROMPT, RETRIEVE, GUIDED):
            prompts |= self.asked(way, lambda name, way=way: chosen.get((way, name), NOTHING))  # type: ignore[misc]
        return Job(which.base_model, prompts)

    def tuned_job(self, which: Case, way: str, factor: float, steps: int) -> Job:
        """A fine-tuning, and what it is asked: no more than the request, and notes."""
        config = SFTConfig(steps, factor)
        asked = self.asked(way, lambda name: NOTHING)
        return Job(which.base_model, asked, self.pairs(way), config, self.seed)

    def score(self, way: str, done: Answered) -> float:
        """Form and fact right on validation, every need alike."""
        shares = [
            np.mean([all(judged(i, t)) for i, t in zip(need.validation, texts, strict=True)])
            for name, need in self.needs.items()
            for texts in [done.generations[f"{way}|validation|{name}"].texts]
        ]
        return float(np.mean(shares))

    def rows(self, way: str, done: Answered) -> Iterator[dict[str, Any]]:
        """All answers of a way, judged."""
        for name, need in self.needs.items():
            for split in ("items", "validation"):
                made = done.generations[f"{way}|{split}|{name}"]
                for place, item in enumerate(getattr(need, split)):
                    form, fact = judged(item, made.texts[place])
                    yield {
                        "way": way,
                        "need": name,
                        "seed": self.seed,
                        "split": "test" if split == "items" else "validation",
                        "item": place,
                        "form": float(form),
                        "fact": float(fact),
                        "both": float(form and fact),
                        "changed": float(bool(item.stale)),
                        "stale": float(bool(item.stale) and made.texts[place] == item.stale),
                        "question": item.question,
                        "wanted": item.answer,
                        "text": made.texts[place],
                        "prompt_tokens": int(made.prompt_tokens[place]),
                        "new_tokens": int(made.new_tokens[place]),
                    }
