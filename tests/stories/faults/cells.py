"""The table: every fault, at every place of a promotion, and what was seen of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from deployments.sandbox.sample.scenarios import Scenario

CONVERGED = 90.0
"""Within how many seconds of the fault, or of the server's return, everything has to be whole again."""


class Fault(StrEnum):
    """What strikes."""

    EXCEPTION = "exception"
    EXIT = "os._exit"
    KILL_FLOW = "SIGKILL of the flow"
    KILL_WORKER = "SIGKILL of the worker"
    KILL_BOTH = "SIGKILL of both"
    CANCEL = "cancel in the UI"
    TIMEOUT = "flow timeout"
    RESTART = "server restart"


class Place(StrEnum):
    """Where it strikes: in the middle of this."""

    MIGRATE = "migrate"
    ROLL_OUT = "rollout"
    WAY_BACK = "rollback"


SCENARIOS: dict[Place, Sequence[Scenario]] = {
    Place.MIGRATE: (Scenario.NEW_MIGRATION,),
    Place.ROLL_OUT: (Scenario.NEW_MIGRATION, Scenario.SLOW_START),
    Place.WAY_BACK: (Scenario.NEW_MIGRATION, Scenario.HEALTH_500),
}
"""What is pushed so that a promotion comes to its place and stays there for a moment."""


@dataclass(frozen=True)
class Cell:
    """One fault at one place."""

    fault: Fault
    place: Place

    def __str__(self) -> str:
        return f"{self.fault} in the middle of {self.place}"


CELLS = tuple(Cell(fault, place) for fault, place in product(Fault, Place))
SAMPLE = (
    Cell(Fault.CANCEL, Place.ROLL_OUT),
    Cell(Fault.KILL_FLOW, Place.WAY_BACK),
    Cell(Fault.KILL_BOTH, Place.MIGRATE),
)
"""The cells that tell most: a hook in the worker, a hook that dies, and nobody left but the watcher."""


@dataclass(frozen=True)
class Seen:
    """What came of a fault."""

    cell: Cell
    outcome: str | None
    """How the promotion ended; None if it had not."""
    whole: str
    """Which release the environment has as a whole: `old`, `new`, or what is neither."""
    state: str
    """Type and name of the flow run's state."""
    free: bool
    """Whether the environment can be taken by another."""
    by: str
    """Who brought it to its end."""
    seconds: float
    """How long that took, from the fault or from the server's return."""

    @property
    def converged(self) -> bool:
        """Whether it is at its end, whole, in time."""
        final = self.state.partition(" ")[0] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
        return self.outcome is not None and self.whole in {"old", "new"} and final and self.free

    def __str__(self) -> str:
        verdict = "converged" if self.converged else "NOT CONVERGED"
        told = f"{self.whole} release, {self.outcome}, flow run {self.state}, by {self.by}"
        return f"{verdict} after {self.seconds:5.1f} s  {self.cell!s:<48} {told}"


def markdown(seen: Sequence[Seen]) -> str:
    """Return the table as the documentation shows it."""
    rows = [
        f"| {one.cell.fault} | {one.cell.place} | {one.by} | {one.whole} release: `{one.outcome}` | {one.state} | {one.seconds:.0f} |"
        for one in seen
    ]
    head = ("| fault | in the middle of | who took over | ends as | flow run | seconds |", "|---|---|---|---|---|---:|")
    return "\n".join([*head, *rows]) + "\n"
