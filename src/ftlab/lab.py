"""Opening the lab: the parameters of a notebook are checked against their contract.

The code cell behind the parameters opens the lab:
`lab = open_lab("01_pretraining_vs_finetuning", globals())`. Whoever runs it with other values
(papermill, or by editing the cell) is told in one sentence when a value cannot be.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ftlab.claims import reference
from ftlab.claims.claim import Trial
from ftlab.claims.record import new_run_id
from ftlab.claims.recording import Record
from ftlab.common.files import package_sha256
from ftlab.common.libraries import quiet_libraries, set_seeds
from ftlab.evaluation import Estimate
from ftlab.notebook.environment import SHOWN_DIGITS, describe_environment
from ftlab.notebook.parameters import (
    SEEDS_BY_PROFILE,
    check_parameters,
    defaults_of,
)
from ftlab.notebook.sources import check_sources

if TYPE_CHECKING:
    import pandas as pd

# What IPython and papermill themselves put into a notebook's namespace.
NOT_PARAMETERS = {"In", "Out", "PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"}

T = TypeVar("T")


class Found(Protocol):
    """What an experiment finds."""

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What a record is told: name, value and keys of every number that was measured."""


C = TypeVar("C", bound=Found)


@dataclass(frozen=True)
class Lab:
    """An opened lab: the profile, the seeds of this run and its record."""

    profile: str
    seeds: list[int]
    record: Record

    def pick(self, *, smoke: T, quick: T, full: T) -> T:
        """The value for this run's profile: `epochs = lab.pick(smoke=1, quick=5, full=10)`."""
        return {"smoke": smoke, "quick": quick, "full": full}[self.profile]

    def run(self, experiment: Callable[..., C], *arguments: Any, name: str = "", **more: Any) -> C:
        """What `experiment(*arguments, **more)` finds, with the seeds of this run, and where it
        asks for them the profile's `effort` and the folder of finished `trainings`. The quick
        profile takes learning rates, and the like, from the notebook's reference record, if there
        is one that knows them; else, and in the full profile, they are searched for.

        Every measured number (`metrics`) and every try (`tries`, where something was searched for)
        goes into the record, under the experiment's `name` (that of the function, unless given):
        two calls of one experiment need two. The cell run again replaces what it had noted.
        """
        import pandas as pd

        from ftlab.experiments import EFFORTS, Choices, Trainings

        name = name or experiment.__name__
        known = reference.tries(self.record, name) if self.profile == "quick" else []
        offered = {
            "seeds": self.seeds,
            "effort": EFFORTS[self.profile],
            "trainings": Trainings(modules=(experiment.__module__,), choices=Choices.of(known)),
        }
        wanted = inspect.signature(experiment).parameters
        taken = {key: value for key, value in offered.items() if key in wanted}
        found = experiment(*arguments, **{**taken, **more})
        for row in found.metrics():
            self.record.metric(**row, experiment=name)
        tries = getattr(found, "tries", pd.DataFrame)
        self.record.search(tries(), experiment=name)
        return found

    def declare(self, **words: object) -> pd.DataFrame:
        """The notebook's claims, as a table to show before anything is measured. `words` are those
        in braces in the table of claims, such as the name of the task."""
        return self.record.declare(**words)

    def skip(self, claim_id: str, reason: str) -> None:
        """Leave out a claim that has no meaning for this model or these data, and say why."""
        self.record.skip(claim_id, reason)

    def judge(self, claim_id: str, estimate: Estimate | None, **words: object) -> Trial | None:
        """Let a claim stand trial by the rule of the table; the last line of a cell shows it.

        Without an estimate (of what this model or these data cannot show) it is skipped.
        """
        if estimate is None:
            self.skip(claim_id, "this model or these data do not show it")
            return None
        return self.record.judge(claim_id, estimate, **words)


def open_lab(notebook: str, namespace: dict[str, Any]) -> Lab:
    """Check the parameters in `namespace` (the notebook's `globals()`) and begin the run.

    Refuses in one sentence what is unknown or not allowed, a base model or data that cannot be
    had; then sets the seeds of Python, NumPy and torch, quiets the libraries, prints the
    environment and starts the record.
    """
    from ftlab.models import model_folder

    values = check_parameters(notebook, _given(notebook, namespace))
    check_sources(notebook, values)
    count = values.get("seeds") or SEEDS_BY_PROFILE[values["profile"]]
    seeds = list(range(values["seed"], values["seed"] + count))
    set_seeds(values["seed"])
    quiet_libraries()
    environment, why = describe_environment(model_folder(values["base_model"]))
    environment["code"] = package_sha256()
    print(f"{notebook}: profile {values['profile']}, seeds {', '.join(map(str, seeds))}")
    for key, value in environment.items():
        shown = re.sub("[0-9a-f]{40,}", lambda digest: digest[0][:SHOWN_DIGITS], str(value))
        print(f"  {key:<18} {shown}")
    print(why)
    run_id = new_run_id(values["profile"], values["seed"])
    record = Record(notebook, values["profile"], values["seed"], values, environment, run_id)
    return Lab(values["profile"], seeds, record)


def _given(notebook: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """The parameters in a notebook's namespace: all plain values that stand there.

    Papermill injects an unknown name as well, so that one must be found here. Once the lab has
    been opened, the notebook's own variables stand there too, and only declared names count. A
    refused name is taken out of the namespace: else the corrected cell would be refused again.
    """
    opened = any(isinstance(value, Lab) for value in namespace.values())
    allowed = defaults_of(notebook)
    given = {name: namespace[name] for name in allowed if name in namespace}
    if not opened:
        for name in list(_plain_names(namespace)):
            if name not in allowed:
                given[name] = namespace.pop(name)
    return given


def _plain_names(namespace: Mapping[str, Any]) -> Iterator[str]:
    for name, value in namespace.items():
        plain = value is None or isinstance(value, (bool, int, float, str, list, dict, tuple))
        if plain and not name.startswith("_") and name not in NOT_PARAMETERS:
            yield name
