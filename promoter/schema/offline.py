"""Writes down the SQL of pending migrations, revision by revision, as `alembic upgrade A:B --sql` does."""

import re
from dataclasses import dataclass

from promoter.errors import SchemaError
from promoter.schema.revisions import Script
from promoter.schema.runners import Runner
from promoter.secrets import DatabaseCredentials
from promoter.text import printable

HEADER = re.compile(r"^-- Running upgrade .* -> (?P<revision>.+)$", re.MULTILINE)
"""Alembic writes one before each revision; see MigrationContext.run_migrations in alembic/runtime/migration.py."""
AROUND = re.compile(r"(\s*(?:BEGIN|COMMIT);)+\s*\Z")
LONGEST = 20_000
"""Characters of one revision's SQL that are kept."""


@dataclass(frozen=True)
class Written:
    """The SQL of one revision, or why there is none."""

    sql: str | None
    error: str | None = None


def write(
    runner: Runner, credentials: DatabaseCredentials, found: Script, start: tuple[str, ...]
) -> dict[str, Written]:
    """Return what each pending revision would run from the heads `start`; `credentials` are of a database that may be anything.

    A migration that asks the database a question cannot be written down; the others still are.
    """
    pending = found.pending(start)
    whole = _written(runner, credentials, start, found.heads)
    if whole.sql is not None:
        texts = _split(whole.sql, runner.rule.version_table)
        return {one.id: Written(texts.get(one.id, "")) for one in pending}
    single: dict[str, Written] = {}
    lower = start
    for revision in pending:
        upper = found.after(lower, revision)
        alone = _written(runner, credentials, lower, upper)
        text = None if alone.sql is None else _split(alone.sql, runner.rule.version_table).get(revision.id, "")
        single[revision.id] = Written(text, alone.error)
        lower = upper
    return single


def _written(runner: Runner, credentials: DatabaseCredentials, start: tuple[str, ...], end: tuple[str, ...]) -> Written:
    try:
        answer = runner.run("sql", end, credentials, start=start)
    except SchemaError as error:
        return Written(None, printable(error.message, 400))
    return Written(answer.sql) if answer.ok else Written(None, printable(answer.reason, 400))


def _split(text: str, version_table: str) -> dict[str, str]:
    parts = iter(HEADER.split(text)[1:])
    table = re.escape(version_table)
    own = re.compile(rf"^(?:INSERT INTO|UPDATE|DELETE FROM) {table} [^;]*;\n*", re.MULTILINE)
    return {
        revision.strip(): AROUND.sub("", own.sub("", body)).strip()[:LONGEST]
        for revision, body in zip(parts, parts, strict=True)
    }
