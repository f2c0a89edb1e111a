"""The figures of the lesson on search and ensembles with their texts: what is drawn, and what
strikes the eye."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ftlab import plots
from ftlab.experiments import importance, learning_rates
from ftlab.experiments.at_setting import DECAY, EPOCHS, RATE, Setting, Space
from ftlab.experiments.ensembling import ALIKE, AVERAGE, BAGS, ONE, SOUP, VOTE, Networks
from ftlab.experiments.folds import COUNT, FOLDS, Folded
from ftlab.experiments.folds import ONE as ONE_SPLIT
from ftlab.experiments.results import FairComparison
from ftlab.experiments.searching_ways import BAYESIAN, RANDOM, TRIES, Searches
from ftlab.plots import searching

CUT = 2.0  # times the first loss: what is higher is drawn there
SMOOTH = 3  # steps of which a curve of losses shows the mean


def show_range_test(rates: Sequence[float], losses: Sequence[float]) -> None:
    """The loss while the learning rate grows with every step; what is far above the loss of the
    beginning is drawn at the upper edge."""
    shown = np.minimum(losses, CUT * losses[0])
    figure = plots.lines(
        {"loss": (np.log10(rates), shown)},
        x="learning rate, as a power of ten",
        y=f"training loss (cut at {CUT * losses[0]:.1f})",
        title="One training, with a learning rate that grows at every step",
    )
    lowest = rates[int(np.argmin(losses))]
    plots.show(
        figure,
        f"The training loss while the learning rate rises: lowest near {lowest:.2g}, "
        f"{losses[-1]:.1f} at the end.",
    )


def show_rates(found: FairComparison) -> None:
    """Accuracy over the learning rate."""
    curves = learning_rates.accuracy_by_rate(found)
    figure = plots.bands(
        curves,
        x="learning rate (log scale)",
        y="accuracy",
        title="One setting at a time: the learning rate",
        log_x=True,
    )
    valid = {rate: e.value for rate, e in curves["validation texts"].items()}
    low, best, high = min(valid), max(valid, key=lambda rate: valid[rate]), max(valid)
    plots.show(
        figure,
        "Accuracy against the learning rate, on training and on validation texts: validation "
        f"reaches {valid[low]:.2f} at {low:g}, {valid[best]:.2f} at {best:g}, {valid[high]:.2f} "
        f"at {high:g}.",
    )


def show_losses(found: FairComparison) -> None:
    """The training loss on its way, at a low learning rate, the chosen one and a high one."""
    series = {}
    for rate, loss in learning_rates.losses(found).items():
        smooth = loss.rolling(SMOOTH, min_periods=1).mean()
        series[f"learning rate {rate:g}"] = (smooth.index, smooth)
    figure = plots.lines(
        series, x="step", y=f"training loss (mean of {SMOOTH} steps)", title="How a training looks"
    )
    ends = ", ".join(f"{list(loss)[-1]:.2f} ({name})" for name, (_, loss) in series.items())
    name, (_, highest) = list(series.items())[-1]
    plots.show(
        figure,
        f"The training loss at each step, a line a rate; at the end: {ends}. The line of "
        f"{name} began at {next(iter(highest)):.1f} and reached {max(highest):.1f} on its way.",
    )


def show_tried(space: Space, settings: dict[str, Sequence[Setting]]) -> None:
    """Where the tries of a grid and of random search lie: learning rates and weight decays."""
    points = {
        way: ([one[RATE] for one in tried], [one[DECAY] for one in tried])
        for way, tried in settings.items()
    }
    across, up = (
        (float(side.low), float(side.high))  # type: ignore[attr-defined]
        for side in (space[RATE], space[DECAY])
    )
    figure = searching.where_tried(
        points, x=RATE, y=DECAY, limits=(across, up),
        title="The marks below: which learning rates are tried",
    )  # fmt: skip
    told = "; ".join(f"{way} {len({*xs})} learning rates" for way, (xs, _) in points.items())
    plots.show(
        figure,
        f"Learning rate and weight decay of every try. There are: {told}. "
        "Where tries differ in the other hyperparameters alone, their points cover each other.",
    )


def show_searches(found: Searches) -> None:
    """What each way has found after so many tries."""
    ways = dict.fromkeys(found.rows.way)
    counts = [2**power for power in range(TRIES.bit_length())]
    curves = {way: {count: found.reached(way, count) for count in counts} for way in ways}
    figure = searching.best_so_far(
        curves, y="test accuracy of the best try so far", title="What a search has found"
    )
    ends = ", ".join(f"{np.mean(at[counts[-1]]):.3f} ({way})" for way, at in curves.items())
    plots.show(
        figure,
        "Test accuracy of the try that is first on validation, against the number of tries: "
        f"{_seeds(found.seeds)}. After {TRIES}: {ends}. Random and Bayesian search begin with the "
        "same tries; a grid's tries have no order, so that of a grid is the mean over many orders.",
    )


def show_where_it_looks(found: Searches) -> None:
    """The learning rates that random and Bayesian search try, one after the other."""
    rows = found.rows[(found.rows.seed == found.seeds[0]) & (found.rows.draw == 0)]
    panels = {way: list(rows[rows.way == way][RATE]) for way in (RANDOM, BAYESIAN)}
    figure = searching.by_number(
        panels, x="try", y=f"{RATE} (log scale)", title="Where each looks, try after try"
    )
    spread = {way: np.log10(vals[len(vals) // 2 :]).std() for way, vals in panels.items()}
    told = ", ".join(f"{value:.2f} ({way})" for way, value in spread.items())
    plots.show(
        figure,
        "Learning rate of each try, in order, for random and Bayesian search. Spread of the second "
        f"half, in powers of ten: {told}.",
    )


def show_tries(found: Searches) -> None:
    """Accuracy of the random tries over each hyperparameter."""
    tries = found.rows[found.rows.way == RANDOM]
    points = {name: (list(tries[name]), list(tries.validation)) for name in found.hyperparameters}
    figure = searching.accuracy_by_setting(
        points, y="validation", title="Every random try, seen four times",
        logarithmic=(RATE, EPOCHS, DECAY),
    )  # fmt: skip
    worst = tries.loc[tries.validation.idxmin()]
    plots.show(
        figure,
        f"Validation accuracy of {len(tries)} tries against each hyperparameter. The worst, "
        f"{worst.validation:.2f}, has the learning rate {worst[RATE]:.2g}.",
    )


def show_importance(found: Searches) -> None:
    """How much of the variance of accuracy goes with each hyperparameter."""
    wide = importance.importances(found)
    narrow = importance.importances(found, near_best=True)
    order = list(importance.estimates(found))
    series = {"within all ranges": {name: wide[name] for name in order}}
    if narrow:
        near = f"learning rate within a factor of {importance.NARROW:g} of the best"
        series[near] = {name: narrow[name] for name in order}
    figure = searching.shares(
        series, x="share of the variance of accuracy", title="Which hyperparameter matters?",
        chance=importance.by_chance(found),
    )  # fmt: skip
    told = ", ".join(f"{name} {np.mean(wide[name]):.2f}" for name in order)
    plots.show(figure, f"Share of the variance that goes with each hyperparameter: {told}.")


def show_folds() -> None:
    """What is learned from and what is judged on."""
    plots.show(
        searching.folds_diagram(COUNT),
        f"One split leaves out a part of the texts. {COUNT} folds leave out each part once, and "
        "the accuracies are averaged.",
    )


def show_errors(found: Folded) -> None:
    """How far off each way is, sample by sample."""
    figure = searching.strips(
        {way: list(found.errors(way)) for way in (ONE_SPLIT, FOLDS)},
        x="accuracy promised - accuracy on fresh texts",
        title="How far off is the promise? A dot for each sample of texts",
    )
    spread = ", ".join(f"{found.errors(way).std():.3f} ({way})" for way in (ONE_SPLIT, FOLDS))
    plots.show(figure, f"Promised minus true accuracy for every sample. Spread: {spread}.")


def show_networks(found: Networks, one: float, many: float) -> None:
    """Accuracy of one network, of several together and of their soup, with milliseconds."""
    rows = {
        f"one: {one:.0f} ms": found.estimate(ONE),
        f"vote of 5: {many:.0f} ms": found.estimate(VOTE),
        f"mean of 5: {many:.0f} ms": found.estimate(AVERAGE),
        f"bag of 5: {many:.0f} ms": found.estimate(AVERAGE, BAGS),
        f"soup of 5: {one:.0f} ms": found.estimate(SOUP, ALIKE),
    }
    figure = plots.method_dots(
        {"": rows}, x="test accuracy", title="Together, and what a prediction takes"
    )
    told = ", ".join(f"{name} {estimate.value:.3f}" for name, estimate in rows.items())
    plots.show(
        figure, f"Test accuracy, {_seeds(found.seeds)}, with milliseconds per prediction: {told}."
    )


def _seeds(seeds: Sequence[int]) -> str:
    return f"the mean over {len(seeds)} seeds" if len(seeds) > 1 else "one seed"
