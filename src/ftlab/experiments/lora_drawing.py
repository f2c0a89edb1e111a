"""The figures of the lesson on LoRA with their texts: what is drawn, and what strikes the eye."""

from __future__ import annotations

from collections.abc import Sequence

from ftlab import plots
from ftlab.experiments import lora, lora_cost
from ftlab.experiments.adapters import Adapters
from ftlab.experiments.results import FairComparison


def show_rates(found: FairComparison) -> None:
    """Validation accuracy of both methods over their learning rates."""
    figure = plots.method_curves(
        {found.tasks[0]: lora.accuracy_by_rate(found)},
        x="learning rate (log scale)",
        y="validation accuracy",
        title="Each method has a best learning rate of its own",
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
        "Validation accuracy against bits per character forgotten, a line a training, from its "
        f"first evaluation to its last. At the chosen rate {' and '.join(ends)}.",
    )


def show_family(found: FairComparison, methods: Sequence[str]) -> None:
    """Test accuracy of methods, named with how many parameters each trains."""
    figure = plots.method_dots(
        {found.tasks[0]: lora.by_size(found, methods)},
        x="test accuracy",
        title="Methods (and how many parameters they train)",
    )
    accuracy = {method: found.estimate(method).value for method in methods}
    order = sorted(accuracy, key=lambda method: -accuracy[method])
    told = ", ".join(f"{method} {accuracy[method]:.2f}" for method in order)
    plots.show(figure, f"Test accuracy of each method with its interval, the best first: {told}.")


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
        plots.adapter_grid(grid, "Answers as they were wanted"),
        "Share of answers that are as wanted, for every adapter (row) and task (column); first the "
        f"base alone. On its own task: {own}; elsewhere at most {most:.0%}.",
    )
