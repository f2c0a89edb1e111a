"""The comparison of prompting, retrieval and fine-tuning: form and fact, prompts, rules, cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import refused

from ftlab.batch.running import run_notebook
from ftlab.claims.record import read_record
from ftlab.common.paths import project_root
from ftlab.experiments import rag_comparison as ways
from ftlab.experiments import rag_needs as wants
from ftlab.experiments import rag_prompts, rag_telling
from ftlab.experiments.effort import EFFORTS
from ftlab.experiments.keeping import Trainings
from ftlab.experiments.rag_decision import BEGIN, LEAST_WORK, NEAR, NONE, errors_of
from ftlab.experiments.rag_result import WAYS, Compared, routes, with_router
from ftlab.models import load_tokenizer
from ftlab.world.facts import Fact
from ftlab.world.needs import Item, Need

ModelDir = Callable[[str], Path]
EFFORT_QUICK = wants.Amounts(12, 8, 40, 60, 30)
AMOUNTS = wants.Amounts(items=8, validation=4, rehearsed=20, told=30, each=8)


@pytest.fixture(scope="module")
def needs() -> dict[str, Need]:
    return wants.town_needs(0, AMOUNTS)


def test_every_right_answer_is_right_in_form_and_fact(needs: dict[str, Need]) -> None:
    for need in needs.values():
        for item in (*need.items, *need.validation, *need.lessons):
            assert wants.judged(item, item.answer) == (True, True), item


def test_form_and_fact_are_judged_apart() -> None:
    owl = Fact("Ada Velmor", "person", "pet", "owl")
    voice, plain = (wants._asked(owl, form) for form in (wants.VOICE, ""))
    machine = wants._asked(owl, wants.JSON)
    assert voice.answer == "Ahoy! The pet of Ada Velmor is an owl. Fair tides to you!"
    for item, text, found in (
        (voice, voice.answer.replace("an owl", "a goat"), (True, False)),
        (voice, plain.answer, (False, True)),
        (voice, "Ahoy! Fair tides to you!", (False, False)),
        (voice, voice.answer.replace("Ada", "Edda"), (True, False)),  # somebody else's owl
        (machine, '{"entity": "Ada Velmor", "pet": "owlet"}', (True, False)),
        (machine, machine.answer + " Good day!", (False, True)),
        (machine, plain.answer, (False, True)),
        (plain, voice.answer, (False, True)),
        (plain, "The pet of Ada Velmor is not told.", (True, False)),
    ):
        assert wants.judged(item, text) == found, text


def test_where_no_answer_exists_only_saying_so_is_right(needs: dict[str, Need]) -> None:
    item = needs[wants.NO_ANSWER].items[0]
    assert item.answer.endswith("is not told.")
    made_up = item.answer.replace("not told", "Tuesday")
    assert wants.judged(item, made_up) == (True, False)


def test_what_is_tested_is_taught_in_plain_words_at_most(needs: dict[str, Need]) -> None:
    def asked(name: str) -> set[str]:
        return {item.about for item in (*needs[name].items, *needs[name].validation)}

    lessons = wants.lessons_of(needs)
    in_a_form = {one.about for name in wants.IN_A_FORM for one in lessons[name]}
    assert in_a_form
    assert not in_a_form & (asked(wants.OLD) | asked(wants.RECENT))
    assert not {one.about for one in lessons[wants.OLD]} & asked(wants.OLD)
    told = {one.about: one.question for one in lessons[wants.RECENT]}
    for item in needs[wants.RECENT].items:
        assert told[item.about] != item.question, "told in other words than it is asked"
    for form in (wants.VOICE, wants.JSON):
        assert not lessons[f"{wants.RECENT}, {form}"]
        assert asked(f"{wants.RECENT}, {form}") == asked(wants.RECENT)
    assert any(item.stale for item in needs[wants.RECENT].items)
    again, other = wants.town_needs(0, AMOUNTS), wants.town_needs(1, AMOUNTS)
    assert again[wants.OLD].items == needs[wants.OLD].items != other[wants.OLD].items


def test_examples_never_show_the_fact_that_is_asked_for(needs: dict[str, Need]) -> None:
    for need in needs.values():
        for item in need.items:
            shown = rag_prompts.examples(need, item, 4)
            assert len(shown) == 4
            assert item.question not in {one.question for one in shown}
            if isinstance(item, wants.Asked) and item.attribute:
                assert item.about not in {one.about for one in shown}
                alike = {one.attribute for one in need.lessons} & {item.attribute}
                assert shown[-1].attribute == item.attribute or not alike, "most alike stands last"


def test_prompts_show_what_trainings_have_and_forms_cover_all_attributes() -> None:
    dealt = wants.town_needs(0, EFFORT_QUICK)
    lessons = wants.lessons_of(dealt)
    for name in wants.IN_A_FORM:
        taught = lessons[name.replace(wants.RECENT, wants.OLD)]
        assert {one.about for one in dealt[name].lessons} == {one.about for one in taught}
        wanted = {item.attribute for item in dealt[name].items}
        assert wanted <= {one.attribute for one in taught}, "every key that is wanted was shown"


def test_a_need_without_a_form_has_no_instruction(needs: dict[str, Need]) -> None:
    assert not any(style.instructs for style in rag_prompts.styles_for(needs[wants.OLD]))
    styles = rag_prompts.styles_for(needs[wants.IN_A_FORM[0]])
    assert len(styles) == 8
    item = needs[f"{wants.OLD}, {wants.JSON}"].items[0]
    text = rag_prompts.prompt(needs[f"{wants.OLD}, {wants.JSON}"], item, styles[1], ["A note."])
    first, second, *_ = text.splitlines()
    assert first == "Notes: A note."
    assert item.attribute in second


LONG = {
    "Japanese": "商品の返品は二週間以内です。送料は無料です。" * 80,
    "English": "The return of goods is allowed within two weeks, and shipping is free. " * 120,
    "one word": "x" * 6000,
    "symbols": "\U0001f989\u2602\U000131d8" * 900,
}


@pytest.mark.parametrize("sort", LONG)
@pytest.mark.parametrize("room", [1, 7, 60, 464])
def test_whatever_a_reader_brings_fits_into_the_prompt(sort: str, room: int) -> None:
    tokenizer, text = load_tokenizer("lab"), LONG[sort]
    lessons = tuple(Item(f"Question: {text[:900]}{n}?\nAnswer:", text, text[:900]) for n in "abcd")
    item = Item(f"Question: {text[:300]}?\nAnswer:", "two", text[:300])
    need = Need("own", "yours", lessons, (item,))
    style = rag_prompts.Style("4 examples", 4)
    made, cut = rag_prompts.fitted(tokenizer, room, need, item, style, [text, text])
    assert cut
    assert len(tokenizer(made)["input_ids"]) <= room
    short = rag_prompts.cut(tokenizer, text, 12)
    assert text.startswith(short)
    assert len(tokenizer(short, add_special_tokens=False)["input_ids"]) <= 12


def test_what_fits_is_left_alone() -> None:
    item = Item("Question: Who?\nAnswer:", "Ada", "Who?")
    need = Need("own", "yours", (item,), (item,))
    made, cut = rag_prompts.fitted(load_tokenizer("lab"), 400, need, item, notes=["Ada did."])
    assert (made, cut) == ("Notes: Ada did.\nQuestion: Who?\nAnswer:", False)


def made_up(seed: int, needs: Sequence[str] = wants.NEEDS, items: int = 9) -> Compared:
    """A comparison whose answers are drawn by lot, some ways good and some bad."""
    rng = np.random.default_rng(seed)
    rows = []
    for way in WAYS:
        for need in needs:
            form, fact = rng.choice([0.05, 0.5, 0.9, 0.95, 1.0], 2)
            for split in ("test", "validation"):
                for item in range(2 * items):
                    ok = rng.random() < form, rng.random() < fact
                    rows.append(
                        {
                            "way": way, "need": need, "seed": item % 2, "split": split,
                            "item": item // 2, "form": float(ok[0]), "fact": float(ok[1]),
                            "both": float(all(ok)), "stale": 0.0, "question": "Who?",
                            "wanted": "Ada", "text": "Ada", "prompt_tokens": 20, "new_tokens": 9,
                        }
                    )  # fmt: skip
    tried = pd.DataFrame(columns=["method", "task", "prompt", "form", "fact", "validation"])
    costs = pd.DataFrame(columns=["way", "seed", "seconds", "tokens"])
    return Compared(with_router(pd.DataFrame(rows)), {}, tried, costs, {n: f"a {n}" for n in needs})


@pytest.mark.parametrize("seed", range(30))
def test_no_number_of_a_run_contradicts_its_decision_table(seed: int) -> None:
    found = made_up(seed)
    table, shares = ways.decided(found), found.shares()
    assert ways.contradictions(table, found) == []
    for need in found.needs:
        row = table.loc[found.what[need]]
        first = row[BEGIN].removeprefix(f"{NONE} (best: ").removesuffix(")")
        best = max(shares[way][need] for way in LEAST_WORK)
        errors = errors_of(found, need)
        assert shares[first][need] >= best - NEAR - errors[first] - 1e-9
        assert row["form and fact"] == f"{shares[first][need]:.0%}"
        for way in LEAST_WORK[: LEAST_WORK.index(first)]:
            assert shares[way][need] < best - NEAR - errors[way]


def test_a_table_that_says_otherwise_is_contradicted() -> None:
    found = made_up(3)
    table = ways.decided(found)
    shares = found.shares()
    for what, row in table.iterrows():
        need = next(n for n, words in found.what.items() if words == what)
        worst = min(LEAST_WORK, key=lambda way: shares[way][need])
        lies = ((BEGIN, worst), ("form and fact", "101%"), ("form", "7%"), ("fact", "8%"))
        for column, lie in lies:
            if row[column] != lie:
                changed = table.copy()
                changed.loc[what, column] = lie
                assert ways.contradictions(changed, found), (what, lie)


def test_a_way_that_puts_well_what_is_wrong_is_not_begun_with() -> None:
    found = made_up(0, needs=(wants.RECENT,))
    rows = found.rows.copy()
    rows[["form", "fact", "both"]] = 0.0
    rows.loc[rows.way == ways.TUNE, "form"] = 1.0
    rows.loc[rows.way == ways.BOTH, ["form", "fact", "both"]] = 1.0
    table = ways.decided(Compared(rows, {}, found.tried, found.costs, found.what))
    assert list(table[BEGIN]) == [ways.BOTH]


def test_the_router_looks_at_validation_alone() -> None:
    found = made_up(5)
    rows = found.rows[found.rows.way != ways.ROUTER].copy()
    test = rows.split == "test"
    turned = rows.copy()
    turned.loc[test, "both"] = 1.0 - turned.loc[test, "both"]
    assert routes(turned) == routes(rows) == found.routes()
    assert {*found.routes().values()} <= {*ways.SINGLE}
    sent = found.routes()[wants.OLD]
    assert found.per_seed(ways.ROUTER, wants.OLD) == found.per_seed(sent, wants.OLD)


def test_estimates_are_one_number_a_seed_and_paired() -> None:
    found = made_up(1)
    gap = found.difference(ways.TUNE, ways.ASK)
    numbers = np.subtract(found.per_seed(ways.TUNE), found.per_seed(ways.ASK))
    assert gap.per_seed == pytest.approx(list(numbers))
    assert found.gap(ways.TUNE, ways.ASK, ["no such need"]) is None
    names = {row["name"] for row in found.metrics()}
    assert {"both_right", "form_right", "fact_right", "prompt_tokens"} <= names


def test_what_is_said_follows_from_the_numbers() -> None:
    found = made_up(2, needs=wants.IN_A_FORM)
    rows = found.rows.copy()
    rows[["form", "fact", "both"]] = 1.0
    rows.loc[rows.way == ways.TUNE, ["fact", "both"]] = 0.0
    said = rag_telling.forms_told(Compared(rows, {}, found.tried, found.costs, found.what))
    assert f"The most dangerous is *{ways.TUNE}*: 100% of its answers look as they" in said
    rows[["form", "fact", "both"]] = 1.0
    said = rag_telling.forms_told(Compared(rows, {}, found.tried, found.costs, found.what))
    assert "dangerous" not in said


def test_what_the_interval_leaves_open_is_not_told_as_found() -> None:
    found = made_up(2)
    rows = found.rows.copy()
    rows["changed"] = 1.0
    rows[["form", "fact", "both"]] = 1.0
    lucky = (rows.way == ways.ROUTER) & (rows.seed == 0) & (rows.item < 2)
    rows.loc[lucky, "both"] = 0.0  # in one seed of two
    made = Compared(rows, {}, found.tried, found.costs, found.what)
    assert "does not tell which is better" in rag_telling.router_told(made)
    assert "neither is told apart from no change" in rag_telling.grid_told(made)
    old = (rows.way == ways.TUNE) & (rows.need == wants.OLD)
    rows.loc[old & ((rows.seed == 0) | (rows["item"] > 0)), "both"] = 0.0
    said = rag_telling.grid_told(made)
    assert f"can cost what it had: *{ways.TUNE}* did" in said


def test_a_fact_that_comes_out_in_one_form_alone_is_told_so() -> None:
    found = made_up(2, needs=wants.IN_A_FORM)
    rows = found.rows.copy()
    rows[["form", "fact", "both"]] = 1.0
    made = Compared(rows, {}, found.tried, found.costs, found.what)
    assert "need not come out" not in rag_telling.forms_told(made)
    machine = (rows.way == ways.TUNE) & (rows.need == f"{wants.RECENT}, {wants.JSON}")
    rows.loc[machine & (rows["item"] > 0), ["fact", "both"]] = 0.0
    rows.loc[machine & (rows.seed == 0) & (rows["item"] < 2), ["fact", "both"]] = 1.0
    assert "need not come out in another" in rag_telling.forms_told(made)


def test_a_tuned_token_may_cost_what_the_prompt_saves() -> None:
    assert ways.break_even_price(600, 75, 100, output_price=1) == 4.0
    # OpenAI's GPT-4.1 asks 1.5 times for a tuned token: 0.54 of before, or 1.23 of before.
    assert 1.5 / ways.break_even_price(1000, 100, 100) == pytest.approx(0.54, abs=0.01)
    assert 1.5 / ways.break_even_price(1000, 100, 1000) == pytest.approx(1.23, abs=0.01)
    refused(lambda: ways.break_even_price(-1, 1, 1), "0 or more")
    refused(lambda: ways.break_even_price(1, 0, 0), "at least one token")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FTLAB_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def handbook(folder: Path) -> tuple[str, str]:
    """Documents that are long in every way, and questions about them, some as long."""
    (folder / "docs").mkdir(parents=True)
    rows = []
    for number, (sort, text) in enumerate(LONG.items()):
        source = f"{number}.md"
        (folder / "docs" / source).write_text(f"# {sort}\n\n{text}", encoding="utf-8")
        for asked in ("What is told?", text[:700], f"{sort}: who?"):
            row = {"question": f"{asked} ({number})", "answer": text[:400], "source": source}
            rows.append(json.dumps(row, ensure_ascii=False))
    (folder / "questions.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return str(folder / "docs"), str(folder / "questions.jsonl")


@pytest.mark.slow
def test_documents_of_any_length_and_language_are_compared(tmp_path: Path, results: Path) -> None:
    which = ways.case("lab", *handbook(tmp_path / "own"))
    found = ways.compared(which, seeds=[0], effort=EFFORTS["smoke"], trainings=Trainings())
    assert found.needs == [wants.OWN]
    assert found.ways == [*WAYS, ways.ROUTER]
    cut, prompts = found.trimmed
    assert 0 < cut <= prompts
    assert ways.contradictions(ways.decided(found), found) == []
    assert found.facts_in_words == "your own questions"
    assert f"{cut:,} were longer than the model takes" in rag_telling.run_told(found)
    for tell in (rag_telling.grid_told, rag_telling.forms_told, rag_telling.prompts_told):
        assert tell(found)


@pytest.mark.slow
def test_a_run_goes_on_where_it_was(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    which = ways.case("lab")
    run = {"seeds": [0], "effort": EFFORTS["smoke"]}
    first = ways.compared(which, **run)
    read = ways.wordings_read("lab", **run)
    changed = ways.one_fact_changes("lab", **run)
    assert len([*(results / "answers").glob("*.json")]) > 5
    monkeypatch.setattr("ftlab.experiments.rag_answers._answered", None)  # nothing is done again
    again = ways.compared(which, **run)
    pd.testing.assert_frame_equal(first.rows, again.rows)
    assert read.rows.equals(ways.wordings_read("lab", **run).rows)
    most = max(read.counts)
    assert read.per_seed("equal steps", most) == read.per_seed(
        "equal readings of each wording", most
    )
    assert set(changed.ways) == set(ways.one_fact_changes("lab", **run).ways)


def test_requests_are_timed_by_length_and_in_parts() -> None:
    class Retriever:
        def search(self, questions: Sequence[str], k: int) -> list[list[str]]:
            return [[] for _ in questions]

    run = {"seeds": [0], "effort": EFFORTS["smoke"]}
    times = ways.request_times("lab", Retriever(), ["Who?"], [20, 9999], **run)  # type: ignore[arg-type]
    assert {16, 20, 448, 500} <= {*times.lengths}, "no longer than the model takes"
    whole = times.per_seed(448)[0]
    parts = times.per_seed(448, "prefill")[0] + times.per_seed(448, "decode")[0]
    assert whole == pytest.approx(parts)
    assert times.ratio(448, 16).value > 1


@pytest.mark.slow
def test_own_documents_by_parameters_alone(tmp_path: Path, results: Path) -> None:
    documents, questions = handbook(tmp_path / "own")
    outcome = run_notebook(
        project_root() / "notebooks" / "05_rag_comparison.ipynb",
        {"profile": "smoke", "documents": documents, "questions": questions},
    )
    assert outcome.failure == ""
    record = read_record(outcome.executed.with_suffix(".json"))
    right = [row for row in record["metrics"] if row["name"] == "both_right"]
    assert {row["task"] for row in right} == {wants.OWN}
    assert {row["method"] for row in right} == {*WAYS, ways.ROUTER}
    (cut,) = (row for row in record["metrics"] if row["name"] == "prompts_cut")
    assert 0 < cut["value"] <= cut["n"]
    assert [*record["skipped"]] == ["C-35"], "of your questions nothing is wanted in a form"
