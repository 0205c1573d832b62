"""Brings the schema of the environment to the release's revisions, and back."""

import logging
from dataclasses import replace

from promoter.ecs import rollouts
from promoter.ledger.leases import Lease, fence
from promoter.ledger.promotions import Promotion
from promoter.records import Image, Rehearsal, RollbackPlan, Rollout, SchemaChange, SchemaDowngrade
from promoter.schema import catalogues, migrations, policy, safety
from tasks import clients
from tasks.checks import rehearse
from tasks.health import confirm
from tasks.runners import end_orphans, runner_of
from tasks.services import service_of
from tasks.stage import Acting, Undone, recorded, stage, undo

logger = logging.getLogger(__name__)


@stage()
def migrate(promotion: Promotion, lease: Lease, image: Image, rehearsal: Rehearsal) -> Acting[SchemaChange]:
    """Run the pending migrations with the commit's own code and verify every head; `before` is kept for the way back.

    The lock is held from the plan on: whoever does not get it has no intent on record, and so nothing that could be taken back. What the
    migrations destroy is copied first; copies of earlier promotions that have had their time are dropped.

    Raises SchemaError; it is transient where a lock was in the way, and nothing has to be taken back then.
    """
    logger.info("%s: rehearsal says %s", image.tag, rehearsal.verdict)
    credentials = clients.database(promotion.service, promotion.environment, str(promotion.id))
    with (
        runner_of(promotion, lease, promotion.push.commit, "migrate") as runner,
        migrations.exclusive(runner, credentials) as held,
    ):
        planned = migrations.plan(runner, credentials, held)
        if planned.before != planned.after:
            copies = safety.plan(credentials, rehearsal.lost, str(promotion.id), held)
            table = promotion.service.migrations.version_table
            catalogue = catalogues.capture(credentials, version_table=table)
            planned = replace(planned, copies=copies, catalogue=catalogue)
        intent = yield planned
        fence(lease)
        safety.expire(credentials, promotion.environment.safety_copy_days, held)
        safety.make(credentials, intent.copies, held)
        migrations.upgrade(runner, credentials, intent.after, held)
        return intent


@undo.register
def undo_migration(change: SchemaChange, promotion: Promotion, lease: Lease) -> Undone:
    """Take the schema back where the environment's policy and the rehearsal allow it; else keep it: the old release ran on it."""
    credentials = clients.database(promotion.service, promotion.environment, str(promotion.id))
    end_orphans(promotion, lease, credentials)
    table = promotion.service.migrations.version_table
    now = migrations.heads(credentials, version_table=table)
    proof = recorded(promotion, rehearse.name)
    taken_back = policy.takes_back(promotion.environment.database_rollback, proof, change.before)
    catalogue = None if taken_back and not policy.restores(proof) else change.catalogue
    if now == change.before:
        if catalogue is not None:  # what ran outside of a transaction may be half done
            catalogues.verify(catalogue, credentials, version_table=table)
        return "nothing"
    if not taken_back:
        logger.warning("the schema stays at %s: %s", ", ".join(now), proof.detail if proof else "never rehearsed")
        return "kept"
    with runner_of(promotion, lease, promotion.push.commit, "undo-migrate") as runner:
        fence(lease)
        migrations.downgrade(runner, credentials, change.before, catalogue=catalogue)
    ecs = service_of(promotion, lease)
    confirm(promotion, ecs, ecs.describe().task_definition)
    return "undone"


@stage()
def downgrade(promotion: Promotion, lease: Lease, plan: RollbackPlan, rollout: Rollout) -> Acting[SchemaDowngrade]:
    """Take the schema down to the older release's revisions, once no task of the newer one is left; `plan` has a downgrade."""
    assert plan.downgrade is not None  # noqa: S101 - the flow asks for it only then
    rollouts.drain(service_of(promotion, lease), rollout.before, timeout=promotion.environment.rollout_timeout)
    credentials = clients.database(promotion.service, promotion.environment, str(promotion.id))
    with (
        runner_of(promotion, lease, plan.downgrade.commit, "downgrade") as runner,
        migrations.exclusive(runner, credentials) as held,
    ):
        intent = yield plan.downgrade
        fence(lease)
        migrations.downgrade(runner, credentials, intent.after, held, catalogue=intent.catalogue)
        return intent


@undo.register
def undo_downgrade(change: SchemaDowngrade, promotion: Promotion, lease: Lease) -> Undone:
    """Bring the schema up again before the newer release serves again; that release ran on it."""
    credentials = clients.database(promotion.service, promotion.environment, str(promotion.id))
    end_orphans(promotion, lease, credentials)
    if migrations.heads(credentials, version_table=promotion.service.migrations.version_table) == change.before:
        return "nothing"
    with runner_of(promotion, lease, change.commit, "undo-downgrade") as runner:
        fence(lease)
        migrations.upgrade(runner, credentials, change.before)
    return "undone"
