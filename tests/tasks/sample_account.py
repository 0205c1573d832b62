"""The sample service in an AWS account of its own: an image with more migrations than the template's, and databases that its tasks reach."""

import json
import string
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import psycopg

from deployments.sandbox import provision
from deployments.sandbox.aws.images import host_platforms
from promoter import images
from promoter.config import Environment, Migrations, Service
from promoter.ecs import EcsService, one_off
from promoter.images import BuildPlan
from promoter.records import Image
from promoter.schema.task_runner import TaskRunner
from promoter.secrets import DatabaseCredentials

REGION = "us-east-2"
PASSWORD = "".join(character for character in string.printable if character.isprintable())
"""Every printable character of ASCII."""
LAST = "e07b93f4c6a1"
"""The head of the template."""
URL = "postgresql+asyncpg:///?dsn=postgresql:///?{settings}"
"""How asyncpg is told the settings; the rest it takes from the PG variables."""
NAMES = "SELECT string_agg(current_setting(name), ' ') AS told FROM unnest(ARRAY['application_name', 'lock_timeout']) AS name"
REVISION = '''"""{name}."""

from alembic import op

revision = "{name}"
down_revision = "{after}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""{up}""")


def downgrade() -> None:
    op.execute("""{down}""")
'''
REVISIONS = {
    "seen": (LAST, f"CREATE TABLE seen AS {NAMES}", "DROP TABLE seen"),
    "slow": ("seen", "SELECT pg_sleep(60)", "SELECT 1"),
    "broken": ("seen", "ALTER TABLE missing ADD COLUMN x int", "SELECT 1"),
    "altered": ("seen", "ALTER TABLE notes ADD COLUMN x int", "ALTER TABLE notes DROP COLUMN x"),
}


@dataclass(frozen=True)
class Account:
    """An AWS account with an image of the sample, and one environment whose service wants no task."""

    endpoint_url: str
    service: Service
    image: Image
    checkout: Path

    @cached_property
    def ecs(self) -> EcsService:
        """The environment's service."""
        return EcsService(self.client("ecs"), self.client("logs"), self.environment)

    @property
    def environment(self) -> Environment:
        """The environment."""
        return self.service.environment("staging")

    def client(self, name: Any) -> Any:
        """Return a client of the account."""
        return boto3.Session("sandbox", "sandbox", region_name=REGION).client(name, endpoint_url=self.endpoint_url)

    def hand_out(self, database: DatabaseCredentials) -> str:
        """Register a definition whose tasks get these credentials from a secret of their own; return its ARN."""
        keys = self.service.database.secret_keys
        values = {
            keys.user: database.user,
            keys.password: database.password.get_secret_value(),
            keys.database: database.database,
            keys.host: database.host,
            keys.port: str(database.port),
        }
        secrets = self.client("secretsmanager")
        arn = secrets.create_secret(Name=f"db-{uuid.uuid4().hex}", SecretString=json.dumps(values))["ARN"]
        request = provision.definition(self.service, self.environment, self.image, arn)
        return str(self.client("ecs").register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"])


@dataclass(frozen=True)
class Place:
    """A database of its own, and a task definition that reaches it."""

    account: Account
    database: DatabaseCredentials
    definition: str
    promotion: str

    def runner(self, **rule: Any) -> TaskRunner:
        """Return the runner of the sample's migrations, as the promotion's file says."""
        return TaskRunner(
            checkout=self.account.checkout,
            rule=Migrations.model_validate({"timeout": 60, "variables": {"DATABASE_URL": URL}, **rule}),
            service=self.account.ecs,
            definition=lambda: self.definition,
            started_by=self.promotion,
            purpose="migrate",
            variables={"ENVIRONMENT": "staging"},
            secrets=lambda: [PASSWORD],
        )

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return what a question to the database finds."""
        with psycopg.connect(**self.database.connection(), autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def tasks(self) -> list[Any]:
        """Return the tasks that were run for the promotion."""
        return one_off._all(self.account.ecs, self.promotion)


def further() -> Iterator[tuple[str, str]]:
    """Yield the version files that the template does not have."""
    for name, (after, up, down) in REVISIONS.items():
        yield f"migrations/versions/{name}.py", REVISION.format(name=name, after=after, up=up, down=down)


def build(service: Service, checkout: Path) -> Image:
    """Build the image of a checkout and push it."""
    plan = BuildPlan(
        repository=service.image.repository,
        tag="v1.0.3-test",
        commit="0" * 40,
        build_time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        platforms=host_platforms()[:1],
        checkout=checkout,
        dependencies=service.dependencies,
        context=service.image.context,
    )
    builder = images.builder_for(service.image, None)
    return builder.push(plan, builder.build(plan))
