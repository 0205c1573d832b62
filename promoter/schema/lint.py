"""Asks squawk what is wrong with the SQL of a migration: locks that block, data that goes, clients that break."""

import json
import os
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from promoter.errors import SchemaError
from promoter.records import LintFinding, WrittenRevision
from promoter.schema.sources import Source
from promoter.shell import failure, run
from promoter.text import printable

PROGRAM: Path | str = Path(sysconfig.get_path("scripts"), "squawk")
"""The wheel of squawk-cli puts it there; PyPI's `squawk` is another program."""
STYLE = (
    "ban-char-field",
    "ban-create-domain-with-constraint",
    "ban-alter-domain-with-add-constraint",
    "identifier-too-long",
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-repack",
    "prefer-robust-stmts",
    "prefer-text-field",
    "prefer-timestamp-tz",
)
"""Rules of taste, https://squawkhq.com/docs/rules."""
OURS = (
    "ban-uncommitted-transaction",
    "require-lock-timeout",
    "require-statement-timeout",
    "require-timeout-settings",
    "transaction-nesting",
)
"""Rules about what the runner does for every migration: its sessions have both timeouts, Alembic the transaction."""
DESTRUCTIVE = frozenset({"ban-drop-column", "ban-drop-table", "ban-drop-database", "ban-truncate-cascade"})
INCOMPATIBLE = frozenset(
    {"adding-required-field", "ban-drop-column", "ban-drop-table", "changing-column-type", "renaming-column"}
    | {"renaming-table"}
)
UNWRITTEN = "no-offline-sql"
"""Our own rule, for what the linter never saw."""
TIMEOUT = 60.0
"""Limit of one run, in seconds; it takes less than a hundredth of that."""


def findings(written: WrittenRevision, source: Source) -> tuple[LintFinding, ...]:
    """Return what the linter finds in the SQL of a revision; one whose SQL could not be written is a finding too.

    Raises SchemaError where the linter does not run.
    """
    if written.sql is None:
        return (LintFinding(written.revision, source.file, source.line, UNWRITTEN, _why(written), "warning"),)
    return tuple(dict.fromkeys(_lint(written.sql, written.revision, source)))


def _why(written: WrittenRevision) -> str:
    return f"Its SQL cannot be written down without a database, so nobody looked at it: {written.error}"


def _lint(sql: str, revision: str, source: Source) -> Iterable[LintFinding]:
    excluded = [f"--exclude={rule}" for rule in (*STYLE, *OURS)]
    command = [PROGRAM, "--reporter=json", f"--config={os.devnull}", "--stdin-filepath=migration.sql", *excluded]
    output = run(command, input_text=sql + "\n", timeout=TIMEOUT, check=False)
    if output.code not in {0, 1}:
        raise SchemaError(f"the linter does not run: {failure(output)}")
    return _read(json.loads(output.stdout), sql.splitlines(), revision, source)


def _read(said: list[dict[str, Any]], lines: list[str], revision: str, source: Source) -> Iterable[LintFinding]:
    for one in said:
        statement = "\n".join(lines[one["line"] : one["line_end"] + 1])
        yield LintFinding(
            revision=revision,
            file=source.file,
            line=source.line_of(statement),
            rule=one["rule_name"],
            message=printable(" ".join(filter(None, (one["message"], one["help"]))), 400),
            level=str(one["level"]).lower(),
        )
