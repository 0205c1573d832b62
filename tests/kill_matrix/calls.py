"""External calls by name, the journal of those that a process made, and the one at which it is killed."""

import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Self, get_args

from prefect.context import TaskRunContext

Moment = Literal["before", "during", "after"]
"""Of a call: not begun, begun by a process that goes on alone, or done and not yet known to the caller."""
WRITTEN = re.compile(r"(?P<moment>\w+) (?P<stage>\w+): (?P<name>.+) #(?P<number>\d+)")
LOOKS = re.compile(
    r"aws \w+:(AssumeRole|Describe|Get|List)|\w+ (GET|HEAD) |process (pg_dump|squawk|uv|git (rev-\w+|show|show-ref|ls-remote)\b)"
)
"""Calls that change nothing."""
HEARTBEAT = "alive-"
"""How the threads are called that give signs of life: their calls come when time has passed, not when something happens."""


@dataclass(frozen=True)
class Call:
    """One external call; stages work side by side, so it is counted within its own stage and not over all."""

    stage: str
    """The stage that made it, or what the process is where no stage runs."""
    name: str
    number: int
    """Which of this stage's calls of this name, from 1."""

    @property
    def changes(self) -> bool:
        """Whether it changes anything outside, a file of the cache included."""
        return LOOKS.match(self.name) is None

    def __str__(self) -> str:
        return f"{self.stage}: {self.name} #{self.number}"


@dataclass(frozen=True)
class Kill:
    """Where a process is killed."""

    moment: Moment
    call: Call

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what `str` wrote; raise ValueError where it did not."""
        found = WRITTEN.fullmatch(text)
        if found is None or found["moment"] not in get_args(Moment):
            msg = f"{text!r} is not like 'after roll_out: aws ecs:UpdateService #1'"
            raise ValueError(msg)
        moments: Mapping[str, Moment] = {name: name for name in get_args(Moment)}
        return cls(moments[found["moment"]], Call(found["stage"], found["name"], int(found["number"])))

    def __str__(self) -> str:
        return f"{self.moment} {self.call}"


@dataclass(frozen=True)
class Entry:
    """One line of a journal."""

    at: float
    """Seconds since 1970."""
    moment: Moment
    call: Call


@dataclass
class Recorder:
    """Writes every moment of every call to a journal that survives the process, and kills the process where it is told to."""

    journal: Path
    process: str
    """What this process is, for calls outside a stage."""
    kill: Kill | None = None
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, name: str | None) -> Call | None:
        """Return the call of this name that begins now; None for what is no call, and for signs of life."""
        if name is None or threading.current_thread().name.startswith(HEARTBEAT):
            return None
        context = TaskRunContext.get()
        stage = self.process if context is None else str(context.task.name)
        with self.lock:
            self.counts[stage, name] += 1
            return Call(stage, name, self.counts[stage, name])

    def meet(self, call: Call | None, moment: Moment) -> None:
        """Write down that `call` is at `moment`; nothing of this process comes after the last one."""
        if call is None:
            return
        line = json.dumps(asdict(Entry(time.time(), moment, call))) + "\n"
        with self.lock, self.journal.open("a", encoding="utf-8") as file:
            file.write(line)
        if self.kill == Kill(moment, call):
            os.kill(os.getpid(), signal.SIGKILL)


def read(journal: Path) -> list[Entry]:
    """Return the entries of a journal, none where nothing was called."""
    if not journal.exists():
        return []
    lines = map(json.loads, journal.read_text(encoding="utf-8").splitlines())
    return [Entry(line["at"], line["moment"], Call(**line["call"])) for line in lines]
