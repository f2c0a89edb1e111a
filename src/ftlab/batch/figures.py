"""What each swept parameter does to a metric: one figure a parameter."""

from __future__ import annotations

import difflib
import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftlab.batch.tables import MEASURED, METRIC, column_of
from ftlab.common.errors import LabError
from ftlab.common.files import written_whole
from ftlab.evaluation import Estimate, seeds_interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

WANTED, SPLIT = "accuracy", "test"  # the metric that is drawn unasked, and of which texts
REPETITION = "seed"  # a parameter that repeats a run rather than changes it
MOST_LINES = 6
DECADE = 10
CAPTION_LETTERS = 125  # of a line
TICK_LETTERS = 80  # of all names below the axis, side by side
MOST_NUMBERS = 12  # that stand above bars without covering one another


def sweep_plots(
    frame: pd.DataFrame,
    swept: Sequence[str],
    metric: str | None = None,
    only: Mapping[str, str] | None = None,
) -> dict[str, Figure]:
    """A figure for every parameter that takes several values, named "<metric>_by_<parameter>".

    `frame` is a table as `tidy` makes it. Up is the mean of `metric` over the runs that share the
    parameter's value; a caption below tells in what those runs differ. Its 95% interval is
    Student's t over seeds. Runs with the same seed count as one there: they are no independent
    repetitions (of a method that the parameters do not touch they are even the same). A sweep of
    one seed gets no interval. Lines are the metric's methods or tasks, else the first other
    parameter, if there are no more than six of them. Of a metric that has a test split, that alone
    is drawn. Seeds get no figure of their own unless nothing else varies.

    Without `metric` it is accuracy on the test split, or the metric that most runs have. `only`
    keeps the rows with these values, by column: of one method alone, say, which leaves the lines to
    the other parameters. LabError for a metric, column or value that no run has.
    """
    for column, text in (only or {}).items():
        frame = _kept(frame, column, text)
    chosen = _metric(frame, swept, metric)
    rows = frame[(frame[METRIC] == chosen) & frame["value"].notna()]
    split, where = column_of("split", swept), ""
    if split in rows and (rows[split] == SPLIT).any():
        rows, where = rows[rows[split] == SPLIT], f" on the {SPLIT} split"
    where += "".join(f" ({column} {text})" for column, text in (only or {}).items())
    varied = [name for name in swept if rows[name].nunique(dropna=False) > 1]
    file = re.sub(r"[^\w.-]+", "_", "_".join([chosen, *(only or {}).values()]))
    return {
        f"{file}_by_{name}": _figure(rows, varied, swept, name, where)
        for name in varied
        if name != REPETITION or len(varied) == 1
    }


def write_plots(folder: Path, figures: Mapping[str, Figure]) -> list[Path]:
    """Save figures as PNG files under their names, with their captions as descriptions; LabError
    if that cannot be done."""
    from ftlab.plots.style import DOTS_PER_INCH

    paths = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        about = {"Description": " ".join(figure.get_supxlabel().split())}
        figure.draw_without_rendering()  # else the layout may go by ticks that it changes itself
        try:
            with written_whole(path) as beside:
                figure.savefig(beside, format="png", dpi=DOTS_PER_INCH, metadata=about)
        except OSError as error:
            raise LabError(f"Cannot write {path}: {error.strerror or error}.") from error
        paths.append(path)
    return paths


def _kept(frame: pd.DataFrame, column: str, text: str) -> pd.DataFrame:
    """The rows that have this value, as it is written, in this column."""
    if column not in frame:
        raise _unknown(f"The table has no column '{column}'", column, list(frame))
    values = {str(value): value for value in frame[column].dropna().unique()}
    if text not in values:
        raise _unknown(f"No run has {column} '{text}'", text, list(values))
    return frame[frame[column] == values[text]]


def _unknown(what: str, name: str, known: Sequence[str]) -> LabError:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return LabError(f"{what}: {hint}Known are {', '.join(known) or 'none'}.")


def _metric(frame: pd.DataFrame, swept: Sequence[str], metric: str | None) -> str:
    """The metric to draw; '' if there is none at all."""
    there = frame[frame["value"].notna()]
    known = list(dict.fromkeys(there[METRIC]))
    if metric is not None:
        if metric not in known:
            raise _unknown(f"No run has numbers of a metric '{metric}'", metric, known)
        return metric
    split = column_of("split", swept)
    if split in there and ((there[METRIC] == WANTED) & (there[split] == SPLIT)).any():
        return WANTED
    runs = there.groupby(METRIC, sort=False)["run_id"].nunique()
    return str(runs.idxmax()) if known else ""


def _figure(
    rows: pd.DataFrame, varied: Sequence[str], swept: Sequence[str], name: str, where: str
) -> Figure:
    from ftlab.plots import bands, bars

    metric = rows[METRIC].iloc[0]
    line = _line(rows, varied, swept, name)
    by_line = {"all runs": rows}
    if line:
        before = f"{line} " if line in swept else ""
        by_line = {
            before + text: rows[rows[line].eq(value) if value is not None else rows[line].isna()]
            for value, text in _values(rows[line]).items()
        }
    # A run counts once in a line, whatever the number of its rows there.
    repeated = REPETITION in varied and name != REPETITION
    keys = [name, *[REPETITION] * repeated, "run_id"]
    runs = {text: of.groupby(keys)["value"].mean() for text, of in by_line.items()}
    points = {
        text: {place: _estimate(means, repeated) for place, means in of.groupby(level=name)}
        for text, of in runs.items()
    }
    about: dict[str, Any] = {"y": metric, "title": f"{metric}{where} by {name}"}
    if _ordered(rows[name]):
        low, high = rows[name].min(), rows[name].max()
        log = low > 0 and high > DECADE * low
        figure = bands(points, x=name + (" (log scale)" if log else ""), log_x=log, **about)
    else:
        places = _values(rows[name])
        wide = max(8, TICK_LETTERS // len(places))
        bar = {
            text: {
                textwrap.fill(shown, wide): of[value]
                for value, shown in places.items()
                if value in of
            }
            for text, of in points.items()
        }
        figure = bars(bar, x=name, **about)
        if sum(len(of) for of in bar.values()) > MOST_NUMBERS:
            for number in [*figure.axes[0].texts]:
                number.remove()
    counts = [size for of in runs.values() for size in of.groupby(level=name).size()]
    differ = [other for other in varied if other not in (name, line)]
    caption = _over_runs(min(counts), max(counts), differ, repeated) + _within(rows, swept, line)
    figure.supxlabel(textwrap.fill(caption, CAPTION_LETTERS), fontsize=8, x=0.01, ha="left")
    return figure


def _line(rows: pd.DataFrame, varied: Sequence[str], swept: Sequence[str], name: str) -> str:
    """The column whose values get a line each, or ''."""
    own = [column_of(key, swept) for key in ("method", "task")]
    others = [other for other in varied if other not in (name, REPETITION)]
    few = (
        column
        for column in [*own, *others]
        if column in rows and 2 <= rows[column].nunique(dropna=False) <= MOST_LINES
    )
    return next(few, "")


def _values(column: pd.Series) -> dict[Any, str]:
    """A column's values as a figure names them: numbers by size, all else in the plan's order.

    Numbers are short and files go by their names alone, where that still tells them apart.
    """
    values = list(column.dropna().unique())
    if _ordered(column):
        values.sort()
        short = [f"{value:g}" for value in values]
    else:
        values = [value if isinstance(value, str) else bool(value) for value in values]
        short = [os.path.basename(v) if os.path.isabs(str(v)) else str(v) for v in values]
    plain = [str(value) for value in values]
    named = dict(zip(values, short if len({*short}) == len(short) else plain, strict=True))
    return {**named, None: "none"} if column.isna().any() else named


def _over_runs(least: int, most: int, differ: Sequence[str], repeated: bool) -> str:
    if most == 1:
        return "Every value is of one run."
    count = f"{most}" if least == most else f"{least} to {most}"
    mean = (
        f"Every value is the mean of {count} runs, which differ in "
        f"{' and '.join(differ) or 'no swept parameter'}"
    )
    if not repeated:
        return f"{mean}. It has no interval: the seed was not varied."
    among = "" if [*differ] == [REPETITION] else "; runs with the same seed count as one"
    return f"{mean}, with its 95% interval (Student's t over seeds{among})."


def _within(rows: pd.DataFrame, swept: Sequence[str], line: str) -> str:
    """What the metric's rows of one run differ in: keys, but no numbers that were measured too."""
    import pandas as pd

    keys = [name for name in rows if name not in (*MEASURED, *swept, line)]
    groups = rows.groupby(["run_id", *([line] if line else [])], dropna=False)
    differ = [
        name
        for name in keys
        if not pd.api.types.is_float_dtype(rows[name]) and (groups[name].nunique() > 1).any()
    ]
    if groups.size().max() == 1:
        return ""
    return f" In each run it is the mean over its {' and '.join(differ) or 'repeated'} rows."


def _ordered(column: pd.Series) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _estimate(means: pd.Series, repeated: bool) -> Estimate:
    """Of one number a run, with an interval over seeds where there are `repeated` ones."""
    per_seed = means.groupby(level=REPETITION).mean() if repeated else means
    if repeated and len(per_seed) > 1:
        return seeds_interval(per_seed)
    mean = float(per_seed.mean())
    return Estimate(mean, mean, mean, 1)
