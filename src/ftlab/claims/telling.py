"""How findings are shown: a figure and a table a topic, and the sentences that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ftlab.claims.claim import VERDICTS, Claim
from ftlab.claims.findings import AT_SCALE, NO_FULL_RUN, Finding, Findings
from ftlab.claims.multiplicity import by_chance, misses, strict
from ftlab.claims.reference import table_row
from ftlab.claims.scale import any_effect, effect_sizes, in_words, sized, sized_step, zones
from ftlab.claims.topics import TOPICS
from ftlab.claims.verdicts import SHARES, Judgement
from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate
from ftlab.plots.style import show
from ftlab.plots.verdicts import Strip, verdict_strips

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_STRIPS = 6  # of a figure: more do not fit on a screen
# Made up, to read verdicts on: a claim, and five intervals (estimate, low, high) of five labs.
EXAMPLE = Claim(
    "EX-01", "Method A is right more often than method B.", "accuracy: A - B", "above", 0.02
)
LABS = {
    "lab 1": Estimate(0.050, 0.032, 0.068, 5),
    "lab 2": Estimate(0.001, -0.016, 0.018, 5),
    "lab 3": Estimate(-0.036, -0.065, -0.007, 5),
    "lab 4": Estimate(0.034, 0.008, 0.060, 5),
    "lab 5": Estimate(-0.011, -0.018, -0.004, 5),
}
HEADER = ("what is said", "what this lab found", "what is known at real scale, and from where")


def topic(findings: Findings, name: str) -> None:
    """Show a topic: its figures, and a table with every claim, what the lab found, what is known at
    real scale and the source; below it, folded, how each was measured and what became of it."""
    from ftlab.notebook.display import say

    found = findings.of(name)
    say(f"### {TOPICS[name]}")
    if not found:
        say("No claim is made of this yet.")
        return
    for part in _parts(found):
        show(figure(part, TOPICS[name]), in_brief(part))
    say(table(found))
    say(folded(found))


def example(answers: bool = False) -> Figure:
    """The made-up claim with its five intervals, with their verdicts or without."""
    strips = []
    for lab, estimate in LABS.items():
        verdict = EXAMPLE.judge(estimate) if answers else ""
        seen = strip(Finding(replace(EXAMPLE, statement=lab), _made_up(estimate)))
        beside = (verdict or "which verdict?", shown(estimate, SHARES))
        strips.append(replace(seen, outcome=verdict, beside=beside))
    return verdict_strips(strips, title=f"Made up: {EXAMPLE.statement[:-1]}, {in_words(EXAMPLE)}")


def figure(found: Sequence[Finding], title: str) -> Figure:
    """The findings as strips, one below the other."""
    return verdict_strips([strip(one) for one in found], title=title)


def strip(one: Finding) -> Strip:
    """A finding as it is drawn: what no chance enters, and what was not run yet, as text alone."""
    scale = f"at real scale: {one.at_scale}"
    if one.judgement is None:
        return Strip(one.claim.statement, one.outcome, (one.outcome, scale))
    estimate = one.judgement.estimate
    if one.claim.kind != "measured":
        told = f"{one.outcome}: {sized(estimate.value, one.claim.unit)}"
        return Strip(one.claim.statement, one.outcome, (told, scale))
    low, high = sorted(effect_sizes(one.claim, end) for end in (estimate.low, estimate.high))
    return Strip(
        one.claim.statement,
        one.outcome,
        (one.outcome, shown(estimate, one.claim.unit), scale),
        effect_sizes(one.claim, estimate.value),
        low,
        high,
        tuple((zone.low, zone.high, zone.verdict) for zone in zones(one.claim)),
    )


def shown(estimate: Estimate, unit: str) -> str:
    """An estimate with its interval, in the unit in which a reader takes it in."""
    value = sized(estimate.value, unit)
    if estimate.open:
        return f"{value} (no interval)"
    if estimate.low == estimate.high:
        return value
    low, high = (sized(end, unit, named=False) for end in (estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def in_brief(found: Sequence[Finding]) -> str:
    """One sentence a verdict, with the statements that got it: the text of a figure."""
    groups: dict[str, list[str]] = {}
    for one in found:
        groups.setdefault(one.outcome, []).append(one.claim.statement.rstrip("."))
    order = [*VERDICTS, *(name for name in groups if name not in VERDICTS)]
    text = [f"{name.capitalize()}: {'; '.join(groups[name])}." for name in order if name in groups]
    steps = {sized_step(one.claim) for one in found if one.judged and any_effect(one.claim)}
    text += [f"Where any effect counts, a step is {one} here." for one in sorted(steps)]
    return " ".join(text)


def table(found: Iterable[Finding]) -> str:
    """A Markdown table: statement, finding, real scale with the source."""
    lines = [table_row(HEADER), "| :--- | :--- | :--- |"]
    return "\n".join([*lines, *(table_row([_said(f), _found(f), _scale(f.claim)]) for f in found)])


def folded(found: Iterable[Finding]) -> str:
    """What is asked more rarely: why that effect, the scope, what was changed, earlier records."""
    parts = []
    for one in found:
        claim = one.claim
        lines = [
            f"- *Why that effect:* {claim.why}",
            f"- *Scope:* {claim.scope}",
        ]
        lines += [f"- *Cannot be supported as it is run:* {claim.out_of_reach}"] * bool(
            claim.out_of_reach
        )
        lines += [f"- *Also said:* {text}" for text in claim.also_said]
        lines += [f"- *Changed:* {' '.join(text.split())}" for text in claim.history]
        lines += [
            f"- *Earlier record,* {j.started[:10]}: {j.outcome}, "
            f"{shown(j.estimate, claim.unit)} (run {j.run})"
            for j in one.earlier
        ]
        parts.append(f"**{claim.id}** {claim.statement}\n\n" + "\n".join(lines))
    text = "\n\n".join(parts)
    return f"<details><summary>Scope and history of these claims</summary>\n\n{text}\n\n</details>"


def standing(findings: Findings, model: str) -> str:
    """What the counts rest on: how many have a verdict, and how many of these are about another
    base model than the one with this hash."""
    judged = findings.judged
    other = sum(f.judgement is not None and f.judgement.model != model for f in judged)
    text = f"Of **{len(findings.all)}** claims **{len(judged)}** have a verdict."
    if not other:
        return text
    return f"{text} **{other}** of these rest on full runs of another base model than this one."


def chance(findings: Findings) -> str:
    """How many of the verdicts may be wrong by chance, in words."""
    tried = by_chance(findings.all)
    if not tried:
        return "No verdict rests on an interval yet."
    about, kept = misses(len(tried)), strict(findings.all)
    lost = [one.claim.statement for one, verdict in kept if verdict != one.outcome]
    text = (
        f"**{about.intervals} verdicts** rest on an interval. Of so many intervals about "
        f"**{about.expected:.1f}** miss the truth by chance; were they independent, it would be "
        f"at most {about.at_most} in 19 of 20 courses like this one. A miss is a false call only "
        f"if the truth lies in another zone. {len(kept)} of the verdicts are decided. If every "
        "interval is made so wide that *all* of them hold with 95%, "
        f"**{len(kept) - len(lost)}** of these stay."
    )
    if not lost:
        return text
    return "\n".join([f"{text} The others become undecided:\n", *(f"- {one}" for one in lost)])


def parted(findings: Findings) -> str:
    """A list of the claims that hold here and not at real scale, or there and not here."""
    lines = [
        f"- *{one.claim.statement}* Here: **{one.outcome}**. At real scale: **{one.at_scale}**. "
        f"{_plain(one.claim.at_scale.why)} What the lab's verdict is about: {one.claim.scope} "
        f"({one.claim.id})."
        for one in findings.parted()
    ]
    return "\n".join(lines) or "So far there is no claim that holds in one of them alone."


def apart(findings: Findings) -> str:
    """How many other runs there are to compare with, and those that do not agree."""
    pairs, odd = findings.compared(), findings.apart()
    if not pairs:
        return "No claim has been measured twice with the same model and data yet."
    text = (
        f"**{len(pairs)}** times a claim was measured again by another run with the same model and "
        f"data; in **{len(odd)}** of them the two 95% intervals do not meet."
    )
    rows = [
        table_row([there.statement, _by(there), _by(other), f"{there.claim}, {there.notebook}"])
        for there, other in odd
    ]
    head = [table_row(("what is said", "the run that stands", "another run", "claim"))]
    return "\n".join([f"{text}\n", *head, "| :--- | :--- | :--- | :--- |", *rows]) if odd else text


def settled(findings: Findings, verdict: str) -> str:
    """A list of the statements with this verdict that real scale agrees with; LabError for a
    verdict that there is not."""
    if verdict not in VERDICTS:
        raise LabError(f"There is no verdict '{verdict}': they are {', '.join(VERDICTS)}.")
    known = "holds" if verdict == "supported" else "does not hold"
    found = [f for f in findings.all if (f.outcome, f.at_scale) == (verdict, known)]
    return "\n".join(f"- {f.claim.statement}" for f in found) or "- none so far"


def _made_up(estimate: Estimate) -> Judgement:
    about = dict.fromkeys(("run", "cpu", "precision", "model"), "made up")
    return Judgement(
        "", EXAMPLE.id, EXAMPLE.statement, EXAMPLE.quantity, EXAMPLE, estimate,
        EXAMPLE.judge(estimate), "kept record", profile="full", **about,
    )  # fmt: skip


def _by(j: Judgement) -> str:
    return f"{shown(j.estimate, j.unit)}; {j.source}, {j.profile}, {j.machine}"


def _parts(found: Sequence[Finding]) -> list[Sequence[Finding]]:
    """Figures of about equal size, none with more strips than a screen shows."""
    count = -(-len(found) // MOST_STRIPS)
    size = -(-len(found) // count)
    return [found[start : start + size] for start in range(0, len(found), size)]


def _said(one: Finding) -> str:
    claim = one.claim
    return f"{claim.statement} ([{claim.notebook[:2]}]({claim.notebook}.ipynb), {_whole(claim.id)})"


def _found(one: Finding) -> str:
    if one.judgement is None:
        return f"**{one.outcome.capitalize()}.**"
    j, claim = one.judgement, one.claim
    text = f"**{one.outcome.capitalize()}.** {j.metric}: **{shown(j.estimate, claim.unit)}**"
    if claim.kind != "measured":
        return text + "."
    seeds = f", {j.estimate.seeds} seeds" if j.estimate.seeds > 1 else ", repeats of one run"
    text += f"{seeds}. Supported if all of the interval lies {in_words(claim)}."
    if one.outcome == NO_FULL_RUN:
        return text + f" Measured in the {j.profile} profile only, which decides nothing."
    return text + (f" {claim.outlook(j.estimate)}" if one.outcome == "undecided" else "")


def _scale(claim: Claim) -> str:
    scale = claim.at_scale
    read = "" if scale.read else "; not read, as others quote it"
    source = f" *{_plain(scale.source)}*{read}" if scale.source else ""
    return f"**{AT_SCALE[scale.says].capitalize()}.** {_plain(scale.why)}{source}"


def _plain(text: str) -> str:
    return " ".join(text.split())


def _whole(name: str) -> str:
    """An id that no line breaks at its hyphen."""
    return name.replace("-", "\u2011")
