"""A classifier on any trunk: its token vectors pooled, and one linear layer."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from ftlab.common.errors import LabError
from ftlab.common.files import flush
from ftlab.common.libraries import quiet
from ftlab.models.loading import load_causal_lm, load_trunk
from ftlab.models.pooling import MEAN_MAX, check_pooling, pool, pooled_width
from ftlab.models.rng import private_rng

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.modeling_outputs import SequenceClassifierOutput

HEAD_FILE, LABELS_FILE = "head.safetensors", "classifier.json"
KNOWN_BY = (LABELS_FILE, "config.json")  # a classifier, and a base model, are refused without
UNFINISHED = ".saving-"


class Classifier(nn.Module):
    """`trunk`, its token vectors pooled, dropout, linear `head`.

    `pooling` is one of those of `models.pooling`. Mean and maximum over the text serve encoders
    and causal models alike: they need no special first token, and a single word that decides shows
    in the maximum however long the text is. The head starts small (normal, 0.02) and depends on
    `seed`; `width` is how many numbers it gets.
    """

    def __init__(
        self,
        trunk: PreTrainedModel,
        label_names: Sequence[str],
        *,
        dropout: float = 0.1,
        seed: int = 0,
        pooling: str = MEAN_MAX,
    ) -> None:
        super().__init__()
        if len(label_names) < 2 or len(set(label_names)) != len(label_names):
            raise LabError(
                f"A classifier needs at least two different labels, not {list(label_names)}."
            )
        check_pooling(pooling)
        self.label_names = list(label_names)
        self.pooling, self.width = pooling, pooled_width(trunk.config.hidden_size, pooling)
        self.trunk = trunk
        self.dropout = nn.Dropout(dropout)
        with private_rng(seed):
            self.head = nn.Linear(self.width, len(self.label_names))
            nn.init.normal_(self.head.weight, std=0.02)
            nn.init.zeros_(self.head.bias)
        # Causal models would keep keys and values for a continuation that never comes.
        caches = "use_cache" in inspect.signature(trunk.forward).parameters
        self._trunk_arguments: dict[str, Any] = {"use_cache": False} if caches else {}

    @property
    def config(self) -> Any:
        """The trunk's configuration."""
        return self.trunk.config

    def get_input_embeddings(self) -> nn.Module:
        """The trunk's table of token vectors."""
        return self.trunk.get_input_embeddings()

    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """(batch, length) token ids and mask to (batch, width), in fp32."""
        hidden = self.trunk(
            input_ids=input_ids, attention_mask=attention_mask, **self._trunk_arguments
        ).last_hidden_state
        return pool(hidden, attention_mask, self.pooling)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """`logits` (batch, labels), and with `labels` (batch,) the mean cross-entropy as `loss`."""
        from transformers.modeling_outputs import SequenceClassifierOutput

        logits = self.head(self.dropout(self.pool(input_ids, attention_mask))).float()
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def save_pretrained(self, folder: str | Path, tokenizer: PreTrainedTokenizerBase) -> None:
        """Trunk, head, label names and `tokenizer` into `folder`: it is a `base_model` as well.

        All files are written beside before the first is put in its place. LabError if the disk
        does not take them; an earlier classifier there is intact then. A kill leaves the earlier
        one, the new one, or a folder that is refused, never a mixture.
        """
        from transformers import PreTrainedModel

        if not isinstance(self.trunk, PreTrainedModel):
            raise LabError(
                "This backbone is wrapped (a soft prompt, a prefix), so it cannot be saved."
            )
        folder = Path(folder)
        head = {name: tensor.contiguous() for name, tensor in self.head.state_dict().items()}
        about = {
            "label_names": self.label_names,
            "dropout": self.dropout.p,
            "pooling": self.pooling,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(f"{UNFINISHED}*"):  # by a save that was killed
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as beside, quiet():
                self.trunk.save_pretrained(beside)
                tokenizer.save_pretrained(beside)
                save_file(head, Path(beside) / HEAD_FILE)
                text = json.dumps(about, indent=2) + "\n"
                (Path(beside) / LABELS_FILE).write_text(text, encoding="utf-8")
                _put_in_place(Path(beside), folder)
        except (OSError, SafetensorError) as error:
            raise LabError(f"The classifier could not be written to {folder} ({error}).") from error

    @classmethod
    def load(cls, folder: str | Path) -> Classifier:
        """What `save_pretrained` wrote, in evaluation mode."""
        folder = Path(folder)
        for name in (LABELS_FILE, HEAD_FILE):
            if not (folder / name).is_file():
                raise LabError(f"{folder} is not a saved classifier: it has no {name}.")
        try:
            about = json.loads((folder / LABELS_FILE).read_text(encoding="utf-8"))
            classifier = cls(
                load_trunk(str(folder)),
                about["label_names"],
                dropout=about["dropout"],
                pooling=about.get("pooling", "mean"),  # which was all there was, and not named
            )
            classifier.head.load_state_dict(load_file(folder / HEAD_FILE))
        except (LabError, json.JSONDecodeError, KeyError, RuntimeError, SafetensorError) as error:
            raise LabError(f"The classifier in {folder} cannot be read: {error}.") from error
        return classifier.eval()


def _put_in_place(new: Path, folder: Path) -> None:
    """Move the files of `new` to `folder`.

    What a folder is known by goes first and comes back last: as long as files of two classifiers
    stand side by side, nothing is loaded from there.
    """
    for file in new.iterdir():
        flush(file)
    for name in KNOWN_BY:
        (folder / name).unlink(missing_ok=True)
    flush(folder)
    others = sorted(file.name for file in new.iterdir() if file.name not in KNOWN_BY)
    for name in (*others, *KNOWN_BY):
        os.replace(new / name, folder / name)
    flush(folder)


def load_classifier(
    base_model: str,
    label_names: Sequence[str],
    *,
    random_weights: bool = False,
    seed: int = 0,
    dropout: float = 0.1,
    pooling: str = MEAN_MAX,
) -> Classifier:
    """A new classifier in fp32, in evaluation mode, on the trunk of any base model.

    `seed` decides the head, and with `random_weights` the trunk as well.
    """
    trunk = load_trunk(base_model, random_weights=random_weights, seed=seed)
    return Classifier(trunk, label_names, dropout=dropout, seed=seed, pooling=pooling).eval()


def as_language_model(base_model: str, classifier: Classifier) -> PreTrainedModel:
    """The language model whose network the classifier's trunk is: what does it still know?

    Shares its weights with the classifier, on the device of those. LabError for a trunk that
    stands behind a soft prompt: it answers for one task only.
    """
    model = load_causal_lm(base_model)
    prefix = model.base_model_prefix
    if not isinstance(classifier.trunk, type(getattr(model, prefix))):
        raise LabError("This backbone is wrapped, so it cannot get its language-model head back.")
    setattr(model, prefix, classifier.trunk)
    model.tie_weights()
    # An untied head was loaded on the CPU, while fit() may have taken the trunk elsewhere.
    return model.to(classifier.trunk.device).eval()
