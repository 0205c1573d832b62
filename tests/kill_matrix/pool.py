"""The processes that play cases: each has one lane for all of its life."""

from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Lock
from pathlib import Path

from tests.kill_matrix.cases import Case, Result
from tests.kill_matrix.lane import Lane

LANES: list[Lane] = []
"""The one lane of this process."""


def begin(folders: "SimpleQueue[Path]", one_at_a_time: Lock) -> None:
    """Open a lane in one of `folders`."""
    lane = Lane(folders.get())
    with one_at_a_time:
        lane.open()
    LANES.append(lane)


def play(case: Case) -> Result:
    """Play one case on this process's lane."""
    return LANES[0].play(case)
