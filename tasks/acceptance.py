"""Takes a push into the ledger, and the environment for it: the two moments that decide who may go on."""

import logging
import time
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from promoter import config, git, remotes
from promoter.config import Service
from promoter.errors import LeaseError
from promoter.ledger import arrivals, leases, promotions, schema
from promoter.ledger.connection import connect
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Promotion
from promoter.records import Push
from promoter.settings import Settings
from tasks import admission
from tasks.stage import is_transient

logger = logging.getLogger(__name__)

LOOK = 0.5
"""Seconds between two looks at an environment that somebody else holds."""


@task(retries=3, retry_delay_seconds=[1, 5, 15], retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def accept(service: str, branch: str, commit: str | None, *, by: str | None = None, force: bool = False) -> Promotion:
    """Take the push of `commit` (None: the head of `branch`) into the ledger, as `by` asked; its base is fixed now.

    A push that arrived by a webhook was asked for by who pushed. One that is under way is resumed, one that is released is returned as it
    is, and one that was interrupted while it changed its environment is handed to the way back. One whose commit is held, older than what
    runs or no (longer) part of its branch ends here, unless a person wants it (`force`); one to a frozen environment ends here too. Raises
    a PromoterError before anything changed: these, unknown service, branch or commit, a remote or a ledger that does not answer.
    """
    settings = Settings()
    found = config.find(service, settings.services)
    found.rule(branch)
    push = read_push(found, branch, commit)
    run = flow_run.get_id()
    with connect(settings) as ledger:
        schema.check(ledger)
        run_id = None if run is None else UUID(run)
        arrival = arrivals.find(ledger, found.name, push.repository, push.branch, push.commit)
        delivery, pusher = (None, None) if arrival is None else (arrival.delivery, arrival.pushed_by)
        promotion = promotions.accept(
            ledger, found, push, flow_run=run_id, delivery=delivery, by=by or pusher, force=force
        )
        if promotion.ended_at is None:
            promotions.drive(ledger, promotion.id, run or "", settings.lease_seconds)
        refused = admission.refuse(ledger, promotion)
        promotion = promotions.get(ledger, promotion.id)
    if refused is not None:
        raise refused
    return promotion


def read_push(service: Service, branch: str, commit: str | None) -> Push:
    """Return the push of `commit` (None: the head of `branch`), with the base that holds now; raise RepositoryError."""
    mirror = remotes.mirror(service.repository, Settings().cache)
    return Push(
        repository=service.repository,
        branch=branch,
        commit=git.resolve(mirror, commit or f"refs/heads/{branch}"),
        base=git.base_tag(mirror, f"refs/heads/{service.version.main}"),
    )


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
    with connect(settings) as ledger:
        late = admission.superseded(ledger, promotion)
    if late is not None:
        raise late
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
