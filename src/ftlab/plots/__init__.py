"""The lab's figures, one look for all of them.

Colours are those of Okabe and Ito, which people with the usual colour blindnesses can tell apart;
line styles, markers and hatches vary with them, so that nothing rests on colour alone. Series take
their look by their order: keep it the same from figure to figure. Bands and whiskers are 95%
intervals; only those of `strip` hold 95% of the values themselves.
"""

from ftlab.plots.architecture import two_heads
from ftlab.plots.classification import confusion, reliability, strip
from ftlab.plots.comparison import accuracy_by_forgetting, accuracy_by_size
from ftlab.plots.freezing import rows, stacked, stacks
from ftlab.plots.lora import (
    adapter_grid,
    learn_and_forget,
    lora_diagram,
    memory_bars,
    step_time_by_width,
)
from ftlab.plots.measuring import seeds_by_items
from ftlab.plots.methods import method_curves, method_dots
from ftlab.plots.panels import panels
from ftlab.plots.series import bands, bars, lines
from ftlab.plots.style import LOOKS, show
from ftlab.plots.tradeoffs import borders, heat, pareto

__all__ = [
    "LOOKS",
    "accuracy_by_forgetting",
    "accuracy_by_size",
    "adapter_grid",
    "bands",
    "bars",
    "borders",
    "confusion",
    "heat",
    "learn_and_forget",
    "lines",
    "lora_diagram",
    "memory_bars",
    "method_curves",
    "method_dots",
    "panels",
    "pareto",
    "reliability",
    "rows",
    "seeds_by_items",
    "show",
    "stacked",
    "stacks",
    "step_time_by_width",
    "strip",
    "two_heads",
]
