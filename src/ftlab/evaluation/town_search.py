"""How well a model that nobody taught to search finds what the town's pages say."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ftlab.world import facts, phrasing
from ftlab.world.pages import biography

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

QUESTIONS = 200
LONGEST = 128  # tokens of a text that are read
BATCH_SIZE = 64


def search_recall(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    seed: int = 0,
    *,
    count: int = QUESTIONS,
    best: int = 5,
) -> float:
    """Share of questions about the town whose passage is among the `best` nearest.

    One passage for each known entity, one question for each of `count` of them (a question each,
    so at most as many as there are entities). Nothing is trained for it: vectors are pooled last
    hidden states, as a classifier's and an encoder's are.
    """
    rng = random.Random(f"search/{seed}")
    known = facts.build_world().known
    passages = [biography(entity, rng).strip() for entity in known]
    chosen = rng.sample(range(len(known)), min(count, len(known)))
    asked = [
        phrasing.unseen_question(known[i].fact(rng.choice(facts.ATTRIBUTES[known[i].kind])))
        for i in chosen
    ]
    near = vectors(model, tokenizer, asked) @ vectors(model, tokenizer, passages).T
    found = near.topk(best, dim=1).indices.tolist()
    return sum(i in row for i, row in zip(chosen, found, strict=True)) / len(chosen)


def vectors(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> torch.Tensor:
    """Pooled last hidden states of unit length: (texts, width)."""
    import torch
    import torch.nn.functional as F

    from ftlab.models.pooling import pool, pooled_width

    trunk = model.base_model  # without the output layer, whose logits nobody wants
    found = torch.zeros(len(texts), pooled_width(model.config.hidden_size))
    for chosen, batch in _batches(trunk, tokenizer, texts):
        states = trunk(**batch).last_hidden_state
        found[chosen] = F.normalize(pool(states, batch["attention_mask"]), dim=1).cpu()
    return found


def _batches(
    model: Any, tokenizer: Any, texts: Sequence[str]
) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Texts of like length as batches on the model's device, with the places of the texts in each.
    What is done with one, between two steps, is done in evaluation mode and without gradients."""
    import torch

    from ftlab.data import encode
    from ftlab.data.features import batches_by_length, collate
    from ftlab.models.modes import evaluation_mode

    features = encode(tokenizer, list(texts), max_length=LONGEST)
    device = next(model.parameters()).device
    lengths = [len(feature["input_ids"]) for feature in features]
    with torch.no_grad(), evaluation_mode(model):
        for chosen in batches_by_length(lengths, BATCH_SIZE):
            batch = collate([features[i] for i in chosen], tokenizer.pad_token_id)
            yield list(chosen), {name: tensor.to(device) for name, tensor in batch.items()}
