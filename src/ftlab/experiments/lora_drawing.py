"""The figures of the lesson on LoRA with their texts: what is drawn, and what strikes the eye."""

from __future__ import annotations

from collections.abc import Sequence

from ftlab import plots
from ftlab.evaluation import Estimate
from ftlab.experiments import lora, lora_cost
from ftlab.experiments.adapters import Adapters
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.results import FairComparison


def accuracy_by_rate(found: FairComparison) -> dict[str, dict[float, Estimate]]:
    """Validation accuracy at each rate that all seeds tried: {method: {rate: estimate}}."""
    curves: dict[str, dict[float, Estimate]] = {}
    for method in found.methods:
        runs = found.chosen(method)
        shared = sorted(set.intersection(*({*run.scores} for run in runs)))
        curves[method] = {
            rate: over_seeds([max(run.scores[rate], 0.0) for run in runs], bounds=(0.0, 1.0))
            for rate in shared
        }
    return curves


def show_rates(found: FairComparison) -> None:
    """Validation accuracy of both methods over their learning rates."""
    figure = plots.method_curves(
        {found.tasks[0]: accuracy_by_rate(found)},
        x="learning rate (log scale)",
        y="validation accuracy",
        title="Validation accuracy at each learning rate",
    )
    best = " and ".join(f"{rate:.2g} ({name})" for name, rate in lora.chosen_rates(found).items())
    plots.show(
        figure,
        f"Validation accuracy against the learning rate, a curve a method. Chosen were {best}.",
    )


def show_paths(found: FairComparison) -> None:
    """What both methods have learned and forgotten at every evaluation, at all learning rates."""
    drawn, best = lora.paths(found), lora.chosen_rates(found)
    ends = []
    for method, at in drawn.items():
        rate = lora.nearest(at, best[method])
        lost, learned = at[rate]
        ends.append(f"{method} ends at {learned[-1]:.2f} with {lost[-1]:.2f} bits forgotten")
    plots.show(
        plots.learn_and_forget(drawn, best),
        f"Accuracy on {lora.WATCHED} validation texts against bits per character forgotten, a line "
        "a training, from its first evaluation to its last. At the rate that validation chose "
        f"{' and '.join(ends)}.",
    )


def by_size(found: FairComparison, methods: Sequence[str]) -> dict[str, Estimate]:
    """Test accuracy of methods, named with how many parameters each trains, the fewest first."""
    sizes = {method: found.per_seed(method, "trainable")[0] for method in methods}
    order = sorted(methods, key=sizes.__getitem__)
    return {f"{method} ({sizes[method]:,.0f})": found.estimate(method) for method in order}


def show_family(found: FairComparison, methods: Sequence[str]) -> None:
    """Test accuracy of methods, named with how many parameters each trains."""
    figure = plots.method_dots(
        {found.tasks[0]: by_size(found, methods)},
        x="test accuracy",
        title="Trained parameters in brackets, the head among them",
    )
    accuracy = {method: found.estimate(method).value for method in methods}
    order = sorted(accuracy, key=lambda method: -accuracy[method])
    told = ", ".join(f"{method} {accuracy[method]:.2f}" for method in order)
    spread = "with its interval" if len(found.seeds) > 1 else "with one seed, so no interval"
    plots.show(figure, f"Test accuracy of each method {spread}, the best first: {told}.")


def show_step_times(times: lora_cost.StepTimes, rank: int) -> None:
    """Seconds of a LoRA step over those of a full one, by the width of the network."""
    ratios = times.ratios()
    told = ", ".join(f"{ratio.value:.2f} at width {width:,}" for width, ratio in ratios.items())
    counted = lora_cost.counted_operations(max(ratios), rank)
    plots.show(
        plots.step_time_by_width(ratios, counted),
        "Seconds of a training step with LoRA over those of full fine-tuning, against the width: "
        f"{told}. Counted operations promise {counted:.2f}.",
    )


def show_memory(rank: int = 16) -> None:
    """Gigabytes that it takes to train models of 1, 8 and 70 billion parameters."""
    gigabytes = lora_cost.training_gigabytes(rank)
    told = ", ".join(f"{sizes['8 B']:,.0f} GB ({method})" for method, sizes in gigabytes.items())
    plots.show(
        plots.memory_bars(gigabytes, lora_cost.CARDS),
        f"Gigabytes to train, counted, by size of the model, for LoRA of rank {rank}, with the "
        f"memory of two graphics cards as lines. A model of 8 billion parameters takes {told}.",
    )


def show_adapters(found: Adapters) -> None:
    """Which adapter does which task."""
    grid = found.grid()
    own = ", ".join(f"{row[name]:.0%} ({name})" for name, row in grid.items() if name in row)
    most = max(share for n, row in grid.items() for task, share in row.items() if task != n)
    plots.show(
        plots.adapter_grid(grid, "Share of answers in the form that was wanted"),
        "Share of answers in the form wanted, for every adapter (row) and task (column); first the "
        f"base alone. On its own task: {own}; elsewhere at most {most:.0%}.",
    )
