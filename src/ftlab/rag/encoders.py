"""Texts as vectors whose cosine says how alike they are, and training them to say it well."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from ftlab.common.errors import LabError
from ftlab.common.hub import go_offline_if_unreachable
from ftlab.common.libraries import quiet
from ftlab.data.features import Feature, batches_by_length, collate, encode
from ftlab.models import BASE_MODEL, load_tokenizer, max_length
from ftlab.models.loading import load_trunk
from ftlab.models.modes import evaluation_mode
from ftlab.models.pooling import pool, pooled_width
from ftlab.training import Fit, fit

MOST_TOKENS = 256  # of a text; what is longer is cut at its end
LIBRARY = "sentence-transformers/"  # names on the Hub that ask for that library


class Encoder(Protocol):
    """Anything that turns texts into vectors."""

    dimension: int
    model: Any  # the network, a torch module: what it takes in memory can be counted

    def encode(self, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """(texts, dimension) in fp32, each of length 1."""


def load_encoder(base_model: str = BASE_MODEL) -> Encoder:
    """An encoder from any base model: "lab", a folder, or a Hub name; causal or not.

    "sentence-transformers/..." is loaded by that library, with its own pooling, if it is
    installed; LabError says so if not.
    """
    if base_model.startswith(LIBRARY):
        return _LibraryEncoder(base_model)
    return TrunkEncoder(load_trunk(base_model), load_tokenizer(base_model))


class TrunkEncoder:
    """A trunk's last token vectors pooled as a classifier's are, scaled to length 1.

    Mean and maximum, which weigh the same there, each make up half of every cosine (Reimers &
    Gurevych 2019 compare the two).
    """

    def __init__(self, trunk: Any, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.model = BiEncoder(trunk).eval()
        self.dimension = pooled_width(int(trunk.config.hidden_size))

    def encode(self, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """See `Encoder`."""
        features = self.features(texts)
        vectors: np.ndarray = np.zeros((len(features), self.dimension), np.float32)
        device = next(self.model.parameters()).device
        with evaluation_mode(self.model), torch.inference_mode():
            lengths = [len(feature["input_ids"]) for feature in features]
            for chosen in batches_by_length(lengths, batch_size):
                batch = collate([features[i] for i in chosen], self.tokenizer.pad_token_id)
                output = self.model(**{k: v.to(device) for k, v in batch.items()})
                vectors[chosen] = output.cpu().numpy()
        return vectors

    def features(self, texts: Sequence[str]) -> list[Feature]:
        """The tokens of each text."""
        return encode(self.tokenizer, texts, max_length=max_length(self.model.trunk, MOST_TOKENS))

    def save(self, folder: str | Path) -> None:
        """Weights (safetensors) and tokenizer, so that `load_encoder(folder)` gives it again."""
        with quiet():
            self.model.trunk.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)


class BiEncoder(nn.Module):
    """A trunk that reads a text, question or passage, into one vector of length 1."""

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.trunk = trunk
        # Causal models would keep keys and values for a continuation that never comes.
        caches = "use_cache" in inspect.signature(trunk.forward).parameters
        self._arguments: dict[str, Any] = {"use_cache": False} if caches else {}

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """(batch, length) token ids and mask to (batch, dimension)."""
        states = self.trunk(
            input_ids=input_ids, attention_mask=attention_mask, **self._arguments
        ).last_hidden_state
        return nn.functional.normalize(pool(states, attention_mask), dim=-1)


def contrastive_loss(
    model: Any, batch: dict[str, torch.Tensor], temperature: float
) -> torch.Tensor:
    """InfoNCE (van den Oord et al. 2018) with the batch's other passages as negatives (Henderson
    et al. 2017): which passage belongs to the question? Mean cross-entropy.

    `batch` holds token ids and mask, (2 x pairs, length) each: all questions, then all passages.
    """
    questions, passages = model(**batch).chunk(2)
    logits = questions @ passages.T / temperature
    # The same passage again, asked for by another question, is no negative.
    (_, ids), (_, mask) = batch["input_ids"].chunk(2), batch["attention_mask"].chunk(2)
    same = ((ids[:, None] == ids) & (mask[:, None] == mask)).all(-1)
    logits = logits.masked_fill(same.fill_diagonal_(False), -torch.inf)
    return nn.functional.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def fine_tune_encoder(
    encoder: Encoder,
    questions: Sequence[str],
    passages: Sequence[str],
    *,
    learning_rate: float = 5e-4,
    epochs: int = 3,
    batch_size: int = 32,
    temperature: float = 0.05,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> Fit:
    """Train `encoder` in place so that each question lies nearest to its passage.

    Pair i is `questions[i]` and `passages[i]`, which answers it; every other passage of its batch
    serves as a wrong one, so larger batches are harder. Returns what `fit()` gives. Vectors of an
    index made before are of no use afterwards: encode the passages again.
    """
    if not isinstance(encoder, TrunkEncoder):
        raise LabError("Only encoders that the lab loads itself can be trained here.")
    if len(questions) != len(passages):
        raise LabError(f"{len(questions)} questions but {len(passages)} passages.")
    if batch_size < 2:
        raise LabError(
            "batch_size must be 2 or more: the other passages in a batch are the negatives."
        )
    if not temperature > 0:
        raise LabError(f"temperature must be above 0, not {temperature}.")
    pad_id = encoder.tokenizer.pad_token_id
    pairs = zip(encoder.features(questions), encoder.features(passages), strict=True)
    return fit(
        encoder.model,
        list(pairs),
        loss=partial(contrastive_loss, temperature=temperature),
        collate=lambda rows: collate([row[side] for side in (0, 1) for row in rows], pad_id),
        length=lambda row: sum(len(feature["input_ids"]) for feature in row),
        learning_rate=learning_rate,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        device=device,
        progress=progress,
    )


class _LibraryEncoder:
    """A model of the sentence-transformers library."""

    def __init__(self, name: str) -> None:
        if importlib.util.find_spec("sentence_transformers") is None:
            raise LabError(
                f"{name} needs the package sentence-transformers, which is not installed here: "
                "pip install sentence-transformers, or give 'lab' or another base model."
            )
        offline = go_offline_if_unreachable()
        from sentence_transformers import SentenceTransformer

        try:
            with quiet():
                self.model = SentenceTransformer(
                    name,
                    trust_remote_code=False,
                    local_files_only=bool(offline),
                    model_kwargs={"use_safetensors": True},
                )
        except Exception as error:  # the library and the Hub have no common base class
            reason = " ".join(str(error).split())[:300]
            raise LabError(f"{name} cannot be loaded ({reason}).") from error
        self.dimension = int(self.model.get_sentence_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """See `Encoder`."""
        vectors = self.model.encode(
            list(texts), batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, np.float32)
