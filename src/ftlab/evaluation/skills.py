"""What a base model can do; `python -m ftlab.evaluation.skills --json` measures it in a minute.

Every item is held out from pretraining: wordings never used for that entity (recall), entities
that exist nowhere else (reading, abstaining, sorting), notes about known entities that training
never contradicted (conflict), and how-to questions about tasks that no training page asks about.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ftlab.evaluation.following import (
    extraction_items,
    format_items,
    instruction_items,
    lesson_format_items,
)
from ftlab.evaluation.town_search import search_recall
from ftlab.world import exercises, facts, phrasing, web

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ITEMS = 200
SHOTS = 8
# What the later notebooks would like to build on: least and most.
WANTED: dict[str, tuple[float, float]] = {
    "recall": (0.90, 1.0),
    "reading_one": (0.95, 1.0),
    "reading_many": (0.85, 1.0),
    "reading_conflict": (0.80, 1.0),
    "abstain_right": (0.85, 1.0),
    "abstain_wrong": (0.0, 0.05),
    "kinds_context": (0.15, 0.60),
    "kinds_question": (0.15, 0.60),
    "kinds_answer": (0.15, 0.60),
    "kshot_gain": (0.10, 1.0),
    "formats_1": (0.0, 1.0),
    "formats_2": (0.0, 1.0),
    "formats_4": (0.60, 1.0),
    "formats_8": (0.60, 1.0),
    "lesson_formats_4": (0.0, 1.0),
    "instructions": (0.50, 1.0),
    "extraction": (0.80, 1.0),
    "abstain_right_many": (0.80, 1.0),
    "search_town": (0.60, 1.0),
}
LONG = 48  # new tokens for answers that may be long
FORMAT_SHOTS = (1, 2, 4, 8)
Pairs = list[tuple[str, str]]


def exact(predictions: Sequence[str], answers: Sequence[str]) -> float:
    """Share of predictions that are the answer, but for surrounding space."""
    hits = [p.strip() == a for p, a in zip(predictions, answers, strict=True)]
    return sum(hits) / len(hits)


def recall_items(count: int = 2 * ITEMS, seed: int = 0) -> Pairs:
    """Known facts asked closed book, in the wording kept from pretraining for that entity."""
    known = facts.build_world().known_facts()
    picked = random.Random(seed).sample(known, count)
    return [
        (exercises.question_prompt(phrasing.unseen_question(f)), phrasing.answer(f)) for f in picked
    ]


def reading_items(entities: int, count: int = ITEMS, seed: int = 0) -> Pairs:
    """Notes about entities of the examination's names, and one question they answer."""
    rng = random.Random(f"reading/{entities}/{seed}")
    made = [exercises.reading(rng, entities=entities, split="examination") for _ in range(count)]
    return [(e.prompt(), e.answers[0]) for e in made]


def conflict_items(count: int = ITEMS, seed: int = 0) -> Pairs:
    """Notes that contradict what is known, about entities never contradicted in training."""
    rng = random.Random(f"conflict/{seed}")
    known = facts.conflict_entities(facts.build_world(), examined=True)
    made = [exercises.conflict(rng, rng.choice(known)) for _ in range(count)]
    return [(e.prompt(), e.answers[0]) for e in made]


def unanswerable_items(count: int = ITEMS, seed: int = 0) -> Pairs:
    """Notes about one or three unseen entities that leave out just what is asked."""
    rng = random.Random(f"unanswerable/{seed}")
    made = [
        exercises.unanswerable_reading(rng, entities=1 + 2 * (i % 2), split="examination")
        for i in range(count)
    ]
    return [(e.prompt(), e.answers[0]) for e in made]


def many_unanswerable_items(count: int = ITEMS, seed: int = 0) -> Pairs:
    """Notes about three unseen entities that leave out just what is asked about one."""
    rng = random.Random(f"many unanswerable/{seed}")
    made = [
        exercises.unanswerable_reading(rng, entities=3, split="examination") for _ in range(count)
    ]
    return [(e.prompt(), e.answers[0]) for e in made]


def sorting_items(shots: int, count: int = ITEMS, seed: int = 0) -> Pairs:
    """Goods to be sorted after `shots` examples; the same goods for every number of shots."""
    rng = random.Random(f"sorting/{seed}")
    made = [exercises.sorting(rng, split="examination", shots=SHOTS) for _ in range(count)]
    return [(e.prompt(shots), e.label) for e in made]


def answers_to(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Pairs,
    max_new_tokens: int = 28,
) -> list[str]:
    """Greedy answers, one line each."""
    from ftlab.models import generate

    prompts = [prompt for prompt, _ in pairs]
    return generate(model, tokenizer, prompts, max_new_tokens=max_new_tokens)


def kinds(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[str],
    *,
    seed: int = 0,
    temperature: float = 1.0,
) -> dict[str, float]:
    """Shares of context, question, answer and other among sampled continuations."""
    from ftlab.models import generate

    texts = generate(
        model,
        tokenizer,
        list(questions),
        max_new_tokens=30,
        temperature=temperature,
        seed=seed,
    )
    found = [web.kind_of(text) for text in texts]
    return {k: found.count(k) / len(found) for k in (*web.KINDS, "other")}


def measure(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, seed: int = 0
) -> dict[str, float]:
    """All skills of a causal language model, each a share between 0 and 1 (a gain: -1 to 1)."""

    def score(pairs: Pairs, tokens: int = 28) -> float:
        return exact(answers_to(model, tokenizer, pairs, tokens), [a for _, a in pairs])

    one, many = reading_items(1, seed=seed), reading_items(3, seed=seed)
    said_one = answers_to(model, tokenizer, one)
    said_many = answers_to(model, tokenizer, many)
    unanswered = [text.strip().endswith(exercises.NOT_TOLD) for text in said_one + said_many]
    found = kinds(model, tokenizer, 2 * web.bare_questions("examination"), seed=seed)
    return {
        "recall": score(recall_items(seed=seed)),
        "reading_one": exact(said_one, [a for _, a in one]),
        "reading_many": exact(said_many, [a for _, a in many]),
        "reading_conflict": score(conflict_items(seed=seed)),
        "abstain_right": score(unanswerable_items(seed=seed)),
        "abstain_wrong": sum(unanswered) / len(unanswered),
        **{f"kinds_{kind}": found[kind] for kind in web.KINDS},
        "kshot_gain": score(sorting_items(SHOTS, seed=seed)) - score(sorting_items(0, seed=seed)),
        **{f"formats_{n}": score(format_items(n, seed=seed), LONG) for n in FORMAT_SHOTS},
        "lesson_formats_4": score(lesson_format_items(seed=seed), LONG),
        "instructions": score(instruction_items(seed=seed), LONG),
        "extraction": score(extraction_items(seed=seed), LONG),
        "abstain_right_many": score(many_unanswerable_items(seed=seed)),
        "search_town": search_recall(model, tokenizer, seed),
    }


def main() -> None:
    """Command line: the skills of a base model as one JSON object, or as lines to read."""
    parser = argparse.ArgumentParser(prog="python -m ftlab.evaluation.skills", description=__doc__)
    parser.add_argument("--base-model", default="lab", help="'lab', a folder or a Hub name")
    parser.add_argument("--seed", type=int, default=0, help="draws other items of the same kinds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    from ftlab.models import load_causal_lm, load_tokenizer

    model, tokenizer = load_causal_lm(given.base_model), load_tokenizer(given.base_model)
    shares = {k: round(v, 4) for k, v in measure(model, tokenizer, given.seed).items()}
    print(json.dumps(shares) if given.json else "\n".join(lines(shares)))


def lines(shares: dict[str, float]) -> list[str]:
    """A table in Markdown: each skill, its share, what is wanted, and whether it is there."""
    rows = ["| skill | share | wanted | |", "| --- | --- | --- | --- |"]
    for name, share in shares.items():
        least, most = WANTED[name]
        reached = "reached" if least <= share <= most else "not reached"
        rows.append(f"| `{name}` | {share:.3f} | {least:.2f} to {most:.2f} | {reached} |")
    return rows


if __name__ == "__main__":
    main()
