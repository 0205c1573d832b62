"""What a database holds, so that two moments can be compared: every object of its schema, and every row."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from promoter import postgres
from promoter.secrets import DatabaseCredentials

HEADER = re.compile(r"^--\n-- Name: (.*); Type: ([A-Z ]+); Schema: .*\n--\n", re.MULTILINE)
"""pg_dump writes one before each object; see _printTocEntry in src/bin/pg_dump/pg_backup_archiver.c."""

TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', '_promoter_safety')
"""
SELECT = sql.SQL("SELECT {}::text, to_jsonb(one) FROM {} AS one")

Row = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Snapshot:
    """Schema and rows at one moment; the version table is no part of it."""

    objects: Mapping[str, str]
    """Definition of each object, by type and name: `TABLE users`; columns sorted."""
    rows: Mapping[str, tuple[Row, ...]]
    """All rows of each table, by its name: column and value as JSON, sorted."""


def take(credentials: DatabaseCredentials, *, ignore: str, known: Mapping[str, str] | None = None) -> Snapshot:
    """Read all of a small database; `ignore` is the version table, `known` its objects where they were read before. Raises SchemaError."""
    found = objects(postgres.dump_schema(credentials), ignore) if known is None else known
    return Snapshot(found, _rows(credentials, ignore))


def objects(dump: str, ignore: str) -> dict[str, str]:
    """Split the text of `pg_dump --schema-only` into its objects; the version table and all that is named after it are left out."""
    parts = iter(HEADER.split(dump)[1:])
    version_table = re.compile(rf"{re.escape(ignore.rpartition('.')[2])}\b")
    return {
        f"{kind} {name}": _normal(body)
        for name, kind, body in zip(parts, parts, parts, strict=True)
        if not version_table.match(name)
    }


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Name the objects that are not the same in both: `TABLE users differs`, `TYPE colour is left behind`, `INDEX i is gone`."""
    names = sorted(before.keys() | after.keys())
    return tuple(f"{name} {_how(name, before, after)}" for name in names if before.get(name) != after.get(name))


def lost(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """Name what rows of `before` are not in `after`: `table` where rows are gone, `table.column` where only values are."""
    found: list[str] = []
    for table, rows in sorted(before.rows.items()):
        if table in after.rows:
            found += _lost_in(table, rows, after.rows[table])
        elif rows:
            found.append(table)
    return tuple(found)


def destroyed(before: Snapshot, after: Snapshot, back: Snapshot | None = None) -> tuple[str, ...]:
    """Name what the way up took that is not there after the way `back` either, as `lost` names it; None is a way back that failed."""
    taken = lost(before, after)
    if back is None:
        return taken
    gone = {name.partition(".")[0] for name in lost(before, back)}
    return tuple(name for name in taken if name.partition(".")[0] in gone)


def _lost_in(table: str, before: tuple[Row, ...], after: tuple[Row, ...]) -> list[str]:
    columns = sorted({name for row in before for name, _ in row})
    if _missing(before, after, columns) == 0:
        return []
    kept = {name for row in after for name, _ in row}
    one_by_one = [name for name in columns if name not in kept or _missing(before, after, [name])]
    return [f"{table}.{name}" for name in one_by_one] if len(before) <= len(after) and one_by_one else [table]


def _missing(before: tuple[Row, ...], after: tuple[Row, ...], columns: list[str]) -> int:
    wanted = set(columns)
    was, now = (Counter(tuple(part for part in row if part[0] in wanted) for row in rows) for rows in (before, after))
    return (was - now).total()


def _how(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if name not in before:
        return "is left behind"
    return "differs" if name in after else "is gone"


def _normal(body: str) -> str:
    lines = [
        line.rstrip() for line in body.splitlines() if line.strip() and not line.startswith(("--", "SET default_"))
    ]
    if lines and lines[0].startswith("CREATE TABLE") and ");" in lines:
        end = lines.index(");")
        lines[1:end] = sorted(line.rstrip(",") for line in lines[1:end])
    return "\n".join(lines)


def _rows(credentials: DatabaseCredentials, ignore: str) -> dict[str, tuple[Row, ...]]:
    """Read all tables by one statement: with hundreds of tables, asking for each costs more than the rows."""
    found: dict[str, list[Row]] = {}
    with psycopg.connect(**credentials.connection(), autocommit=True) as connection:
        selects = []
        for schema, name in connection.execute(TABLES).fetchall():
            title = name if schema == "public" else f"{schema}.{name}"
            if ignore not in {name, title}:
                found[title] = []
                selects.append(SELECT.format(sql.Literal(title), sql.Identifier(schema, name)))
        if selects:
            for title, row in connection.execute(sql.SQL(" UNION ALL ").join(selects)).fetchall():
                found[title].append(_row(row))
    return {title: tuple(sorted(rows)) for title, rows in found.items()}


def _row(values: dict[str, object]) -> Row:
    return tuple((name, json.dumps(value, sort_keys=True)) for name, value in sorted(values.items()))
