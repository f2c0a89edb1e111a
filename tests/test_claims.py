"""The table of claims: complete, in plain words, and nothing in it that no run could show."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import refused

from ftlab.claims import Claim, all_claims, claims_of
from ftlab.claims.record import estimate_of
from ftlab.claims.reference import reference
from ftlab.claims.table import told_elsewhere
from ftlab.evaluation import Estimate, mean_interval
from ftlab.notebook.files import notebook_paths, read_notebook
from ftlab.notebook.parameters import NOTEBOOKS

ROOT = Path(__file__).resolve().parents[1]
EVERY = pytest.mark.parametrize("claim", all_claims(), ids=lambda c: f"{c.notebook[:2]}-{c.id}")
# Verbs in their base form that a recipe may begin with. Nouns among them count too: a statement
# can begin otherwise. Adjectives (lower, clean) may begin one.
VERBS = """
    add adjust adopt aim always apply ask avoid average be begin build calibrate check choose
    collect combine compare consider cut decide do don't drop ensure evaluate expect fill find fit
    fix freeze get give go increase judge keep label leave let limit look make measure merge
    mind mix monitor never pick place prefer prepare prune put raise reduce remember remove repeat
    replace reset retrain reuse run save search select set show shuffle shorten skip spend split
    start stick stop store take teach test train trust try tune turn unfreeze update use validate
    wait watch weigh write
""".split()
# Where the answers to a claim about a share stand in a kept record of before they lay beside it.
COUNTED_IN = {
    "SFT-01": {"name": "answer_share", "questions": "cooking, as shown", "measure": "an answer"},
    "SFT-02": {"name": "answer_share", "questions": "mending, not shown", "measure": "an answer"},
    "C-28": {"name": "form", "measure": "form"},
}


def judged_in(path: Path) -> tuple[set[str], bool]:
    """The ids that a notebook's code gives to `judge` and `skip`, and whether it judges whatever
    was declared."""
    ids, all_of_them = set(), False
    for cell in read_notebook(path).cells:
        if cell.cell_type != "code":
            continue
        for call in (n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Call)):
            if ast.unparse(call.func) != "lab.judge":
                continue
            if isinstance(call.args[0], ast.Constant):
                ids.add(call.args[0].value)
            else:
                all_of_them |= "in lab.record.declared" in cell.source
    return ids, all_of_them


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_a_notebook_judges_the_claims_of_the_table_and_no_others(path: Path) -> None:
    ids, all_of_them = judged_in(path)
    table = claims_of(path.stem)
    assert ids <= table.keys()
    assert all_of_them or ids == table.keys()


def test_every_claim_belongs_to_a_notebook() -> None:
    assert {claim.notebook for claim in all_claims()} <= NOTEBOOKS.keys()
    assert len(all_claims()) > 60


@EVERY
def test_a_claim_says_why_its_effect_matters_and_what_it_is_about(claim: Claim) -> None:
    assert re.fullmatch(r"[A-Z]+-\d+", claim.id)
    assert claim.said
    assert claim.why
    assert claim.scope
    assert claim.statement.endswith(".")
    for text in (claim.why, claim.scope):
        assert not text.endswith(".")
    scale = claim.at_scale
    assert scale.says in ("agrees", "otherwise", "depends", "unknown")
    assert scale.why, "what is known, or that nothing was found"
    assert scale.source or scale.says == "unknown", "no source, no entry"


def imperative(statement: str) -> bool:
    """Whether one of its sentences or clauses begins with a verb in its base form."""
    parts = re.split(r"[.:;!?]\s+", statement)
    return any(part.split()[0].strip(",'\"").lower() in VERBS for part in parts if part.split())


@EVERY
def test_no_statement_is_an_imperative(claim: Claim) -> None:
    assert not imperative(claim.statement)


@pytest.mark.parametrize(
    "statement",
    [
        "Freeze the lower layers and tune the upper ones.",
        "Split 8:1:1, whatever the number of texts: the test part tells the accuracy.",
        "Add more data and performance rises, whoever labelled it.",
        "Judge practical value by users' feedback too: the test score does not tell it all.",
        "The rest is easy: start with a small learning rate.",
    ],
)
def test_an_imperative_is_found(statement: str) -> None:
    assert imperative(statement)


def what_is_measured(quantity: str) -> str:
    """A quantity without its sign: 'accuracy: a - b' and 'accuracy: b - a' are one."""
    of, _, operands = quantity.rpartition(":")
    for sign in (" - ", " / "):
        sides = operands.split(sign)
        if len(sides) == 2:
            operands = sign.join(sorted(side.strip() for side in sides))
    return f"{of}: {operands.strip()}"


def test_no_two_claims_rest_on_one_quantity() -> None:
    counts = Counter((claim.notebook, what_is_measured(claim.quantity)) for claim in all_claims())
    assert [key for key, count in counts.items() if count > 1] == []
    first, second = "on 'near': full - LoRA 4", "on 'near': LoRA 4 - full"
    assert what_is_measured(first) == what_is_measured(second)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_what_another_claim_decides_is_no_claim_of_its_own(notebook: str) -> None:
    assert not told_elsewhere(notebook) & claims_of(notebook).keys()


def out_of_reach(claim: Claim, estimate: Estimate, items: int | None = None) -> str:
    """Why a run of this size could not support a claim, whatever is true; "" if it could.

    Two things are looked at. A share that is to exceed (or to stay below) a level: what if every
    one of `items` answers, the same for all seeds, were right (or wrong)? And a claim that two
    things are about the same, or that no more than so much is given away: would an interval as
    wide as this one fit, around a tie?
    """
    if claim.kind != "measured":
        return ""
    if claim.null is None and items and claim.unit == "share":
        above = claim.direction == "above"
        best = mean_interval(np.full((max(1, estimate.seeds), items), float(above)))
        short = best.low <= claim.effect if above else best.high >= claim.effect
        end = best.low if above else best.high
        return f"at best the interval of {items} answers ends at {end:.3f}" if short else ""
    low, high, effect = (
        claim.scaled(estimate.low),
        claim.scaled(estimate.high),
        claim.scaled(claim.effect),
    )
    allows = claim.direction == "within" or (effect < 0) == (claim.direction == "above")
    if claim.null is None or effect == 0 or not allows:
        return ""
    half = (high - low) / 2
    if half < abs(effect):
        return ""
    return f"the interval reaches {half:.3f} to either side, and {abs(effect):g} are allowed"


def items_of(record: dict[str, Any], claim_id: str) -> int | None:
    """How many answers a claim about a share rests on, as far as the record's metrics tell."""
    wanted = COUNTED_IN.get(claim_id)
    if wanted is None:
        return None
    return next(row["n"] for row in record["metrics"] if wanted.items() <= row.items())


@EVERY
def test_a_claim_that_no_full_run_could_support_says_so(claim: Claim) -> None:
    record = reference(claim.notebook)
    row = next((row for row in record["claims"] if row["id"] == claim.id), None) if record else None
    if row is None:
        pytest.skip("no full run of it is kept")
    reason = out_of_reach(claim, estimate_of(row), items_of(record, claim.id))
    assert bool(reason) == bool(claim.out_of_reach), reason or "it could be supported"


def level(effect: float) -> Claim:
    return Claim("X-01", "s", "q", "above", effect, unit="share", null=None)


@pytest.mark.parametrize(
    ("claim", "estimate", "items", "reachable"),
    [
        (level(0.99), Estimate(0.9, 0.8, 1.0, 5), 56, False),
        (level(0.99), Estimate(0.9, 0.8, 1.0, 5), 656, True),
        (level(0.9), Estimate(0.5, 0.4, 0.6, 5), 56, True),
        (Claim("X-01", "s", "q", "below", 0.01, "share", None), Estimate(0, 0, 0, 5), 56, False),
        (Claim("X-01", "s", "q", "above", -0.02), Estimate(0.5, 0.45, 0.55, 5), None, False),
        (Claim("X-01", "s", "q", "above", -0.02), Estimate(0.5, 0.49, 0.51, 5), None, True),
        (Claim("X-01", "s", "q", "below", 0.02), Estimate(0.5, 0.45, 0.55, 5), None, False),
        (Claim("X-01", "s", "q", "within", 0.02), Estimate(0.5, 0.45, 0.55, 5), None, False),
        # A gain may be as large as it likes: a wide interval does not rule it out.
        (Claim("X-01", "s", "q", "above", 0.02), Estimate(0.5, 0.0, 1.0, 5), None, True),
        (Claim("X-01", "s", "q", "below", -0.02), Estimate(-0.5, -1.0, 0.0, 5), None, True),
    ],
)
def test_what_a_run_could_show_at_best(
    claim: Claim, estimate: Estimate, items: int | None, reachable: bool
) -> None:
    assert (out_of_reach(claim, estimate, items) == "") == reachable


GOOD = """
[03_lora.X-01]
statement = "s."
quantity = "q"
unit = "ratio"
direction = "below"
effect = 0.5
"""


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (GOOD + 'colour = "red"', "colour"),
        (GOOD.replace("below", "beneath"), "direction must be one of"),
        (GOOD.replace('quantity = "q"\n', ""), "quantity"),
        (GOOD + GOOD, "table of claims"),
        (GOOD + 'at_scale.sayss = "agrees"', "sayss"),
    ],
)
def test_a_broken_table_is_refused(table: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(GOOD)
    (claim,) = all_claims(path)
    assert (claim.notebook, claim.null, claim.rule) == ("03_lora", 1.0, "below 0.5")
    other = tmp_path / "other.toml"
    other.write_text(table)
    refused(lambda: all_claims(other), "other.toml", words)
