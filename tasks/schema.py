"""Plans the schema change of a release and lets the environment's policy judge it, before anything is published or changed."""

import logging

from promoter import git, remotes
from promoter.config import DatabaseRollback, Service
from promoter.errors import ConfigurationError
from promoter.ledger.promotions import Promotion
from promoter.records import Push, Rehearsal, SchemaPlan, SchemaReview
from promoter.schema import plans, policy
from promoter.settings import Settings
from tasks.acceptance import read_push
from tasks.checks import rehearse_for
from tasks.stage import stage

logger = logging.getLogger(__name__)


@stage()
def plan_schema(promotion: Promotion, rehearsal: Rehearsal) -> SchemaPlan:
    """Write down the SQL of the pending migrations, the locks they take and what a linter says; nothing is changed."""
    return plan_after(promotion.service, promotion.push, rehearsal, promotion.environment.database_rollback)


@stage()
def review_schema(promotion: Promotion, plan: SchemaPlan, rehearsal: Rehearsal) -> SchemaReview:
    """Stop a migration that cannot run, destroys something or breaks the release before, as the environment's policy says.

    Raises SchemaError naming revision, file and line; the promotion is rejected then.
    """
    reviewed = policy.review(plan, rehearsal, promotion.environment.unsafe_migrations)
    for warning in reviewed.warnings:
        logger.warning("%s", warning)
    return reviewed


def read_plan(service: Service, branch: str, commit: str | None) -> SchemaPlan:
    """Rehearse and plan what `commit` (None: the head of `branch`) would do to its environment's schema; nothing is changed.

    Raises ConfigurationError where a push to `branch` changes no environment, else as the stages do.
    """
    name = service.rule(branch).environment
    if name is None:
        raise ConfigurationError(f"{service.name}: a push to {branch!r} changes no environment, so no schema")
    push = read_push(service, branch, commit)
    rehearsal = rehearse_for(service, name, push)
    return plan_after(service, push, rehearsal, service.environment(name).database_rollback)


def plan_after(service: Service, push: Push, rehearsal: Rehearsal, rule: DatabaseRollback) -> SchemaPlan:
    """Do what `plan_schema` does; needs no promotion."""
    if rehearsal.before == rehearsal.after:
        return SchemaPlan(rehearsal.before, rehearsal.after, (), policy.way_back(rule, rehearsal))
    mirror = remotes.mirror(push.repository, Settings().cache)
    with git.checkout(mirror, push.commit) as folder:
        return plans.plan(folder, service.migrations, rehearsal, rule)
