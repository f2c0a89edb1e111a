"""What each layer of a network knows: linear probes, and how alike two networks' layers are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ftlab.common.errors import LabError

if TYPE_CHECKING:
    import torch

BATCH_SIZE = 64


def layer_vectors(
    model: Any, tokenizer: Any, texts: Sequence[str], max_length: int = 128
) -> np.ndarray:
    """The vectors of each text after the embeddings and after every block, pooled as a classifier's
    are: (layers, texts, 2 x hidden size). `model` is a trunk, or gives `hidden_states` as one does.

    The last block's are taken as they leave it: `hidden_states` ends with what the norm behind it,
    which many causal models have, makes of them.
    """
    import torch

    from ftlab.models.pooling import pool

    rows: dict[int, np.ndarray] = {}
    with _last_output(model) as last:
        for chosen, batch in text_batches(model, tokenizer, texts, max_length):
            states = model(**batch, output_hidden_states=True).hidden_states
            states = [*states[:-1], last.pop()] if last else states
            pooled = torch.stack([pool(s, batch["attention_mask"]) for s in states], dim=1)
            rows.update(zip(chosen, pooled.cpu().numpy(), strict=True))
    return np.stack([rows[i] for i in range(len(texts))], axis=1)


def text_batches(
    model: Any, tokenizer: Any, texts: Sequence[str], max_length: int
) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Texts of like length as batches on the model's device, with the places of the texts in each.
    What is done with one, between two steps, is done in evaluation mode and without gradients."""
    import torch

    from ftlab.data import encode
    from ftlab.data.features import batches_by_length, collate
    from ftlab.models.modes import evaluation_mode

    features = encode(tokenizer, list(texts), max_length=max_length)
    device = next(model.parameters()).device
    lengths = [len(feature["input_ids"]) for feature in features]
    with torch.no_grad(), evaluation_mode(model):
        for chosen in batches_by_length(lengths, BATCH_SIZE):
            batch = collate([features[i] for i in chosen], tokenizer.pad_token_id)
            yield list(chosen), {name: tensor.to(device) for name, tensor in batch.items()}


@contextmanager
def _last_output(model: Any) -> Iterator[list[torch.Tensor]]:
    """Within it, what the last block has given in each forward pass: (texts, length, width).

    Stays empty for a model whose blocks cannot be told apart, as all layers share one.
    """
    from ftlab.models.layers import find_blocks

    seen: list[torch.Tensor] = []

    def see(module: Any, given: Any, output: Any) -> None:
        seen.append(output[0] if isinstance(output, tuple) else output)

    found = find_blocks(model)
    handle = found[-1].register_forward_hook(see) if found else None
    try:
        yield seen
    finally:
        if handle:
            handle.remove()


def probe(
    vectors: ArrayLike, labels: Sequence[int], test_vectors: ArrayLike, strength: float = 0.1
) -> np.ndarray:
    """What a linear probe (Alain & Bengio 2016) makes of the test vectors: class indices.

    Vectors are (texts, width). The probe is logistic regression of strength C on standardised
    vectors: what it cannot read off, is not there in a simple form.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    reader = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))
    return reader.fit(np.asarray(vectors), labels).predict(np.asarray(test_vectors))


def cka(a: ArrayLike, b: ArrayLike) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019) of two sets of vectors for the same
    texts, (texts, width) each: 1.0 if one is a rotation and scaling of the other."""
    first, second = (np.asarray(x, dtype=float) for x in (a, b))
    if len(first) != len(second):
        raise LabError(
            f"CKA compares vectors of the same texts, but there are {len(first)} and {len(second)}."
        )
    first, second = first - first.mean(0), second - second.mean(0)
    shared = np.linalg.norm(first.T @ second) ** 2
    return float(shared / (np.linalg.norm(first.T @ first) * np.linalg.norm(second.T @ second)))
