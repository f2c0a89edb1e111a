"""The rows of a comparison as a table: what each method costs, and what it reaches and forgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd


def comparison_table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Rows of `FairComparison.row` as one table for readers."""
    frame = pd.DataFrame(rows)
    table = pd.DataFrame(
        {
            "trainable parameters": _text(frame.trainable, "{:,.0f}".format),
            "share": _text(frame.share, "{:.2%}".format),
            "optimizer state": _text(frame.optimizer_bytes, _size),
            "training memory": _text(frame.memory_bytes, _size),
            "step time (ms)": _text(1000 * frame.seconds_per_step.astype(float), "{:.0f}".format),
            "time to 95% of best (s)": _text(frame.seconds_to_95, "{:.1f}".format),
            "checkpoint size": _text(frame.stored_bytes, _size),
            "test accuracy": [
                f"{r.value:.2f} [{r.ci_low:.2f}, {r.ci_high:.2f}]"
                if math.isfinite(r.ci_high - r.ci_low)
                else f"{r.value:.2f} (one seed)"
                for r in frame.itertuples()
            ],
            "forgetting (bits per character)": _text(frame.forgotten, "{:.2f}".format),
            "recall afterwards": _text(frame.recall, "{:.2f}".format),
        }
    )
    table.index = pd.MultiIndex.from_frame(frame[["task", "method"]])
    return table


def _text(column: pd.Series, form: Callable[[float], str]) -> list[str]:
    """Each number formatted, a dash where there is none."""
    return ["-" if pd.isna(value) else form(value) for value in column]


def _size(count: float) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
