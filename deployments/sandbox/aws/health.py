"""Counts the answers of health checks the way ECS and its load balancers do."""

from dataclasses import dataclass

from deployments.sandbox.aws.state import Document, Health
from deployments.sandbox.aws.timing import TimeScale


@dataclass(frozen=True)
class ContainerCheck:
    """A container health check in seconds of this machine; defaults of ECS: every 30 s, 5 s each, 3 retries."""

    interval: float
    timeout: float
    retries: int
    start_period: float
    """Failures do not count in the time after the container listens, which is scaled."""
    patience: float
    """Failures do not count before the container listens, up to this; coming up is real work and takes its own time."""


def container_check(definition: Document, scale: TimeScale) -> ContainerCheck:
    """Read the `healthCheck` of a container definition."""
    check = definition["healthCheck"]
    interval, retries, start = check.get("interval", 30), check.get("retries", 3), check.get("startPeriod", 0)
    return ContainerCheck(
        interval=scale.wait(interval),
        timeout=scale.limit(check.get("timeout", 5)),
        retries=retries,
        start_period=scale.wait(start),
        patience=float(start + interval * retries),
    )


@dataclass
class ContainerHealth:
    """The running count of one container."""

    check: ContainerCheck
    status: Health = "UNKNOWN"
    failures: int = 0

    def see(self, *, passed: bool, age: float, listening: float | None) -> Health:
        """Count one answer and return the new status.

        `age` is how long the container runs, `listening` how long somebody listens on its port (None: nobody yet), in seconds.
        """
        if passed:
            self.failures, self.status = 0, "HEALTHY"
        elif self.status == "HEALTHY" or not self._starting(age, listening):
            self.failures += 1
            if self.failures >= self.check.retries:
                self.status = "UNHEALTHY"
        return self.status

    def _starting(self, age: float, listening: float | None) -> bool:
        return age < self.check.patience if listening is None else listening < self.check.start_period


@dataclass
class TargetHealth:
    """The running count of one target of a load balancer: as many good or bad answers in a row as it takes."""

    healthy_after: int
    unhealthy_after: int
    healthy: bool | None = None
    """None while it has not been decided."""
    streak: int = 0
    """Answers in a row: good ones positive, bad ones negative."""

    def see(self, *, passed: bool) -> bool | None:
        """Count one answer and return whether the target is healthy; a new target becomes so with its first good answer."""
        self.streak = max(self.streak, 0) + 1 if passed else min(self.streak, 0) - 1
        if self.streak >= (self.healthy_after if self.healthy is False else 1):
            self.healthy = True
        elif -self.streak >= self.unhealthy_after:
            self.healthy = False
        return self.healthy
