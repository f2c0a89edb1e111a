"""`python -m ftlab.world`: write the files of `data/world` again."""

from __future__ import annotations

import argparse
from pathlib import Path

from ftlab.common.paths import data_dir
from ftlab.world.facts import WORLD_SEED
from ftlab.world.files import write_world


def main() -> None:
    """Command line of the world."""
    parser = argparse.ArgumentParser(prog="python -m ftlab.world", description=__doc__)
    parser.add_argument("--output", type=Path, default=data_dir() / "world")
    parser.add_argument("--seed", type=int, default=WORLD_SEED)
    given = parser.parse_args()
    for path in write_world(given.output, given.seed):
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
