"""The zoo: each kind of migration gets the verdict that it deserves, with rows in the tables."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from promoter.postgres import Server
from promoter.records import Rehearsal
from promoter.rehearsal import rehearse_with

USERS = """op.execute(\"\"\"
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL, age int CHECK (age >= 18), mood mood,
        plan varchar(8) NOT NULL CHECK (plan IN ('free', 'paid')));
    CREATE TABLE posts (id uuid PRIMARY KEY, author int NOT NULL REFERENCES users (id), tags text[], body jsonb)
\"\"\")"""


def sql(statement: str) -> str:
    """Return the line of a migration that runs `statement`."""
    return f'op.execute("""{statement}""")'


@pytest.fixture
def rehearse(project: Any, postgres_server: Server) -> Callable[[], Rehearsal]:
    """Return the rehearsal of all that comes after the revision `users`."""
    project.revision("users", None, USERS, "raise NotImplementedError")
    return lambda: rehearse_with(project.runner(), postgres_server, ("users",))


ZOO = [
    pytest.param(
        sql("ALTER TABLE users ADD COLUMN email text"),
        sql("ALTER TABLE users DROP COLUMN email"),
        "lossless",
        "came back",
        id="clean expand",
    ),
    pytest.param(
        sql("CREATE TABLE chats (id int PRIMARY KEY, owner int NOT NULL REFERENCES users (id))"),
        sql("DROP TABLE chats"),
        "lossless",
        "came back",
        id="new table",
    ),
    pytest.param(
        sql("ALTER TABLE users DROP COLUMN age"),
        sql("ALTER TABLE users ADD COLUMN age int CHECK (age >= 18)"),
        "lossy",
        r"users\.age",
        id="drop column with data",
    ),
    pytest.param(
        sql("DROP TABLE posts"),
        sql(
            "CREATE TABLE posts (id uuid PRIMARY KEY, author int NOT NULL REFERENCES users (id), tags text[], body jsonb)"
        ),
        "lossy",
        "posts",
        id="drop table",
    ),
    pytest.param(sql("ALTER TABLE users ADD COLUMN email text"), "pass", "no-op", "users differs", id="pass downgrade"),
    pytest.param("pass", "pass", "lossless", "came back", id="empty both ways"),
    pytest.param(sql("UPDATE users SET name = upper(name)"), "pass", "no-op", r"users\.name", id="data migration"),
    pytest.param(sql("ALTER TABLE users ADD COLUMN email text"), None, "fails", "downgrade", id="missing downgrade"),
    pytest.param(
        sql("ALTER TABLE users ADD COLUMN email text"),
        'raise NotImplementedError("no way back")',
        "fails",
        "no way back",
        id="downgrade raises",
    ),
    pytest.param(
        sql("CREATE TYPE colour AS ENUM ('red'); ALTER TABLE users ADD COLUMN c colour"),
        sql("ALTER TABLE users DROP COLUMN c"),
        "fails",
        "colour",
        id="enum left behind",
    ),
    pytest.param(
        sql("ALTER TABLE users ADD COLUMN email text NOT NULL"),
        sql("ALTER TABLE users DROP COLUMN email"),
        "fails",
        "23502",
        id="not null without default",
    ),
    pytest.param(
        sql("ALTER TABLE users ALTER COLUMN name DROP NOT NULL"),
        sql("ALTER TABLE users ALTER COLUMN name SET NOT NULL"),
        "fails",
        "23502",
        id="the new release may write what the old schema refuses",
    ),
    pytest.param(
        sql("ALTER TABLE users ADD CONSTRAINT one_name UNIQUE (name)"),
        sql("ALTER TABLE users DROP CONSTRAINT one_name; CREATE UNIQUE INDEX one_name ON users (name)"),
        "fails",
        "one_name",
        id="constraint returns as an index",
    ),
    pytest.param(
        "with op.get_context().autocommit_block():\n    op.execute(\"ALTER TYPE mood ADD VALUE 'odd'\")",
        "pass",
        "no-op",
        "TYPE mood differs",
        id="enum value added",
    ),
    pytest.param(
        'with op.get_context().autocommit_block():\n    op.execute("CREATE INDEX CONCURRENTLY by_name ON users (name)")',
        'with op.get_context().autocommit_block():\n    op.execute("DROP INDEX CONCURRENTLY by_name")',
        "lossless",
        "came back",
        id="index concurrently",
    ),
    pytest.param(
        sql("CREATE TABLE odd (id int PRIMARY KEY CHECK (id * id = 1764 AND id > 0))"),
        sql("DROP TABLE odd"),
        "unproved",
        "odd",
        id="a table that cannot be filled",
    ),
]


@pytest.mark.parametrize(("up", "down", "verdict", "detail"), ZOO)
def test_each_kind_of_migration_gets_its_verdict(
    project: Any, rehearse: Callable[[], Rehearsal], *, up: str, down: str | None, verdict: str, detail: str
) -> None:
    """Verdict and reason, for the path and for its one revision."""
    project.revision("change", "users", up, down)

    found = rehearse()

    assert found.verdict == verdict, found.detail
    assert re.search(detail, found.detail)
    assert [(step.revision, step.verdict) for step in found.revisions] == [("change", verdict)]


def test_nothing_pending_is_lossless(rehearse: Callable[[], Rehearsal]) -> None:
    """There is nothing to take back."""
    assert rehearse().verdict == "lossless"
