"""Puts one or two made-up rows into every table of a throwaway database, so that a rehearsal has something to lose."""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from promoter.schema.synthetic_values import Column, value
from promoter.secrets import DatabaseCredentials

TRIES = 40
"""How many combinations of values a table with CHECK constraints gets."""
TAKEN = 1000
"""Far from the numbers that the migrations' own rows may have."""

TABLES = """
SELECT c.oid::bigint, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
"""
COLUMNS = """
WITH RECURSIVE base AS (
  SELECT a.attrelid, a.attnum, a.attname, a.attnotnull AS required, a.atttypid AS type, a.atttypmod AS modifier,
         a.attidentity <> '' OR a.attgenerated <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid), '') LIKE 'nextval(%%' AS own
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT b.attrelid, b.attnum, b.attname, b.required OR t.typnotnull, t.typbasetype, t.typtypmod, b.own
  FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
)
SELECT b.attrelid::bigint, b.attnum::int, b.attname, b.required, b.own, format_type(b.type, b.modifier), e.typname, t.typcategory = 'A',
       ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = e.oid ORDER BY enumsortorder)
FROM base b JOIN pg_type t ON t.oid = b.type
JOIN pg_type e ON e.oid = CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END
WHERE t.typtype <> 'd' ORDER BY b.attrelid, b.attnum
"""
CONSTRAINTS = """
SELECT conrelid::bigint, conname, contype::text, conkey::int[], coalesce(confrelid, 0)::bigint, coalesce(confkey, '{}')::int[], pg_get_constraintdef(oid)
FROM pg_constraint WHERE conrelid = ANY(%s) AND contype IN ('f', 'c') ORDER BY conrelid, conname
"""

LITERAL = re.compile(r"'((?:[^']|'')*)'|(?<![\w'])(-?\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Constraint:
    """A foreign key or a CHECK."""

    name: str
    columns: tuple[int, ...]
    parent: int
    """Object id of the table that a foreign key points to; 0 for a CHECK."""
    parent_columns: tuple[int, ...]
    definition: str


@dataclass(frozen=True)
class Table:
    """A table to be filled."""

    oid: int
    schema: str
    name: str
    columns: tuple[Column, ...]
    keys: tuple[Constraint, ...]
    checks: tuple[Constraint, ...]

    @property
    def identifier(self) -> sql.Identifier:
        """Its quoted name."""
        return sql.Identifier(self.schema, self.name)

    @property
    def title(self) -> str:
        """`name`, or `schema.name` outside of public."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    def column(self, number: int) -> Column:
        """Return the column with PostgreSQL's attribute number `number`."""
        return next(column for column in self.columns if column.number == number)


@dataclass(frozen=True)
class Filling:
    """What came of filling a database."""

    tables: Mapping[int, Table]
    """Every table in which each column has a value somewhere, as it was then, by its object id."""
    empty: Mapping[str, str]
    """Why a `table` or `table.column` stayed empty, by its name."""


def fill(
    credentials: DatabaseCredentials, *, generation: int, ignore: str, filled: Mapping[int, Table] | None = None
) -> Filling:
    """Add two rows to every table but `ignore`: one with every column set, one with NULL wherever that is allowed.

    Rows of another `generation` (1, 2, …) have other values. A table that is still as it stands in `filled` is left as it is.
    """
    first, done = 2 * generation - 1, filled or {}
    with psycopg.connect(**credentials.connection(), autocommit=True) as connection:
        tables = _in_order([table for table in _tables(connection) if ignore not in {table.name, table.title}])
        wanted = [table for table in tables if done.get(table.oid) != table]
        for table in wanted:
            _insert(connection, table, tables, first, sparse=False)
            _insert(connection, table, tables, first + 1, sparse=True)
        empty = {table.oid: _mend(connection, table, tables, first + TAKEN) for table in wanted}
    whole = {table.oid: table for table in tables if not empty.get(table.oid)}
    return Filling(whole, {name: reason for reasons in empty.values() for name, reason in reasons.items()})


def _mend(connection: psycopg.Connection, table: Table, tables: list[Table], number: int) -> dict[str, str]:
    """Try once more where something is empty: the parents may have come later, or its numbers were taken."""
    if not _bare(connection, table):
        return {}
    error = _insert(connection, table, tables, number, sparse=False)
    return dict.fromkeys(_bare(connection, table), error or "nothing but NULL")


def _bare(connection: psycopg.Connection, table: Table) -> list[str]:
    """Name the table if it has no row, else those of its columns that hold nothing but NULL."""
    counts = [sql.SQL("count({})").format(sql.Identifier(column.name)) for column in table.columns]
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join([sql.SQL("count(*)"), *counts]), table.identifier)
    rows, *filled = connection.execute(query).fetchone() or (0,)
    if not rows:
        return [table.title]
    return [f"{table.title}.{one.name}" for one, count in zip(table.columns, filled, strict=True) if not count]


def _tables(connection: psycopg.Connection) -> list[Table]:
    """Read every table by three statements, however many there are."""
    names = {oid: (schema, name) for oid, schema, name in connection.execute(TABLES).fetchall()}
    columns: dict[int, list[Column]] = {oid: [] for oid in names}
    for oid, *parts in connection.execute(COLUMNS, [list(names)]).fetchall():
        columns[oid].append(Column(*parts))
    constraints: dict[int, dict[str, list[Constraint]]] = {oid: {"f": [], "c": []} for oid in names}
    for oid, label, kind, own, parent, parent_own, text in connection.execute(CONSTRAINTS, [list(names)]).fetchall():
        constraints[oid][kind].append(Constraint(label, tuple(own or ()), parent, tuple(parent_own), text))
    return [
        Table(oid, schema, name, tuple(columns[oid]), tuple(constraints[oid]["f"]), tuple(constraints[oid]["c"]))
        for oid, (schema, name) in names.items()
    ]


def _in_order(tables: list[Table]) -> list[Table]:
    """Return parents before their children; within a cycle by name, where a nullable key has to do."""
    done: dict[int, Table] = {}
    left = list(tables)
    while left:
        names = {table.oid for table in left}
        free = [table for table in left if not {key.parent for key in table.keys} & names - {table.oid}]
        for table in free or left[:1]:
            done[table.oid] = table
            left.remove(table)
    return list(done.values())


def _insert(
    connection: psycopg.Connection, table: Table, tables: list[Table], number: int, *, sparse: bool
) -> str | None:
    """Insert one row; return the last error where no combination of values is taken."""
    error = None
    for values in _rows(connection, table, tables, number, sparse=sparse):
        try:
            connection.execute(*_statement(table, values))
        except psycopg.Error as refused:
            error = str(refused).partition("\n")[0]
        else:
            return None
    return error or "a table that it refers to is empty"


def _statement(table: Table, values: dict[str, tuple[str, Any]]) -> tuple[sql.Composed, list[Any]]:
    if not values:
        return sql.SQL("INSERT INTO {} DEFAULT VALUES").format(table.identifier), []
    casts = [sql.SQL("CAST(%s AS {})").format(sql.SQL(kind)) for kind, _ in values.values()]
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        table.identifier, sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(casts)
    )
    return statement, [value for _, value in values.values()]


def _rows(
    connection: psycopg.Connection, table: Table, tables: list[Table], number: int, *, sparse: bool
) -> Iterator[dict[str, tuple[str, Any]]]:
    referred = _referred(connection, table, tables, number, sparse=sparse)
    if referred is None:
        return
    free = [
        column
        for column in table.columns
        if not column.own and column.name not in referred and (column.required or not sparse)
    ]
    choices = [_candidates(column, table, number) for column in free]
    for index, combination in enumerate(itertools.product(*choices)):
        if index == TRIES:
            return
        made = {column.name: (column.type, value) for column, value in zip(free, combination, strict=True)}
        yield made | {name: part for name, part in referred.items() if part[1] is not None}


def _referred(
    connection: psycopg.Connection, table: Table, tables: list[Table], number: int, *, sparse: bool
) -> dict[str, tuple[str, Any]] | None:
    """Return the values of the foreign keys, None as a value for NULL; None where a required key has nothing to point to."""
    found: dict[str, tuple[str, Any]] = {}
    for key in table.keys:
        columns = [table.column(one) for one in key.columns]
        required = any(column.required for column in columns)
        row = None if sparse and not required else _parent_row(connection, key, tables, number)
        if row is None and required:
            return None
        found |= {
            column.name: (column.type, value)
            for column, value in zip(columns, row or itertools.repeat(None, len(columns)), strict=True)
            if column.name not in found
        }
    return found


def _parent_row(connection: psycopg.Connection, key: Constraint, tables: list[Table], number: int) -> list[str] | None:
    parent = next((table for table in tables if table.oid == key.parent), None)
    if parent is None:
        return None
    names = [sql.Identifier(parent.column(one).name) for one in key.parent_columns]
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(name) for name in names)
    query = sql.SQL("SELECT {} FROM {} WHERE ({}) IS NOT NULL ORDER BY 1").format(
        texts, parent.identifier, sql.SQL(", ").join(names)
    )
    rows = connection.execute(query).fetchall()
    return list(rows[(number - 1) % len(rows)]) if rows else None


def _candidates(column: Column, table: Table, number: int) -> list[Any]:
    """Return a plain value, and after it those that a CHECK on the column mentions, and their neighbours."""
    plain = value(column, number)
    if column.array:
        return [plain]
    texts = [check.definition for check in table.checks if column.number in check.columns]
    mentioned = [one for text in texts for one in LITERAL.findall(text)]
    words = [word.replace("''", "'") for word, digits in mentioned if not digits]
    numbers = [int(float(digits)) + step for _, digits in mentioned if digits for step in (1, 0, -1)]
    rotated = words[number % len(words) :] + words[: number % len(words)] if words else []
    return list(dict.fromkeys([plain, *rotated, *map(str, numbers), plain.lower()])) if texts else [plain]
