"""`python -m ftlab.training.pretraining`: make the lab's base model again, from nothing.

The English is fetched and cleaned first (`ftlab.training.pretraining.diet`). Checkpoints are
written to the working folder; the same command resumes a run that was stopped. The batches of a
step are shared out among the processes and the gradients averaged.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ftlab.common.errors import LabError
from ftlab.common.paths import data_dir, project_root
from ftlab.training.pretraining.recipe import BASE
from ftlab.training.pretraining.run import prepare, train


def main(argv: list[str] | None = None) -> None:
    """Command line of the recipe."""
    from ftlab.training.pretraining.diet import build, read_manifest

    name = "python -m ftlab.training.pretraining"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    parser.add_argument("--work", type=Path, default=project_root() / "build" / "pretraining")
    parser.add_argument("--output", type=Path, default=data_dir() / "base_model")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--steps", type=int, default=BASE.steps)
    parser.add_argument("--seed", type=int, default=BASE.seed)
    given: Any = parser.parse_args(argv)
    recipe = replace(BASE, steps=given.steps, seed=given.seed)
    work = given.work.resolve()
    manifest = data_dir() / "base_model" / "corpus.toml"
    try:
        build(manifest, work)
        weights = {source.name: source.weight for source in read_manifest(manifest)}
    except LabError as error:
        sys.exit(str(error))
    prepare(work, recipe, weights)
    (work / "rendezvous").unlink(missing_ok=True)
    (work / "recipe.json").write_text(json.dumps(recipe.as_dict(), indent=1) + "\n")
    if given.processes > 1:
        import torch.multiprocessing as mp

        mp.spawn(train, (given.processes, work, recipe), nprocs=given.processes)
    else:
        train(0, 1, work, recipe)
    from ftlab.training.pretraining.export import export

    export(work, given.output, recipe, given.processes, manifest)


if __name__ == "__main__":
    main()
