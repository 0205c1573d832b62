"""The one time scale between the waits of real ECS and those of the sandbox."""

from dataclasses import dataclass

DEFAULT_FACTOR = 0.06
"""A health check every 5 s becomes one every 0.3 s, the 40 s before a task without a check counts become 2.4 s."""

DOUBLINGS = 3
"""What stays healthy is asked ever more rarely, down to an eighth of the pace: constant checks, as ECS makes, fill a small machine."""
TICK = 0.05
"""How often tasks and services are looked at, in seconds of this machine."""


@dataclass(frozen=True)
class TimeScale:
    """Turns seconds of ECS into seconds of the sandbox."""

    factor: float = DEFAULT_FACTOR

    def wait(self, seconds: float) -> float:
        """Return how long ECS's own wait of `seconds` takes here: intervals, delays, back-off."""
        return seconds * self.factor

    @staticmethod
    def pause(interval: float, passed: int) -> float:
        """Return how long to wait after a check, in seconds; `passed` is how many went well in a row before it and with it."""
        return interval * 2.0 ** min(max(passed - 1, 0), DOUBLINGS)

    def limit(self, seconds: float) -> float:
        """Return the limit here for real work that ECS limits to `seconds`; work is not scaled, so never below 5 s."""
        return max(self.wait(seconds), min(seconds, 5.0))
