"""Whether the release before can live on the new schema, judged from two catalogues of a real PostgreSQL."""

from collections.abc import Callable
from itertools import count

import psycopg
import pytest

from promoter import postgres
from promoter.postgres import Server
from promoter.schema import snapshots
from promoter.schema.compatibility import obstacles

NUMBERS = count(1)
SCHEMA = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE users (id serial PRIMARY KEY, name varchar(20) NOT NULL, age int, mood mood,
    CONSTRAINT named CHECK (name <> ''));
CREATE TABLE posts (id uuid PRIMARY KEY, author int NOT NULL REFERENCES users (id), body text);
CREATE UNIQUE INDEX one_name ON users (name);
CREATE INDEX by_age ON users (age);
"""


@pytest.fixture
def after(postgres_server: Server) -> Callable[[str], tuple[str, ...]]:
    """Return a function from a change of SCHEMA to its obstacles."""

    def change(statement: str) -> tuple[str, ...]:
        credentials = postgres.create_database(postgres_server, f"compatibility_{next(NUMBERS)}")
        with psycopg.connect(**credentials.connection(), autocommit=True) as connection:
            connection.execute(SCHEMA)
            before = snapshots.take(credentials, ignore="alembic_version")
            connection.execute(statement.encode())
            return obstacles(before, snapshots.take(credentials, ignore="alembic_version"))

    return change


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("SELECT 1", id="nothing"),
        pytest.param("ALTER TABLE users ADD COLUMN email text", id="a column that may be empty"),
        pytest.param("ALTER TABLE users ADD COLUMN email text NOT NULL DEFAULT ''", id="a column with a default"),
        pytest.param("ALTER TABLE users ADD COLUMN number serial", id="a column with a sequence"),
        pytest.param("ALTER TABLE users ADD COLUMN n int GENERATED ALWAYS AS IDENTITY", id="an identity column"),
        pytest.param(
            "ALTER TABLE users ADD COLUMN boss int REFERENCES users (id)", id="a new column with a foreign key"
        ),
        pytest.param("ALTER TABLE users ADD COLUMN email text UNIQUE", id="a new column that is unique"),
        pytest.param(
            "CREATE TABLE chats (id int PRIMARY KEY, owner int NOT NULL REFERENCES users (id))", id="a new table"
        ),
        pytest.param("CREATE INDEX by_mood ON users (mood)", id="a new index"),
        pytest.param("DROP INDEX by_age", id="an index goes"),
        pytest.param("ALTER TABLE users ALTER COLUMN name DROP NOT NULL", id="a value that may now be empty"),
        pytest.param("ALTER TABLE posts DROP CONSTRAINT posts_author_fkey", id="a foreign key goes"),
        pytest.param("ALTER TABLE users DROP CONSTRAINT named", id="a check goes"),
        pytest.param("ALTER TYPE mood ADD VALUE 'odd'", id="a new label of an enum"),
        pytest.param("COMMENT ON TABLE users IS 'people'", id="a comment"),
    ],
)
def test_what_only_adds_or_relaxes_leaves_the_old_release_alone(
    after: Callable[[str], tuple[str, ...]], statement: str
) -> None:
    """Every statement of the old release still works."""
    assert after(statement) == ()


@pytest.mark.parametrize(
    ("statement", "obstacle"),
    [
        ("ALTER TABLE users DROP COLUMN age", "TABLE users: column age is gone"),
        ("DROP TABLE posts", "TABLE posts is gone"),
        ("ALTER TABLE users RENAME TO people", "TABLE users is gone"),
        ("ALTER TABLE users RENAME COLUMN age TO years", "TABLE users: column age is gone"),
        (
            "ALTER TABLE users ALTER COLUMN age TYPE text",
            "TABLE users: column age was `integer` and is `text`",
        ),
        (
            "ALTER TABLE users ALTER COLUMN age SET NOT NULL",
            "TABLE users: column age was `integer` and is `integer NOT NULL`",
        ),
        (
            "ALTER TABLE users ADD COLUMN email text NOT NULL",
            "TABLE users: new column email is NOT NULL and has no default",
        ),
        ("ALTER TABLE users ADD CONSTRAINT adult CHECK (age >= 18)", "TABLE users: CONSTRAINT adult is new"),
        ("CREATE UNIQUE INDEX one_age ON users (age)", "INDEX one_age is new"),
        ("ALTER TABLE posts ADD CONSTRAINT one_post UNIQUE (author)", "CONSTRAINT posts one_post is new"),
        ("DROP INDEX one_name", "INDEX one_name is gone"),
        (
            """CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE TRIGGER never BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION no()""",
            "TRIGGER users never is new",
        ),
    ],
)
def test_what_takes_away_or_demands_is_named(
    after: Callable[[str], tuple[str, ...]], statement: str, obstacle: str
) -> None:
    """A person reads which object it is, and what is with it."""
    assert obstacle in after(statement)
