"""The decision table: for each need the way to begin with, by a rule that the numbers decide.

The rule: a way is good enough if form *and* fact are right in at most `NEAR` less of its answers
than in those of the best way, plus one standard error of that difference over seeds (the rule of
one standard error: Breiman et al. 1984). Of the ways that are good enough, begin with the one that
is least work to keep. Where not even the best is right in half of its answers, none does it well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ftlab.experiments.rag_result import ASK, BOTH, GUIDED, PROMPT, RETRIEVE, TUNE, Compared

LEAST_WORK = (ASK, PROMPT, RETRIEVE, GUIDED, TUNE, BOTH)  # to set up and to keep, the least first
NEAR = 0.05
HALF = 0.5
ROUNDED = 0.00501  # per cent are shown without decimals
NONE = "none does it well"
CHANGE = {  # what it takes when a fact or a wish changes
    ASK: "another model",
    PROMPT: "edit the prompt",
    RETRIEVE: "edit the index",
    GUIDED: "edit prompt or index",
    TUNE: "train again",
    BOTH: "edit the index; train again for a form",
}
BEGIN, AS_GOOD, CHANGED, TOKENS = (
    "begin with",
    "good enough as well",
    "a change takes",
    "prompt tokens",
)
SHARES = {"form and fact": "both", "form": "form", "fact": "fact"}


def decided(found: Compared) -> pd.DataFrame:
    """The decision table: a need a row, named in plain words. Shares are those of the way to begin
    with, in per cent of its answers."""
    rows = []
    for need in found.needs:
        scores = scores_of(found, need)
        enough = good_enough(scores, errors_of(found, need))
        first = enough[0]
        shares = {
            words: f"{found.share(first, need, measure).value:.0%}"
            for words, measure in SHARES.items()
        }
        rows.append(
            {
                "what is wanted": found.what[need],
                BEGIN: first if max(scores.values()) >= HALF else f"{NONE} (best: {first})",
                **shares,
                AS_GOOD: ", ".join(enough[1:]) or "-",
                TOKENS: f"{found.tokens(first, need):.0f}",
                CHANGED: CHANGE[first],
            }
        )
    return pd.DataFrame(rows).set_index("what is wanted")


def scores_of(found: Compared, need: str) -> dict[str, float]:
    """The share of answers with form and fact right, by way, the least work first."""
    return {way: found.share(way, need).value for way in LEAST_WORK if way in found.ways}


def errors_of(found: Compared, need: str) -> dict[str, float]:
    """The standard error of each way's distance from the best one, paired by seed; 0 for one seed,
    which shows no spread."""
    scores = scores_of(found, need)
    best = found.per_seed(max(scores, key=lambda way: scores[way]), need)
    gaps = {way: np.subtract(best, found.per_seed(way, need)) for way in scores}
    if len(best) < 2:
        return dict.fromkeys(scores, 0.0)
    return {way: float(gap.std(ddof=1) / np.sqrt(len(gap))) for way, gap in gaps.items()}


def good_enough(scores: dict[str, float], errors: dict[str, float]) -> list[str]:
    """The ways within `NEAR` and one standard error of the best one, in their order."""
    best = max(scores.values())
    return [way for way, score in scores.items() if score >= best - NEAR - errors[way] - 1e-9]


def contradictions(table: pd.DataFrame, found: Compared) -> list[str]:
    """Where a decision table says what the run's answers do not bear out, one sentence each: a way
    that another one beats by more than the rule allows, one that is more work than need be, a share
    that is not that way's, an answer called good that is put well and wrong. [] if none."""
    told = {what: need for need, what in found.what.items()}
    faults = []
    for what, row in table.iterrows():
        need = told[str(what)]
        answers = found.rows[(found.rows.need == need) & (found.rows.split == "test")]
        right = answers.assign(ok=(answers.form > 0) & (answers.fact > 0))
        seeds = right.groupby(["seed", "way"]).ok.mean().unstack()
        means = seeds.mean()
        ways = [way for way in LEAST_WORK if way in means.index]
        named = str(row[BEGIN]).removeprefix(f"{NONE} (best: ").removesuffix(")")
        best = max(ways, key=lambda way: means[way])
        behind = seeds.rsub(seeds[best], axis=0)
        allowed = NEAR + behind.sem().fillna(0.0)
        if behind[named].mean() > allowed[named] + 1e-6:
            faults.append(f"{need}: {best} is right more often than {named}.")
        faults += [
            f"{need}: {way} is less work than {named}, and as good."
            for way in ways[: ways.index(named)]
            if behind[way].mean() <= allowed[way] + 1e-12
        ]
        own = right[right.way == named].groupby("seed")[["ok", "form", "fact"]].mean().mean()
        for words, measure in (("form and fact", "ok"), ("form", "form"), ("fact", "fact")):
            if abs(float(str(row[words]).rstrip("%")) / 100 - own[measure]) > ROUNDED:
                faults.append(f"{need}: {words} are right in {own[measure]:.1%} of {named}.")
        if (means[best] < HALF) != str(row[BEGIN]).startswith(NONE):
            faults.append(f"{need}: the best way is right in {means[best]:.0%} of its answers.")
    return faults


def told(found: Compared) -> str:
    """Two sentences on the table: how many needs want no training, and where none serves."""
    table = decided(found)
    begin: Sequence[str] = [str(name) for name in table[BEGIN]]
    untrained = sum(name in (ASK, PROMPT, RETRIEVE, GUIDED) for name in begin)
    failed = [str(what) for what in table.index[table[BEGIN].str.startswith(NONE)]]
    said = f"For **{untrained} of {len(begin)}** needs the table begins without any training."
    if failed:
        said += f" None does it well: {'; '.join(failed)}."
    return said
