"""The environment's ECS service as a stage sees it: each of its changes passes the lease."""

from functools import partial

from promoter.ecs import EcsService
from promoter.ledger.leases import Lease, fence
from promoter.ledger.promotions import Promotion
from tasks import clients


def service_of(promotion: Promotion, lease: Lease | None) -> EcsService:
    """Return the service that `promotion` changes as its deployer while it holds `lease`; without one it only looks."""
    environment, subject = promotion.environment, str(promotion.id)
    ecs, logs = clients.ecs(environment, "deploy", subject), clients.logs(environment, "deploy", subject)
    if lease is None:
        return EcsService(ecs, logs, environment)
    return EcsService(ecs, logs, environment, fence=partial(fence, lease))
