"""The environment's ECS service as a stage sees it: each of its changes passes the lease."""

from functools import partial

from promoter.ecs import EcsService
from promoter.ledger.leases import Lease, fence
from promoter.ledger.promotions import Promotion
from tasks import clients


def service_of(promotion: Promotion, lease: Lease) -> EcsService:
    """Return the service that `promotion` changes while it holds `lease`."""
    environment = promotion.environment
    return EcsService(clients.ecs(environment), clients.logs(environment), environment, fence=partial(fence, lease))
