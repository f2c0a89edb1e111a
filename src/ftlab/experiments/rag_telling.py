"""Figures of the comparison with their texts, and the sentences that follow from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ftlab.evaluation import Estimate
from ftlab.experiments.learning_curve import over_seeds
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
        f", {found.taught[RECENT]:,} of them recent facts: all that the test asks for, and others"
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
        f"{sum(found.taught.values()):,} examples{recent}. {found.chosen}{trimmed}"
    )


def show_prompts(found: Compared) -> None:
    """Form and fact on validation by the number of examples in the prompt, without notes."""
    panels: dict[str, dict[str, dict[float, Estimate]]] = {}
    ends = []
    answers = 0
    for name in (f"{OLD}, {VOICE}", f"{OLD}, {JSON}", SORTING):
        if name not in found.needs:
            continue
        tried = found.prompts_tried(PROMPT, name).set_index("prompt")
        answers = int(found.tried.answers.max())
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
        y=f"share of {answers} answers",
        title="The base model, shown examples and not trained",
        log_x=False,
    )
    show(
        figure,
        f"Share of {answers} answers with the right form, the right fact, and both, on validation, "
        f"against the number of examples in the prompt. {'; '.join(ends)}.",
    )


def prompts_told(found: Compared) -> str:
    """Which prompt is best for each form, and what it leaves undone."""
    parts = []
    for name in [n for n in found.needs if form_of(n) and n.startswith(OLD)] + [SORTING]:
        if name not in found.needs:
            continue
        tried = found.prompts_tried(PROMPT, name)
        best = tried[tried.chosen.astype(bool)].iloc[0]
        said = f"*{name}*: **{best.prompt}**, form and fact right in {best.validation:.0%}"
        orders = tried[tried.prompt == "instruction"]
        if len(orders):
            said += f" (an instruction alone {orders.validation.iloc[0]:.0%})"
        parts.append(said)
    said = "Chosen on validation, of equals the shortest: " + "; ".join(parts) + "."
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


def show_grid(found: Compared, title: str = "Right answers, by what is wanted and by way") -> None:
    """All ways and needs."""
    ways = [way for way in WAYS if way in found.ways]
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
    """The best way for recent facts, plain and in a form, what questions without an answer get,
    and what passages and a training did to old facts."""
    if RECENT not in found.needs:
        means = {way: found.share(way).value for way in WAYS}
        best = max(means, key=lambda way: means[way])
        return f"Most of your questions are answered by *{best}*: **{short(found.share(best))}**."
    recent = {way: found.share(way, RECENT).value for way in (ASK, RETRIEVE, TUNE)}
    asked = found.rows[(found.rows.way == ASK) & (found.rows.need == RECENT)]
    changed = asked[(asked.split == "test") & (asked.changed > 0)]
    old = (
        f" (of facts that have changed it tells the old value in {changed.stale.mean():.0%})"
        if len(changed)
        else ""
    )
    kept = {way: found.difference(way, ASK, OLD) for way in (RETRIEVE, TUNE)}
    cost = " and ".join(f"{short(gap)} with *{way}*" for way, gap in kept.items())
    less = [f"*{way}*" for way, gap in kept.items() if gap.high < 0]
    meant = (
        f"what is added to a model can cost what it had: {' and '.join(less)} did"
        if less
        else "neither is told apart from no change, with the seeds of this run"
    )
    silent = {way: found.share(way, NO_ANSWER, "fact").value for way in (ASK, RETRIEVE, BOTH)}
    guess = max(silent[RETRIEVE], silent[BOTH]) < 0.5
    return (
        f"{_best_told(found)}Recent facts in plain words: just asked {recent[ASK]:.0%}{old}, "
        f"retrieved **{recent[RETRIEVE]:.0%}**, trained in **{recent[TUNE]:.0%}**.\n\nOld facts, "
        f"against just asking: {cost}; {meant}.\n\nWhere no answer exists, "
        f"{silent[ASK]:.0%} of the base model's answers say so, "
        f"{silent[RETRIEVE]:.0%} with retrieval, {silent[BOTH]:.0%} with a reader fine-tuned on it."
        + (" A search always finds something, and the model answers from that." if guess else "")
    )


def _best_told(found: Compared) -> str:
    """Which way gets most recent facts in a form right, and how far the next one is behind."""
    names = _recent_in_a_form(found)
    if not names:
        return ""
    first, second, *_ = sorted(WAYS, key=lambda way: -found.share(way, names).value)
    most, gap = found.share(first, names).value, found.difference(first, second, names)
    return (
        f"Recent facts in a form: *{first}* gets most right, **{most:.0%}**; next is *{second}*, "
        f"behind by {short(gap)}.\n\n"
    )


def _recent_in_a_form(found: Compared) -> list[str]:
    return [need for need in found.forms() if need.startswith(RECENT)]


def show_form_and_fact(found: Compared) -> None:
    """Form against fact, for recent facts in each form."""
    ways = [way for way in WAYS if way in found.ways]
    panels = {
        need: {
            way: (found.share(way, need, "form").value, found.share(way, need, "fact").value)
            for way in ways
        }
        for need in _recent_in_a_form(found)
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
    """Whether what was learned in plain words comes out in a form, and which ways put recent facts
    well and wrong."""
    names = _recent_in_a_form(found)
    if not names:
        return "Your questions ask for no form, so there is nothing to tell apart."
    form, fact, both = (
        {way: found.share(way, names, m).value for way in WAYS} for m in ("form", "fact", "both")
    )
    gap = {way: form[way] - both[way] for way in WAYS}
    trap = max(gap, key=lambda way: gap[way])
    said = _carried_told(found, names)
    if gap[trap] > CLEAR:
        said += (
            f" The most dangerous is *{trap}*: {form[trap]:.0%} of its answers look as they "
            f"should, and {both[trap]:.0%} are right as well. Whoever checks the form alone lets "
            "the rest through."
        )
    right_badly = {way: fact[way] - both[way] for way in WAYS}
    badly = max(right_badly, key=lambda way: right_badly[way])
    if right_badly[badly] > CLEAR:
        said += (
            f" *{badly}* tells the fact in {fact[badly]:.0%}, and puts it as wanted in "
            f"{form[badly]:.0%}."
        )
    return said


def _carried_told(found: Compared, names: Sequence[str]) -> str:
    """In which forms the fine-tuned model tells the facts that it was taught in plain words."""
    facts = {need: found.share(TUNE, need, "fact").value for need in names}
    most, least = (pick(facts, key=lambda need: facts[need]) for pick in (max, min))
    told = " and ".join(f"{share:.0%} of *{need}*" for need, share in facts.items())
    pairs = zip(*(found.per_seed(TUNE, need, "fact") for need in (most, least)), strict=True)
    apart = over_seeds([one - other for one, other in pairs])
    said = f"*{TUNE}*, which learned recent facts in plain words, tells the fact in {told}"
    if facts[most] - facts[least] > 2 * CLEAR and (apart.open or apart.low > 0):
        if form_of(most) == VOICE:
            return (
                f"{said}: the voice keeps the plain sentence whole, JSON takes it apart. A fact "
                "learned in one kind of sentence need not come out in another."
            )
        return f"{said}: a fact that was learned does not come out in every form."
    return f"{said}."


def router_told(found: Compared) -> str:
    """How the router compares with the combinations."""
    means = ", ".join(f"*{way}* {found.share(way).value:.0%}" for way in (ROUTER, BOTH, GUIDED))
    gap, guided = found.difference(BOTH, ROUTER), found.difference(GUIDED, ROUTER)
    if gap.low > 0:
        said = "Combining gives what no single way has"
    elif gap.high < 0:
        said = "The router does better than combining"
    else:
        said = "This run does not tell which is better"
    return (
        f"Right over all needs: {means}. {said}: *{BOTH}* less the router is **{short(gap)}**; "
        f"*{GUIDED}*, which trains nothing, less the router {short(guided)}."
    )
