"""Watches the arguments and the environments of all processes of this machine, as any other user's `ps e` would."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Self

from tests.canary.canaries import Canaries, Find

PAUSE = 0.1
"""Seconds between two looks at all processes, where nobody says otherwise."""
SHOWN = 120
"""Characters of a command line that a find shows."""


@dataclass(frozen=True)
class Holder:
    """A process that has a secret in its environment because it needs it."""

    command: str
    """A regular expression of its command line."""
    canaries: frozenset[str]
    """What it may have, by name."""
    reason: str


class Watch(Thread):
    """Looks again and again until its block ends; what it found is in `finds`."""

    def __init__(
        self, canaries: Canaries, holders: Sequence[Holder], proc: Path = Path("/proc"), pause: float = PAUSE
    ) -> None:
        super().__init__(daemon=True, name="watch on processes")
        self.canaries, self.holders, self.proc, self.pause = canaries, holders, proc, pause
        self.finds: set[Find] = set()
        self.held: set[Holder] = set()
        """The holders that were seen with what they may have."""
        self.seen: set[tuple[str, bytes, bytes]] = set()
        self.done = Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.join()

    def run(self) -> None:
        """Look until the end."""
        while not self.done.wait(self.pause):
            self.look()

    def look(self) -> None:
        """Look once at every process that was not seen with these arguments before."""
        for folder in self.proc.glob("[0-9]*"):
            with suppress(OSError):  # it has ended, or is not ours to see
                self._look_at(folder)

    def _look_at(self, folder: Path) -> None:
        arguments = (folder / "cmdline").read_bytes()
        born = (folder / "stat").read_bytes().rpartition(b")")[2].split()[19]  # starttime, see proc(5)
        if (folder.name, born, arguments) in self.seen:
            return
        environment = (folder / "environ").read_bytes()
        if (folder / "cmdline").read_bytes() != arguments:
            return  # it became another program in between: the next look sees that
        self.seen.add((folder.name, born, arguments))
        command = arguments.replace(b"\0", b" ").decode(errors="replace").strip()
        self.finds |= {self._find("arguments", command, name) for name in self.canaries.names_in(arguments)}
        for name in self.canaries.names_in(environment):
            holders = [one for one in self.holders if name in one.canaries and re.search(one.command, command)]
            self.held.update(holders)
            if not holders:
                self.finds.add(self._find("environment", command, name))

    def _find(self, what: str, command: str, name: str) -> Find:
        shown = command
        needles = {needle for spellings in self.canaries.needles.values() for needle in spellings}
        for needle in sorted(needles, key=len, reverse=True):
            shown = shown.replace(needle.decode(), "***")
        return Find(f"{what} of `{shown[:SHOWN]}`", name)
