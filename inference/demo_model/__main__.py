"""`python -m demo_model`: make the bundled model, its SAEs and its labels from nothing."""

import argparse
import os
import sys
import time
from pathlib import Path

from demo_model.config import FULL, QUICK

HERE = Path(__file__).parent


def main() -> int:
    """Run the recipe; exit status 0 when everything is written."""
    parser = argparse.ArgumentParser(prog="python -m demo_model", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=HERE, help="folder to write into (default: %(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a tiny model in seconds, to try the recipe itself"
    )
    parser.add_argument(
        "--work",
        type=Path,
        help="folder for what a stopped run has found, to go on from (default: OUT/unfinished)",
    )
    arguments = parser.parse_args()
    if arguments.quick and arguments.out == HERE:
        parser.error("--quick needs --out: it would overwrite the bundled model")
    started = time.monotonic()

    def progress(line: str) -> None:
        minutes, seconds = divmod(round(time.monotonic() - started), 60)
        print(f"[{minutes:3d}:{seconds:02d}] {line}", flush=True)

    progress("importing torch and SAELens")
    # SAELens draws a bar for each SAE. Several are trained at a time, and their bars would mix.
    os.environ["TQDM_DISABLE"] = "1"
    from demo_model import recipe

    work = arguments.work or arguments.out / "unfinished"
    recipe.run(QUICK if arguments.quick else FULL, arguments.out, work, progress)
    progress(f"done: {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
