"""What the gateway counts, in Prometheus' text form; no label comes from outside as it is."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

KINDS = ("push", "pull_request", "ping")
"""The events that are told apart."""


class Metrics:
    """The counters of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = Counter(
            "promoter_webhooks_total", "Webhooks, by kind and answer", ["event", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "promoter_webhook_seconds", "From the first byte to the answer", registry=self.registry
        )
        self.noted = Counter(
            "promoter_pushes_noted_total", "Pushes and heads of pull requests that were new", registry=self.registry
        )
        self.untold = Counter(
            "promoter_pushes_untold_total",
            "Pushes and pull requests that Prefect did not take; the poller starts them",
            registry=self.registry,
        )

    def answered(self, event: str | None, status: int, seconds: float) -> None:
        """Count one answer; a webhook that is not verified has no event."""
        kind = event if event in KINDS else "other" if event else "unverified"
        self._answers.labels(kind, str(status)).inc()
        self._seconds.observe(seconds)

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self.registry)
