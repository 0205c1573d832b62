"""Brings the schema of the environment to the release's revisions, and back."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from promoter import dependencies, git, remotes
from promoter.ecs import rollouts
from promoter.ledger.leases import Lease, fence
from promoter.ledger.promotions import Promotion
from promoter.records import Image, Rehearsal, RollbackPlan, Rollout, SchemaChange, SchemaDowngrade
from promoter.schema import catalogues, migrations, policy, safety
from promoter.schema.runners import SubprocessRunner
from promoter.settings import Settings
from tasks import clients
from tasks.checks import rehearse
from tasks.health import confirm
from tasks.services import service_of
from tasks.stage import Acting, Undone, recorded, stage, undo

logger = logging.getLogger(__name__)


@stage()
def migrate(promotion: Promotion, lease: Lease, image: Image, rehearsal: Rehearsal) -> Acting[SchemaChange]:
    """Run the pending migrations with the commit's own code and verify every head; `before` is kept for the way back.

    What they destroy is copied first; copies of earlier promotions that have had their time are dropped.

    Raises SchemaError; it is transient where a lock was in the way, and nothing has to be taken back then.
    """
    logger.info("%s: rehearsal says %s", image.tag, rehearsal.verdict)
    credentials = clients.database(promotion.service, promotion.environment, str(promotion.id))
    with _runner(promotion, promotion.push.commit) as runner:
        planned = migrations.plan(runner, credentials)
        intent = yield planned if planned.before == planned.after else _prepared(planned, promotion, rehearsal)
        fence(lease)
        safety.expire(credentials, promotion.environment.safety_copy_days)
        safety.make(credentials, intent.copies)
        migrations.upgrade(runner, credentials, target=intent.after)
        return intent


@undo.register
def undo_migration(change: SchemaChange, promotion: Promotion, lease: Lease) -> Undone:
    """Take the schema back where the environment's policy and the rehearsal allow it; else keep it: the old release ran on it."""
    credentials = clients.database(promotion.service, promotion.environment, str(promotion.id))
    migrations.end_orphans(credentials)
    table = promotion.service.migrations.version_table
    now = migrations.heads(credentials, version_table=table)
    if now == change.before:
        if change.catalogue is not None:  # what ran outside of a transaction may be half done
            catalogues.verify(change.catalogue, credentials, version_table=table)
        return "nothing"
    proof = recorded(promotion, rehearse.name)
    if not policy.takes_back(promotion.environment.database_rollback, proof, change.before):
        logger.warning("the schema stays at %s: %s", ", ".join(now), proof.detail if proof else "never rehearsed")
        return "kept"
    with _runner(promotion, promotion.push.commit) as runner:
        fence(lease)
        migrations.downgrade(runner, credentials, change.before, change.catalogue if policy.restores(proof) else None)
    ecs = service_of(promotion, lease)
    confirm(promotion, ecs, ecs.describe().task_definition)
    return "undone"


@stage()
def downgrade(promotion: Promotion, lease: Lease, plan: RollbackPlan, rollout: Rollout) -> Acting[SchemaDowngrade]:
    """Take the schema down to the older release's revisions, once no task of the newer one is left; `plan` has a downgrade."""
    assert plan.downgrade is not None  # noqa: S101 - the flow asks for it only then
    rollouts.drain(service_of(promotion, lease), rollout.before, timeout=promotion.environment.rollout_timeout)
    credentials = clients.database(promotion.service, promotion.environment, str(promotion.id))
    with _runner(promotion, plan.downgrade.commit) as runner:
        intent = yield plan.downgrade
        fence(lease)
        migrations.downgrade(runner, credentials, intent.after, intent.catalogue)
        return intent


@undo.register
def undo_downgrade(change: SchemaDowngrade, promotion: Promotion, lease: Lease) -> Undone:
    """Bring the schema up again before the newer release serves again; that release ran on it."""
    credentials = clients.database(promotion.service, promotion.environment, str(promotion.id))
    migrations.end_orphans(credentials)
    if migrations.heads(credentials, version_table=promotion.service.migrations.version_table) == change.before:
        return "nothing"
    with _runner(promotion, change.commit) as runner:
        fence(lease)
        migrations.upgrade(runner, credentials, target=change.before)
    return "undone"


def _prepared(planned: SchemaChange, promotion: Promotion, rehearsal: Rehearsal) -> SchemaChange:
    """Return the change with what its way back needs: copies of what it destroys, and the catalogue that has to come back."""
    service = promotion.service
    credentials = clients.database(service, promotion.environment)
    copies = safety.plan(credentials, rehearsal.lost, str(promotion.id))
    catalogue = catalogues.capture(credentials, version_table=service.migrations.version_table)
    return replace(planned, copies=copies, catalogue=catalogue)


@contextmanager
def _runner(promotion: Promotion, commit: str) -> Iterator[SubprocessRunner]:
    """Yield the runner of `commit`: only the checkout that has a migration knows its way up and its way down."""
    settings, service = Settings(), promotion.service
    mirror = remotes.mirror(promotion.push.repository, settings.cache)
    with git.checkout(mirror, commit) as folder:
        target = dependencies.environment(
            folder, service.dependencies, cache=settings.cache, groups=service.dependencies.groups
        )
        yield SubprocessRunner(
            python=target.python,
            checkout=folder,
            rule=service.migrations,
            variables={
                **target.variables(folder / service.migrations.directory),
                **promotion.environment.variables,
            },
            templates=service.database.variables,
        )
