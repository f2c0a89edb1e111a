"""What the comparison of prompting, retrieval and fine-tuning found, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ftlab.evaluation import Estimate
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.rag_needs import IN_A_FORM, OLD, RECENT, SORTING

ASK, PROMPT, RETRIEVE, GUIDED = "just ask", "prompt", "retrieve", "retrieve + prompt"
TUNE, BOTH, ROUTER = "fine-tune", "retrieve + fine-tune", "router"
WAYS = (ASK, PROMPT, RETRIEVE, GUIDED, TUNE, BOTH)
SINGLE = (ASK, PROMPT, RETRIEVE, TUNE)  # what a router sends requests to
TAUGHT = (*(need for need in IN_A_FORM if need.startswith(OLD)), SORTING)  # by examples
MEASURES = {"both": "form and fact", "form": "form", "fact": "fact"}
Names = Sequence[str] | str


@dataclass(frozen=True, eq=False)
class Compared:
    """What became of every way, need and seed.

    `rows` has an answer a row: way, need, seed, split (test or validation), item, form, fact and
    both (1.0 or 0.0), changed (whether the fact did), stale (the answer that was right
    once), question, wanted, text, and the tokens of prompt and answer. `styles` are the prompts
    that were chosen, by way and need; `tried` all candidates; `costs` seconds and tokens of the
    trainings; `what` the needs in words; `taught` how many examples of each a training had;
    `trimmed` how many prompts had to be cut, and of how many; `chosen` says
    on what prompts and learning rates were chosen.

    Items are dealt anew with each seed, so estimates are Student's t over one number a seed.
    """

    rows: pd.DataFrame
    styles: Mapping[tuple[str, str], str]
    tried: pd.DataFrame
    costs: pd.DataFrame
    what: Mapping[str, str]
    taught: Mapping[str, int] = field(default_factory=dict)
    trimmed: tuple[int, int] = (0, 0)
    chosen: str = ""

    @property
    def needs(self) -> list[str]:
        return list(dict.fromkeys(self.rows.need))

    @property
    def ways(self) -> list[str]:
        return list(dict.fromkeys(self.rows.way))

    @property
    def seeds(self) -> list[int]:
        return list(dict.fromkeys(self.rows.seed))

    def forms(self) -> list[str]:
        """The needs that are wanted in a form."""
        return [name for name in self.needs if name in IN_A_FORM]

    def per_seed(
        self, way: str, needs: Names = (), measure: str = "both", split: str = "test"
    ) -> list[float]:
        """The mean over needs (all, unless named), one number a seed."""
        names = [needs] if isinstance(needs, str) else list(needs) or self.needs
        own = self.rows[(self.rows.way == way) & (self.rows.split == split)]
        own = own[own.need.isin(names)]
        shares = own.groupby(["seed", "need"], sort=False)[measure].mean()
        return [float(shares[seed].mean()) for seed in self.seeds]

    def share(self, way: str, needs: Names = (), measure: str = "both") -> Estimate:
        """The share of answers in which form, fact, or both are right."""
        return over_seeds(self.per_seed(way, needs, measure), bounds=(0.0, 1.0))

    def difference(self, a: str, b: str, needs: Names = (), measure: str = "both") -> Estimate:
        """The share of `a` minus that of `b`, paired by seed."""
        pairs = zip(self.per_seed(a, needs, measure), self.per_seed(b, needs, measure), strict=True)
        return over_seeds([one - other for one, other in pairs], bounds=(-1.0, 1.0))

    @property
    def facts(self) -> str:
        """The need that retrieval is for: recent facts, or questions of one's own."""
        return RECENT if RECENT in self.needs else self.needs[0]

    @property
    def facts_in_words(self) -> str:
        """The same, as a claim names it."""
        return f"{RECENT}s" if self.facts == RECENT else "your own questions"

    def gap(self, a: str, b: str, needs: Names) -> Estimate | None:
        """`difference` over those of the needs that there are; None if there is none of them."""
        names = [need for need in self.needs if need in needs]
        return self.difference(a, b, names) if names else None

    def tokens(self, way: str, needs: Names = (), part: str = "prompt") -> float:
        """Mean tokens of a way's prompts, or of its answers (`part` "new")."""
        names = [needs] if isinstance(needs, str) else list(needs) or self.needs
        own = self.rows[(self.rows.way == way) & self.rows.need.isin(names)]
        return float(own[f"{part}_tokens"].mean())

    def routes(self) -> dict[str, str]:
        """To which single way the router sends each need: the best on validation, of all seeds."""
        return routes(self.rows)

    def shares(self, measure: str = "both") -> dict[str, dict[str, float]]:
        """{way: {need: share}}, means over the seeds."""
        return {
            way: {need: float(np.mean(self.per_seed(way, need, measure))) for need in self.needs}
            for way in self.ways
        }

    def table(self, measure: str = "both") -> pd.DataFrame:
        """Shares with their intervals, a need a row and a way a column."""
        from ftlab.notebook.display import short

        return pd.DataFrame(
            {
                way: {need: short(self.share(way, need, measure)) for need in self.needs}
                for way in self.ways
            }
        )

    def prompts_tried(self, way: str, needs: Names = ()) -> pd.DataFrame:
        """The candidates for prompts: need, prompt, form, fact, both on validation, chosen."""
        names = [needs] if isinstance(needs, str) else list(needs) or self.needs
        own = self.tried[(self.tried.method == way) & self.tried.task.isin(names)]
        own = own.dropna(subset=["prompt"])
        return own[["task", "prompt", "form", "fact", "validation", "chosen"]]

    def prompts_table(self, way: str) -> pd.DataFrame:
        """The candidates for prompts, a prompt a row and a need a column: the share right in form
        and fact on validation, behind it form and fact apart; * is the one chosen."""
        own = self.prompts_tried(way)
        wanted = [need for need in self.needs if need in (*IN_A_FORM, SORTING)] or self.needs
        shown = {
            (row.prompt, row.task): f"{row.validation:.0%} ({row.form:.0%} | {row.fact:.0%})"
            + (" *" if row.chosen else "")
            for row in own.itertuples()
        }
        prompts = dict.fromkeys(own.prompt)
        return pd.DataFrame(
            {need: {one: shown.get((one, need), "-") for one in prompts} for need in wanted}
        )

    def answered(self, need: str = "", place: int = 0) -> pd.DataFrame:
        """What every way said to one request of the first seed, and what is right in it: of a need,
        by default of a recent fact in a form, if such are asked for. The right answer comes
        first."""
        need = need or next(iter(self.forms()[::-1]), self.needs[0])
        own = self.rows[(self.rows.need == need) & (self.rows.split == "test")]
        own = own[(own.seed == self.seeds[0]) & (own.item == place) & (own.way != ROUTER)]
        yes = {1.0: "yes", 0.0: "no"}
        shown = own.set_index("way")[["text", "form", "fact"]]
        shown = shown.assign(form=own.form.map(yes).values, fact=own.fact.map(yes).values)
        wanted = pd.DataFrame(
            {"text": own.wanted.iloc[0], "form": "yes", "fact": "yes"}, index=["(what is right)"]
        )
        return pd.concat([wanted, shown]).rename_axis(own.question.iloc[0])

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for way in self.ways:
            for need in self.needs:
                for measure in MEASURES:
                    numbers = self.per_seed(way, need, measure)
                    for seed, value in zip(self.seeds, numbers, strict=True):
                        keys = {"method": way, "task": need, "split": "test", "seed": seed}
                        yield {"name": f"{measure}_right", "value": value, **keys}
                for part in ("prompt", "new"):
                    found = self.tokens(way, need, part)
                    yield {"name": f"{part}_tokens", "value": found, "method": way, "task": need}
        for row in self.costs.to_dict("records"):
            keys = {"method": row["way"], "seed": row["seed"]}
            yield {"name": "training_seconds", "value": row["seconds"], **keys}
            yield {"name": "training_tokens", "value": row["tokens"], **keys}
        yield {"name": "prompts_cut", "value": self.trimmed[0], "n": self.trimmed[1]}

    def tries(self) -> pd.DataFrame:
        """All prompts and learning rates that were tried, with the share right on validation."""
        return self.tried


def routes(rows: pd.DataFrame) -> dict[str, str]:
    """The single way that is best on validation for each need; of equals the first."""
    held = rows[rows.split == "validation"]
    found = {}
    for need in dict.fromkeys(held.need):
        means = held[held.need == need].groupby("way")["both"].mean()
        found[need] = max(SINGLE, key=lambda way: means[way])
    return found


def with_router(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of all ways, and those of the router: each need's answers by the way it is sent
    to."""
    sent = routes(rows)
    parts = [rows[(rows.need == need) & (rows.way == way)] for need, way in sent.items()]
    return pd.concat([rows, *(part.assign(way=ROUTER) for part in parts)], ignore_index=True)
