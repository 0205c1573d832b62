"""How far a promotion is, read from the ledger while its flow runs somewhere else, and how that is shown."""

from dataclasses import dataclass
from uuid import UUID

from deployments import runs
from promoter.config import Service
from promoter.ledger import promotions, steps
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step


@dataclass(frozen=True)
class Progress:
    """A promotion at one moment; None before its flow has accepted the push."""

    promotion: Promotion | None
    steps: tuple[Step, ...] = ()
    crashed: str | None = None
    """The message of a flow run that ended without a promotion."""
    released_before: bool = False
    """Whether the flow run found its push released, and did nothing."""

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing more to come."""
        return (
            self.crashed is not None
            or self.released_before
            or (self.promotion is not None and self.promotion.ended_at is not None)
        )


def read(run: UUID) -> Progress:
    """Return how far the promotion of a flow run is."""
    with connect() as ledger:
        promotion = promotions.of_flow_run(ledger, run)
        if promotion is not None:
            return Progress(promotion, tuple(steps.of(ledger, promotion.id)))
    state = runs.state(run)
    ended = state["type"] in runs.ENDED - {"COMPLETED"}
    crashed = str(state["message"] or state["name"]) if ended else None
    return Progress(None, crashed=crashed, released_before=state["type"] == "COMPLETED")


def of_push(service: Service, branch: str, commit: str) -> Progress:
    """Return how far the promotion of a push is that nobody but the push itself asked for."""
    with connect() as ledger:
        promotion = promotions.of_push(ledger, service.name, service.repository, branch, commit)
        return Progress(promotion, tuple(steps.of(ledger, promotion.id)) if promotion else ())
