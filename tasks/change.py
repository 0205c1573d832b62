"""Looks at a change before it is merged: its number, its checks, its image, its migrations; nothing outside is changed by it.

No part asks for an environment's credentials or writes to ledger or registry, so none needs a stage: a check that is cut off is
done again.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run

from promoter import config, git, remotes, summary
from promoter.changes import Change
from promoter.config import DatabaseRollback
from promoter.ledger.steps import Step
from promoter.records import SchemaPlan, TestReport, TriedImage, Version
from promoter.schema import migrations, policy
from promoter.settings import Settings
from tasks.acceptance import read_push
from tasks.checks import check, rehearse_after
from tasks.image import builder, planned
from tasks.report import publish, rename
from tasks.schema import plan_after
from tasks.stage import is_transient
from tasks.version import preview

logger = logging.getLogger(__name__)

look = task(retries=3, retry_delay_seconds=[1, 5, 15], retry_condition_fn=is_transient, cache_policy=NO_CACHE)
"""A task that only looks, and looks again after a transient error."""


@look
def read_change(service: str, branch: str, commit: str | None, target: str) -> Change:
    """Return the change that `commit` (None: the head of `branch`) would bring into `target`.

    Raises a PromoterError for an unknown service, target, branch or commit, and for histories that never met.
    """
    found = config.find(service, Settings().services)
    found.rule(target)
    push = read_push(found, branch, commit)
    mirror = remotes.mirror(found.repository, Settings().cache)
    onto = git.resolve(mirror, f"refs/heads/{target}")
    return Change(found, push, target, onto, fork=git.merge_base(mirror, push.commit, onto))


@look
def preview_version(change: Change) -> Version:
    """Return the number that the change gets if it is merged now; another one may be faster, for nothing is reserved."""
    return preview(change.service, change.push, target=change.target, onto=change.onto)


@task(cache_policy=NO_CACHE)
def name_check(change: Change, version: Version) -> None:
    """Let the flow run be called what it does: `check feat/x 1a2b3c4: v1.0.4-dev`."""
    rename(_run(), summary.check_headline(change, version))


@look
def check_sources(change: Change, version: Version) -> TestReport:
    """Test the change as `run_checks` tests a promotion; raises ChecksError with the failing tests."""
    return check(change.service, change.push, version)


@look
def try_image(change: Change, version: Version) -> TriedImage:
    """Build the image for the platforms of the target, and push nothing; raises ImageError."""
    with planned(change.service, change.rule, version) as plan:
        return TriedImage(builder(change.service).try_out(plan), plan.platforms)


@look
def plan_change(change: Change, _version: Version) -> SchemaPlan:
    """Rehearse and lint what the change adds to the schema, from the schema that the target's own migrations build.

    No environment is asked what it has; each judges what is unsafe by its own rule when it is promoted to, so that is only told here.
    Raises SchemaError where the revisions make no sense or cannot be applied.
    """
    before, after = _heads(change, change.fork), _heads(change, change.push.commit)
    if before == after:
        return SchemaPlan(before, after, (), "yes")
    rehearsal = rehearse_after(before, change.service, change.push, change.service.checks.variables)
    plan = plan_after(change.service, change.push, rehearsal, _database_rollback(change))
    for warning in policy.review(plan, rehearsal, "warn").warnings:
        logger.warning("%s", warning)
    return plan


def conclude(change: Change, version: Version, parts: Mapping[str, PrefectFuture[Any]]) -> None:
    """Wait for the parts that were just submitted, report all of them, and raise the error of the first that failed."""
    begun = datetime.now(UTC)
    steps = [_step(name, begun, future) for name, future in parts.items()]
    title, story = summary.check_headline(change, version), summary.check_markdown(change, version, steps)
    publish(f"{change.service.name}-check-{change.push.branch}", _run(), title, story, steps)
    for future in parts.values():
        future.result()


def _step(name: str, begun: datetime, future: PrefectFuture[Any]) -> Step:
    found = future.result(raise_on_failure=False)
    error = (str(found) or type(found).__name__) if isinstance(found, BaseException) else None
    return Step(
        stage=name,
        record_type=type(found).__name__,
        intent=None,
        result=None if error else found,
        error=error,
        started_at=begun,
        finished_at=future.state.timestamp,
        undone=None,
    )


def _database_rollback(change: Change) -> DatabaseRollback:
    """Return the rule of the environment that the target is promoted to, and the default where there is none yet."""
    name = change.rule.environment
    return "if_lossless" if name is None else change.service.environment(name).database_rollback


def _heads(change: Change, commit: str) -> tuple[str, ...]:
    mirror = remotes.mirror(change.push.repository, Settings().cache)
    with git.checkout(mirror, commit) as folder:
        return migrations.script(folder, change.service.migrations).heads


def _run() -> UUID | None:
    run = flow_run.get_id()
    return None if run is None else UUID(run)
