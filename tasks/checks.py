"""Runs the checks and the rehearsal of a commit; nothing is built for an environment without them."""

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from promoter import checks, codecov, dependencies, git, postgres, remotes
from promoter.config import Service
from promoter.ledger.promotions import Promotion
from promoter.records import Push, Rehearsal, TestReport, Version
from promoter.schema import migrations, rehearsal
from promoter.settings import Settings
from tasks import clients
from tasks.stage import stage

logger = logging.getLogger(__name__)


@stage()
def run_checks(promotion: Promotion, version: Version) -> TestReport:
    """Test the commit on a PostgreSQL of its own, with the dependencies of its lock file; upload its coverage.

    Raises ChecksError with the failing tests; a failed upload is only told.
    """
    return check(promotion.service, promotion.push, version)


@stage()
def rehearse(promotion: Promotion, version: Version) -> Rehearsal:
    """Prove on a throwaway database whether the pending migrations can be taken back without losing a row."""
    service, environment = promotion.service, promotion.environment
    logger.info("rehearsing the migrations of %s", version.tag)
    credentials = clients.database(service, environment)
    before = migrations.heads(credentials, version_table=service.migrations.version_table)
    return rehearse_after(before, service, promotion.push, environment.variables)


def check(service: Service, push: Push, version: Version) -> TestReport:
    """Do what `run_checks` does; needs no promotion."""
    settings = Settings()
    mirror = remotes.mirror(push.repository, settings.cache)
    with git.checkout(mirror, push.commit) as folder:
        report = checks.run_checks(folder, service, cache=settings.cache, version=version)
        return _upload(report, service, push, folder)


def rehearse_after(before: tuple[str, ...], service: Service, push: Push, variables: Mapping[str, str]) -> Rehearsal:
    """Rehearse what the commit has beyond the heads `before`; `variables` are further ones of the migrations.

    Raises SchemaError where its revisions make no sense; all that the migrations themselves do wrong is a verdict.
    """
    settings = Settings()
    mirror = remotes.mirror(push.repository, settings.cache)
    with git.checkout(mirror, push.commit) as folder, postgres.temporary_server() as server:
        target = dependencies.environment(
            folder, service.dependencies, cache=settings.cache, groups=service.dependencies.groups
        )
        environment = {**target.variables(folder / service.migrations.directory), **variables}
        return rehearsal.rehearse(target.python, environment, folder, service, server=server, before=before)


def _upload(report: TestReport, service: Service, push: Push, folder: Path) -> TestReport:
    if service.codecov is None or service.checks.coverage is None:
        return report
    state, detail = codecov.upload(
        service.codecov,
        folder / service.checks.directory / service.checks.coverage,
        commit=push.commit,
        branch=push.branch,
        token=os.environ.get(service.codecov.token_variable),
    )
    return replace(report, coverage_upload=state, coverage_detail=detail)
