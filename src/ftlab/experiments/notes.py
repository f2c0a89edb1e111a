"""What a model answers from retrieved notes: right, wrong or "not told"; what it cites; and what a
threshold on the score of the search adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ftlab.common.parallel import in_parallel
from ftlab.evaluation import Estimate
from ftlab.experiments.collection import LEFT_OUT, STRANGER, TOLD
from ftlab.experiments.effort import Effort
from ftlab.experiments.learning_curve import over_seeds
from ftlab.experiments.notes_runs import abstains, answered, fate
from ftlab.experiments.retrieval import SearchQuality
from ftlab.notebook.display import short
from ftlab.plots import retrieval as drawings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Answers", "abstains", "answers", "fate", "priced", "threshold_of"]
READER, WITH_THRESHOLD = "reader alone", "reader and threshold"


@dataclass(frozen=True, eq=False)
class Answers:
    """One row a question in `rows`: seed, part (validation or test), kind, question, answer, right,
    abstained, score (the best cosine), cited (how many), cited_right (how many of those tell it),
    read (whether a passage that tells it stood in the prompt), closed (whether the model was right
    without notes), new (whether it is about somebody or something that the base model has not read
    of), left_out and cut (of its prompt). An answer that says "not told" cites nothing.

    `thresholds` are those chosen on each seed's validation questions.
    """

    rows: pd.DataFrame
    thresholds: dict[int, float]

    @property
    def seeds(self) -> list[int]:
        return sorted(self.thresholds)

    @property
    def kinds(self) -> list[str]:
        return [kind for kind in (TOLD, LEFT_OUT, STRANGER) if kind in set(self.rows.kind)]

    def share(self, what: Callable[[pd.DataFrame], pd.Series | float], kind: str = "") -> Estimate:
        """The mean of a column made of the test's rows, over seeds."""
        test = self.rows[self.rows.part == "test"]
        some = test[test.kind == kind] if kind else test
        seeds = [rows for _, rows in some.groupby("seed")]
        shares = [float(np.mean(what(rows))) for rows in seeds]
        return over_seeds(shares, bounds=(0.0, 1.0), items=min(map(len, seeds)))

    def right(self, kind: str = TOLD, column: str = "right") -> Estimate:
        """The share of questions of a kind that are answered as they should be."""
        return self.share(lambda rows: rows[column], kind)

    def gain(self) -> Estimate:
        """What notes add to the share of right answers to what is told."""
        told = self.rows[(self.rows.part == "test") & (self.rows.kind == TOLD)]
        seeds = [rows.right.mean() - rows.closed.mean() for _, rows in told.groupby("seed")]
        return over_seeds(seeds, bounds=(-1.0, 1.0))

    def true_when_given(self) -> Estimate:
        """Of the answers that are given (those that say that it is not told are none), how many
        are right; told or not told, every question counts."""
        return self.share(lambda rows: rows[~rows.abstained].right if any(~rows.abstained) else 1.0)

    def citations(self) -> tuple[Estimate, Estimate]:
        """Precision: of the passages that are cited how many tell it. Recall: of the questions that
        some passage answers, for how many such a one is cited."""
        precision = self.share(lambda rows: rows.cited_right.sum() / max(1, rows.cited.sum()))
        return precision, self.share(lambda rows: rows.cited_right > 0, TOLD)

    def without_the_fact(self) -> tuple[Estimate, Estimate, Estimate]:
        """Of the questions whose fact was left out of its page: how many are answered with "not
        told", with words of a note (on something else), and with words of none."""
        said, held = (lambda r: ~r.abstained), (lambda r: r.cited > 0)
        return (
            self.share(lambda rows: rows.abstained, LEFT_OUT),
            self.share(lambda rows: said(rows) & held(rows), LEFT_OUT),
            self.share(lambda rows: said(rows) & ~held(rows), LEFT_OUT),
        )

    def below(self) -> str:
        """What falls below the threshold of its seed, and what that does, in sentences."""
        if self.kinds == [TOLD]:
            return "Everything asked is told by some passage: there is nothing for a threshold."
        level = self.rows.seed.map(self.thresholds)
        rows = self.rows.assign(below=self.rows.score < level)
        test = rows[rows.part == "test"]
        caught = {
            kind: float(test[test.kind == kind].groupby("seed").below.mean().mean())
            for kind in self.kinds
        }
        told = ", ".join(f"{share:.0%} of '{kind}'" for kind, share in caught.items())
        text = f"Mean over the seeds, {told} lie below the threshold of their seed."
        if caught[STRANGER] > caught[LEFT_OUT]:
            text += " It catches strangers more often than facts that are left out"
            text += ", but not most of them." if caught[STRANGER] < 0.5 else "."
        return text

    def handled(self, way: str, kind: str = "") -> Estimate:
        """The share of questions handled rightly: answered, or said not to be told. Without a kind
        what is told and what is not count alike."""
        return over_seeds(self._handled(way, kind), bounds=(0.0, 1.0))

    def threshold_gain(self) -> Estimate | None:
        """What the threshold adds to that share; None where everything asked is told."""
        if self.kinds == [TOLD]:
            return None
        a, b = (np.array(self._handled(way)) for way in (WITH_THRESHOLD, READER))
        return over_seeds(list(a - b), bounds=(-1.0, 1.0))

    def table(self) -> pd.DataFrame:
        """Shares of questions by kind and way."""
        ways = (READER, WITH_THRESHOLD) if self.kinds != [TOLD] else (READER,)
        rows = {kind: {way: short(self.handled(way, kind)) for way in ways} for kind in self.kinds}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("questions")

    def examples(self, count: int = 5) -> pd.DataFrame:
        """Some questions of the first seed with what was answered and cited, the wrong ones
        first."""
        own = self.rows[(self.rows.part == "test") & (self.rows.seed == self.seeds[0])]
        own = own.sort_values("right", kind="stable").drop_duplicates(["kind", "right"])
        columns = ["kind", "question", "answer", "names"]
        return own.head(count)[columns].rename(columns={"names": "cited", "kind": "questions"})

    def figure(self) -> tuple[Figure, str]:
        """The best score of every question of the first seed, by kind, and the threshold."""
        own = self.rows[(self.rows.part == "test") & (self.rows.seed == self.seeds[0])]
        scores = {kind: own[own.kind == kind].score.to_numpy() for kind in self.kinds}
        threshold = self.thresholds[self.seeds[0]]
        caption = (
            "For every cosine, the share of questions of the first seed whose best passage scores "
            "lower, by kind of question"
        )
        if np.isfinite(threshold):
            told = "; ".join(
                f"{kind}: {np.mean(values < threshold):.0%} below"
                for kind, values in scores.items()
            )
            caption += f", and the threshold chosen on others, {threshold:.2f}: {told}"
        return drawings.scores(scores, threshold), f"{caption}."

    def told(self) -> str:
        """What became of the answers, in sentences."""
        unread = self.share(lambda rows: ~rows.read, TOLD)
        missed = self.share(lambda rows: rows.read & ~rows.right, TOLD)
        precision, recall = self.citations()
        test = self.rows[self.rows.part == "test"]
        text = (
            f"From notes **{short(self.right())}** of what is told is answered rightly; without "
            f"notes {short(self.right(column='closed'))}"
        )
        if test.new.any():
            new = test[test.new]
            text += (
                f" (about newcomers, of whom the model has never read, {new.right.mean():.2f} and "
                f"{new.closed.mean():.2f})"
            )
        text += (
            f". For {short(unread)} no passage that tells it was among the notes: the search "
            f"failed. For {short(missed)} one was there, and the answer is still not right: the "
            "reader failed."
        )
        if LEFT_OUT in self.kinds:
            silent, borrowed, made_up = self.without_the_fact()
            text += (
                f" Where the article lacks the fact, {short(silent)} say that it is not told, "
                f"{short(borrowed)} give something that stands in the notes about another fact, "
                f"and {short(made_up)} what stands in no note."
            )
        text += (
            f" Of the passages cited {short(precision)} tell what was asked; for {short(recall)} "
            "of the questions that are told such a one is cited."
        )
        if left := int((test.left_out > 0).sum()):
            text += f" {left} of {len(test)} prompts had no room for all passages."
        if cut := int(test.cut.sum()):
            text += f" In {cut} a passage or the question had to be shortened."
        return text

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told."""
        for kind in self.kinds:
            for way in (READER, WITH_THRESHOLD):
                yield {
                    "name": "handled",
                    "value": self.handled(way, kind),
                    "method": way,
                    "questions": kind,
                }
        for way in (READER, WITH_THRESHOLD):  # by the name under which sweeps draw
            for seed, share in zip(self.thresholds, self._handled(way), strict=True):
                about = {"method": way, "task": "questions", "split": "test", "seed": seed}
                yield {"name": "accuracy", "value": share, **about}
        precision, recall = self.citations()
        yield {"name": "citation_precision", "value": precision}
        yield {"name": "citation_recall", "value": recall}
        yield {"name": "right_when_given", "value": self.true_when_given()}
        yield {"name": "right_closed_book", "value": self.right(column="closed")}
        for seed, threshold in self.thresholds.items():
            value = threshold if np.isfinite(threshold) else None
            yield {"name": "threshold", "value": value, "seed": seed}

    def _handled(self, way: str, kind: str = "") -> list[float]:
        test = self.rows[self.rows.part == "test"]
        shares = []
        for seed, rows in test.groupby("seed"):
            level = self.thresholds[int(str(seed))] if way == WITH_THRESHOLD else -np.inf
            shares.append(_handled(rows[rows.kind == kind] if kind else rows, level))
        return shares


def answers(
    search: SearchQuality, base_model: str, k: int, *, seeds: Sequence[int], effort: Effort
) -> Answers:
    """Answer every question of a seed from the `k` best passages, and choose the threshold."""
    most = effort.pick(smoke=4, quick=60, full=300)
    do = partial(answered, search, base_model, k, most)
    rows = pd.concat(in_parallel(do, [{"seed": seed} for seed in seeds], "answers"))
    rows = rows.reset_index(drop=True)
    thresholds = {
        seed: threshold_of(rows[(rows.seed == seed) & (rows.part == "validation")])
        for seed in seeds
    }
    return Answers(rows, thresholds)


def threshold_of(rows: pd.DataFrame) -> float:
    """The score below which "not told" is said: the one that handles most of these questions
    rightly, told and not told counting alike. Minus infinity where nothing is gained."""
    if set(rows.kind) <= {TOLD}:
        return -np.inf
    scores = np.unique(rows.score)
    levels = [-np.inf, *((scores[1:] + scores[:-1]) / 2)]
    return float(max(levels, key=lambda level: _handled(rows, level)))


def priced(rows: pd.DataFrame, level: float, made_up: float) -> float:
    """What mistakes cost with a threshold, in units of a "not told" where something is told: an
    answer that is wrong costs `made_up` of these."""
    silent = (rows.score < level) | rows.abstained
    missed, wrong = silent & (rows.kind == TOLD), ~silent & ~rows.right
    return float(missed.sum() + made_up * wrong.sum())


def _handled(rows: pd.DataFrame, level: float) -> float:
    """The share handled rightly with a threshold; of several kinds, told and not told alike."""
    below = rows.score < level
    good = np.where(rows.kind == TOLD, rows.right & ~below, rows.right | below)
    told = (rows.kind == TOLD).to_numpy()
    parts = [good[some].mean() for some in (told, ~told) if some.any()]
    return float(np.mean(parts))
