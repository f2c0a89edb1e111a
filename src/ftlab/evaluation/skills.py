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

from ftlab.world import (
    exercises,
    extraction,
    facts,
    formats,
    instructions,
    needs,
    phrasing,
    web,
)
from ftlab.world.pages import biography

if TYPE_CHECKING:
    import torch
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
LONG = 64  # new tokens for answers that may be long
FORMAT_SHOTS = (1, 2, 4, 8)
LONGEST = 1300  # characters of a prompt with eight examples: the network reads 512 tokens
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


def format_episodes(count: int = ITEMS, seed: int = 0, family: str = "") -> list[formats.Episode]:
    """Held-out formats, of all families in turn or of one, with eight examples each."""
    rng = random.Random(f"formats/{family}/{seed}")
    known = facts.build_world().known
    made: list[formats.Episode] = []
    while len(made) < count:
        chosen = family or formats.FAMILIES[len(made) % len(formats.FAMILIES)]
        done = formats.episode(rng, split="examination", known=known, family=chosen)
        if len(done.prompt(formats.SHOTS)) <= LONGEST:
            made.append(done)
    return made


def format_items(shots: int, count: int = ITEMS, seed: int = 0, family: str = "") -> Pairs:
    """Held-out formats after `shots` examples; the same queries for every number of shots."""
    return [(e.prompt(shots), e.answer) for e in format_episodes(count, seed, family)]


def lesson_format_items(shots: int = 4, count: int = ITEMS, seed: int = 0) -> Pairs:
    """The three manners of the needs after up to four examples, the facts told in notes.

    Examples are about the four attributes of one kind of entity, so what is asked has been shown.
    """
    rng = random.Random(f"lesson formats/{seed}")
    made: Pairs = []
    while len(made) < count:
        manner = list(needs.MANNERS)[len(made) % len(needs.MANNERS)]
        kind = rng.choice(list(facts.ATTRIBUTES))
        people = facts.draw_entities(kind, 5, rng, "examination", set())
        attributes = rng.sample(facts.ATTRIBUTES[kind], 4)
        told = [e.fact(a) for e, a in zip(people, [*attributes, attributes[0]], strict=True)]
        notes = " ".join(rng.choice(phrasing.statements(f)) for f in rng.sample(told, 5))
        *shown, query = [needs.in_manner(f, manner) for f in told]
        lines = [f"Notes: {notes}", *(f"{i.query} {i.answer}" for i in shown[:shots]), query.query]
        made.append(("\n".join(lines), query.answer))
    return made


def instruction_items(count: int = ITEMS, seed: int = 0) -> Pairs:
    """Two instructions that training never gives together, and a question."""
    rng, known = random.Random(f"instructions/{seed}"), facts.build_world().known
    made = [instructions.instruction(rng, split="examination", known=known) for _ in range(count)]
    return [(t.prompt, t.answer) for t in made]


def extraction_items(count: int = ITEMS, seed: int = 0) -> Pairs:
    """Messages about unseen entities, and the JSON with the keys asked for."""
    rng = random.Random(f"extraction/{seed}")
    made = [extraction.extraction(rng, split="examination") for _ in range(count)]
    return [(t.prompt, t.answer) for t in made]


def search_recall(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    seed: int = 0,
    *,
    count: int = ITEMS,
    best: int = 5,
) -> float:
    """Share of questions about the town whose passage is among the `best` nearest.

    One passage for each known entity, one question for each of `count` of them (a question each,
    so at most as many as there are entities). Nothing is trained for it: vectors are the mean and
    the maximum of the last hidden states, each of length 1.
    """
    rng = random.Random(f"search/{seed}")
    known = facts.build_world().known
    passages = [biography(entity, rng).strip() for entity in known]
    chosen = rng.sample(range(len(known)), min(count, len(known)))
    asked = [
        phrasing.unseen_question(known[i].fact(rng.choice(facts.ATTRIBUTES[known[i].kind])))
        for i in chosen
    ]
    near = _vectors(model, tokenizer, asked) @ _vectors(model, tokenizer, passages).T
    found = near.topk(best, dim=1).indices.tolist()
    return sum(i in row for i, row in zip(chosen, found, strict=True)) / len(chosen)


def _vectors(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> torch.Tensor:
    import torch
    import torch.nn.functional as F

    from ftlab.data.features import collate, encode
    from ftlab.models.modes import evaluation_mode

    features = encode(tokenizer, texts)
    rows = []
    with torch.inference_mode(), evaluation_mode(model):
        for start in range(0, len(features), 64):
            batch = collate(features[start : start + 64], tokenizer.pad_token_id)
            batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
            states = model(**batch, output_hidden_states=True).hidden_states[-1].float()
            mask = batch["attention_mask"][..., None]
            mean = (states * mask).sum(1) / mask.sum(1)
            most = states.masked_fill(mask == 0, -torch.inf).amax(1)
            rows.append(torch.cat([F.normalize(mean, dim=1), F.normalize(most, dim=1)], dim=1))
    return torch.cat(rows).cpu()


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
