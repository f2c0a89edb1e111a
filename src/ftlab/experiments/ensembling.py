"""Several fine-tuned networks instead of one: they vote, or their answers or weights are averaged.

Averaged weights are a model soup (Wortsman et al. 2022, ICML). A bag learns from bootstrap samples
of the texts (Breiman 1996). What was trained once is kept.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from ftlab.common.arrays import read_arrays, write_arrays
from ftlab.common.parallel import in_parallel, worth_processes
from ftlab.common.paths import results_dir
from ftlab.data import Task
from ftlab.evaluation import Estimate, mean_interval, paired_difference, softmax, time_side_by_side
from ftlab.experiments.at_setting import DECAY, RATE, USUAL, AtSetting, budget_at
from ftlab.experiments.effort import Effort
from ftlab.experiments.identity import about_method, code_sha256, here, key_of, task_sha256
from ftlab.experiments.jobs import _one_thread
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.sources import LEAST, TaskSource
from ftlab.models import Classifier

MEMBERS = 5
ALIKE, BAGS, HEADS = "all texts", "bootstrap samples", "own heads"
ONE, VOTE, AVERAGE, SOUP = "one network", "vote", "averaged probabilities", "soup of weights"
RULES = (ONE, VOTE, AVERAGE, SOUP)
SIZES = {"quick": (120, 400), "full": (300, 3000)}  # texts for choices and for the test
APART = 1000  # between the random seeds of two members
SPOILT = 0.02  # accuracy that a soup loses at least, to be called so
TIMED = 5  # texts of which each is asked alone
WORTH = 100  # training steps from which other processes pay


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Of logits (networks, texts, labels)."""
    return np.stack([softmax(one) for one in logits])


def vote(logits: np.ndarray) -> np.ndarray:
    """The class that most networks say, (texts,), of logits (networks, texts, labels). Where two
    have as many votes, the one with the higher mean probability."""
    said = logits.argmax(2)
    count = np.stack([(said == label).sum(0) for label in range(logits.shape[2])], axis=1)
    return np.asarray((count + probabilities(logits).mean(0) / 2).argmax(1))


def average(logits: np.ndarray) -> np.ndarray:
    """The class with the highest mean probability, (texts,)."""
    return np.asarray(probabilities(logits).mean(0).argmax(1))


def _alone(logits: np.ndarray) -> np.ndarray:
    return np.asarray(logits.argmax(2))


def soup(models: Sequence[Classifier]) -> Classifier:
    """One network whose every weight is the mean of theirs."""
    mixed = copy.deepcopy(models[0])
    parts = [model.state_dict() for model in models]
    mean = {
        name: torch.stack([part[name].float() for part in parts]).mean(0).to(tensor.dtype)
        for name, tensor in parts[0].items()
    }
    mixed.load_state_dict(mean)
    return mixed.eval()


@dataclass(frozen=True, eq=False)
class Networks:
    """What networks of several kinds said of the test texts: `logits` (networks, texts, labels) by
    kind and seed, `soups` (texts, labels) those of their averaged weights, `labels` (texts,) what
    is right, by seed, and `makers` who trained them. `dealt`: each seed has other texts."""

    logits: Mapping[tuple[str, int], np.ndarray]
    soups: Mapping[tuple[str, int], np.ndarray]
    labels: Mapping[int, np.ndarray]
    makers: Mapping[int, Maker]
    dealt: bool

    @property
    def seeds(self) -> list[int]:
        return list(self.labels)

    @property
    def kinds(self) -> list[str]:
        return list(dict.fromkeys(kind for kind, _ in self.logits))

    def seeds_of(self, kind: str) -> list[int]:
        """The seeds for which networks of a kind were trained."""
        return [seed for seed in self.labels if (kind, seed) in self.logits]

    def right(self, rule: str, kind: str = ALIKE) -> list[np.ndarray]:
        """How right each text is answered, (texts,) for each seed: 0 or 1; of single networks the
        share of them that are right. Only seeds that have such networks."""
        found = []
        for seed in self.seeds_of(kind):
            labels = self.labels[seed]
            logits = self.logits[kind, seed]
            if rule == SOUP:
                answers = self.soups[kind, seed].argmax(1)
            else:
                answers = {ONE: _alone, VOTE: vote, AVERAGE: average}[rule](logits)
            found.append((answers == labels).reshape(-1, len(labels)).mean(0))
        return found

    def estimate(self, rule: str, kind: str = ALIKE) -> Estimate:
        """Test accuracy."""
        right = self.right(rule, kind)
        if self.dealt:
            return over_seeds([float(one.mean()) for one in right], bounds=(0.0, 1.0))
        return mean_interval(np.stack(right))

    def difference(self, a: tuple[str, str], b: tuple[str, str]) -> Estimate:
        """Test accuracy of one (rule, kind) minus that of another, paired."""
        first, second = self.right(*a), self.right(*b)
        if self.dealt:
            gaps = [float(x.mean() - y.mean()) for x, y in zip(first, second, strict=True)]
            return over_seeds(gaps, bounds=(-1.0, 1.0))
        return paired_difference(np.stack(first), np.stack(second))

    def table(self) -> pd.DataFrame:
        """Test accuracy of every kind (row) and rule (column)."""
        table = {
            kind: {rule: self.estimate(rule, kind).value for rule in RULES} for kind in self.kinds
        }
        seeds = [len(self.seeds_of(kind)) for kind in self.kinds]
        return pd.DataFrame(table).T.round(3).assign(seeds=seeds)

    def told_of_heads(self) -> str:
        """What becomes of a soup whose networks began with heads of their own: the seeds that have
        such networks."""
        own = self.seeds_of(HEADS)
        soup, mean = self.estimate(SOUP, HEADS).value, self.estimate(AVERAGE, HEADS).value
        pairs = zip(self.seeds, self.right(SOUP), strict=True)
        alike = float(np.mean([right.mean() for seed, right in pairs if seed in own]))
        text = f"With a head each, five networks averaged have {mean:.3f}, their soup {soup:.3f}; "
        text += f"the soup of those that began alike has {alike:.3f} on the same texts. "
        if alike - soup > SPOILT:
            return text + "The soup is spoilt: a mean is of use only between weights that fit."
        return text + (
            "In this run the heads have not spoilt the soup. A head has few weights; nearly all "
            "are those of the pretrained trunk, and they began alike."
        )

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for kind in self.kinds:
            for rule in RULES:
                for seed, right in zip(self.seeds_of(kind), self.right(rule, kind), strict=True):
                    about = {"method": rule, "networks": kind, "split": "test", "n": len(right)}
                    about["task"] = self.makers[seed].task.name
                    yield {"name": "accuracy", "value": float(right.mean()), "seed": seed, **about}


@dataclass(frozen=True)
class FromOneHead(AtSetting):
    """Fine-tuning that begins with the head of one seed, whatever the seed of the training."""

    head: int = 0

    def load(self, seed: int) -> Classifier:
        """The network with the head of the seed `head`."""
        return super().load(self.head)


@dataclass(frozen=True, eq=False)
class Maker:
    """Trains networks on a task as it was dealt for one seed, at the usual setting and a `rate`."""

    base_model: str
    task: Task
    seed: int
    rate: float
    effort: Effort

    def method(self, kind: str = ALIKE) -> AtSetting:
        """How networks of a kind are trained. All begin with one head, that of the seed; only
        those of `HEADS` with one of their own."""
        budget = budget_at({RATE: self.rate, **USUAL}, self.effort)
        given = ("member", self.base_model, self.task, budget)
        decay = USUAL[DECAY]
        if kind == HEADS:
            return AtSetting(*given, weight_decay=decay)
        return FromOneHead(*given, weight_decay=decay, head=self.seed)

    def network(self, member: int, kind: str = ALIKE) -> Classifier:
        """The network with this number. Each meets the texts in an order of its own; those of
        `BAGS` learn from a bootstrap sample of them."""
        rows, own = self.task.train, self.seed + APART * (member + 1)
        if kind == BAGS:
            rows = rows.sample(len(rows), replace=True, random_state=own)
        network: Classifier = self.method(kind).fit(rows, self.rate, own).model
        return network

    def logits(self, network: Classifier, texts: Sequence[str]) -> np.ndarray:
        """What a network says of texts, (texts, labels)."""
        return self.method().outputs(network, texts)


def makers(
    source: TaskSource, base_model: str, rate: float, *, seeds: Sequence[int], effort: Effort
) -> list[Maker]:
    """One for each seed. Data of which there is one test set are split once."""
    sizes = effort.pick(smoke=LEAST, quick=SIZES["quick"], full=SIZES["full"])
    dealt = [source.task(seed if source.dealt else seeds[0], sizes) for seed in seeds]
    pairs = zip(seeds, dealt, strict=True)
    return [Maker(base_model, task, seed, rate, effort) for seed, task in pairs]


def networks(
    source: TaskSource,
    base_model: str,
    rate: float,
    *,
    seeds: Sequence[int],
    effort: Effort,
    trainings: Trainings,
) -> Networks:
    """Train five networks of each kind with every seed, at one learning rate, and ask them, and
    the soup of them, about all test texts. Those with heads of their own, of which nothing is
    judged, have one seed in a short run."""
    made = makers(source, base_model, rate, seeds=seeds, effort=effort)
    code = code_sha256((*trainings.modules, AtSetting.__module__))
    headed = made if effort.candidates > 1 else made[:1]
    pairs = [(maker, kind) for maker in made for kind in (ALIKE, BAGS)]
    pairs += [(maker, HEADS) for maker in headed]
    jobs: list[dict[str, Any]] = [
        {"maker": maker, "kind": kind, "code": code} for maker, kind in pairs
    ]
    if worth_processes(len(jobs) * effort.pick(smoke=0, quick=WORTH, full=WORTH), WORTH):
        found = in_parallel(_said, jobs, "sets of networks")
    else:
        found = [_said(**job) for job in jobs]
    names = [(kind, maker.seed) for maker, kind in pairs]
    logits = {name: one["logits"] for name, one in zip(names, found, strict=True)}
    soups = {name: one["soup"] for name, one in zip(names, found, strict=True)}
    labels = {maker.seed: maker.task.read_test().label.to_numpy() for maker in made}
    return Networks(logits, soups, labels, {maker.seed: maker for maker in made}, source.dealt)


def milliseconds(maker: Maker, network: Classifier, count: int = MEMBERS) -> tuple[float, float]:
    """Median milliseconds of a single text, answered by one network and by `count` like it."""
    texts = list(maker.task.validation.text)[:TIMED]

    def asked(text: str, times: int) -> None:
        for _ in range(times):
            maker.logits(network, [text])

    pairs = [
        time_side_by_side(partial(asked, text, 1), partial(asked, text, count), repeats=1)
        for text in texts
    ]
    one, many = (1000 * float(np.median([pair[i] for pair in pairs])) for i in (0, 1))
    return one, many


def _said(maker: Maker, kind: str, code: str) -> dict[str, np.ndarray]:
    """What five networks of a kind and their soup say of the test texts; kept."""
    test = maker.task.read_test()
    about = {
        "code": code,
        "method": about_method(maker.method(kind)),
        "kind": kind,
        "members": MEMBERS,
        "data": task_sha256(maker.task, test),
        "seed": maker.seed,
        "rate": maker.rate,
        **here(),
    }
    path = results_dir() / "ensembles" / f"{key_of(about)}.npz"
    if path.exists():
        return read_arrays(path)
    with _one_thread():
        made = [maker.network(member, kind) for member in range(MEMBERS)]
        texts = list(test.text)
        said = {
            "logits": np.stack([maker.logits(network, texts) for network in made]),
            "soup": maker.logits(soup(made), texts),
        }
    write_arrays(path, said)
    return said
