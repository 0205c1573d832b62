"""Where a log names a driver's error, its SQLSTATE and its revision are known."""

from typing import Any

import pytest

from promoter.schema.driver_errors import revision, sqlstate
from promoter.schema.revisions import script

LOG = """
  File "/app/migrations/env.py", line 30, in <module>
    asyncio.run(connect_and_migrate())
  File "/app/migrations/versions/two.py", line 12, in upgrade
    op.execute("ALTER TABLE a ADD COLUMN x int")
  File "<string>", line 8, in execute
sqlalchemy.exc.DBAPIError: (sqlalchemy.dialects.postgresql.asyncpg.Error) <class 'asyncpg.exceptions.LockNotAvailableError'>: canceling
[SQL: ALTER TABLE a ADD COLUMN x int]
"""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param(LOG, "55P03", id="SQLAlchemy over asyncpg"),
        pytest.param("(psycopg.errors.QueryCanceled) canceling statement", "57014", id="SQLAlchemy over psycopg"),
        pytest.param("psycopg2.errors.DeadlockDetected: deadlock detected", "40P01", id="psycopg2"),
        pytest.param("asyncpg.exceptions.SerializationError: x", "40001", id="another name in asyncpg"),
        pytest.param("psycopg.errors.SyntaxError: x", "42601", id="a name that ends in Error by itself"),
        pytest.param("psycopg.errors.Mistake: x", None, id="a name that there is not"),
        pytest.param("KeyError: 'SIGNING_KEY'", None, id="no error of the database"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_the_last_error_that_a_driver_names_counts(log: str, expected: str | None) -> None:
    """Each driver has a class for each SQLSTATE."""
    assert sqlstate(log) == expected


def test_the_revision_is_the_version_file_in_the_traceback(project: Any) -> None:
    """Files that are no version file, and functions beside upgrade and downgrade, name none."""
    project.revision("one", None)
    project.revision("two", "one")
    found = script(project.path, project.runner().rule)

    assert revision(LOG, found) == "two"
    assert revision(LOG.replace("two.py", "three.py"), found) is None
    assert revision(LOG.replace("in upgrade", "in helper"), found) is None
