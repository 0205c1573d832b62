"""`python -m tests.stories.faults [--only WORDS …]`, what `make prefect-faults` runs: the whole table, one line a cell."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deployments.sandbox import sandbox
from deployments.sandbox.sample.service import to_toml
from promoter import config
from tests.stories.conftest import Stage
from tests.stories.faults.cells import CELLS, CONVERGED, Cell, Seen, markdown
from tests.stories.faults.injection import listening
from tests.stories.faults.play import Play

DOCUMENT = Path(__file__).parents[3] / "docs" / "prefect-faults.md"
WORDS = f"""# What Prefect's faults leave behind

A promotion of the sample service on the sandbox, with a real Prefect server, a process worker and `promoter watch`. In the middle of a step
something strikes; within {CONVERGED:.0f} seconds of that, or of the server's return, the environment is exactly the new release or exactly the
old one, free for the next promotion, and the flow run stands in a final state. `make prefect-faults` plays it and writes this table.

"""


def main() -> int:
    """Play the cells; 0 only if all of them converged."""
    parser = argparse.ArgumentParser(prog="make prefect-faults", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", help="the cells whose names hold one of these; the document stays as it is"
    )
    only = parser.parse_args().only
    wanted = [cell for cell in CELLS if only is None or any(words in str(cell) for words in only)]
    with TemporaryDirectory(prefix="faults-") as name, pytest.MonkeyPatch.context() as patch:
        try:
            running = sandbox.up(Path(name))
            with listening(running):
                seen = play(wanted, running, patch)
        finally:
            sandbox.down(Path(name))
    converged = sum(one.converged for one in seen)
    print(f"{converged} of {len(wanted)} converged")  # noqa: T201
    if only is None:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(WORDS + markdown(seen))
    return 0 if converged == len(wanted) else 1


def play(cells: Sequence[Cell], running: sandbox.Sandbox, patch: pytest.MonkeyPatch) -> list[Seen]:
    """Play cells one after the other, and say a line on each; one that cannot be played is said and left out."""
    shorten(running.folder / "services" / "sample-api.toml")
    stage, seen = Stage.on(running, patch), []
    for cell in cells:
        try:
            seen.append(Play(cell, stage, running)())
            print(seen[-1], flush=True)  # noqa: T201
        except AssertionError as error:
            print(f"NOT PLAYED  {cell}: {error}", flush=True)  # noqa: T201
    return seen


def shorten(file: Path) -> None:
    """Let the service's own checks be one test: nothing strikes there, and they come before everything."""
    service = config.load(file)
    checks = service.checks.model_copy(
        update={"test": ("pytest", "--junitxml=junit.xml", "tests/test_health.py"), "quality": (), "coverage": None}
    )
    file.write_text(to_toml(service.model_copy(update={"checks": checks})))


if __name__ == "__main__":
    sys.exit(main())
