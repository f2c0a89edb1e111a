"""Figures of the comparison with their texts, and the sentences that follow from its numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ftlab.evaluation import Estimate
from ftlab.experiments.rag_needs import JSON, NO_ANSWER, OLD, RECENT, SORTING, VOICE, form_of
from ftlab.experiments.rag_result import (
    ASK,
    BOTH,
    GUIDED,
    PROMPT,
    RETRIEVE,
    ROUTER,
    TUNE,
    WAYS,
    Compared,
)
from ftlab.notebook.display import short
from ftlab.plots import method_curves, show
from ftlab.plots.ways import form_and_fact, grid

COUNTED = {"nothing": 0, "1 example": 1, "2 examples": 2, "4 examples": 4, "8 examples": 8}
CLEAR = 0.1  # a difference of shares that is spoken of


def needs_table(needs: Mapping[str, object]) -> pd.DataFrame:
    """What is wanted, with one request each and its right answer."""
    from ftlab.world.needs import Need

    rows = {}
    for name, need in needs.items():
        assert isinstance(need, Need)
        item = need.items[0]
        asked = " ⏎ ".join(item.query.splitlines())
        rows[name] = {"what is wanted": need.what, "for example": asked, "right": item.answer}
    return pd.DataFrame(rows).T


def run_told(found: Compared) -> str:
    """How much was asked, what the trainings had, and whether prompts had to be cut."""
    own = found.rows[found.rows.way != ROUTER]
    test = own[own.split == "test"]
    each = len(test) / (len(found.ways) - 1) / len(found.needs) / len(found.seeds)
    recent = (
        f", {found.taught[RECENT]:,} of them recent facts, with all that are asked for"
        if RECENT in found.taught
        else ""
    )
    cut, prompts = found.trimmed
    trimmed = (
        f" Of {prompts:,} prompts {cut:,} were longer than the model takes, and were cut: examples "
        "first, then passages."
        if cut
        else ""
    )
    return (
        f"{len(own):,} answers; {each:.0f} test items for each need and seed. Each training had "
        f"{sum(found.taught.values()):,} examples{recent}.{trimmed}"
    )


def show_prompts(found: Compared) -> None:
    """Form and fact on validation by the number of examples in the prompt, without notes."""
    panels: dict[str, dict[str, dict[float, Estimate]]] = {}
    ends = []
    for name in (f"{OLD}, {VOICE}", f"{OLD}, {JSON}", SORTING):
        if name not in found.needs:
            continue
        tried = found.prompts_tried(PROMPT, name).set_index("prompt")
        there = {count: style for style, count in COUNTED.items() if style in tried.index}
        curves: dict[str, dict[float, Estimate]] = {
            words: {
                count: Estimate(value, value, value, 1)
                for count, style in sorted(there.items())
                for value in [float(tried[column][style])]
            }
            for words, column in (("form", "form"), ("fact", "fact"), ("both", "validation"))
            if words == "both" or name != SORTING  # where both are one
        }
        panels[name] = curves
        most = max(there)
        ends.append(f"{name}: both right in {curves['both'][most].value:.0%} with {most} examples")
    if not panels:
        return
    figure = method_curves(
        panels,
        x="examples in the prompt",
        y="share of answers",
        title="The base model, shown examples and not trained",
        log_x=False,
    )
    show(
        figure,
        "Share of answers with the right form, the right fact, and both, on validation, against "
        f"the number of examples in the prompt. {'; '.join(ends)}.",
    )


def prompts_told(found: Compared) -> str:
    """Which prompt is best for each form, and what it leaves undone."""
    parts = []
    for name in [n for n in found.needs if form_of(n) and n.startswith(OLD)] + [SORTING]:
        if name not in found.needs:
            continue
        tried = found.prompts_tried(PROMPT, name)
        best = tried[tried.chosen.astype(bool)].iloc[0]
        said = f"*{name}*: best is **{best.prompt}**, form and fact right in {best.validation:.0%}"
        orders = tried[tried.prompt == "instruction"]
        if len(orders):
            said += f" (an instruction alone {orders.validation.iloc[0]:.0%})"
        parts.append(said)
    said = "On validation: " + "; ".join(parts) + "."
    machine, plain = f"{OLD}, {JSON}", OLD
    if {machine, plain} <= {*found.needs}:
        known, there = found.share(ASK, plain, "fact"), found.share(PROMPT, machine, "fact")
        if there.value < known.value - 2 * CLEAR:
            said += (
                f" Asked in plain words the base model tells {known.value:.0%} of the old facts, "
                f"in JSON with examples {there.value:.0%}: it knows them in the kind of sentence "
                "in which it has read them."
            )
    return said


def show_grid(found: Compared, title: str = "What serves what") -> None:
    """All ways and needs."""
    ways = [way for way in (*WAYS, ROUTER) if way in found.ways]
    both, form, fact = (found.shares(measure) for measure in ("both", "form", "fact"))
    shares = {
        need: {way: (both[way][need], form[way][need], fact[way][need]) for way in ways}
        for need in found.needs
    }
    means = {way: float(np.mean([both[way][need] for need in found.needs])) for way in ways}
    told = ", ".join(f"{way} {mean:.0%}" for way, mean in sorted(means.items(), key=_by_value))
    show(
        grid(shares, title),
        "Share of answers with form and fact right, for every need (row) and way (column), with "
        f"form and fact apart in small. Means over all needs, the best first: {told}.",
    )


def _by_value(pair: tuple[str, float]) -> float:
    return -pair[1]


def grid_told(found: Compared) -> str:
    """The best way for plain facts of each age, what questions without an answer get, and what a
    training did to old facts."""
    if RECENT not in found.needs:
        means = {way: found.share(way).value for way in WAYS}
        best = max(means, key=lambda way: means[way])
        return f"Most of your questions are answered by *{best}*: **{short(found.share(best))}**."
    recent = {way: found.share(way, RECENT).value for way in (ASK, RETRIEVE, TUNE)}
    stale = found.rows[(found.rows.way == ASK) & (found.rows.need == RECENT)]
    kept = found.difference(TUNE, ASK, OLD)
    lost = "Training cost old facts" if kept.value < -CLEAR else "Training left old facts in place"
    silent = {way: found.share(way, NO_ANSWER, "fact").value for way in (ASK, RETRIEVE, BOTH)}
    guess = max(silent[RETRIEVE], silent[BOTH]) < 0.5
    return (
        f"Recent facts: just asked {recent[ASK]:.0%} (in {stale.stale.mean():.0%} of its answers "
        f"the model gives a value that was right once), retrieved **{recent[RETRIEVE]:.0%}**, "
        f"trained in **{recent[TUNE]:.0%}**. {lost}: {short(kept)} against just asking. Where no "
        f"answer exists, {silent[ASK]:.0%} of the base model's answers say so, "
        f"{silent[RETRIEVE]:.0%} with retrieval, {silent[BOTH]:.0%} with a reader fine-tuned on it."
        + (" A search always finds something, and the model answers from that." if guess else "")
    )


def show_form_and_fact(found: Compared) -> None:
    """Form against fact, for old facts and for recent ones that are wanted in a form."""
    ways = [way for way in (*WAYS, ROUTER) if way in found.ways]
    panels: dict[str, dict[str, tuple[float, float]]] = {}
    for age in (OLD, RECENT):
        names = [need for need in found.forms() if need.startswith(age)]
        if names:
            panels[f"{age}s, wanted in a form"] = {
                way: (
                    found.share(way, names, "form").value,
                    found.share(way, names, "fact").value,
                )
                for way in ways
            }
    if not panels:
        return
    told = "; ".join(
        f"{panel}: {TUNE} has form {points[TUNE][0]:.0%} and fact {points[TUNE][1]:.0%}, {BOTH} "
        f"{points[BOTH][0]:.0%} and {points[BOTH][1]:.0%}"
        for panel, points in panels.items()
    )
    show(
        form_and_fact(panels, "Well put and right are two things"),
        f"Share of answers in the right form against the share with the right fact. {told}.",
    )


def forms_told(found: Compared) -> str:
    """Which way puts recent facts well and wrong, and which gets both."""
    names = [need for need in found.forms() if need.startswith(RECENT)]
    if not names:
        return "Your questions ask for no form, so there is nothing to tell apart."
    form, fact, both = (
        {way: found.share(way, names, m).value for way in WAYS} for m in ("form", "fact", "both")
    )
    best = max(both, key=lambda way: both[way])
    gap = {way: form[way] - both[way] for way in WAYS}
    trap = max(gap, key=lambda way: gap[way])
    said = f"Of recent facts in a form *{best}* gets most right in both: **{both[best]:.0%}**."
    if gap[trap] > CLEAR:
        said += (
            f" The most dangerous is *{trap}*: {form[trap]:.0%} of its answers look as they "
            f"should, and {both[trap]:.0%} are right as well. Who checks the form alone ships "
            "the rest."
        )
    right_badly = {way: fact[way] - both[way] for way in WAYS}
    badly = max(right_badly, key=lambda way: right_badly[way])
    if right_badly[badly] > CLEAR:
        said += (
            f" *{badly}* tells the fact in {fact[badly]:.0%}, and puts it as wanted in "
            f"{form[badly]:.0%}."
        )
    return said


def router_told(found: Compared) -> str:
    """Where the router sends what, and how it compares with the combinations."""
    sent: dict[str, list[str]] = {}
    for need, way in found.routes().items():
        sent.setdefault(way, []).append(need)
    told = "; ".join(f"*{way}*: {', '.join(needs)}" for way, needs in sent.items())
    gap, guided = found.difference(BOTH, ROUTER), found.difference(GUIDED, ROUTER)
    if gap.value > CLEAR / 2:
        said = "Combining gives what no single way has"
    elif gap.value < -CLEAR / 2:
        said = "The router does better than combining"
    else:
        said = "Here a router of single ways does about as well"
    return (
        f"The router sends {told}.\n\n{said}: *{BOTH}* less the router is **{short(gap)}**, over "
        f"all needs; *{GUIDED}*, which trains nothing, less the router {short(guided)}."
    )
