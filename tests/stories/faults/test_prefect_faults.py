"""Whatever strikes a promotion, its environment is whole soon after; `make prefect-faults` plays the whole table."""

from collections.abc import Iterator

import pytest

from deployments.sandbox.sandbox import Sandbox
from tests.stories.conftest import Stage
from tests.stories.faults.cells import SAMPLE, Cell
from tests.stories.faults.injection import listening
from tests.stories.faults.play import Play

pytestmark = pytest.mark.xdist_group("sandbox")


@pytest.fixture(scope="module", autouse=True)
def _worker(running: Sandbox) -> Iterator[None]:
    """Let the sandbox have a worker whose flows can be struck."""
    with listening(running):
        yield


@pytest.mark.parametrize("cell", SAMPLE, ids=str)
def test_an_environment_is_whole_soon_after_a_fault(stage: Stage, running: Sandbox, cell: Cell) -> None:
    """Old or new, free for the next promotion, and the flow run says how it ended."""
    seen = Play(cell, stage, running)()

    assert seen.converged, str(seen)
