"""The database's password is changed in the middle of a promotion, in PostgreSQL and in the secret, and the promotion goes on."""

import json
import time
from secrets import token_urlsafe
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from deployments import progress, runs
from deployments.sandbox import owner
from deployments.sandbox.sample.scenarios import Scenario
from promoter.secrets import DatabaseCredentials
from tasks import clients
from tests.stories.conftest import LOOK, PATIENCE, Stage

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.slow]


def test_a_promotion_outlives_its_databases_password(stage: Stage) -> None:
    """Its stages before the change used the old one; the migration and the new tasks use the new one."""
    stage.push(Scenario.NEW_MIGRATION)
    run = runs.promote(stage.service, "test", stage.repository.merge("dev", "test"))
    begun = until(run, "run_checks")

    old = rotate(stage)
    told = stage.wait(run)

    assert "migrate" not in begun
    assert told.promotion.outcome == "released", told.cause
    assert stage.world().environments["staging"].heads == told.result("migrate").after
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**old.connection()).close()


def until(run: UUID, stage: str) -> set[str]:
    """Wait until a stage of a flow run's promotion has begun, and return all that have."""
    deadline = time.monotonic() + PATIENCE
    while stage not in (begun := {step.stage for step in progress.read(run).steps}):
        assert time.monotonic() < deadline, f"{stage} never begins; begun: {begun}"
        time.sleep(LOOK)
    return begun


def rotate(stage: Stage) -> DatabaseCredentials:
    """Change the password of staging's database, first there and then in the secret, and return what it was."""
    environment, fresh = stage.service.environment("staging"), token_urlsafe(24)
    old = clients.database(stage.service, environment)
    with psycopg.connect(**old.connection(), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(sql.Literal(fresh)))
    secrets = owner.session().client("secretsmanager")
    values = json.loads(secrets.get_secret_value(SecretId=environment.secret)["SecretString"])
    values[stage.service.database.secret_keys.password] = fresh
    secrets.put_secret_value(SecretId=environment.secret, SecretString=json.dumps(values))
    return old
