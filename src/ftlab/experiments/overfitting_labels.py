"""Wrong labels among the texts to learn from: the figure and the sentences, from `LossPaths`."""

from __future__ import annotations

import numpy as np

from ftlab.evaluation import Estimate
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.overfitting import MISLABELLED
from ftlab.experiments.paths import LossPaths
from ftlab.experiments.watching import NO_REMEDY
from ftlab.notebook.display import short
from ftlab.plots.losses import by_step
from ftlab.plots.style import show

SAME = 0.02  # accuracies that differ by less are told as equal


def gain_of_mislabelled(paths: LossPaths) -> Estimate:
    """Held-out accuracy, each at its best: with the texts of which many are mislabelled less with
    the few that are not."""
    most = paths.budgets[-1]
    return paths.best_accuracy_gain((MISLABELLED, most), (NO_REMEDY, paths.budget))


def show_wrong_labels(paths: LossPaths) -> None:
    """How a network learns texts whose labels are wrong, and what becomes of held-out ones."""
    names = {
        "own texts with the right label: learned": "learned_right",
        "own texts with a wrong label: learned": "learned_wrong",
        "held-out accuracy": "test_accuracy",
    }
    most = paths.budgets[-1]
    curves = {name: paths.curves(column, MISLABELLED, most) for name, column in names.items()}
    title = "How right labels are learned, and how wrong ones"
    told = "; ".join(
        f"{name} {paths.at_turn(column, MISLABELLED, most).mean():.2f} at the turn, "
        f"{paths.at_end(column, MISLABELLED, most).mean():.2f} at the end"
        for name, column in names.items()
    )
    figure = by_step(paths.mean("step"), curves, y="share of texts", title=title)
    show(figure, f"Over the training steps, with {MISLABELLED}: {told}.")


def tell_wrong_labels(paths: LossPaths) -> str:
    """When right and wrong labels are learned, and what choosing the step saves."""
    where = (MISLABELLED, paths.budgets[-1])
    steps = paths.mean("step")
    right, wrong = (
        _first_above(steps, paths.mean(f"learned_{name}", *where)) for name in ("right", "wrong")
    )
    if not np.isfinite(right):
        return "In this run not even half of the right labels are learned."
    ahead = over_seeds(
        [*(paths.at_turn("learned_right", *where) - paths.at_turn("learned_wrong", *where))],
        bounds=(-1.0, 1.0),
    )
    order = "are ahead" if ahead.value > 0 else "are not ahead"
    order = "clearly come first" if ahead.low > 0 else order
    later = f"by step {wrong:.0f}" if np.isfinite(wrong) else "never in this run"
    gained = paths.gained_by_choosing(*where)
    chosen, end = (read("test_accuracy", *where).mean() for read in (paths.at_best, paths.at_end))
    cost = "going on costs little:"
    if abs(gained.value) > SAME:
        cost = "what going on costs, these few seeds cannot tell:"
        cost = "the rest of the training costs" if gained.low > 0 else cost
    return (
        f"The right labels {order}: half of them are learned by step {right:.0f}, half of the "
        f"wrong ones {later}. Where early stopping goes back to, "
        f"{paths.at_turn('learned_right', *where).mean():.0%} of the right ones are learned and "
        f"{paths.at_turn('learned_wrong', *where).mean():.0%} of the wrong ones, a difference of "
        f"**{short(ahead)}**. Where validation accuracy is best, held-out accuracy is "
        f"{chosen:.2f}, at the end {end:.2f}; {cost} **{short(gained)}**."
    )


def _first_above(steps: np.ndarray, curve: np.ndarray, level: float = 0.5) -> float:
    """The first step at which a curve is above the level; infinite if it never is."""
    places = np.flatnonzero(curve > level)
    return float(steps[places[0]]) if len(places) else float("inf")
