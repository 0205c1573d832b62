"""Runs the checks and the rehearsal of a commit; nothing is built for an environment without them."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from promoter import checks, codecov, dependencies, git, postgres, remotes
from promoter.config import Service
from promoter.errors import PromoterError, SchemaError
from promoter.ledger import releases
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.records import Push, Rehearsal, TestReport, Version
from promoter.schema import mapped, migrations, rehearsal
from promoter.schema.mapped import MappedTable
from promoter.secrets import NOWHERE, DatabaseCredentials
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
    logger.info("rehearsing the migrations of %s", version.tag)
    return rehearse_for(promotion.service, promotion.environment_name, promotion.push, str(promotion.id))


def check(service: Service, push: Push, version: Version, *, upload: bool = True) -> TestReport:
    """Do what `run_checks` does; needs no promotion. `upload=False` keeps its coverage here."""
    settings = Settings()
    mirror = remotes.mirror(push.repository, settings.cache)
    with git.checkout(mirror, push.commit) as folder:
        report = checks.run_checks(folder, service, cache=settings.cache, version=version)
        return _upload(report, service, push, folder) if upload else report


def rehearse_for(service: Service, name: str, push: Push, subject: str | None = None) -> Rehearsal:
    """Do what `rehearse` does; needs no promotion. `name` is the environment's, `subject` for whom it is done (None: a person)."""
    environment = service.environment(name)
    credentials = clients.database(service, environment, subject)
    before = migrations.heads(credentials, version_table=service.migrations.version_table)
    return rehearse_after(
        before,
        service,
        push,
        environment.variables,
        live=credentials,
        models=lambda: running_models(service, name) if service.migrations.models else (),
    )


def rehearse_after(
    before: tuple[str, ...],
    service: Service,
    push: Push,
    variables: Mapping[str, str],
    *,
    live: DatabaseCredentials | None = None,
    models: Callable[[], tuple[MappedTable, ...]] = tuple,
) -> Rehearsal:
    """Rehearse what the commit has beyond the heads `before`; `variables` are further ones of the migrations.

    It starts from the schema of the database `live`, where that can be read, else from the one that the migrations build. `models` reads
    what the running release maps. Where nothing is pending none of that is asked for, and nothing is built or started. Raises SchemaError
    where its revisions make no sense; all that the migrations themselves do wrong is a verdict.
    """
    settings = Settings()
    mirror = remotes.mirror(push.repository, settings.cache)
    with git.checkout(mirror, push.commit) as folder:
        found = migrations.script(folder, service.migrations)
        if not found.pending(before):
            return rehearsal.nothing(found, before)
        target = dependencies.environment(
            folder, service.dependencies, cache=settings.cache, groups=service.dependencies.groups
        )
        environment = {**target.variables(folder / service.migrations.directory), **variables}
        schema = _schema_of(live) if live is not None else None
        with postgres.temporary_server() as server:
            return rehearsal.rehearse(
                target.python,
                environment,
                folder,
                service,
                server=server,
                before=before,
                schema=schema,
                models=models(),
            )


def running_models(service: Service, name: str) -> tuple[MappedTable, ...]:
    """Ask the release that was verified last in the environment `name`, by its own commit, what it maps; nothing where it cannot say."""
    with connect() as ledger:
        verified = {one.promotion: one for one in releases.verified(ledger, service.name, name)}
        running = next(iter(releases.timeline(ledger, service.name, name)), None)
    if running is None:
        return ()
    try:
        return _models_of(verified[running].version.commit, service, service.environment(name).variables)
    except PromoterError as error:
        logger.warning("the running release is judged by the catalogue alone: %s", error.message)
        return ()


def _models_of(commit: str, service: Service, further: Mapping[str, str]) -> tuple[MappedTable, ...]:
    settings, rule = Settings(), service.dependencies
    with git.checkout(remotes.mirror(service.repository, settings.cache), commit) as folder:
        target = dependencies.environment(folder, rule, cache=settings.cache, groups=rule.groups)
        directory = folder / service.migrations.directory
        database = NOWHERE.variables(service.database.variables)
        variables = {**target.variables(directory), **further, **database}
        return mapped.read(target.python, variables, directory, service.migrations.models)


def _schema_of(live: DatabaseCredentials) -> str | None:
    try:
        return postgres.read_schema(live)
    except SchemaError as error:
        logger.warning("the rehearsal starts from the schema that the migrations build: %s", error.message)
        return None


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
