"""The project's own conventions: sizes, directions, safety, and a README that keeps its word."""

from __future__ import annotations

import ast
import base64
import functools
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from ftlab.claims import all_claims, read_record
from ftlab.claims.record import items_path
from ftlab.claims.reference import FINDINGS, HEADING, findings, headlines, read_reference
from ftlab.notebook.files import FIRST_FIGURE, readme_table

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "ftlab"
MODULES = sorted(PACKAGE.rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LONGEST = 300
# A module imports only from its left.
ORDER = [
    "common",
    "world",
    "data",
    "models",
    "evaluation",
    "training",
    "tuning",
    "rag",
    "plots",
    "notebook",
    "experiments",
    "claims",
    "batch",
]
DOORS = ["lab", "cli", "__main__"]  # modules beside the rooms, which may import from all of them
SKIPPED = {".git", ".venv", "results", "work", "build", "__pycache__", ".ipynb_checkpoints"}
TEXT = {".py", ".md", ".ipynb", ".toml", ".txt", ".yml", ".yaml", ".json", ".csv", ".jsonl", ""}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> Iterator[str]:
    """Every imported module by its full name, also those imported inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the package in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_go_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        assert not [name for name in imported(ast.parse(path.read_text())) if "ftlab" in name]
        return
    order = [*ORDER, *DOORS]
    assert own in order, f"give {own} its place in ORDER"
    for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        parts = name.split(".")
        if parts[0] == "ftlab" and parts[1] != own:
            assert order.index(parts[1]) < order.index(own), f"{own} imports {name}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Inside one part of the package too, and also by imports that a function makes."""
    names = {".".join(("ftlab", *p.relative_to(PACKAGE).with_suffix("").parts)): p for p in MODULES}
    modules = {name.removesuffix(".__init__"): path for name, path in names.items()}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        wanted = imported(ast.parse(path.read_text(encoding="utf-8")))
        named = ({name, name.rpartition(".")[0]} & modules.keys() for name in wanted)
        graph[module] = {max(found, key=len) for found in named if found} - {module}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


LIGHT = ("common", "world", "data", "evaluation", "plots", "notebook", "claims", "batch.plan")


@pytest.mark.parametrize("what", ["ftlab", "ftlab.cli", *(f"ftlab.{room}" for room in LIGHT)])
def test_importing_what_needs_no_network_is_light(what: str) -> None:
    heavy = "{'torch', 'transformers', 'datasets', 'nbformat'}"
    code = f"import sys, {what}; print(sorted({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_nothing_read_can_run_as_code(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    dangerous = {"pickle", "dill", "shelve", "marshal", "cloudpickle", "joblib"}
    # joblib may start processes of ours, but load nothing from a file.
    allowed = {f"joblib.{name}" for name in ("Parallel", "delayed", "parallel_config", "cpu_count")}
    assert not [n for n in imported(tree) if n.split(".")[0] in dangerous and n not in allowed]
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = ast.unparse(call.func)
        options = {option.arg: ast.unparse(option.value) for option in call.keywords}
        assert function not in {"eval", "exec", "compile", "yaml.load", "torch.load"}
        assert options.get("trust_remote_code", "False") == "False"
        assert options.get("allow_pickle", "False") == "False"


def test_no_file_names_somebodys_home() -> None:
    home = re.compile(r"(/[h]ome/|/[U]sers/|/[r]oot/|[A-Z]:\\+[U]sers)\w")
    for path in ROOT.rglob("*"):
        if SKIPPED & {*path.relative_to(ROOT).parts} or not path.is_file():
            continue
        if path.suffix in TEXT and "egg-info" not in str(path):
            found = home.search(path.read_text(encoding="utf-8", errors="replace"))
            assert not found, f"{relative(path)}: {found and found[0]}"


def test_requirements_are_pinned_and_end_with_the_package() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert lines[-1] == "-e ."
    pins = [line for line in lines[:-1] if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in pins)
    assert "index-url" not in "".join(lines)


def needed(path: Path) -> Iterator[str]:
    """The distributions that the modules which a file imports come from."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    else:
        sources = [path.read_text(encoding="utf-8")]
    modules = {name.split(".")[0] for source in sources for name in imported(ast.parse(source))}
    for module in modules - {*sys.stdlib_module_names, "ftlab", "sentence_transformers"}:
        yield distributions()[module][0].lower().replace("_", "-")


@functools.cache  # it reads the lists of files of all that is installed
def distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


@pytest.mark.parametrize("path", [*MODULES, *NOTEBOOKS], ids=relative)
def test_what_a_room_imports_is_in_the_core_or_in_its_extra(path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    room = path.parent.name if path in NOTEBOOKS else path.relative_to(PACKAGE).parts[0]
    extras = {"notebook": ["notebooks"], "batch": ["batch", "cluster"]}.get(room, [room])
    declared = [*project["dependencies"]]
    for extra in extras:
        declared += project["optional-dependencies"].get(extra, [])
    names = {re.split("[<>=]", line)[0].lower() for line in declared}
    with_ipykernel = {"ipython", "jupyter-client", "traitlets"}
    assert {*needed(path)} <= names | with_ipykernel


def test_the_extra_for_development_holds_all_others() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    held = re.fullmatch(r"ftlab\[(.+)\]", extras["dev"][0])
    assert held
    assert {*held[1].split(",")} == {*extras} - {"dev"}


def test_the_readme_gives_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert phony
    targets = set(phony[1].split()) - {"help"}
    assert {"setup", "run", "check", "test", "lab"} <= targets
    missing = [target for target in targets if f"make {target}" not in readme]
    assert not missing


def test_the_readme_lists_the_notebooks_with_their_measured_minutes() -> None:
    assert readme_table() in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readmes_picture_is_the_first_figure_of_the_first_notebook() -> None:
    shown = f"data/reference/{FIRST_FIGURE}"
    assert f"]({shown})" in (ROOT / "README.md").read_text(encoding="utf-8")
    stored = json.loads(NOTEBOOKS[0].read_text(encoding="utf-8"))
    outputs = [output for cell in stored["cells"] for output in cell.get("outputs", [])]
    images = [o["data"]["image/png"] for o in outputs if "image/png" in o.get("data", {})]
    assert (ROOT / shown).read_bytes() == base64.b64decode("".join(images[0]))


def test_the_readme_says_what_the_kept_records_say() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- findings: begin -->\n", "\n<!-- findings: end -->"
    assert readme.count(begin) == readme.count(end) == 1
    assert readme.partition(begin)[2].partition(end)[0] == headlines()
    table = (ROOT / "data" / "reference" / FINDINGS).read_text(encoding="utf-8")
    assert table == f"{HEADING}\n{findings()}\n"


def test_kept_records_are_of_full_runs_and_small() -> None:
    folder = ROOT / "data" / "reference"
    known = {folder / "history", folder / FINDINGS, folder / FIRST_FIGURE}
    for path in folder.glob("*.json"):
        record = read_reference(path)
        assert record["notebook"] == path.stem
        known |= {path, items_path(path, record)}
    assert {*folder.iterdir()} - known == set(), "nothing else lies there"


def test_records_that_were_replaced_are_kept_whole() -> None:
    folder = ROOT / "data" / "reference" / "history"
    known = set()
    for path in folder.glob("*/*.json"):
        record = read_record(path)
        assert (record["notebook"], record["run_id"]) == (path.parent.name, path.stem)
        known |= {path, items_path(path, record)}
    assert {path for path in folder.rglob("*") if path.is_file()} - known == set()
    # A claim's history names the run whose result it tells.
    runs = [
        run
        for c in all_claims()
        for line in c.history
        for run in re.findall(r"\d{8}T\S+-\w+", line)
    ]
    assert runs
    assert {f"{run}.json" for run in runs} <= {path.name for path in known if path}


def test_the_readme_names_every_room_of_the_package() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    missing = [room for room in rooms - {"__init__", "__main__"} if f"`ftlab.{room}`" not in readme]
    assert not missing


def test_checks_run_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    assert script[-1] == "make test"
    assert "set -euo pipefail" in script


def test_all_tests_are_run_by_one_command_and_the_quick_ones_by_the_other() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = dict(re.findall(r"^(\w+): .*\n\t(.+)$", makefile, flags=re.MULTILINE))
    assert recipes["check"] == '$(TESTS) -m "not slow"'
    assert recipes["test"] == "$(TESTS)"
    tests = re.search(r"^TESTS := (.+)$", makefile, flags=re.MULTILINE)
    assert tests
    assert not re.search(r" (-k|-m (?!pytest)|--ignore|--deselect|-x)", tests[1])
