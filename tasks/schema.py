"""Plans the schema change of a release and lets the environment's policy judge it, before anything is published or changed."""

import logging
from collections.abc import Mapping

from promoter import dependencies, git, remotes
from promoter.config import DatabaseRollback, Service
from promoter.errors import ConfigurationError
from promoter.ledger.promotions import Promotion
from promoter.records import Push, Rehearsal, SchemaPlan, SchemaReview
from promoter.schema import migrations, plans, policy
from promoter.schema.runners import SubprocessRunner
from promoter.settings import Settings
from tasks import clients
from tasks.acceptance import read_push
from tasks.checks import rehearse_after
from tasks.stage import stage

logger = logging.getLogger(__name__)


@stage()
def plan_schema(promotion: Promotion, rehearsal: Rehearsal) -> SchemaPlan:
    """Write down the SQL of the pending migrations, the locks they take and what a linter says; nothing is changed."""
    environment = promotion.environment
    return plan_after(
        rehearsal, promotion.service, promotion.push, environment.variables, environment.database_rollback
    )


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
    push, environment = read_push(service, branch, commit), service.environment(name)
    credentials = clients.database(service, environment)
    before = migrations.heads(credentials, version_table=service.migrations.version_table)
    rehearsal = rehearse_after(before, service, push, environment.variables, live=credentials)
    return plan_after(rehearsal, service, push, environment.variables, environment.database_rollback)


def plan_after(
    rehearsal: Rehearsal, service: Service, push: Push, variables: Mapping[str, str], rule: DatabaseRollback
) -> SchemaPlan:
    """Do what `plan_schema` does; needs no promotion. `variables` are further ones of the migrations."""
    if rehearsal.before == rehearsal.after:
        return SchemaPlan(rehearsal.before, rehearsal.after, (), policy.way_back(rule, rehearsal))
    settings = Settings()
    mirror = remotes.mirror(push.repository, settings.cache)
    with git.checkout(mirror, push.commit) as folder:
        target = dependencies.environment(
            folder, service.dependencies, cache=settings.cache, groups=service.dependencies.groups
        )
        environment = {**target.variables(folder / service.migrations.directory), **variables}
        runner = SubprocessRunner(target.python, folder, service.migrations, environment, service.database.variables)
        return plans.plan(runner, rehearsal, rule)
