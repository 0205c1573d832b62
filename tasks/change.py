"""Looks at a change before it is merged: its number, its checks, its image, its migrations; nothing outside is changed by it.

No part asks for an environment's credentials or writes to the registry, and the ledger only learns what was found for a pull request,
so none needs a stage: a check that is cut off is done again.
"""

import logging
import re
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
from promoter.config import DatabaseRollback, Service
from promoter.errors import RepositoryError
from promoter.ledger import changes, schema
from promoter.ledger.changes import Asked
from promoter.ledger.connection import connect
from promoter.ledger.steps import Step
from promoter.records import Push, SchemaPlan, TestReport, TriedImage, Version
from promoter.schema import migrations, policy
from promoter.settings import Settings
from tasks import teller
from tasks.acceptance import read_push
from tasks.checks import check, rehearse_after
from tasks.image import builder, planned
from tasks.report import publish, rename
from tasks.schema import plan_after
from tasks.stage import is_transient
from tasks.version import preview

logger = logging.getLogger(__name__)

PULL_REQUEST = re.compile(r"refs/pull/([1-9][0-9]{0,8})/head")
"""How git calls the head of a pull request in the repository that it is for."""

look = task(retries=3, retry_delay_seconds=[1, 5, 15], retry_condition_fn=is_transient, cache_policy=NO_CACHE)
"""A task that only looks, and looks again after a transient error."""


@look
def read_change(service: str, branch: str, commit: str | None, target: str) -> Change:
    """Return the change that `commit` (None: the head of `branch`) would bring into `target`.

    `refs/pull/7/head` as `branch` is a pull request: from then on the ledger knows that its check has begun.
    Raises a PromoterError for an unknown service, target, branch or commit, and for histories that never met.
    """
    found = config.find(service, Settings().services)
    found.rule(target)
    wanted = PULL_REQUEST.fullmatch(branch)
    asked = None if wanted is None else _begin(found, int(wanted[1]), commit, target)
    push = read_push(found, branch, commit) if asked is None else _read_pull_request(found, asked)
    mirror = remotes.mirror(found.repository, Settings().cache)
    onto = git.resolve(mirror, f"refs/heads/{target}")
    fork = git.merge_base(mirror, push.commit, onto)
    return Change(found, push, target, onto, fork, None if asked is None else asked.id)


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
    """Test the change as `run_checks` tests a promotion; raises ChecksError with the failing tests.

    The coverage of a pull request is not uploaded: its own files say what that would be.
    """
    return check(change.service, change.push, version, upload=change.asked is None)


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
    if change.asked is not None:
        with connect() as ledger:
            changes.end(
                ledger, change.asked, "failure" if any(step.error for step in steps) else "success", title, story
            )
        teller.poke_check(change.service, change.asked)
    publish(f"{change.service.name}-check-{change.push.branch}", _run(), title, story, steps)
    teller.drain()
    for future in parts.values():
        future.result()


def give_up(flow_run: UUID, cause: str) -> None:
    """End the check of a pull request whose run came to no end of its own."""
    with connect() as ledger:
        asked = changes.of_flow_run(ledger, flow_run)
        if asked is None or asked.state is not None:
            return
        title = f"check pull/{asked.number} {asked.commit[:7]}"
        changes.end(ledger, asked.id, "error", title, summary.unfinished_markdown(title, cause))
    teller.poke_check(config.find(asked.service, Settings().services), asked.id)
    teller.drain()


def _begin(service: Service, number: int, commit: str | None, target: str) -> Asked:
    """Note that the check of a pull request begins, by its head where no commit is named."""
    remotes.mirror(service.repository, Settings().cache)
    head = commit or remotes.pull_request(service.repository, Settings().cache, number)
    with connect() as ledger:
        schema.check(ledger)
        asked, _ = changes.note(
            ledger,
            service=service.name,
            repository=service.repository,
            number=number,
            commit=head,
            target=target,
        )
        changes.begin(ledger, asked.id, _run())
    teller.poke_check(service, asked.id)
    return asked


def _read_pull_request(service: Service, asked: Asked) -> Push:
    """Return the head of a pull request as a push; what a webhook said of it is only a hint."""
    settings = Settings()
    head = remotes.pull_request(service.repository, settings.cache, asked.number)
    mirror = remotes.mirrored(service.repository, settings.cache)
    if not git.knows(mirror, asked.commit) or not git.is_ancestor(mirror, asked.commit, head):
        raise RepositoryError(
            f"{asked.commit[:12]} is no commit of pull request {asked.number}, which is at {head[:12]}",
            hint="It was pushed over meanwhile: its new head is checked by itself, that of a fork once it is labelled anew.",
        )
    base = git.base_tag(mirror, f"refs/heads/{service.version.main}")
    return Push(service.repository, f"pull/{asked.number}", asked.commit, base)


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
