"""Copies the tables and columns that a migration is about to destroy into a schema of their own, and forgets old copies.

A copy is as old as the moment before the migration: what is written between the two is in neither.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from typing import LiteralString

import psycopg
from psycopg import sql

from promoter.postgres import SAFETY_SCHEMA
from promoter.records import SafetyCopy
from promoter.schema import migrations
from promoter.secrets import DatabaseCredentials

COLUMNS = """
SELECT n.nspname, c.relname, a.attname, a.attgenerated <> '', coalesce(a.attnum = ANY (i.indkey), false)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', '_promoter_safety')
ORDER BY n.nspname, c.relname, a.attnum
"""
OLD = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND CASE WHEN obj_description(c.oid, 'pg_class') LIKE 'copied at %%'
  THEN substr(obj_description(c.oid, 'pg_class'), 11)::timestamptz < now() - make_interval(days => %s) ELSE false END
"""


@dataclass(frozen=True)
class Table:
    """A table of the live database."""

    schema: str
    name: str
    columns: tuple[str, ...]
    """Those that hold values of their own: no generated ones."""
    key: tuple[str, ...]
    """The columns of its primary key; empty without one."""

    @property
    def title(self) -> str:
        """As a rehearsal calls it."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        """As SQL calls it."""
        return sql.Identifier(self.schema, self.name)


def plan(
    credentials: DatabaseCredentials, doomed: Sequence[str], label: str, held: psycopg.Connection | None = None
) -> tuple[SafetyCopy, ...]:
    """Say which copies `make` is to make of `doomed`, `table` or `table.column` as the rehearsal names them; nothing is changed.

    `label` tells the copies of one promotion from those of another. What the live database does not have is left out.
    `held` is a connection that holds the migration lock, None takes it for this call alone.
    """
    if not doomed:
        return ()
    with _held(credentials, held) as connection:
        tables = {table.title: table for table in _tables(connection)}
        return tuple(copy for name in doomed if (copy := _copy(connection, tables, name, label)) is not None)


def make(
    credentials: DatabaseCredentials, copies: Sequence[SafetyCopy], held: psycopg.Connection | None = None
) -> None:
    """Make the copies that are not there yet; raise SchemaError where the database refuses. `held` is as in `plan`."""
    if not copies:
        return
    with _held(credentials, held) as connection, connection.transaction():
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SAFETY_SCHEMA)))
        for copy in copies:
            if connection.execute("SELECT to_regclass(%s)", [copy.table]).fetchone() == (None,):
                _make(connection, copy)


def expire(credentials: DatabaseCredentials, days: int, held: psycopg.Connection | None = None) -> tuple[str, ...]:
    """Drop the copies that are older than `days`, and return their names; `held` is as in `plan`."""
    with _held(credentials, held) as connection:
        old = [row[0] for row in connection.execute(OLD, [SAFETY_SCHEMA, days]).fetchall()]
        for name in old:
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(SAFETY_SCHEMA, name)))
    return tuple(old)


def _held(
    credentials: DatabaseCredentials, held: psycopg.Connection | None
) -> AbstractContextManager[psycopg.Connection]:
    return migrations.lock(credentials) if held is None else nullcontext(held)


def _tables(connection: psycopg.Connection) -> list[Table]:
    found: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for schema, table, column, generated, in_key in connection.execute(COLUMNS).fetchall():
        columns, key = found.setdefault((schema, table), ([], []))
        columns += [] if generated else [column]
        key += [column] if in_key else []
    return [Table(*place, tuple(columns), tuple(key)) for place, (columns, key) in found.items()]


def _copy(connection: psycopg.Connection, tables: dict[str, Table], name: str, label: str) -> SafetyCopy | None:
    title, _, column = name.rpartition(".")
    table = tables.get(name) or tables.get(title)
    if table is None:
        return None
    digest = blake2b(f"{label} {name}".encode(), digest_size=6).hexdigest()
    place = sql.Identifier(SAFETY_SCHEMA, f"{name.replace('.', '_')[:40]}_{digest}")
    whole = name in tables
    restore = _rows(table, place) if whole else _values(table, column, place)
    kept = _selected(table.columns if whole or not table.key else (*table.key, column))
    select = _composed("SELECT {} FROM {}", kept, table.identifier)
    texts = [one.as_string(connection) for one in (place, select, restore)]
    return SafetyCopy(name, texts[0], texts[1], texts[2])


def _make(connection: psycopg.Connection, copy: SafetyCopy) -> None:
    connection.execute(f"CREATE TABLE {copy.table} AS {copy.select}".encode())
    moment = connection.execute("SELECT now()::text").fetchone()
    assert moment is not None  # noqa: S101 - a SELECT of one value has one row
    literal = sql.Literal(f"copied at {moment[0]}").as_string(connection)
    connection.execute(f"COMMENT ON TABLE {copy.table} IS {literal}".encode())


def _rows(table: Table, place: sql.Identifier) -> sql.Composed:
    columns = _selected(table.columns)
    return _composed(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} ON CONFLICT DO NOTHING",
        table.identifier,
        columns,
        columns,
        place,
    )


def _values(table: Table, column: str, place: sql.Identifier) -> sql.Composed:
    if not table.key:
        return _composed("SELECT * FROM {} -- {} has no primary key: match its rows by hand", place, table.identifier)
    same = [_composed("now_.{0} = then_.{0}", sql.Identifier(name)) for name in table.key]
    return _composed(
        "UPDATE {} AS now_ SET {} = then_.{} FROM {} AS then_ WHERE {}",
        table.identifier,
        sql.Identifier(column),
        sql.Identifier(column),
        place,
        sql.SQL(" AND ").join(same),
    )


def _selected(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, dict.fromkeys(columns)))


def _composed(text: LiteralString, *parts: sql.Composable) -> sql.Composed:
    return sql.SQL(text).format(*parts)
