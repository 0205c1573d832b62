"""Brings an environment back to a release that was verified in it, on a person's wish: its own plan, its own definition."""

from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from psycopg import Connection
from psycopg.rows import DictRow

from promoter import config, rollbacks
from promoter.config import Service
from promoter.ecs import task_definitions
from promoter.errors import ImageError
from promoter.ledger import promotions, releases, schema
from promoter.ledger.connection import connect
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Promotion
from promoter.ledger.releases import Verified
from promoter.records import RollbackPlan, TaskDefinition
from promoter.schema import migrations
from promoter.settings import Settings
from tasks import admission, clients
from tasks.services import service_of
from tasks.stage import is_transient, stage


@task(retries=3, retry_delay_seconds=[1, 5, 15], retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def accept_rollback(service: str, environment: str, to: str | None, by: str | None = None) -> Promotion:
    """Take the wish of `by` into the ledger: back to version `to`, None for the one before; the target is fixed now.

    Raises ConfigurationError for an unknown service, environment or version, RejectedError where there is nothing to go back to,
    or where the same wish was interrupted while it changed the environment: it is taken back first.
    """
    settings = Settings()
    found = config.find(service, settings.services)
    found.environment(environment)
    run = flow_run.get_id()
    with connect(settings) as ledger:
        schema.check(ledger)
        target = _under_way(ledger, service, environment, to) or choose(ledger, service, environment, to).promotion
        promotion = promotions.roll_back(ledger, found, target, flow_run=None if run is None else UUID(run), by=by)
        promotions.drive(ledger, promotion.id, run or "", settings.lease_seconds)
        refused, promotion = admission.interrupted(ledger, promotion), promotions.get(ledger, promotion.id)
    if refused is not None:
        raise refused
    return promotion


def choose(ledger: Connection[DictRow], service: str, environment: str, to: str | None) -> Verified:
    """Return the release to go back to, as the ledger knows it; raises as `accept_rollback` does."""
    return rollbacks.choose(
        releases.verified(ledger, service, environment),
        releases.timeline(ledger, service, environment),
        to,
        f"{service}/{environment}",
    )


def _under_way(ledger: Connection[DictRow], service: str, environment: str, to: str | None) -> UUID | None:
    """Return the target of a rollback that was interrupted: the same wish goes on where it ended."""
    tags = {one.promotion: one.version.tag for one in releases.verified(ledger, service, environment)}
    for one in promotions.unended(ledger):
        same = one.service.name == service and one.rule.environment == environment
        if same and one.rollback_to is not None and to in {None, tags.get(one.rollback_to)}:
            return one.rollback_to
    return None


@stage()
def plan_rollback(promotion: Promotion, lease: Lease, with_downgrade: bool) -> RollbackPlan:  # noqa: FBT001 - a Prefect task
    """Decide what happens to service and schema, before anything moves; raise SchemaError or ImageError if it cannot be done."""
    with connect() as ledger:
        history = releases.verified(ledger, lease.service, lease.environment)
    target = next(one for one in history if one.promotion == promotion.rollback_to)
    plan = read_plan(promotion.service, lease.environment, target, with_downgrade=with_downgrade)
    with clients.registry(promotion.service.image) as registry:
        if registry.digest(plan.image.digest) is None:
            raise ImageError(
                f"{plan.image.reference} is gone from the registry",
                hint="Nothing was changed. Promote its commit again, or roll back to another version.",
            )
    return plan


def read_plan(service: Service, environment: str, target: Verified, *, with_downgrade: bool) -> RollbackPlan:
    """Return the plan of a rollback from what the ledger and the environment's database say now; nothing is changed."""
    credentials = clients.database(service, service.environment(environment))
    live = migrations.heads(credentials, version_table=service.migrations.version_table)
    with connect() as ledger:
        history = releases.verified(ledger, service.name, environment)
        changes = releases.migrated(ledger, service.name, environment)
        running = releases.timeline(ledger, service.name, environment)[0]
    return rollbacks.plan(
        target,
        leaves=next(one.version.tag for one in history if one.promotion == running),
        live=live,
        legs=rollbacks.path(changes, live, target),
        history=history,
        with_downgrade=with_downgrade,
        rule=service.environment(environment).database_rollback,
    )


@stage()
def register_again(promotion: Promotion, lease: Lease, plan: RollbackPlan) -> TaskDefinition:
    """Register the definition that was verified once more, so that also a deregistered one can run."""
    ecs = service_of(promotion, lease)
    request = task_definitions.request(
        ecs.definition(plan.definition),
        container=promotion.environment.container,
        image=plan.image.reference,
        promotion=str(promotion.id),
        allowed=task_definitions.fields(ecs.client),
        plain=promotion.environment.plain_variables,
    )
    return TaskDefinition(before=ecs.check().task_definition, after=ecs.register(request, str(promotion.id)))
