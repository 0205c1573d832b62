"""The locks that a statement is said to take are those that PostgreSQL takes."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from promoter.records import TableLock
from promoter.schema import locks, statements

SCHEMA = """
CREATE TABLE users (id serial PRIMARY KEY, name text, age int);
CREATE TABLE posts (id int PRIMARY KEY, author int, body text);
CREATE TABLE "odd name" (id int);
CREATE INDEX by_name ON users (name);
ALTER TABLE posts ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;
CREATE MATERIALIZED VIEW names AS SELECT name FROM users;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END; $$
"""
TABLES = "SELECT oid, relname FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace = 'public'::regnamespace"
HELD = "SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = ANY (%s)"
STATEMENTS = [
    "ALTER TABLE users ADD COLUMN email text",
    "ALTER TABLE ONLY public.users DROP COLUMN age, ALTER COLUMN name SET NOT NULL",
    'ALTER TABLE "odd name" RENAME TO even',
    "ALTER TABLE posts ADD CONSTRAINT f FOREIGN KEY (author) REFERENCES users (id)",
    "ALTER TABLE posts ADD COLUMN editor int REFERENCES users (id)",
    "ALTER TABLE posts VALIDATE CONSTRAINT positive",
    "ALTER TABLE users ALTER COLUMN name SET STATISTICS 100",
    "ALTER TABLE users DISABLE TRIGGER USER",
    "ALTER TABLE users SET (fillfactor = 70)",
    "CREATE INDEX i ON users (age)",
    "CREATE UNIQUE INDEX IF NOT EXISTS i ON users USING btree (age) WHERE age > 1",
    'DROP TABLE posts, "odd name"',
    "TRUNCATE TABLE posts",
    "INSERT INTO users (name) SELECT body FROM posts",
    "UPDATE users SET name = upper(name)",
    "DELETE FROM ONLY posts WHERE id = 1",
    "COMMENT ON TABLE users IS 'people; all of them'",
    "COMMENT ON COLUMN users.name IS 'full'",
    "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION nothing()",
    "LOCK TABLE users IN SHARE MODE",
    "REFRESH MATERIALIZED VIEW names",
    "SELECT id FROM users WHERE id = 1 FOR UPDATE",
    "CREATE TABLE comments (id int, post int REFERENCES posts (id)); CREATE INDEX on_post ON comments (post)",
    "CREATE TYPE mood AS ENUM ('good')",
]


@pytest.fixture
def connection(database: Any) -> Iterator[psycopg.Connection]:
    """Return a connection to a database with a few tables."""
    with psycopg.connect(**database.connection()) as opened:
        opened.execute(SCHEMA)
        opened.commit()
        yield opened
        opened.rollback()


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_locks_are_those_that_postgresql_takes(connection: psycopg.Connection, statement: str) -> None:
    """Of the tables that a statement names, the strongest lock of each is right; none that keeps writers waiting is left out."""
    known: dict[int, str] = dict(connection.execute(TABLES).fetchall())
    connection.commit()
    connection.execute(statement.encode())
    held: dict[str, str] = {}
    for table, mode in connection.execute(HELD, [list(known)]).fetchall():
        held[known[table]] = max(held.get(known[table], "AccessShareLock"), mode, key=strength)

    found = {lock.table: as_postgres(lock.mode) for lock in locks.taken(statement)}

    assert {table: held.get(table) for table in found} == found
    assert {table for table, mode in held.items() if strength(mode) >= strength("ShareLock")} <= set(found)


def as_postgres(mode: str) -> str:
    """Return a mode as `pg_locks` calls it."""
    return mode.title().replace(" ", "") + "Lock"


def strength(mode: str) -> int:
    """Return how strong a mode of `pg_locks` is."""
    return [as_postgres(one) for one in locks.MODES].index(mode)


def test_a_concurrent_index_keeps_nobody_waiting() -> None:
    """It cannot run in a transaction, so nobody can look at its locks from within."""
    assert locks.taken("CREATE INDEX CONCURRENTLY i ON users (name)") == (TableLock("users", "SHARE UPDATE EXCLUSIVE"),)
    assert locks.waits("SHARE UPDATE EXCLUSIVE") == "nobody waits"
    assert locks.waits("SHARE") == "writes wait"
    assert locks.waits("ACCESS EXCLUSIVE") == "reads and writes wait"


def test_a_semicolon_in_a_text_ends_no_statement() -> None:
    """Nor one in a name, a body or a comment."""
    text = """SELECT 'a;''b' -- c;d
    ; /* e;f */ SELECT "g;h";
    CREATE FUNCTION x() RETURNS int LANGUAGE sql AS $body$ SELECT 1; SELECT 2; $body$;"""

    assert statements.split(text) == [
        "SELECT 'a;''b'",
        'SELECT "g;h"',
        "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS $body$ SELECT 1; SELECT 2; $body$",
    ]
