"""The state machine: pushes, processes that meet faults, die, hang and wake up late; and the invariants that hold in every state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import psycopg
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flows import promote, recover, rollback
from promoter.config import Service
from promoter.settings import Settings
from tests.state_machine.doors import Ledger, open_doors, run_hook
from tests.state_machine.ending import check_the_end, snapshot
from tests.state_machine.processes import Fault, Kind, Process
from tests.state_machine.world import Commit, InvariantError, World

COMMITS = 4
"""Pushes to main, besides the release that runs at the beginning."""
CROWD = 5
"""Living processes at one time."""
STRIDE = 400
"""Calls that a process makes at most in one rule."""
ROUNDS = 60
"""Times that a schedule brings `recover` up until everything has to be quiet."""

Plant = Callable[[pytest.MonkeyPatch], None]
"""Plants a fault into the product."""

behaviours = st.sampled_from(["good", "good", "good", "sick", "crashes", "hangs"])
commits = st.tuples(behaviours, st.booleans(), st.booleans(), st.booleans())
indexes = st.integers(0, CROWD - 1)


@dataclass(frozen=True)
class Installation:
    """What all stories share."""

    settings: Settings
    service: Service
    database: psycopg.Connection[Any]
    plant: Plant | None = None
    """Plants a fault into the product, for the proof that it is found."""


class Promotions(RuleBasedStateMachine):
    """One environment, its ledger, and everybody who wants to change it."""

    installation: ClassVar[Installation]

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.ledger = Ledger(self.installation.database)
        self.processes: list[Process] = []
        self.epoch = 0
        with self.ledger:
            self.ledger.execute(
                "DELETE FROM environments; DELETE FROM promotions; DELETE FROM pushes; DELETE FROM versions"
            )

    @initialize(drawn=st.lists(commits, min_size=COMMITS, max_size=COMMITS), lingers=st.integers(1, 6))
    def begin(self, drawn: list[tuple[str, bool, bool, bool]], lingers: int) -> None:
        """Run the first release in a world with these commits."""
        history = [Commit(0, "good", 0, lossless=True, compatible=True)]
        for number, (behaviour, migrates, lossless, compatible) in enumerate(drawn, start=1):
            head = number if migrates else history[-1].head
            history.append(Commit(number, behaviour, head, lossless=lossless, compatible=compatible))
        self.world = World(history, lingers, self.holder, self.is_verified)
        open_doors(self.patch, self.world, self.ledger, self.installation.settings, self.installation.service)
        if self.installation.plant is not None:
            self.installation.plant(self.patch)

    # What happens.

    @precondition(lambda self: len(self.living) < CROWD)
    @rule(number=st.integers(1, COMMITS), force=st.sampled_from([False, False, True]))
    def push(self, number: int, force: bool) -> None:  # noqa: FBT001 - drawn
        """Deliver a push: a new one, an older one, or one that was delivered before; a person may force it."""
        commit = self.world.commits[number]
        self._start(f"push of {number}", lambda: promote.promote_main("api", "main", commit.hash, force=force))

    @precondition(lambda self: len(self.living) < CROWD)
    @rule(number=st.none() | st.integers(1, COMMITS), with_downgrade=st.booleans())
    def wish(self, number: int | None, with_downgrade: bool) -> None:  # noqa: FBT001 - drawn
        """Let a person wish an older release back: the one before, or a certain one."""
        tag = f"v1.0.{number}" if number else None
        self._start("rollback", lambda: rollback.rollback("api", "production", tag, with_downgrade=with_downgrade))

    @precondition(lambda self: len(self.living) < CROWD)
    @rule()
    def schedule(self) -> None:
        """Begin what the schedule begins every minute, whoever else recovers."""
        self._start("recover", recover.recover_all)

    @precondition(lambda self: self.living)
    @rule(index=indexes, kind=st.sampled_from(Kind), fault=st.sampled_from(Fault))
    def go_on(self, index: int, kind: Kind, fault: Fault) -> None:
        """Let a process come to its next call of a kind, and let that call meet a fault."""
        process = self._choose(index)
        process.go_to(kind, STRIDE)
        if process.lives:
            process.go_on(Fault.FAILS if fault is Fault.BREAKS and not process.forward else fault)

    @precondition(lambda self: self.living)
    @rule(index=indexes, calls=st.integers(1, 40))
    def go_a_little(self, index: int, calls: int) -> None:
        """Let a process make some calls."""
        process = self._choose(index)
        for _ in range(calls):
            if process.lives:
                process.go_on()

    @precondition(lambda self: self.living)
    @rule(index=indexes)
    def go_to_the_end(self, index: int) -> None:
        """Let a process make all its calls, unless it waits for another."""
        self._choose(index).go_to(Kind.START, STRIDE)

    @precondition(lambda self: self.living)
    @rule(index=indexes)
    def kill(self, index: int) -> None:
        """Kill a process where it stands."""
        self._choose(index).killed = True

    @precondition(lambda self: any(process.run for process in self.living))
    @rule(index=indexes)
    def cancel(self, index: int) -> None:
        """Cancel a flow run: its process is killed, and the hook runs in another."""
        process = self._choose(index)
        if process.run is not None:
            process.killed = True
            run = process.run
            self._start(f"hook of {process.name}", lambda: run_hook(run))

    @rule()
    def fall_silent(self) -> None:
        """Let every driver be silent for longer than the lease lasts: it hangs, is cut off, or the ledger's clock jumps."""
        with self.ledger:
            self.ledger.execute(
                "UPDATE promotions SET alive_until = clock_timestamp() - interval '1 s' WHERE ended_at IS NULL"
            )

    @rule(seconds=st.sampled_from([-86_400, 86_400]))
    def set_the_clock(self, seconds: int) -> None:
        """Let the clock on the wall jump by a day, which changes nothing: leases are on the ledger's clock."""
        self.world.skew += seconds

    @rule(steps=st.integers(1, 8))
    def wait(self, steps: int) -> None:
        """Let time pass in the environment alone; an orphaned migration comes to its end."""
        for _ in range(steps):
            self.world.fleet.step()
        migration = self.world.migration
        if migration is not None and not migration.owner.lives:
            self.world.finish_migration()

    # What holds.

    @invariant()
    def nothing_forbidden_was_seen(self) -> None:
        """I2, I3, I4 and I6 are looked at in the moment of each change."""
        if hasattr(self, "world") and self.world.violations:
            raise InvariantError(self.world.violations[0])

    @invariant()
    def epochs_only_grow(self) -> None:
        """I3: a lease that was passed on never comes back."""
        _, epoch = self.holder()
        if epoch < self.epoch:
            raise InvariantError(f"I3: the epoch goes from {self.epoch} back to {epoch}")
        self.epoch = epoch

    def teardown(self) -> None:
        """Let the faults stop: everything converges by itself, and stays so."""
        try:
            if hasattr(self, "world"):
                self._converge()
                self.nothing_forbidden_was_seen()
                check_the_end(self.world, self.ledger)
                self._recover_once_more()
        finally:
            self.ledger.close()
            for process in self.processes:
                process.bury()
            self.patch.undo()

    def _converge(self) -> None:
        for _ in range(ROUNDS):
            if not self.living and not self._unended() and self.world.fleet.at_rest:
                return
            self._silence_the_dead()
            if self._unended() and not any(process.name == "recover" for process in self.living):
                self._start("recover", recover.recover_all)
            for process in self.living:
                process.go_to(Kind.START, STRIDE)
            self.wait(1)
        left = [f"{process.name} stands at {process.stands}" for process in self.living]
        raise InvariantError(f"I1: it does not converge: {', '.join(left)}; {self._unended()} promotions have no end")

    def _recover_once_more(self) -> None:
        before = snapshot(self.world, self.ledger)
        self._start("recover", recover.recover_all)
        self.processes[-1].go_to(Kind.START, STRIDE)
        if snapshot(self.world, self.ledger) != before:
            raise InvariantError("I9: recover changes what has ended")

    def _start(self, name: str, program: Callable[[], object]) -> None:
        self.processes.append(Process(name, program))

    @property
    def living(self) -> list[Process]:
        """The processes that may still do something."""
        return [process for process in self.processes if process.lives]

    def _choose(self, index: int) -> Process:
        living = self.living
        return living[index % len(living)]

    # What the ledger says.

    def holder(self) -> tuple[str, int]:
        """Return who holds the environment: promotion and epoch."""
        rows = self.ledger.rows("SELECT holder::text, epoch FROM environments")
        return (str(rows[0]["holder"]), rows[0]["epoch"]) if rows else ("None", 0)

    def is_verified(self, commit: str) -> bool:
        """Return whether a commit was verified."""
        return bool(
            self.ledger.rows(
                "SELECT 1 FROM promotions JOIN pushes ON pushes.id = push WHERE commit = %s AND verified_at IS NOT NULL",
                [commit],
            )
        )

    def _unended(self) -> int:
        return len(self.ledger.rows("SELECT id FROM promotions WHERE ended_at IS NULL"))

    def _silence_the_dead(self) -> None:
        with self.ledger:
            self.ledger.execute(
                """
                UPDATE promotions SET alive_until = clock_timestamp() - interval '1 s'
                WHERE ended_at IS NULL AND NOT coalesce(driver, '') = ANY(%s)
                """,
                [[name for process in self.living for name in process.names]],
            )
