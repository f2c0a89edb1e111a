"""What was said before: records that newer ones replaced, verdicts that turned, claims that went.

data/reference/history/<notebook>/ holds every `full` record that was kept once. Nothing in it is
taken back, whatever the notebooks claim today.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ftlab.claims.claim import Claim
from ftlab.claims.record import read_record
from ftlab.claims.scale import sized
from ftlab.claims.table import all_claims
from ftlab.claims.verdicts import Judgement, judgements_of
from ftlab.common.paths import data_dir

if TYPE_CHECKING:
    import pandas as pd


def replaced() -> list[Judgement]:
    """The claims of all replaced records, oldest first; LabError if one is spoilt."""
    paths = sorted((data_dir() / "reference" / "history").glob("*/*.json"))
    found = [j for path in paths for j in judgements_of(read_record(path), "replaced record")]
    return sorted(found, key=lambda j: j.started)


def full_runs(runs: Iterable[Judgement], standing: Iterable[Judgement]) -> pd.DataFrame:
    """The full runs that were ever kept, by notebook and date, with the number of claims that each
    judged, and how many of today's claims rest on it: those of the judgements that stand."""
    import pandas as pd

    found: dict[str, list[Judgement]] = {}
    for j in sorted(_full(runs), key=lambda j: (j.notebook, j.started)):
        found.setdefault(j.run, []).append(j)
    rests = Counter(j.run for j in standing)
    rows = [
        (own[0].notebook, run, max(j.estimate.seeds for j in own), own[0].model, len(own),
         rests[run], "yes" if own[0].source == "kept record" else "no, replaced")
        for run, own in found.items()
    ]  # fmt: skip
    columns = ["notebook", "run (day, profile, seed)", "seeds", "base model", "claims then"]
    return pd.DataFrame(rows, columns=[*columns, "claims today", "kept as reference"])


def turned(runs: Iterable[Judgement]) -> pd.DataFrame:
    """Verdicts that the next full run of the same notebook did not repeat: the same claim by the
    same quantity, judged otherwise."""
    import pandas as pd

    before: dict[tuple[str, ...], Judgement] = {}
    rows = []
    for j in sorted(_full(runs), key=lambda j: j.started):
        key = (j.notebook, j.claim, j.metric)
        if key in before and before[key].outcome != j.outcome:
            first = before[key]
            rows.append(
                (first.statement, j.metric, _told(first), _told(j), f"{j.claim}, {j.notebook}")
            )
        before[key] = j
    columns = ["what was said", "measured as", "at first", "then", "claim"]
    return pd.DataFrame(rows, columns=columns).set_index("what was said")


def gone(runs: Iterable[Judgement]) -> pd.DataFrame:
    """Claims of full runs that are claims no more, with their last verdict and the claims of today
    whose history names them."""
    import pandas as pd

    today = all_claims()
    last = {(j.notebook, j.claim): j for j in sorted(_full(runs), key=lambda j: j.started)}
    rows = [
        (j.statement, _told(j), f"{name}, {notebook}", ", ".join(_heirs(name, today)) or "-")
        for (notebook, name), j in sorted(last.items())
        if not any((c.notebook, c.id) == (notebook, name) for c in today)
    ]
    columns = ["what was said", "what was found", "claim", "told today in"]
    return pd.DataFrame(rows, columns=columns).set_index("what was said")


def _full(runs: Iterable[Judgement]) -> list[Judgement]:
    return [j for j in runs if j.source in ("kept record", "replaced record")]


def _heirs(name: str, today: Iterable[Claim]) -> list[str]:
    """The claims whose history, or whose list of what else they decide, names an earlier one; one
    of the same id in another notebook is an heir as well."""
    return [
        claim.id
        for claim in today
        if claim.id == name or any(name in text for text in (*claim.history, *claim.also_said))
    ]


def _told(j: Judgement) -> str:
    low, high = (sized(end, j.unit, named=False) for end in (j.estimate.low, j.estimate.high))
    interval = f" [{low}, {high}]" if j.estimate.low != j.estimate.high else ""
    return f"{j.outcome}, {sized(j.estimate.value, j.unit)}{interval}"
