"""Writes down the SQL of pending migrations, revision by revision, as `alembic upgrade A:B --sql` does."""

import re
from collections.abc import Iterator

from promoter.errors import SchemaError
from promoter.records import WrittenRevision
from promoter.schema.revisions import Script, script
from promoter.schema.runners import Runner
from promoter.secrets import NOWHERE
from promoter.text import printable

HEADER = re.compile(r"^-- Running upgrade .* -> (?P<revision>.+)$", re.MULTILINE)
"""Alembic writes one before each revision; see MigrationContext.run_migrations in alembic/runtime/migration.py."""
AROUND = re.compile(r"(\s*(?:BEGIN|COMMIT);)+\s*\Z")
LONGEST = 20_000
"""Characters of one revision's SQL that are kept."""


def write(runner: Runner, start: tuple[str, ...]) -> tuple[WrittenRevision, ...]:
    """Return what each pending revision would run from the heads `start`, oldest first; the address that it is given is nobody's.

    A migration that asks the database a question cannot be written down; the others still are.
    """
    found = script(runner.checkout, runner.rule)
    pending = found.pending(start)
    if not pending:
        return ()
    whole = _texts(runner, start, found.heads)
    if isinstance(whole, str):
        return tuple(_one_by_one(runner, found, start))
    return tuple(WrittenRevision(one.id, whole.get(one.id, "")) for one in pending)


def _one_by_one(runner: Runner, found: Script, start: tuple[str, ...]) -> Iterator[WrittenRevision]:
    lower = start
    for revision in found.pending(start):
        upper = found.after(lower, revision)
        alone = _texts(runner, lower, upper)
        if isinstance(alone, str):
            yield WrittenRevision(revision.id, None, alone)
        else:
            yield WrittenRevision(revision.id, alone.get(revision.id, ""))
        lower = upper


def _texts(runner: Runner, start: tuple[str, ...], end: tuple[str, ...]) -> dict[str, str] | str:
    """Return the SQL of each revision, or why there is none."""
    try:
        answer = runner.run("sql", end, NOWHERE, start=start)
    except SchemaError as error:
        return printable(error.message, 400)
    if answer.sql is None:
        return printable(answer.reason, 400)
    return _split(answer.sql, runner.rule.version_table)


def _split(text: str, version_table: str) -> dict[str, str]:
    parts = iter(HEADER.split(text)[1:])
    table = re.escape(version_table)
    own = re.compile(rf"^(?:INSERT INTO|UPDATE|DELETE FROM) {table} [^;]*;\n*", re.MULTILINE)
    return {
        revision.strip(): AROUND.sub("", own.sub("", body)).strip()[:LONGEST]
        for revision, body in zip(parts, parts, strict=True)
    }
