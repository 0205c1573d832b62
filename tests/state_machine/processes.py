"""Processes that run the product and stand still before each call to the outside, until somebody lets them go on.

Only one of them runs at a time, so that a story is the same each time it is told. A killed process stands still for ever, as SIGKILL leaves
it: no `except` and no `finally` of it runs. A process that is only left standing is one that hangs, and may wake up late.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count

NUMBERS = count(1)


class Fault(StrEnum):
    """What becomes of one call to the outside."""

    NONE = "none"
    FAILS = "fails before"
    """Nothing happens; the same call may succeed later."""
    BREAKS = "is refused"
    """Nothing happens, and the same call is refused again; only met on the way forward."""
    LOST = "applied but the reply is lost"
    STALE = "stale read"
    """The answer is a few seconds old."""


class Kind(StrEnum):
    """Where a process stands."""

    START = "start"
    LEDGER = "ledger"
    """Before a transaction on the ledger."""
    READ = "read"
    """Before a question to the outside."""
    CHANGE = "change"
    """Before it passes the lease and changes something outside."""
    MIGRATING = "migrating"
    """In the middle of a migration."""
    SLEEP = "sleep"
    WAIT = "wait"
    """Before it looks again whether the environment is free."""


class Buried(BaseException):
    """The story is over: ends a thread that stands still."""


@dataclass(eq=False)
class Process:
    """One process; `program` is what it runs."""

    name: str
    program: Callable[[], object]
    number: int = field(default_factory=lambda: next(NUMBERS))
    run: str | None = None
    """The flow run that it is in."""
    names: set[str] = field(default_factory=set)
    """What the ledger calls it when it drives a promotion."""
    forward: bool = False
    """Whether it is on the way forward, where a permanent refusal may come."""
    clock: float = 0.0
    """Its monotonic clock, in seconds."""
    epoch: tuple[str, int] | None = None
    """Promotion and epoch of the lease that it passed right before the change it is about to make."""
    passing: bool = False
    """Whether it passes the lease just now: that and the change after it are one moment."""
    granted: Fault | None = None
    """What becomes of that change."""
    stands: Kind = Kind.START
    ended: bool = False
    killed: bool = False
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.names.add(f"recover on here, process {self.number}")
        self._fault = Fault.NONE
        self._buried = False
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    @property
    def lives(self) -> bool:
        """Whether it may still do something."""
        return not (self.ended or self.killed)

    def go_on(self, fault: Fault = Fault.NONE) -> None:
        """Let it make the call that it stands before, and come to the next one or to its end."""
        self._fault = fault
        self._go.release()
        self._stopped.acquire()

    def go_to(self, kind: Kind, most: int) -> None:
        """Let it go on until it stands before a call of this kind, or waits for another; for `most` calls."""
        for _ in range(most):
            if not self.lives:
                return
            self.go_on()
            if self.stands in {kind, Kind.WAIT}:
                return

    def stand(self, kind: Kind) -> Fault:
        """Stand still before a call, and return what becomes of it; called by what runs in the process."""
        self.stands, self.granted = kind, None
        self._stopped.release()
        self._go.acquire()
        if self._buried:
            raise Buried
        return self._fault

    def bury(self) -> None:
        """End its thread, whatever it still wants to do."""
        self._buried = True
        if not self.ended:
            self._go.release()
        self._thread.join()

    def _run(self) -> None:
        OF_THREAD.process = self
        self._go.acquire()
        try:
            if not self._buried:
                self.program()
        except BaseException as error:  # noqa: BLE001 - as a process ends with any error
            self.error = error
        self.ended = True
        self._stopped.release()


class OfThread(threading.local):
    """The process that the running thread is."""

    process: Process | None = None


OF_THREAD = OfThread()


def here() -> Process | None:
    """Return the process that calls; None for the story itself."""
    return OF_THREAD.process


def this() -> Process:
    """Return the process that calls."""
    process = OF_THREAD.process
    if process is None:
        msg = "only a process calls this"
        raise RuntimeError(msg)
    return process


def read() -> Fault:
    """Stand before a question to the outside; one between passing the lease and the change comes without a pause."""
    process = this()
    return Fault.NONE if process.granted is not None else process.stand(Kind.READ)
