"""The command line: `ftlab run`, and sweeps of runs that can be interrupted and resumed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ftlab.common.errors import LabError
from ftlab.common.paths import results_dir
from ftlab.notebook.parameters import PROFILES

WHICH = "a number ('01'), a word of its name ('lora') or a file"


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says: 0 if all went well, 1 if a run failed, 2 if it cannot be
    done, 130 if it was interrupted."""
    parser = command_line()
    arguments, others = parser.parse_known_args(argv)
    if others and arguments.command is not _lab:  # which gives them to JupyterLab
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    arguments.others = others
    if not arguments.command:
        parser.print_help()
        return 0
    try:
        return arguments.command(arguments)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: finished work is kept", file=sys.stderr)
        return 130


def command_line() -> argparse.ArgumentParser:
    """What the command line may be; `command` of its result does it."""
    parser = argparse.ArgumentParser(
        "ftlab",
        description="Run the lab's notebooks without opening them.",
        epilog="`ftlab COMMAND --help` shows the options of a command. The README has examples.",
    )
    parser.set_defaults(command=None)
    parser.add_argument("--version", action="version", version=f"ftlab {version('ftlab')}")
    commands = parser.add_subparsers(metavar="COMMAND")

    run = commands.add_parser("run", help="run some or all notebooks")
    run.set_defaults(command=_run)
    run.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help=f"{WHICH}; default: all")
    run.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        dest="parameters",
        metavar=("NAME", "VALUE"),
        help="set a parameter; can be given several times",
    )
    how = run.add_mutually_exclusive_group()
    how.add_argument("--profile", choices=PROFILES, help="the same as -p profile ...")
    how.add_argument(
        "--refresh",
        action="store_true",
        help="run the notebooks with the values stored in them and save the outputs in notebooks/",
    )

    listed = commands.add_parser("list", help="list the notebooks, with title and minutes")
    listed.set_defaults(command=_list)
    known = commands.add_parser("params", help="list a notebook's parameters, and what they may be")
    known.set_defaults(command=_params)
    known.add_argument("notebook", metavar="NOTEBOOK", help=WHICH)

    about = "open JupyterLab on your own copy of the notebooks, in work/"
    lab = commands.add_parser(
        "lab",
        help=about,
        description=f"{about}, which is made if it is missing. Other options are JupyterLab's: "
        "--no-browser, --port=8900.",
    )
    lab.set_defaults(command=_lab)
    lab.add_argument("notebook", nargs="?", default="00", metavar="NOTEBOOK", help=WHICH)
    about = "make a new copy of the notebooks in work/, and put the old one aside in work/earlier/"
    fresh = commands.add_parser("fresh", help=about, description=about)
    fresh.set_defaults(command=_fresh)
    fresh.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help=f"{WHICH}; default: all")

    sweep = commands.add_parser(
        "sweep",
        help="run a notebook with many values of its parameters",
        description="Run a notebook with many values of its parameters, which a YAML file lists. "
        "Repeating the command does only the runs that are still missing.",
    )
    sweep.set_defaults(command=_sweep)
    sweep.add_argument("file", type=Path, metavar="SWEEP.yaml")
    sweep.add_argument(
        "--output", type=Path, metavar="DIR", help="default: sweeps/NAME in the lab's results/"
    )
    sweep.add_argument("--dry-run", action="store_true", help="list the runs without starting them")
    sweep.add_argument("--yes", action="store_true", help="start even a thousand runs or more")
    sweep.add_argument("--jobs", type=_positive(int), help="runs at a time; default: one per core")
    sweep.add_argument(
        "--limit", type=_positive(float), metavar="MINUTES", help="stop a run that takes longer"
    )
    sweep.add_argument("--backend", choices=("local", "dask"), default="local")
    sweep.add_argument("--scheduler", metavar="ADDRESS", help="the Dask scheduler: tcp://host:8786")

    about = "keep a full run's record in data/reference/ and write the README's table of findings"
    keep = commands.add_parser("keep", help=about, description=f"{about}; without one, the table")
    keep.set_defaults(command=_keep)
    keep.add_argument("records", nargs="*", type=Path, metavar="RECORD.json")

    status = commands.add_parser("status", help="show the progress of a sweep")
    status.set_defaults(command=_status)
    table = commands.add_parser("table", help="write a table and figures of the finished runs")
    table.set_defaults(command=_table)
    table.add_argument("--metric", help="the metric that the figures show; default: accuracy")
    table.add_argument(
        "--only",
        nargs=2,
        action="append",
        default=[],
        metavar=("COLUMN", "VALUE"),
        help="draw only these rows of the table: --only method LoRA",
    )
    for command in (status, table):
        command.add_argument("folder", type=Path, metavar="DIR")

    clean = commands.add_parser(
        "clean",
        help="remove kept trainings that are no longer used, or what a sweep has left over",
        description="Remove kept trainings that no run has used for a while. With the folder of a "
        "sweep: its failed runs, and those that are no longer part of it.",
    )
    clean.set_defaults(command=_clean)
    clean.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="of a sweep")
    clean.add_argument(
        "--days", type=_positive(float), default=30.0, help="how long unused; default: 30"
    )
    clean.add_argument("--yes", action="store_true", help="remove them, not only list them")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from ftlab.batch.parameters import check_runs, complete_parameters, parse_value
    from ftlab.batch.running import outcome_table, refresh, run_notebook
    from ftlab.notebook.files import find_notebook, notebook_paths, write_readme_table

    here = Path.cwd()
    paths = [find_notebook(word, here) for word in arguments.notebooks] or notebook_paths()
    if not paths:
        raise LabError("There are no notebooks to run.")
    if arguments.refresh:
        if arguments.parameters:
            raise LabError("--refresh runs notebooks with their stored values: it takes no -p.")
        outcomes = [refresh(path) for path in paths]
        write_readme_table()
    else:
        given = dict(arguments.parameters)
        if arguments.profile:
            given["profile"] = arguments.profile
        wanted = []
        for path in paths:  # all of them are checked before the first one runs
            values = {name: parse_value(path, name, text) for name, text in given.items()}
            wanted.append(complete_parameters(path, values, here))
        for path, values in zip(paths, wanted, strict=True):
            check_runs(path, [values])
        outcomes = [run_notebook(*item) for item in zip(paths, wanted, strict=True)]
    print(outcome_table(outcomes))
    return int(any(outcome.failure for outcome in outcomes))


def _list(arguments: argparse.Namespace) -> int:
    from ftlab.notebook.listing import notebook_list

    return _told(notebook_list())


def _params(arguments: argparse.Namespace) -> int:
    from ftlab.batch.parameters import read_parameters
    from ftlab.notebook.files import find_notebook
    from ftlab.notebook.listing import parameter_list

    notebook = read_parameters(find_notebook(arguments.notebook, Path.cwd()))
    return _told(parameter_list(notebook.contract, notebook.defaults))


def _lab(arguments: argparse.Namespace) -> int:
    from ftlab.notebook.files import find_notebook
    from ftlab.notebook.working_copy import make_copies, open_jupyter

    path = find_notebook(arguments.notebook, Path.cwd())
    _told(make_copies())
    open_jupyter(path, arguments.others)
    return 0


def _fresh(arguments: argparse.Namespace) -> int:
    from ftlab.notebook.working_copy import make_fresh

    return _told(make_fresh(arguments.notebooks, Path.cwd()))


def _keep(arguments: argparse.Namespace) -> int:
    from ftlab.claims.reference import keep_record, write_findings

    for record in arguments.records:
        print(f"Record kept: {'/'.join(keep_record(record).parts[-3:])}")
    write_findings()
    return 0


def _sweep(arguments: argparse.Namespace) -> int:
    from ftlab.batch.folder import DONE, FAILED, SweepFolder
    from ftlab.batch.parameters import check_runs
    from ftlab.batch.plan import MOST_RUNS, read_plan
    from ftlab.batch.reporting import foreseen, outcome, write_results
    from ftlab.batch.sweeping import check_cluster, share_out, sweep

    check_cluster(arguments.backend, arguments.scheduler, reach=not arguments.dry_run)
    plan = read_plan(arguments.file, None if arguments.yes or arguments.dry_run else MOST_RUNS)
    folder = SweepFolder(arguments.output or results_dir() / "sweeps" / arguments.file.stem)
    check_runs(plan.notebook, (run.parameters for run in plan.runs))
    share = share_out(arguments.jobs)
    _told(foreseen(plan, folder, share.jobs))
    if arguments.dry_run:
        return 0
    if arguments.scheduler:
        print(f"On the workers of {arguments.scheduler}, with 1 thread for each run.")
    else:
        print(share.reason)
    folder.prepare(plan)
    limit = arguments.limit and arguments.limit * 60
    results = sweep(plan, folder, share=share, limit=limit, scheduler=arguments.scheduler)
    _told(outcome(results, folder))
    states = {result.state for result in results}
    if DONE in states:
        _told(write_results(folder))
    return int(FAILED in states)


def _status(arguments: argparse.Namespace) -> int:
    from ftlab.batch.folder import SweepFolder
    from ftlab.batch.reporting import progress

    return _told(progress(SweepFolder(arguments.folder)))


def _table(arguments: argparse.Namespace) -> int:
    from ftlab.batch.folder import SweepFolder
    from ftlab.batch.reporting import write_results

    folder = SweepFolder(arguments.folder)
    return _told(write_results(folder, arguments.metric, dict(arguments.only)))


def _clean(arguments: argparse.Namespace) -> int:
    if arguments.folder is None:
        from ftlab.experiments.pruning import remove_unused

        return _told(remove_unused(results_dir() / "trainings", arguments.days, arguments.yes))
    from ftlab.batch.folder import SweepFolder
    from ftlab.batch.reporting import remove_leftovers

    return _told(remove_leftovers(SweepFolder(arguments.folder), arguments.yes))


def _told(lines: Iterable[str]) -> int:
    """Print what a command has to tell, line by line as it comes."""
    for line in lines:
        print(line, flush=True)
    return 0


def _positive(kind: type) -> Any:
    def number(text: str) -> Any:
        value = kind(text)
        if not value > 0:
            raise ValueError
        return value

    number.__name__ = f"positive {kind.__name__}"  # which argparse names in its refusal
    return number


if __name__ == "__main__":
    sys.exit(main())
