"""Which layer carries a task: single layers of a tuned network are put back as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import torch

from ftlab.evaluation import Estimate, correct, weight_change
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.results import FairComparison
from ftlab.models import layers_of, load_classifier
from ftlab.models.layers import HEAD


@dataclass(frozen=True, eq=False)
class PutBack:
    """What single layers are worth to a tuned network.

    `rows`: seed, layer, accuracy (with the base's layer in place of the tuned one), lost (what that
    costs against the tuned network) and moved (how far training moved the layer's weights, relative
    to their size).
    """

    rows: pd.DataFrame
    task: str

    @property
    def layers(self) -> list[str]:
        """The layers, from the embeddings up."""
        return list(dict.fromkeys(self.rows.layer))

    def estimate(self, layer: str, metric: str = "lost") -> Estimate:
        """What putting this layer back costs (or `metric`), over the seeds."""
        return over_seeds(list(self.rows.loc[self.rows.layer == layer, metric]))

    def difference(self, a: str, b: str) -> Estimate:
        """How much more putting layer `a` back costs than putting back `b`, paired by seed."""
        lost = self.rows.pivot(index="seed", columns="layer", values="lost")
        return over_seeds(list(lost[a] - lost[b]))

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for row in self.rows.itertuples(index=False):
            about = {"layer": row.layer, "task": self.task, "seed": int(row.seed)}
            yield {"name": "lost_when_put_back", "value": float(row.lost), **about}
            yield {"name": "weights_moved", "value": float(row.moved), **about}

    def table(self) -> pd.DataFrame:
        """One layer a row."""
        shown = {
            layer: (str(self.estimate(layer)), f"{self.estimate(layer, 'moved').value:.0%}")
            for layer in self.layers
        }
        columns = ["accuracy lost when put back", "weights moved by training, relative"]
        return pd.DataFrame.from_dict(shown, orient="index", columns=columns)

    def plot(self) -> None:
        """Show the accuracy lost for every layer."""
        from ftlab.plots import rows, show

        lost = {layer: self.estimate(layer) for layer in reversed(self.layers)}  # as in a stack
        most = max(lost, key=lambda layer: lost[layer].value)
        least = min(lost, key=lambda layer: lost[layer].value)
        show(
            rows(lost, x="accuracy lost", title=f"'{self.task}': one layer put back as it was"),
            f"Accuracy lost when one layer of the tuned network is put back as it was before: most "
            f"with {most} ({lost[most].value:.2f}), least with {least} ({lost[least].value:.2f}).",
        )


def put_back(found: FairComparison, base_model: str, *, method: str = "full") -> PutBack:
    """Every layer below the head of the kept networks of `method`, one at a time, on the
    validation texts of the first task."""
    task = found.tasks[0]
    rows = []
    for run in found.chosen(method, task=task):
        model = found.network(method, run.seed, task=task)
        base = load_classifier(base_model, run.task.label_names)
        moved = weight_change(base.trunk.state_dict(), model.trunk.state_dict())
        texts, labels = list(run.task.validation.text), run.task.validation.label
        outputs = partial(run.method.outputs, model, texts)  # type: ignore[attr-defined]
        tuned = correct(outputs().argmax(1), labels).mean()
        for layer in (name for name in layers_of(model) if name != HEAD):
            with layer_of_base(model, base, layer):
                without = correct(outputs().argmax(1), labels).mean()
            rows.append((run.seed, layer, without, tuned - without, moved[layer]))
    return PutBack(pd.DataFrame(rows, columns=["seed", "layer", "accuracy", "lost", "moved"]), task)


@contextmanager
def layer_of_base(model: Any, base: Any, layer: str) -> Iterator[None]:
    """Within it `model` has the weights of `base` in one layer."""
    own, old = layers_of(model)[layer], layers_of(base)[layer]
    kept = [tensor.detach().clone() for tensor in own]
    _copy(old, own)
    try:
        yield
    finally:
        _copy(kept, own)


@torch.no_grad()
def _copy(source: Sequence[torch.Tensor], target: Sequence[torch.Tensor]) -> None:
    for tensor, wanted in zip(target, source, strict=True):
        tensor.copy_(wanted)
