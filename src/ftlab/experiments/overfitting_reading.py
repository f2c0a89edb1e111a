"""The figures, tables and sentences of the lesson on overfitting, from its `LossPaths`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ftlab.experiments.baselines import FROZEN
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.paths import LEVEL, LossPaths
from ftlab.experiments.watching import NO_REMEDY, losses
from ftlab.notebook.display import short
from ftlab.plots.losses import by_step, past_the_turn, remedy_panels
from ftlab.plots.style import show

PARTS = {"own texts": "train", "held-out texts": "test"}
TURNED = 1.02  # times the lowest held-out loss: from there on it has turned
SAME = 0.02  # accuracies that differ by less are told as equal
GRID = np.geomspace(1.0, LEVEL / 10, 25)  # training losses at which mean curves are drawn


def show_turn(paths: LossPaths) -> None:
    """Both losses and both accuracies over the steps, with the turn marked."""
    curves = {
        what: {name: paths.curves(f"{part}_{what}") for name, part in PARTS.items()}
        for what in ("loss", "accuracy")
    }
    texts, turns = int(paths.runs()[0].number("rows")), paths.at_turn("step")
    title = f"All weights fine-tuned on {texts} texts"
    guess = float(np.log(len(paths.runs()[0].task.label_names)))
    figure = past_the_turn(
        paths.mean("step"), curves["loss"], curves["accuracy"], turns, title, guess
    )
    numbers = {
        name: (paths.at_turn(name).mean(), paths.at_end(name).mean())
        for name in ("test_loss", "test_accuracy")
    }
    (turn, end), (right, right_at_end) = numbers.values()
    own = paths.at_end("train_loss").mean()
    show(
        figure,
        f"Above, the loss on the network's own texts falls to {own:.3f}; "
        f"on held-out texts it is {turn:.2f} at the turn (step {turns.mean():.0f} on average) and "
        f"{end:.2f} at the end; an even guess costs {guess:.2f}. Below, held-out accuracy: "
        f"{right:.2f} at the turn, {right_at_end:.2f} at the end. Thin lines: one seed each.",
    )


def tell_turn(paths: LossPaths) -> str:
    """What the first picture shows, by what was measured."""
    risen, gained = paths.risen(), paths.gained_by_stopping()
    own, right = paths.at_end("train_loss").mean(), paths.at_turn("test_accuracy").mean()
    if risen.value <= TURNED:
        return (
            f"In this run the held-out loss does not turn: at the end it is {short(risen)} times "
            f"as high as at its lowest, and the training loss {own:.2f}."
        )
    moved = "hardly moves"
    if abs(gained.value) > SAME:
        moved = "moves, but by too little for these seeds to tell a direction"
        moved = "goes on rising" if gained.high < 0 else "falls" if gained.low > 0 else moved
    return (
        f"The loss on its own texts goes to {own:.3f}. The held-out loss turns at step "
        f"{paths.at_turn('step').mean():.0f} (a mean over the seeds), and ends at "
        f"**{short(risen)}** times its value there. Meanwhile the held-out accuracy {moved}: from "
        f"{right:.2f} at the turn to **{paths.at_end('test_accuracy').mean():.2f}** at the end."
    )


def show_right_and_wrong(paths: LossPaths) -> None:
    """The held-out loss of texts that are labelled correctly and of those labelled wrongly."""
    names = {
        "labelled correctly": "right_loss",
        "labelled wrongly": "wrong_loss",
        "all": "test_loss",
    }
    curves = {name: paths.curves(column) for name, column in names.items()}
    title = "Held-out loss of texts labelled correctly and wrongly"
    told = ", ".join(
        f"{name} {paths.at_turn(column).mean():.2f} at the turn and "
        f"{paths.at_end(column).mean():.2f} at the end"
        for name, column in names.items()
    )
    show(by_step(paths.mean("step"), curves, y="loss (nats)", title=title), f"Loss: {told}.")


def show_remedies(paths: LossPaths) -> None:
    """For each remedy held-out loss over training loss, beside no remedy."""
    drawn = {kind: paths.over_training_loss(kind, GRID) for kind in paths.remedies}
    plain = paths.over_training_loss(NO_REMEDY, GRID)
    title = "Held-out loss when the own texts are learned equally well"
    figure = remedy_panels(plain, drawn, x="training loss", y="held-out loss", title=title)
    told = ", ".join(f"{kind} {paths.loss_ratio(kind).value:.2f}" for kind in drawn)
    show(
        figure,
        "Held-out loss over training loss, which falls to the right, for each remedy and, in grey, "
        f"without one. The ratio of the two at a training loss of {LEVEL:g}, or at the lowest that "
        f"both reach: {told}.",
    )


def remedy_table(paths: LossPaths) -> pd.DataFrame:
    """One remedy a row: its strength, the held-out loss and accuracy where all have learned their
    own texts equally well, the loss where early stopping stops and at the end, and the accuracy of
    the weights that validation accuracy likes best."""
    rows: dict[str, dict[str, Any]] = {}
    for kind in paths.kinds:
        loss, _ = paths.matched("test_loss", kind)
        right, _ = paths.matched("test_accuracy", kind)
        rows[kind] = {
            "strength (seeds)": paths.strengths(kind),
            "loss, equally learned": f"{loss.mean():.2f}",
            "times that of no remedy": "1" if kind == NO_REMEDY else short(paths.loss_ratio(kind)),
            "accuracy there": f"{right.mean():.2f}",
            "loss, stopped early": f"{paths.at_turn('test_loss', kind).mean():.2f}",
            "best accuracy": f"{paths.at_best('test_accuracy', kind).mean():.2f}",
            "loss at the end": f"{paths.at_end('test_loss', kind).mean():.2f}",
        }
    for name in paths.baselines:
        right = paths.found.per_seed(name, budget=paths.budget)
        rows[name] = {"best accuracy": f"{right.mean():.2f}"}
    return pd.DataFrame.from_dict(rows, orient="index").fillna("-")


def tell_remedies(paths: LossPaths) -> str:
    """Which remedies lower the held-out loss, which raise it, and what they do to accuracy."""
    ratios = {kind: paths.loss_ratio(kind) for kind in paths.remedies}
    groups = {
        "Lower held-out loss at equal training loss": [k for k, e in ratios.items() if e.high < 1],
        "higher": [k for k, e in ratios.items() if e.low > 1],
        "not to be told from no remedy": [k for k, e in ratios.items() if e.low <= 1 <= e.high],
    }
    told = "; ".join(f"{what}: {', '.join(names) or 'none'}" for what, names in groups.items())
    best = best_remedy(paths)
    ends = {kind: paths.at_end("test_loss", kind).mean() for kind in (NO_REMEDY, best)}
    early = [paths.at_turn("test_loss", kind).mean() for kind in paths.remedies]
    untrained = paths.found.per_seed(FROZEN, budget=paths.budget).mean()
    return (
        f"{told}. Validation likes **{best}** best: {short(ratios[best])} times the loss, and an "
        f"accuracy that differs by {short(paths.accuracy_gain(best))}. Early stopping needs no "
        f"remedy: alone it leaves a loss of **{paths.at_turn('test_loss').mean():.2f}** in place "
        f"of {ends[NO_REMEDY]:.2f} at the end; {best}, to the end, one of {ends[best]:.2f}. "
        f"Stopped early, the remedies leave {min(early):.2f} to {max(early):.2f}. And {FROZEN} "
        f"with a regression, which train no network, label {untrained:.0%} correctly; no remedy, "
        f"at its best, {paths.at_best('test_accuracy').mean():.0%}."
    )


def show_more(paths: LossPaths) -> None:
    """The held-out loss over the steps for each number of texts."""
    curves = {
        f"{int(paths.runs(budget=budget)[0].number('rows'))} texts": paths.curves(
            "test_loss", budget=budget
        )
        for budget in paths.budgets
    }
    title = "Held-out loss with more texts, without a remedy"
    told = ", ".join(
        f"{name}: {paths.at_turn('test_loss', budget=budget).mean():.2f} at its turn"
        for name, budget in zip(curves, paths.budgets, strict=True)
    )
    figure = by_step(paths.mean("step"), curves, y="held-out loss (nats)", title=title)
    show(figure, f"Held-out loss over the training steps. {told}.")


def tell_stopping(paths: LossPaths) -> str:
    """What early stopping saved, and what it did to accuracy."""
    gained, steps = paths.gained_by_stopping(), paths.settings["max_steps"]
    best = paths.at_best("step").mean()
    spared = 1 - paths.stopped_at().mean() / steps
    verdict = "about as accurate"
    if abs(gained.value) > SAME:
        verdict = "not to be told from the others by these few seeds"
        verdict = "more accurate" if gained.low > 0 else verdict
        verdict = "*less* accurate" if gained.high < 0 else verdict
    return (
        f"Over the seeds, early stopping goes back to step {paths.at_turn('step').mean():.0f} on "
        f"average, and spares {spared:.0%} of the steps. On the test the stopped networks are "
        f"{verdict}: {paths.at_turn('test_accuracy').mean():.2f}, against "
        f"{paths.at_end('test_accuracy').mean():.2f} at the end, a difference of "
        f"**{short(gained)}**. Their loss is {paths.at_turn('test_loss').mean():.2f}, against "
        f"{paths.at_end('test_loss').mean():.2f}. Loss and accuracy need not agree on when to "
        f"stop: had validation accuracy decided, it would have been step {best:.0f}."
    )


def confidence_table(logits: Mapping[str, np.ndarray], labels: np.ndarray) -> pd.DataFrame:
    """For the logits (texts, labels) of each network: how many texts it labels correctly and
    wrongly, how sure it is of these labels, and the loss."""
    rows = []
    for name, given in logits.items():
        chosen = given.argmax(1)
        loss, sure = losses(given, labels), np.exp(-losses(given, chosen))
        for what, where in (("correctly", chosen == labels), ("wrongly", chosen != labels)):
            mean = [f"{x[where].mean():.2f}" if where.any() else "-" for x in (sure, loss)]
            rows.append((name, what, int(where.sum()), *mean))
    columns = ["trained", "labelled", "texts", "mean confidence", "mean loss"]
    return pd.DataFrame(rows, columns=columns).set_index(["trained", "labelled"])


def tell_more(paths: LossPaths, remedies: LossPaths) -> str:
    """What more texts bring, beside the remedy that validation likes best."""
    twice, most = paths.budgets[1], paths.budgets[-1]
    few = (NO_REMEDY, paths.budget)
    best = best_remedy(remedies)
    gains = {
        "twice as many texts": paths.best_accuracy_gain((NO_REMEDY, twice), few),
        f"{most / paths.budget:g} times as many": paths.best_accuracy_gain((NO_REMEDY, most), few),
        f"the best remedy ({best})": remedies.best_accuracy_gain(
            (best, remedies.budget), (NO_REMEDY, remedies.budget)
        ),
    }
    told = "; ".join(f"{name} {short(gain)}" for name, gain in gains.items())
    rival = remedies.at_best("test_accuracy", best)
    more = over_seeds([*(paths.at_best("test_accuracy", budget=twice) - rival)], bounds=(-1.0, 1.0))
    verdict = "these seeds cannot tell which of the two is worth more"
    verdict = "the texts win" if more.low > 0 else verdict
    verdict = "the remedy wins" if more.high < 0 else verdict
    return (
        "Held-out accuracy gained, each with the weights that validation accuracy likes best: "
        f"{told}. Twice the texts less the best remedy: **{short(more)}**; {verdict}."
    )


def best_remedy(paths: LossPaths) -> str:
    """The one with the lowest validation loss when its own texts are learned."""
    losses_of = {kind: paths.matched("validation_loss", kind)[0].mean() for kind in paths.remedies}
    return min(losses_of, key=losses_of.__getitem__)
