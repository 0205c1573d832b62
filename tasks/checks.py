"""Runs the checks and the rehearsal of a commit; nothing is built for an environment without them."""

import logging
import os
from dataclasses import replace
from pathlib import Path

from promoter import checks, codecov, dependencies, git, migrations, postgres, rehearsal, remotes
from promoter.ledger.promotions import Promotion
from promoter.records import Rehearsal, TestReport, Version
from promoter.settings import Settings
from tasks import clients
from tasks.stage import stage

logger = logging.getLogger(__name__)


@stage()
def run_checks(promotion: Promotion, version: Version) -> TestReport:
    """Test the commit on a PostgreSQL of its own, with the dependencies of its lock file; upload its coverage.

    Raises ChecksError with the failing tests; a failed upload is only told.
    """
    settings, service = Settings(), promotion.service
    mirror = remotes.mirror(promotion.push.repository, settings.cache)
    with git.checkout(mirror, promotion.push.commit) as folder:
        report = checks.run_checks(folder, service, cache=settings.cache, version=version)
        return _upload(report, promotion, folder)


@stage()
def rehearse(promotion: Promotion, version: Version) -> Rehearsal:
    """Prove on a throwaway database whether the pending migrations can be taken back without losing a row."""
    settings, service, environment = Settings(), promotion.service, promotion.environment
    logger.info("rehearsing the migrations of %s", version.tag)
    credentials = clients.database(service, environment)
    before = migrations.heads(credentials, version_table=service.migrations.version_table)
    mirror = remotes.mirror(promotion.push.repository, settings.cache)
    with git.checkout(mirror, promotion.push.commit) as folder, postgres.temporary_server() as server:
        target = dependencies.environment(
            folder, service.dependencies, cache=settings.cache, groups=service.dependencies.groups
        )
        variables = {**target.variables(folder / service.migrations.directory), **environment.variables}
        return rehearsal.rehearse(target.python, variables, folder, service, server=server, before=before)


def _upload(report: TestReport, promotion: Promotion, folder: Path) -> TestReport:
    service = promotion.service
    if service.codecov is None or service.checks.coverage is None:
        return report
    state, detail = codecov.upload(
        service.codecov,
        folder / service.checks.directory / service.checks.coverage,
        commit=promotion.push.commit,
        branch=promotion.push.branch,
        token=os.environ.get(service.codecov.token_variable),
    )
    return replace(report, coverage_upload=state, coverage_detail=detail)
