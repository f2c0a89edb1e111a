"""What notebooks say about their claims: which their code declares, and what their outputs show."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from ftlab.claims.claim import VERDICTS, Claim
from ftlab.claims.record import VERDICT_COLUMN
from ftlab.common.errors import LabError
from ftlab.evaluation import Estimate
from ftlab.notebook.files import METADATA, notebook_paths, read_notebook, source_sha256

CLAIM_ID = r"[A-Z]+-\d+"


@dataclass(frozen=True)
class Declared:
    """A claim as a notebook's code declares it; `rule` is "" where it is worked out in the run."""

    notebook: str
    claim: str
    statement: str
    rule: str


@dataclass(frozen=True)
class ShownClaim:
    """A judged claim as a table of verdicts shows it, its numbers as exact as they stand there."""

    id: str
    statement: str
    metric: str
    rule: str
    estimate: Estimate
    verdict: str


@dataclass(frozen=True)
class ShownRun:
    """The run whose outputs are kept in a notebook: `environment` as `open_lab` printed it, "" for
    a `run` that wrote no record."""

    notebook: str
    profile: str
    run: str
    environment: dict[str, str]
    claims: list[ShownClaim]


def declared_claims() -> list[Declared]:
    """Every claim that stands in a notebook's code (its exercises apart), in reading order.

    What a text takes in only when the notebook runs is shown as '…'.
    """
    found: dict[tuple[str, str], Declared] = {}
    for path in notebook_paths():
        for cell in read_notebook(path).cells:
            if cell.cell_type != "code" or "exercise" in cell.metadata.get("tags", []):
                continue
            try:
                tree = ast.parse(cell.source)
            except SyntaxError:  # a cell that a reader is at work on
                continue
            calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
            for call in sorted(calls, key=lambda call: call.lineno):
                claim = _declared(path.stem, call)
                if claim:
                    found.setdefault((path.stem, claim.claim), claim)
    return list(found.values())


def shown_runs() -> list[ShownRun]:
    """The runs whose outputs are kept in the notebooks, in reading order.

    Outputs of other code than the notebook's present one are left out: those of a notebook that
    is being worked in.
    """
    found = []
    for path in notebook_paths():
        notebook = read_notebook(path)
        kept = notebook.metadata.get(METADATA) or {}
        if kept.get("source_sha256") != source_sha256(notebook):
            continue
        printed, claims = _outputs(notebook)
        # The folder of results may have another name than the lab's own.
        line = rf"^Record written: .*/{re.escape(path.stem)}/(\S+)\.json$"
        run = re.search(line, printed, flags=re.MULTILINE)
        lines = re.finditer(r"^  (\w+) +(.+)$", printed, flags=re.MULTILINE)
        environment = {line[1]: line[2] for line in lines}
        profile = str(kept.get("profile"))
        found.append(ShownRun(path.stem, profile, run[1] if run else "", environment, claims))
    return found


def _declared(notebook: str, call: ast.Call) -> Declared | None:
    """The claim that a call makes; None if it makes none."""
    if getattr(call.func, "id", getattr(call.func, "attr", "")) != "Claim":
        return None
    names = ("id", "statement", "metric", "side", "effect")
    given = dict(zip(names, call.args, strict=False))
    given.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
    if not {"id", "statement"} <= given.keys() or not re.fullmatch(CLAIM_ID, _text(given["id"])):
        return None
    try:
        side, effect = (ast.literal_eval(given[name]) for name in ("side", "effect"))
        rule = Claim("", "", "", side, effect).rule
    except (KeyError, TypeError, ValueError, LabError):
        rule = ""
    return Declared(notebook, _text(given["id"]), _text(given["statement"]), rule)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "…"


class _Table(HTMLParser):
    """A table of a page as rows of cells."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


def _outputs(notebook: Any) -> tuple[str, list[ShownClaim]]:
    """What an executed notebook printed, and its tables of verdicts."""
    printed, claims = "", []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            printed += "".join(output.get("text", ""))
            page = "".join(output.get("data", {}).get("text/html", ""))
            if VERDICT_COLUMN in page:
                table = _Table()
                table.feed(page)
                claims += [claim for row in table.rows if (claim := _shown_claim(row))]
    return printed, claims


def _shown_claim(row: list[str]) -> ShownClaim | None:
    """The claim in a row of `Record.table`; None if it is another row, or was not judged."""
    if len(row) != 7 or row[6] not in VERDICTS:
        return None
    name, statement, metric, rule, numbers, seeds, verdict = row
    number = r"(-?\d[\d.]*(?:e[-+]\d+)?)"  # as `str` shows an estimate
    found = re.fullmatch(rf"{number}(?: exactly| \[{number}, {number}\])", numbers)
    if not (found and seeds.isdecimal()):
        return None
    value, low, high = (float(found[place] or found[1]) for place in (1, 2, 3))
    estimate = Estimate(value, low, high, int(seeds))
    return ShownClaim(name, statement, metric, rule, estimate, verdict)
