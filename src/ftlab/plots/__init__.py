"""The lab's figures, one look for all of them.

Colours are those of Okabe and Ito, which people with the usual colour blindnesses can tell apart;
line styles, markers and hatches vary with them, so that nothing rests on colour alone. Series take
their look by their order: keep it the same from figure to figure. Bands and whiskers are 95%
intervals.
"""

from ftlab.plots.architecture import two_heads
from ftlab.plots.classification import confusion
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

__all__ = [
    "LOOKS",
    "adapter_grid",
    "bands",
    "bars",
    "confusion",
    "learn_and_forget",
    "lines",
    "lora_diagram",
    "memory_bars",
    "method_curves",
    "method_dots",
    "panels",
    "rows",
    "seeds_by_items",
    "show",
    "stacked",
    "stacks",
    "step_time_by_width",
    "two_heads",
]
