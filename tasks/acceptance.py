"""Takes a push into the ledger, and the environment for it: the two moments that decide who may go on."""

import logging
import time
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from promoter import config, git, remotes
from promoter.errors import LeaseError, RejectedError, SupersededError
from promoter.ledger import leases, promotions, schema, steps
from promoter.ledger.connection import connect
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Promotion
from promoter.records import Push
from promoter.recovery import changes
from promoter.settings import Settings
from tasks.stage import is_transient

logger = logging.getLogger(__name__)

LOOK = 0.5
"""Seconds between two looks at an environment that somebody else holds."""


@task(retries=3, retry_delay_seconds=[1, 5, 15], retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def accept(service: str, branch: str, commit: str | None) -> Promotion:
    """Take the push of `commit` (None: the head of `branch`) into the ledger; its base is fixed now.

    A push that is under way is resumed, one that is released is returned as it is, and one that was interrupted while it changed
    its environment is handed to the way back. Raises a PromoterError before anything
    changed: unknown service, branch or commit, a remote or a ledger that does not answer.
    """
    settings = Settings()
    found = config.find(service, settings.services)
    found.rule(branch)
    mirror = remotes.mirror(found.repository, settings.cache)
    push = Push(
        repository=found.repository,
        branch=branch,
        commit=git.resolve(mirror, commit or f"refs/heads/{branch}"),
        base=git.base_tag(mirror, f"refs/heads/{found.version.main}"),
    )
    run = flow_run.get_id()
    with connect(settings) as ledger:
        schema.check(ledger)
        promotion = promotions.accept(ledger, found, push, flow_run=None if run is None else UUID(run))
        if promotion.ended_at is None:
            promotions.drive(ledger, promotion.id, run or "", settings.lease_seconds)
        promotion, interrupted = promotions.get(ledger, promotion.id), changes(steps.of(ledger, promotion.id))
    if interrupted and promotion.verified_at is None and promotion.ended_at is None:
        raise RejectedError(
            f"the promotion of {push.commit[:12]} was interrupted in {interrupted[0].stage}: it is taken back first",
            hint="Promote it again when it has ended.",
        )
    return promotion


@task(retries=3, retry_delay_seconds=[1, 5, 15], retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def take_environment(promotion: Promotion) -> Lease:
    """Wait until the environment is free and take it; an ended promotion gets a lease that opens nothing.

    Raises SupersededError, and ends the promotion so, if a newer commit is there or waits; LeaseError if it is frozen.
    """
    settings = Settings()
    driver = promotion.driver or ""
    if promotion.ended_at is not None:
        return Lease(promotion.service.name, promotion.environment_name, promotion.id, driver, epoch=0)
    with leases.alive(promotion.id, driver, settings):
        lease = _wait_for(promotion, driver, settings)
    newer = _newer(promotion, settings)
    if newer is not None:
        cause = f"commit {newer.push.commit[:12]} on {newer.push.branch} is newer, and is there or waits"
        with connect(settings) as ledger:
            promotions.end(ledger, promotion.id, "superseded", cause)
        raise SupersededError(
            f"{promotion.push.commit[:12]}: {cause}", hint="An older commit never replaces a newer one."
        )
    return lease


def _wait_for(promotion: Promotion, driver: str, settings: Settings) -> Lease:
    while True:
        try:
            with connect(settings) as ledger:
                return leases.take(ledger, promotion, driver=driver, seconds=settings.lease_seconds)
        except LeaseError as error:
            if not error.transient:
                raise
            logger.info("%s", error)
        time.sleep(LOOK)


def _newer(promotion: Promotion, settings: Settings) -> Promotion | None:
    """Return a promotion to the same environment whose commit comes after ours: the one that runs there, or one that waits."""
    service, environment = promotion.service.name, promotion.environment_name
    if promotion.rollback_to is not None:
        return None  # a person wishes the older one
    with connect(settings) as ledger:
        running = promotions.released(ledger, service, environment)
        waiting = [other for other in promotions.unended(ledger) if _same_place(other, promotion)]
    mirror = remotes.mirror(promotion.push.repository, settings.cache)
    ours = promotion.push.commit
    for other in filter(None, [running, *waiting]):
        if other.push.commit != ours and git.is_ancestor(mirror, ours, other.push.commit):
            return other
    return None


def _same_place(one: Promotion, other: Promotion) -> bool:
    return (one.service.name, one.rule.environment) == (other.service.name, other.rule.environment)
