"""What can be taken back is called lossless and comes back; with one loss in it, it is never called lossless."""

import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from promoter import postgres
from promoter.postgres import Server
from promoter.schema import migrations
from promoter.schema.rehearsal import rehearse_with
from promoter.schema.runners import Launch
from promoter.secrets import DatabaseCredentials
from tests.promoter.schema.conftest import SYNC, Project
from tests.promoter.schema.histories import BASE, Step, histories
from tests.promoter.schema.zoo import sql

DEEP = settings.get_current_profile_name() == "deep"
EXAMPLES = settings(
    max_examples=200 if DEEP else 4, derandomize=not DEEP, deadline=None, suppress_health_check=list(HealthCheck)
)
"""In `make test` always the same ones, in `make test-deep` many, and new ones each time."""
NUMBERS = count(1)
ROWS = """
INSERT INTO people VALUES (1, 'Ann', 30), (2, 'Bob', NULL);
INSERT INTO things VALUES (1, 1, 10, 'One'), (2, NULL, 20, NULL)
"""

Write = Callable[[str, list[Step]], Project]


@pytest.fixture(scope="session")
def write(interpreter: Launch) -> Write:
    """Return what writes a checkout: the revision `root`, and one revision for each step."""

    def made(folder: str, steps: list[Step]) -> Project:
        project = Project(Path(folder), interpreter)
        project.environment(SYNC)
        project.revision("root", None, sql(BASE), "raise NotImplementedError")
        for number, step in enumerate(steps, 1):
            project.revision(f"r{number}", f"r{number - 1}" if number > 1 else "root", sql(step.up), sql(step.down))
        return project

    return made


@EXAMPLES
@given(steps=histories(lossy=False))
def test_reversible_steps_are_lossless_and_come_back(steps: list[Step], write: Write, postgres_server: Server) -> None:
    """The rehearsal's word, and the same way on another database with rows that nobody made up."""
    with tempfile.TemporaryDirectory() as folder:
        project = write(folder, steps)

        found = rehearse_with(project.runner(), postgres_server, ("root",))

        assert found.verdict == "lossless", found.detail
        assert {step.verdict for step in found.revisions} == {"lossless"}
        before, back = there_and_back(project, postgres_server)
        assert before == back


@EXAMPLES
@given(steps=histories(lossy=True))
def test_one_loss_is_never_lossless(steps: list[Step], write: Write, postgres_server: Server) -> None:
    """Neither for the path nor for the revision that it is in, wherever it stands."""
    with tempfile.TemporaryDirectory() as folder:
        found = rehearse_with(write(folder, steps).runner(), postgres_server, ("root",))

    verdicts = [step.verdict for step in found.revisions]
    reached = [verdict for verdict, step in zip(verdicts, steps, strict=False) if step.lossy]
    assert found.verdict != "lossless"
    assert "lossless" not in reached
    assert reached or verdicts[-1] == "fails"


def there_and_back(project: Project, server: Server) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Go up from `root` and down again with rows in the tables; return catalogue and rows of both moments."""
    credentials = postgres.create_database(server, f"random_{next(NUMBERS)}")
    migrations.upgrade(project.runner(), credentials, ("root",))
    with psycopg.connect(**credentials.connection(), autocommit=True) as connection:
        connection.execute(ROWS)
    before = holdings(credentials)
    migrations.upgrade(project.runner(), credentials)
    migrations.downgrade(project.runner(), credentials, ("root",))
    back = holdings(credentials)
    postgres.drop_database(server, credentials.database)
    return before, back


def holdings(credentials: DatabaseCredentials) -> tuple[object, ...]:
    """Return catalogue and rows."""
    with psycopg.connect(**credentials.connection()) as connection:
        people = connection.execute("SELECT id, name, age FROM people ORDER BY id").fetchall()
        things = connection.execute("SELECT id, owner, size, label FROM things ORDER BY id").fetchall()
    return postgres.dump_schema(credentials), people, things
