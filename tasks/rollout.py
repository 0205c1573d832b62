"""Rolls the image out on ECS: a new task definition, a rolling deployment, and the way back to the old one."""

import logging

from promoter.ecs import rollouts, task_definitions
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Promotion
from promoter.records import Image, Rollout, SchemaChange, TaskDefinition
from tasks import clients
from tasks.health import confirm
from tasks.services import service_of
from tasks.stage import Acting, Undone, stage, undo

logger = logging.getLogger(__name__)


@stage()
def register(promotion: Promotion, lease: Lease, image: Image, change: SchemaChange) -> TaskDefinition:
    """Register the definition that the service runs with the new image in it, and nothing else changed."""
    logger.info("schema is at %s", ", ".join(change.after) or "no revision")
    ecs = service_of(promotion, lease)
    before = ecs.check().task_definition
    request = task_definitions.request(
        ecs.definition(before),
        container=promotion.environment.container,
        image=image.reference,
        promotion=str(promotion.id),
        allowed=task_definitions.fields(ecs.client),
        plain=promotion.environment.plain_variables,
    )
    return TaskDefinition(before=before, after=ecs.register(request, str(promotion.id)))


@stage(retries=0)
def roll_out(promotion: Promotion, lease: Lease, definition: TaskDefinition) -> Acting[Rollout]:
    """Let the service run the new definition and follow that deployment, by its id, to its end.

    Raises RolloutError with stop code, exit code, reason and the last log lines of the tasks that failed.
    """
    ecs = service_of(promotion, lease)
    intent = yield Rollout(before=definition.before, after=definition.after)
    started = Rollout(intent.before, intent.after, deployment=ecs.update(intent.after))
    return rollouts.follow(
        ecs,
        started,
        timeout=promotion.environment.rollout_timeout,
        notice=logger.info,
        secrets=clients.hidden_spellings(promotion.service, promotion.environment, str(promotion.id)),
    )


@undo.register
def undo_rollout(rollout: Rollout, promotion: Promotion, lease: Lease) -> Undone:
    """Stop the deployment, wait until only the old definition is left, and confirm that it is well."""
    ecs = service_of(promotion, lease)
    rollouts.roll_back(
        ecs,
        rollout,
        timeout=promotion.environment.rollout_timeout,
        notice=logger.info,
        secrets=clients.hidden_spellings(promotion.service, promotion.environment, str(promotion.id)),
    )
    confirm(promotion, ecs, rollout.before)
    return "undone"
