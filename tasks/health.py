"""Confirms that exactly this release answers, well and steadily: the commit point of a promotion."""

import logging

import semver

from promoter import probe
from promoter.ecs import EcsService, task_definitions
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Promotion
from promoter.records import HealthReport, Rollout, Version
from tasks.services import service_of
from tasks.stage import stage

logger = logging.getLogger(__name__)


@stage(retries=0, commits=True)
def verify(promotion: Promotion, lease: Lease, version: Version, rollout: Rollout) -> HealthReport:
    """Wait until the health URL answers with exactly this version while every running task is of the new definition.

    With its result the promotion is VERIFIED: nothing is undone by itself any more. Raises HealthError with the last answers.
    """
    ecs, environment = service_of(promotion, lease), promotion.environment
    return probe.wait_until_healthy(
        environment.health_url,
        version.tag,
        promotion.push.branch,
        promotion.service.health,
        timeout=environment.health_timeout,
        answers=environment.health_answers,
        fleet=lambda: ecs.fleet(rollout.after),
        notice=logger.info,
    )


def confirm(promotion: Promotion, ecs: EcsService, definition: str) -> HealthReport:
    """Confirm that the release that `definition` runs, by the tag of its image, answers well; on the way back.

    Raises HealthError.
    """
    environment = promotion.environment
    image = task_definitions.image(ecs.definition(definition), environment.container)
    tag = image.partition("@")[0].rpartition(":")[2]
    known = semver.Version.is_valid(tag.removeprefix("v"))
    return probe.wait_until_healthy(
        environment.health_url,
        tag if known else None,
        promotion.push.branch,
        promotion.service.health,
        timeout=environment.health_timeout,
        answers=environment.health_answers,
        fleet=lambda: ecs.fleet(definition),
        notice=logger.info,
    )
