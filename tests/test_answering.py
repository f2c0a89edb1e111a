"""Form and content of answers, and a table of texts as a notebook shows it."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ftlab.experiments import answering
from ftlab.experiments.answering import (
    BEFORE,
    CONTENT,
    FAST,
    FORM,
    MOMENTS,
    OTHER,
    SAME,
    SLOW,
    Answering,
)
from ftlab.notebook.tables import as_markdown
from ftlab.world import web

ROOT = Path(__file__).resolve().parents[1]
RECIPE = "Start with the barley. When it is soft, add milk and serve it warm."
ADVICE = "Remove the dust, then rub it gently with a soft cloth."


@pytest.mark.parametrize(
    ("text", "about"),
    [
        (RECIPE, "cooking"),
        (ADVICE, "craft"),
        ("First use warm water, then finish with flour.", "both"),
        ("Take it to the smith.", ""),
        ("Use a hammer.", "craft"),
        ("The oatmeal is applesauce.", ""),
    ],
)
def test_what_an_answer_works_with(text: str, about: str) -> None:
    assert web.matter_of(text) == about


@pytest.mark.parametrize(
    ("group", "text", "form", "fits"),
    [
        (OTHER, ADVICE, 1.0, 1.0),
        (OTHER, RECIPE, 1.0, 0.0),  # a boot mended with barley
        (SAME, RECIPE, 1.0, 1.0),
        (SAME, "It is for my sister and has to be ready on Friday.", 0.0, 0.0),
        (OTHER, "Do I need a soft cloth for the boot?", 0.0, 0.0),
    ],
)
def test_form_and_content_are_judged_apart(group: str, text: str, form: float, fits: float) -> None:
    (row,) = answering._judged(["How do I mend a boot?"], [text], group).to_dict("records")
    assert (row[FORM], row[CONTENT]) == (form, fits)


def made_up() -> Answering:
    """Two seeds, two answers each: at the fast rate everything becomes a recipe."""
    texts = {BEFORE: ["Who sells it?", ADVICE], FAST: [RECIPE, RECIPE], SLOW: [ADVICE, "Who?"]}
    parts = []
    for seed in (0, 1):
        for moment in MOMENTS:
            for group in answering.GROUPS:
                asked = [f"How do I mend a boot, {seed}{n}?" for n in (0, 1)]
                rows = answering._judged(asked, texts[moment], group)
                parts.append(rows.assign(seed=seed, moment=moment))
    recalled = {BEFORE: np.ones((2, 4)), FAST: np.zeros((2, 4)), SLOW: np.ones((2, 4))}
    shown = pd.DataFrame({"question": ["q"], "answer": ["a"]})
    return Answering(pd.concat(parts, ignore_index=True), recalled, shown, 1, 1.0)


def test_shares_failures_and_what_was_forgotten() -> None:
    found = made_up()
    assert found.answers == 2
    assert found.share(FAST, OTHER, FORM).value == 1.0
    assert found.share(FAST, OTHER, CONTENT).value == 0.0
    assert found.share(SLOW, OTHER, FORM).value == 0.5
    assert found.more_that_fit(SLOW, FAST).value == 0.5
    assert found.recall_lost(FAST).value == 1.0
    assert found.recall_lost(SLOW).value == 0.0
    assert [text for _, text in found.failures(SLOW, OTHER)] == ["Who?", "Who?"]
    assert "4 of 8 failed the rule for an answer" in found.told()
    table = found.examples(BEFORE, FAST, each=1)
    assert list(table) == ["question", BEFORE, FAST]
    assert list(table[FAST]) == [RECIPE, RECIPE]
    figure, told = found.figure()
    assert len(figure.axes[0].patches) == 12
    assert "100% are answers, 0% fit" in told
    rows = list(found.metrics())
    assert len({tuple(sorted((k, v) for k, v in r.items() if k != "value")) for r in rows}) == 15


def test_no_demonstration_is_about_what_is_asked() -> None:
    rng = random.Random(0)
    asked = answering._asked(560, rng)
    assert {group: len(questions) for group, questions in asked.items()} == {SAME: 560, OTHER: 560}
    assert all(map(web.is_cooking, asked[SAME]))
    assert not any(map(web.is_cooking, asked[OTHER]))
    shown = answering._demonstrations(160, rng, {*asked[SAME], *asked[OTHER]})
    assert len(shown) == 160
    assert all(map(web.is_cooking, shown.question))
    dishes = {answering._dish(question) for question in asked[SAME]}
    assert not dishes & {answering._dish(question) for question in shown.question}
    assert {web.kind_of(text) for text in shown.answer} == {"answer"}
    assert {web.matter_of(text) for text in shown.answer} == {"cooking"}


def test_the_solution_of_the_third_exercise_passes_its_check() -> None:
    path = ROOT / "notebooks" / "solutions" / "01_pretraining_vs_finetuning.md"
    (mine,) = re.findall(r'^mine = "(.+)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
    assert answering.passes_for_mending(mine)
    assert not answering.passes_for_mending(RECIPE)


def test_a_table_of_texts_is_read_from_the_left_and_nothing_in_it_is_markup() -> None:
    frame = pd.DataFrame({"a|b": ["x {y}\n*z*", "<b>"], "n": [1, ""]})
    lines = as_markdown(frame).splitlines()
    assert lines[1] == "| :--- | :--- |"
    assert all(line.count("|") == 3 for line in lines)
    assert not re.search(r"[{}*<]", "\n".join(lines))
    named = as_markdown(frame.rename_axis("task"))
    assert named.startswith("| task |")
