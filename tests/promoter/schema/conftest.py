"""A real server for the session, a database per test, and tiny Alembic projects."""

import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from promoter import config, postgres
from promoter.records import Rehearsal
from promoter.schema import runners
from promoter.schema.rehearsal import rehearse_with
from promoter.schema.runners import Launch, SubprocessRunner
from promoter.secrets import DatabaseCredentials
from tests.promoter.schema.version_files import version_file
from tests.promoter.schema.zoo import USERS

SYNC = """
from alembic import context
from sqlalchemy import create_engine, pool

if context.is_offline_mode():
    context.configure(url="postgresql+psycopg://", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine("postgresql+psycopg://", poolclass=pool.NullPool).connect() as connection:
        context.configure(connection=connection, transaction_per_migration={per_migration})
        with context.begin_transaction():
            context.run_migrations()
"""
ASYNC = """
import asyncio
import os

from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine

def run(connection):
    context.configure(connection=connection, transaction_per_migration={per_migration})
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = create_async_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()

asyncio.run(main())
"""


@dataclass
class Project:
    """A checkout that holds nothing but migrations."""

    path: Path
    launch: Launch

    def environment(self, source: str, *, per_migration: bool = False) -> None:
        """Write `alembic.ini` and `env.py`."""
        (self.path / "alembic" / "versions").mkdir(parents=True, exist_ok=True)
        (self.path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n")
        (self.path / "alembic" / "env.py").write_text(source.format(per_migration=per_migration))

    def revision(
        self,
        name: str,
        after: str | tuple[str, ...] | None,
        up: str = "pass",
        down: str | None = "pass",
        *,
        depends_on: str | None = None,
    ) -> Path:
        """Write one version file; `up` and `down` are statements, `down` None leaves the function out."""
        path = self.path / "alembic" / "versions" / f"{name}.py"
        path.write_text(version_file(name, after, up, down, depends_on))
        return path

    def runner(self, **settings: float) -> SubprocessRunner:
        """Return the runner of this checkout, with our own interpreter as the service's."""
        return SubprocessRunner(
            python=Path(sys.executable),
            checkout=self.path,
            rule=config.Migrations.model_validate(settings),
            templates={"DATABASE_URL": "postgresql+asyncpg://"},
            launch=self.launch,
        )


@pytest.fixture(scope="session")
def interpreter() -> Iterator[Launch]:
    """Keep one interpreter that runs the migrations of all tests but those that ask for a process of its own."""
    with runners.standing(Path(sys.executable), {}) as launch:
        yield launch


@pytest.fixture
def project(tmp_path: Path, interpreter: Launch) -> Project:
    """Make a checkout with a plain env.py and no migration."""
    made = Project(tmp_path / "checkout", interpreter)
    made.environment(SYNC)
    return made


@pytest.fixture(params=[SYNC, ASYNC], ids=["psycopg", "asyncpg"])
def any_project(tmp_path: Path, interpreter: Launch, request: pytest.FixtureRequest) -> Project:
    """Make a checkout with no migration, once for each kind of driver."""
    made = Project(tmp_path / "checkout", interpreter)
    made.environment(request.param)
    return made


@pytest.fixture
def pending(project: Project, postgres_server: postgres.Server) -> Callable[[], Rehearsal]:
    """Return the rehearsal of all that comes after the revision `users`."""
    project.revision("users", None, USERS, "raise NotImplementedError")
    return lambda: rehearse_with(project.runner(), postgres_server, ("users",))


@pytest.fixture
def database(postgres_server: postgres.Server) -> DatabaseCredentials:
    """Make an empty database."""
    return postgres.create_database(postgres_server, f"test_{uuid.uuid4().hex}")


@pytest.fixture
def execute(database: DatabaseCredentials) -> Callable[[str], list[tuple[object, ...]]]:
    """Run one statement in the test's database and return its rows."""

    def run(statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(**database.connection(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    return run
