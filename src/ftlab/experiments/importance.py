"""Which hyperparameter matters: how much of the variance of accuracy goes with each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pandas as pd

from ftlab.evaluation import Estimate
from ftlab.experiments.at_setting import RATE, Space
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.searching_ways import RANDOM, Searches

PARTS = 4  # of a hyperparameter's range, with as many tries in each
SHUFFLES = 200  # of the accuracies, to see what chance alone gives
LEAST = 20  # tries a seed from which a part of them tells something
NARROW = 2.0  # the narrower range: rates up to so many times the best, and as many times less


def explained(values: Sequence[Any], scores: Sequence[float], parts: int = PARTS) -> float:
    """The share of the variance of `scores` that lies between the tries with low, middle and high
    `values`, in `parts` groups of equal size (or one a value, if there are no more values).

    Groups of chance explain something too, (groups - 1) / (tries - 1) on average: it is taken off,
    as in an adjusted R squared, so that a hyperparameter without effect has 0 on average, and may
    come out below. 0 if all scores are equal.
    """
    column, given = np.asarray(values), np.asarray(scores, dtype=float)
    if len(np.unique(column)) <= parts:
        group = np.unique(column, return_inverse=True)[1]
    else:
        group = np.argsort(np.argsort(column, kind="stable")) * parts // len(column)
    inside = sum(((given[group == g] - given[group == g].mean()) ** 2).sum() for g in {*group})
    total = ((given - given.mean()) ** 2).sum()
    if total == 0 or len(given) <= len({*group}):
        return 0.0
    return float(1 - (inside / (len(given) - len({*group}))) / (total / (len(given) - 1)))


def importances(found: Searches, *, near_best: bool = False) -> dict[str, list[float]]:
    """`explained` of every hyperparameter, of the random tries: {name: one number a seed}.

    `near_best`: of those alone whose learning rate is within `NARROW` times the best one of the
    seed; {} where a seed has too few of them to tell anything.
    """
    shares: dict[str, list[float]] = {name: [] for name in found.hyperparameters}
    for _, tries in _random_tries(found).groupby("seed"):
        if near_best:
            if len(tries) < LEAST:
                return {}
            best = tries.loc[tries.validation.idxmax(), RATE]
            tries = tries[np.abs(np.log(tries[RATE] / best)) <= math.log(NARROW) + 1e-9]
        for name, own in shares.items():
            own.append(explained(list(tries[name]), list(tries.validation)))
    return shares


def estimates(found: Searches, *, near_best: bool = False) -> dict[str, Estimate]:
    """The same with intervals over the seeds, the most important first."""
    shares = importances(found, near_best=near_best)
    order = sorted(shares, key=lambda name: -np.mean(shares[name]))
    return {name: over_seeds(shares[name], bounds=(-1.0, 1.0)) for name in order}


def by_chance(found: Searches) -> float:
    """What the largest share (mean over the seeds) is if accuracy goes with nothing: the accuracies
    of each seed are shuffled many times, and one time in twenty it is more than this."""
    rng = np.random.default_rng(0)
    seeds = [tries for _, tries in _random_tries(found).groupby("seed")]
    largest = []
    for _ in range(SHUFFLES):
        mixed = [(tries, rng.permutation(tries.validation.to_numpy())) for tries in seeds]
        means = [
            np.mean([explained(list(tries[name]), list(scores)) for tries, scores in mixed])
            for name in found.hyperparameters
        ]
        largest.append(max(means))
    return float(np.quantile(largest, 0.95))


def lead_of_the_rate(found: Searches) -> Estimate:
    """The share of the learning rate minus that of the hyperparameter which comes out largest of
    the others, over all seeds."""
    shares = importances(found)
    rival = max((name for name in shares if name != RATE), key=lambda name: np.mean(shares[name]))
    pairs = zip(shares[RATE], shares[rival], strict=True)
    return over_seeds([one - other for one, other in pairs], bounds=(-1.0, 1.0))


def by_optuna(found: Searches, space: Space) -> dict[str, float]:
    """What Optuna's fANOVA (Hutter, Hoos, Leyton-Brown 2014, ICML) says of the random tries of the
    first seed: shares that sum to 1."""
    tries = _random_tries(found)
    tries = tries[tries.seed == found.seeds[0]]
    study = optuna.create_study(direction="maximize")
    for row in tries.to_dict("records"):
        params = {name: row[name] for name in space}
        study.add_trial(
            optuna.create_trial(params=params, distributions=space, value=row["validation"])
        )
    judge = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found_shares = optuna.importance.get_param_importances(study, evaluator=judge)
    return {name: float(found_shares.get(name, 0.0)) for name in space}


def told(found: Searches) -> str:
    """Which hyperparameter comes out first, and whether that is so near the best rate as well."""
    wide, narrow = estimates(found), estimates(found, near_best=True)
    first = next(iter(wide))
    text = f"Within these ranges **{first}** comes first, with {wide[first].value:.0%}"
    chance = by_chance(found)
    beyond = [name for name, share in wide.items() if share.value > chance]
    text += f" of the variance. Shuffled accuracies reach {chance:.0%} one time in twenty: "
    if beyond:
        text += f"only {' and '.join(beyond)} had more. What had less may be chance."
    else:
        text += "nothing had more. These tries are too few to tell."
    if not narrow:
        return text
    then = next(iter(narrow))
    same = "still first" if then == first else f"behind {then} ({narrow[then].value:.0%})"
    return (
        f"{text} Of the tries whose learning rate is within a factor of {NARROW:g} of the best, "
        f"{first} has {narrow[first].value:.0%} and is {same}."
    )


def _random_tries(found: Searches) -> pd.DataFrame:
    return found.rows[found.rows.way == RANDOM]
