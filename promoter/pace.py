"""Paces repeated questions: short pauses while something moves, longer ones while nothing does, none past the deadline."""

import time
from dataclasses import dataclass, field


@dataclass
class Pace:
    """A pause that grows from `shortest` to `longest`, and a deadline on the monotonic clock; all in seconds."""

    timeout: float
    shortest: float
    longest: float
    growth: float = 1.5
    started: float = field(default_factory=time.monotonic)
    pause: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds until the deadline, never below 0."""
        return max(0.0, self.timeout - self.seconds)

    def rest(self, *, moved: bool = False) -> None:
        """Sleep: the shortest pause after something moved, otherwise a longer one than before."""
        self.pause = self.shortest if moved or not self.pause else min(self.longest, self.pause * self.growth)
        time.sleep(min(self.pause, self.left))
