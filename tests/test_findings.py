"""What is known of every claim: by topic, on one scale, with its history and its share of luck."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import full_record, judged_claim, refused

from ftlab.claims import Claim, all_claims, find_claim
from ftlab.claims import findings as findings_module
from ftlab.claims.findings import Finding, Findings, known, measures
from ftlab.claims.history import full_runs, gone, turned
from ftlab.claims.multiplicity import by_chance, misses, strict, widened
from ftlab.claims.scale import TIMES, effect_sizes, gains, in_words, sized, zones
from ftlab.claims.telling import LABS, example, figure, in_brief, strip, table
from ftlab.claims.topics import TOPICS, topic_of
from ftlab.claims.verdicts import Judgement, OwnRuns, judgements_of
from ftlab.evaluation import Estimate
from ftlab.experiments.learning_curve import over_seeds
from ftlab.plots.verdicts import END, Strip, verdict_strips

NAME, MODEL = "03_lora", "d11e5ea20847"
ABOUT = {"cpu": "A, 2 cores", "precision": "fp32", "base_model_sha256": MODEL}
GAIN, LOSS, RATE = "LORA-10", "LORA-09", "LORA-13"  # three kinds of claim in the table
MEASURED = [claim for claim in all_claims() if claim.kind == "measured"]


def claim_of(name: str) -> Claim:
    claim = find_claim(NAME, name)
    assert claim is not None
    return claim


def row(name: str, low: float, high: float, verdict: str, **changes: Any) -> dict[str, Any]:
    claim = claim_of(name)
    rule = {key: getattr(claim, key) for key in ("kind", "unit", "null", "direction", "effect")}
    return judged_claim(
        name, metric=claim.quantity.format(task="letters"), rule=claim.rule, **rule,
        estimate=(low + high) / 2, ci_low=low, ci_high=high, verdict=verdict, **changes,
    )  # fmt: skip


def record(*claims: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return full_record(NAME, environment=ABOUT, claims=[*claims], **changes)


def put(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def judgement(claim: Claim, estimate: Estimate, **changes: Any) -> Judgement:
    about: dict[str, Any] = {
        "notebook": claim.notebook, "claim": claim.id, "statement": claim.statement,
        "metric": claim.quantity, "rule": claim, "outcome": claim.judge(estimate), "run": "r",
        "source": "kept record", "profile": "full", "cpu": "A", "precision": "fp32", "model": MODEL,
    }  # fmt: skip
    return Judgement(estimate=estimate, **about | changes)


def finding(name: str, low: float, high: float, **changes: Any) -> Finding:
    claim = claim_of(name)
    return Finding(claim, judgement(claim, Estimate((low + high) / 2, low, high, 5), **changes))


def all_of(*found: Finding) -> Findings:
    return Findings([*found], [], OwnRuns(0, [], []))


def kept(root: Path, content: dict[str, Any], run: str = "") -> None:
    place = root / "data" / "reference"
    past = place / "history" / NAME / f"{run}.json"
    put(past if run else place / f"{NAME}.json", content)


# Topics


def test_every_claim_stands_in_one_topic() -> None:
    assert {claim.topic for claim in all_claims()} <= TOPICS.keys()
    everything = known()
    shown = [one.claim for name in TOPICS for one in everything.of(name)]
    assert Counter(map(id, shown)) == Counter(map(id, all_claims()))
    refused(lambda: everything.of("love"), "no topic 'love'", "forgetting")


def test_a_claim_without_a_topic_falls_under_its_notebooks_own() -> None:
    assert topic_of("02_layer_freezing") == "freezing"
    assert topic_of("07_overfitting", "forgetting") == "forgetting"
    refused(lambda: topic_of("03_lora", "rank"), "not 'rank'", "lora")
    refused(lambda: topic_of("42_unheard_of"), "42_unheard_of", "need a topic")


# One scale


@pytest.mark.parametrize("claim", MEASURED, ids=lambda c: f"{c.notebook[:2]}-{c.id}")
def test_the_zones_are_the_verdicts(claim: Claim) -> None:
    """Where an interval lies wholly in one zone the rule gives that zone's verdict, elsewhere it is
    undecided; except that the contrary of a gain begins at no effect."""
    rng = np.random.default_rng(0)
    for start, wide in zip(rng.uniform(-3, 3, 60), rng.uniform(0.01, 3, 60), strict=True):
        places = [_value_at(claim, start), _value_at(claim, start + wide)]
        low, high = sorted(places)
        if claim.unit == "ratio" and low <= 0:
            continue
        inside = [z.verdict for z in zones(claim) if z.low < start and start + wide < z.high]
        left = gains(claim) and start + wide < 0 and start < -1
        expected = inside[0] if inside else "contrary" if left else "undecided"
        assert claim.judge(Estimate((low + high) / 2, low, high, 5)) == expected, (start, wide)


def _value_at(claim: Claim, place: float) -> float:
    """The value that lies at a place of the scale, found by halving."""
    low, high = (1e-12, 1e12) if claim.unit == "ratio" else (-1e3, 1e3)
    rising = effect_sizes(claim, high) > effect_sizes(claim, low)
    for _ in range(60):
        middle = math.sqrt(low * high) if claim.unit == "ratio" else (low + high) / 2
        if (effect_sizes(claim, middle) < place) == rising:
            low = middle
        else:
            high = middle
    return low


def test_one_step_is_the_smallest_effect_that_matters() -> None:
    assert effect_sizes(claim_of(GAIN), 0.15) == pytest.approx(3)  # of five points
    assert effect_sizes(claim_of(LOSS), -0.02) == pytest.approx(-1)  # what it allows for
    assert effect_sizes(claim_of(RATE), 4.0) == pytest.approx(2)  # a factor of two, twice
    always = Claim("A-01", "s", "q", "above", 0.99, "share", None)
    assert effect_sizes(always, 1.0) == pytest.approx(2)
    assert effect_sizes(always, 0.97) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0.8796, "difference of shares", "+88 points"),
        (-0.01, "difference of shares", "-1 point"),
        (0.000663, "ratio", f"{TIMES}0.000663"),
        (0.9944, "share", "99.4%"),
        (-0.0807, "bits per character", "-0.0807 bits per character"),
        (-0.513, "correlation", "-0.513"),
        (-math.inf, "ratio", "anything"),
    ],
)
def test_a_quantity_is_told_in_the_unit_that_a_reader_takes_in(
    value: float, unit: str, told: str
) -> None:
    assert sized(value, unit) == told


def test_the_rule_is_told_in_the_same_unit() -> None:
    assert in_words(claim_of(LOSS)) == "above -2 points"
    assert in_words(claim_of(RATE)) == f"above {TIMES}2"
    assert in_words(Claim("A-01", "s", "q", "within", 0.02)) == "within ±2 points of no difference"
    near = Claim("A-01", "s", "q", "within", 1.25, "ratio", 1.0)
    assert in_words(near) == f"between 0.8 and {TIMES}1.25"
    assert in_words(Claim("A-01", "s", "q", "above", 0.0)) == "any effect on the claim's side"


# What stands


def test_only_a_full_run_gives_a_verdict(root: Path) -> None:
    put(root / "results" / "q.json", record(row(GAIN, 0.2, 0.3, "supported"), profile="quick"))
    (one,) = [f for f in known().all if f.judgement]
    assert (one.claim.id, one.outcome, one.judged) == (GAIN, "no full run yet", False)
    kept(root, record(row(GAIN, 0.0, 0.3, "undecided"), run_id="full"))
    (one,) = [f for f in known().all if f.judgement]
    assert (one.outcome, one.judged) == ("undecided", True)


def test_a_run_with_the_model_at_hand_counts_before_another_models(root: Path) -> None:
    kept(root, record(row(GAIN, 0.2, 0.3, "supported"), run_id="kept"))
    mine = {**ABOUT, "base_model_sha256": "f" * 20}
    own = full_record(NAME, environment=mine, claims=[row(GAIN, 0.0, 0.3, "undecided")])
    put(root / "results" / "mine.json", own | {"run_id": "mine"})

    def run_with(model: str) -> list[str]:
        return [f.judgement.run for f in known(model=model).all if f.judgement]

    assert run_with("f" * 12) == ["mine"]
    assert run_with(MODEL) == ["kept"]


def test_a_record_of_another_quantity_tells_nothing_of_the_claim(root: Path) -> None:
    kept(root, record(row(GAIN, 0.2, 0.3, "supported") | {"metric": "accuracy: LoRA - head"}))
    assert not [f for f in known().all if f.judgement]
    filled = judgement(claim_of(LOSS), Estimate(0, 0, 0, 5), metric="test accuracy on 'a b': x")
    assert not measures(filled, claim_of(LOSS))
    (same,) = judgements_of(record(row(LOSS, 0, 0, "supported")), "own run")
    assert measures(same, claim_of(LOSS))


def test_counts_are_by_topic_and_verdict() -> None:
    found = all_of(finding(GAIN, 0.2, 0.3), finding(LOSS, -0.3, 0.2), Finding(claim_of("CF-07")))
    counts = found.counts()
    lora, forgetting = TOPICS["lora"], TOPICS["forgetting"]
    assert (counts.loc[lora, "supported"], counts.loc[lora, "undecided"]) == (1, 1)
    assert counts.loc[forgetting, "not run yet"] == 1
    assert list(counts.loc["all topics"]) == [1, 0, 0, 1, 1]


def test_where_lab_and_real_scale_part_is_told() -> None:
    against = finding(GAIN, -0.3, -0.2)  # full fine-tuning learns more, says a source: not here
    agrees = finding(GAIN, 0.2, 0.3)
    assert (against.outcome, against.at_scale) == ("contrary", "holds")
    found = all_of(against, agrees, finding(GAIN, -0.01, 0.01))
    assert [one.outcome for one in found.parted()] == ["contrary", "no effect that matters"]
    table = found.with_scale()
    assert table.loc["supported", "at real scale: holds"] == 1
    assert table.to_numpy().sum() == 3


def test_effects_in_doubt_lie_on_one_side_of_no_effect() -> None:
    found = all_of(
        finding(GAIN, 0.01, 0.3),
        finding(GAIN, -0.01, 0.3),
        finding(RATE, 1.5, 3.0),
        finding(GAIN, 0.2, 0.3),
    )
    assert [one.judgement.estimate.low for one in found.in_doubt()] == [0.01, 1.5]


# Figures and tables


def shapes(strips: list[Strip]) -> Any:
    return verdict_strips(strips, title="t").axes[0]


def test_a_figure_has_a_marker_a_verdict_and_an_interval_a_claim() -> None:
    found = [finding(GAIN, *ends) for ends in ((0.06, 0.1), (-0.1, -0.06), (-0.01, 0.01), (0, 0.1))]
    axes = figure(found, "t").axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    outcomes = [one.outcome for one in found]
    assert len({lines[outcome].get_marker() for outcome in outcomes}) == 4
    assert lines["undecided"].get_markerfacecolor() == "white"
    whiskers = [tuple(line.get_xdata()) for line in axes.lines if line.get_label() == "interval"]
    assert whiskers[0] == pytest.approx((1.2, 2.0))
    texts = " ".join(text.get_text() for text in axes.texts)
    assert "supported +8 points [+6, +10]" in texts
    assert texts.count("at real scale: holds") == 4


def test_what_lies_beyond_the_scale_has_an_arrow_and_its_distance() -> None:
    axes = figure([finding(GAIN, 0.9, 1.0)], "t").axes[0]
    assert "19 steps" in [text.get_text() for text in axes.texts]
    (arrow,) = [line for line in axes.lines if line.get_label() == "beyond"]
    assert (arrow.get_marker(), list(arrow.get_xdata())) == (">", [END])
    assert max(max(line.get_xdata()) for line in axes.lines) <= END
    one_seed = judgement(claim_of(GAIN), over_seeds([0.1]))
    axes = figure([Finding(claim_of(GAIN), one_seed)], "t").axes[0]
    assert len([line for line in axes.lines if line.get_label() == "beyond"]) == 2


def test_what_no_chance_enters_is_text_alone_and_nothing_is_cut_off() -> None:
    found = [finding(GAIN, 0.06, 0.1), finding("LORA-12", 0.13, 0.13), Finding(claim_of(LOSS))]
    drawn = figure(found, "t")
    axes = drawn.axes[0]
    assert len([line for line in axes.lines if line.get_label() == "interval"]) == 1
    assert {f"counted: {TIMES}0.13", "not run yet"} <= {text.get_text() for text in axes.texts}
    assert strip(found[1]).zones == ()
    drawn.canvas.draw()
    for text in axes.texts:
        assert text.get_window_extent().x1 <= drawn.bbox.x1
    assert figure(found[2:], "t").axes[0].axison is False  # a scale of nothing
    refused(lambda: verdict_strips([], title="t"), "at least one statement")


@pytest.mark.parametrize("name", TOPICS)
def test_all_that_is_written_into_the_figures_fits(name: str) -> None:
    found = known().of(name)
    if not found:
        pytest.skip("no claim yet")
    drawn = figure(found, TOPICS[name])
    drawn.canvas.draw()
    for text in drawn.axes[0].texts:
        assert text.get_window_extent().x1 <= drawn.bbox.x1, text.get_text()


def test_the_made_up_intervals_have_all_four_verdicts() -> None:
    shown = [text.get_text() for text in example(answers=True).axes[0].texts]
    hidden = [text.get_text() for text in example().axes[0].texts]
    for verdict in ("supported", "contrary", "no effect that matters", "undecided"):
        assert verdict in shown
        assert verdict not in hidden
    assert hidden.count("which verdict?") == len(LABS)


def test_a_table_says_what_was_found_and_where_real_scale_is_from() -> None:
    one = finding(GAIN, 0.2, 0.3)
    line = table([one]).splitlines()[2]
    for part in (one.claim.statement, "**Supported.**", "+25 points [+20, +30]", "5 seeds",
                 "above +5 points", "**Holds.**", "Biderman et al. 2024"):  # fmt: skip
        assert part in line
    assert line.count(" | ") == 2
    assert in_brief([one]) == f"Supported: {one.claim.statement}"
    any_at_all = Claim("A-01", "It helps.", "q", "above", 0.0)
    loose = Finding(any_at_all, judgement(any_at_all, Estimate(0.1, 0.05, 0.15, 5)))
    assert in_brief([loose]).endswith("Where any effect counts, a step is 2 points here.")


# History


def test_verdicts_that_turned_and_claims_that_went_are_told(root: Path) -> None:
    old = judged_claim("OLD-09", statement="Once said.")
    first = record(row(GAIN, 0.2, 0.3, "supported"), old, run_id="first")
    kept(root, first | {"started": "2025-12-31T00:00:00Z"}, run="first")
    kept(root, record(row(GAIN, 0.0, 0.3, "undecided"), run_id="second"))
    found = known()
    (one,) = [f for f in found.all if f.judgement]
    assert [j.run for j in one.earlier] == ["first"]
    (told,) = turned(found.runs).itertuples()
    assert told.Index == "Little is much."  # in the words of that time
    assert told[2].startswith("supported, +25 points [+20, +30]")
    assert told[3].startswith("undecided")
    (lost,) = gone(found.runs).itertuples()
    assert lost.Index == "Once said."
    runs = full_runs(found.runs, [one.judgement])
    assert list(runs["kept as reference"]) == ["no, replaced", "yes"]
    assert list(runs["claims today"]) == [0, 1]


def test_runs_whose_intervals_do_not_meet_are_told(root: Path) -> None:
    kept(root, record(row(GAIN, 0.2, 0.3, "supported"), run_id="kept"))
    for name, ends in (("near", (0.25, 0.4)), ("far", (0.31, 0.4))):
        quick = record(row(GAIN, *ends, "supported"), profile="quick", run_id=name)
        put(root / "results" / f"{name}.json", quick | {"environment": {**ABOUT, "cpu": name}})
    found = known(model=MODEL)
    assert len(found.compared()) == 2
    assert [(a.run, b.run) for a, b in found.apart()] == [("kept", "far")]


# Chance


def test_how_many_intervals_miss_is_what_a_simulation_says() -> None:
    told = misses(60)
    missed = (np.random.default_rng(0).random((20_000, 60)) < 0.05).sum(axis=1)
    assert told.expected == pytest.approx(missed.mean(), abs=0.05)
    assert (missed <= told.at_most).mean() >= 0.95 > (missed < told.at_most).mean()
    assert (misses(0).expected, misses(0).at_most) == (0, 0)


def test_only_verdicts_that_rest_on_an_interval_may_be_wrong_by_chance() -> None:
    found = [
        finding(GAIN, 0.2, 0.3),
        finding(GAIN, 0.2, 0.2),
        finding(GAIN, 0, 0.3, profile="quick"),
    ]
    assert by_chance([*found, Finding(claim_of(LOSS))]) == found[:1]


def test_a_stricter_rule_widens_every_interval() -> None:
    sure, hardly = finding(GAIN, 0.29, 0.31), finding(GAIN, 0.052, 0.1)
    assert [verdict for _, verdict in strict([sure, hardly])] == ["supported", "undecided"]
    estimate = Estimate(0.08, 0.06, 0.1, 5)
    wide = widened(claim_of(GAIN), estimate, 0.05)
    assert (wide.low, wide.high) == pytest.approx((0.06, 0.1))
    wide = widened(claim_of(GAIN), estimate, 0.01)  # Student's t with 4 degrees: 4.604 and 2.776
    assert (wide.low, wide.high) == pytest.approx(
        (0.08 - 0.02 * 1.6585, 0.08 + 0.02 * 1.6585), abs=1e-4
    )
    ratio = widened(claim_of(RATE), Estimate(4.0, 2.0, 8.0, 5), 0.01)
    assert ratio.low * ratio.high == pytest.approx(16)  # by its logarithm
    refused(lambda: widened(claim_of(GAIN), estimate, 0.0), "between 0 and 1")


def test_the_words_for_real_scale_need_no_explanation() -> None:
    said = {claim.at_scale.says for claim in all_claims()}
    assert said <= findings_module.AT_SCALE.keys()
