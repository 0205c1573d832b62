"""Takes a database's schema to exact revisions, up or down, under a lock that no second promotion can pass.

The lock is a session advisory lock on a connection of our own: it is free when this process dies. A migration that was left behind by a
killed process is ended by whoever takes the lock next, before anybody reads the revision; see `lock`.
"""

import os
import random
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b

import psycopg
from psycopg import sql

from promoter.errors import SchemaError
from promoter.records import SchemaChange
from promoter.schema import catalogues
from promoter.schema.revisions import Revision, Script, script
from promoter.schema.runners import APPLICATION_NAME, Answer, Command, Lock, SubprocessRunner
from promoter.secrets import DatabaseCredentials

__all__ = [
    "CurrentHeads",
    "Revision",
    "Script",
    "current",
    "downgrade",
    "end_orphans",
    "heads",
    "lock",
    "plan",
    "script",
    "upgrade",
]

LOCK_KEY = int.from_bytes(blake2b(b"promoter migration", digest_size=8).digest()) >> 1
"""An advisory lock belongs to one database, so one key is enough: one migration at a time in each database."""
LOCK_TRIES = 5
"""How often a migration that found a table locked begins anew."""
LOCKED_OUT = {"55P03": "lock not available", "40P01": "deadlock detected", "40001": "serialization failure"}
"""SQLSTATEs that say: nothing changed, try again. https://www.postgresql.org/docs/current/errcodes-appendix.html"""
WRONG_PASSWORD = re.compile("28P01|password authentication failed")
"""The SQLSTATE, or, where libpq keeps that to itself, what the server says of a password; in English if `lc_messages` is."""
ORPHAN_TIMEOUT = 10.0
"""How long an orphaned backend may take to end, in seconds."""

HOLDER = """
SELECT application_name, usename, to_char(backend_start, 'YYYY-MM-DD HH24:MI:SSOF')
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = %s
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
ORPHANS = """
SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = %s AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class CurrentHeads:
    """The revisions that a database says it is at."""

    heads: tuple[str, ...]
    """All of them, sorted; empty before the first migration."""
    table_exists: bool
    """False where there is no version table: nothing was ever migrated here, or the table has another name."""


def heads(credentials: DatabaseCredentials, *, version_table: str = "alembic_version") -> tuple[str, ...]:
    """Return all current heads, sorted; see `current`."""
    return current(credentials, version_table=version_table).heads


def current(credentials: DatabaseCredentials, *, version_table: str = "alembic_version") -> CurrentHeads:
    """Read the version table, `table` or `schema.table`; raise SchemaError (transient) where the database cannot be reached."""
    with _connection(credentials, "promoter") as connection:
        return _current(connection, version_table)


def plan(runner: SubprocessRunner, credentials: DatabaseCredentials) -> SchemaChange:
    """Say what `upgrade` would do, and change nothing: from the database's heads to the checkout's."""
    found = script(runner.checkout, runner.rule)
    with lock(credentials) as connection:
        before = _current(connection, runner.rule.version_table).heads
    found.pending(before)
    return SchemaChange(before=before, after=found.heads)


def upgrade(
    runner: SubprocessRunner, credentials: DatabaseCredentials, target: tuple[str, ...] | None = None
) -> SchemaChange:
    """Run all pending migrations, or those up to exactly the heads `target`, and verify the heads.

    Raises SchemaError; it is transient where a lock was in the way or the database did not answer, and nothing is to be rolled back then.
    """
    found = script(runner.checkout, runner.rule)
    wanted = found.heads if target is None else target
    with lock(credentials) as connection:
        before = _current(connection, runner.rule.version_table).heads
        if not found.is_ancestor(before, wanted):
            raise SchemaError(f"the database is at {_said(before)}, from which no upgrade leads to {_said(wanted)}")
        if before != wanted:
            _migrate("upgrade", runner, credentials, connection, wanted)
    return SchemaChange(before=before, after=wanted)


def downgrade(
    runner: SubprocessRunner,
    credentials: DatabaseCredentials,
    target: tuple[str, ...],
    catalogue: Mapping[str, str] | None = None,
) -> SchemaChange:
    """Take the schema back to exactly the heads `target`, with the scripts of `runner`'s checkout, and verify the heads.

    An empty `target` is the state before the first migration. `catalogue` is what the schema has to be again, as
    `catalogues.capture` saw it; None where a difference is known and accepted. Raises SchemaError as `upgrade` does.
    """
    found = script(runner.checkout, runner.rule)
    with lock(credentials) as connection:
        before = _current(connection, runner.rule.version_table).heads
        if not found.is_ancestor(target, before):
            raise SchemaError(
                f"the database is at {_said(before)}, from which no downgrade leads to {_said(target)}",
                hint="Somebody else changed it. Nothing was touched; compare the revisions before going on.",
            )
        if before != target:
            _migrate("downgrade", runner, credentials, connection, target)
        if catalogue is not None:
            catalogues.verify(catalogue, credentials, version_table=runner.rule.version_table)
    return SchemaChange(before=before, after=target)


def end_orphans(credentials: DatabaseCredentials) -> int:
    """End the migrations of this database that a killed process left behind; return how many there were.

    Raises SchemaError (transient) while a migration is at work whose owner lives.
    """
    with lock(credentials, orphans=False) as connection:
        return _end_orphans(connection)


@contextmanager
def lock(credentials: DatabaseCredentials, *, orphans: bool = True) -> Iterator[psycopg.Connection]:
    """Hold the database's migration lock, and first end what an earlier holder left running.

    Raises SchemaError (transient) naming the holder where somebody else has it: wait or end, but never roll back.
    """
    with _connection(credentials, f"promoter on {socket.gethostname()[:30]}, process {os.getpid()}") as connection:
        taken = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone()
        if taken != (True,):
            raise _held_by_other(connection, credentials)
        if orphans:
            _end_orphans(connection)
        yield connection


def _held_by_other(connection: psycopg.Connection, credentials: DatabaseCredentials) -> SchemaError:
    row = connection.execute(HOLDER, [LOCK_KEY]).fetchone()
    holder = "somebody who has just gone" if row is None else f"{row[0]!r} (user {row[1]}) since {row[2]}"
    return SchemaError(
        f"database {credentials.database}: the migration lock is held by {holder}",
        hint="Another promotion migrates this database. Nothing was changed; try again when it is done.",
        transient=True,
    )


def _end_orphans(connection: psycopg.Connection) -> int:
    ended = set()
    deadline = time.monotonic() + ORPHAN_TIMEOUT
    while found := connection.execute(ORPHANS, [APPLICATION_NAME]).fetchall():
        ended |= {pid for pid, _ in found}
        if time.monotonic() > deadline:
            raise SchemaError(f"backends {ended} of an orphaned migration do not end", transient=True)
        time.sleep(0.02)
    return len(ended)


def _migrate(
    command: Command,
    runner: SubprocessRunner,
    credentials: DatabaseCredentials,
    connection: psycopg.Connection,
    target: tuple[str, ...],
) -> None:
    held = Lock(LOCK_KEY, connection.info.backend_pid)
    try:
        _run_patiently(command, runner, credentials, held, target)
    finally:
        _end_orphans(connection)
    reached = _current(connection, runner.rule.version_table).heads
    if reached != target:
        raise SchemaError(f"after the {command} the database is at {_said(reached)}, not at {_said(target)}")


def _run_patiently(
    command: Command,
    runner: SubprocessRunner,
    credentials: DatabaseCredentials,
    held: Lock,
    target: tuple[str, ...],
) -> None:
    for attempt in range(LOCK_TRIES):
        answer = _run(command, runner, credentials, held, target)
        if answer.ok:
            return
        if answer.sqlstate not in LOCKED_OUT or attempt == LOCK_TRIES - 1:
            raise _failed(command, answer)
        time.sleep(random.uniform(0.2, 1.0) * 2**attempt)  # noqa: S311 - jitter, no secret


def _run(
    command: Command,
    runner: SubprocessRunner,
    credentials: DatabaseCredentials,
    held: Lock,
    target: tuple[str, ...],
) -> Answer:
    """Run it, and once more with credentials read anew where the password is no longer right: nothing was changed then."""
    answer = runner.run(command, target, credentials, lock=held)
    if credentials.renew is None or answer.ok or not WRONG_PASSWORD.search(f"{answer.sqlstate} {answer.message}"):
        return answer
    return runner.run(command, target, credentials.renew(), lock=held)


def _failed(command: Command, answer: Answer) -> SchemaError:
    if answer.sqlstate in LOCKED_OUT:
        hint = (
            f"Something keeps the table busy: {LOCKED_OUT[answer.sqlstate]}, {LOCK_TRIES} times. Nothing was changed."
        )
        return SchemaError(f"the {command} failed at {answer.reason}", hint=hint, transient=True)
    return SchemaError(f"the {command} failed at {answer.reason}", transient=answer.error == "LockLostError")


def _current(connection: psycopg.Connection, version_table: str) -> CurrentHeads:
    name = sql.Identifier(*version_table.split("."))
    try:
        exists = connection.execute("SELECT to_regclass(%s)", [name.as_string(connection)]).fetchone()
        if exists in {None, (None,)}:
            return CurrentHeads((), table_exists=False)
        rows = connection.execute(sql.SQL("SELECT version_num FROM {}").format(name)).fetchall()
    except psycopg.Error as error:
        transient = isinstance(error, psycopg.OperationalError)
        raise SchemaError(f"version table {version_table} cannot be read: {error}", transient=transient) from error
    return CurrentHeads(tuple(sorted(row[0] for row in rows)), table_exists=True)


@contextmanager
def _connection(credentials: DatabaseCredentials, name: str) -> Iterator[psycopg.Connection]:
    place = f"{credentials.database} on {credentials.host}:{credentials.port}"
    try:
        opened = _open(credentials, name)
    except psycopg.Error as error:
        raise SchemaError(
            f"database {place} cannot be reached: {error}",
            hint="Nothing is known about its revision, so nothing was changed.",
            transient=True,
        ) from error
    with closing(opened) as connection:
        try:
            yield connection
        except psycopg.Error as error:
            raise SchemaError(f"the connection to {place} failed: {error}", transient=True) from error


def _open(credentials: DatabaseCredentials, name: str) -> psycopg.Connection:
    """Connect, and once more with credentials read anew where the password is no longer right."""
    try:
        return psycopg.connect(
            **credentials.connection(),
            application_name=name,
            connect_timeout=10,
            autocommit=True,
            prepare_threshold=None,
        )
    except psycopg.OperationalError as error:
        if credentials.renew is None or not WRONG_PASSWORD.search(f"{error.sqlstate} {error}"):
            raise
        return _open(replace(credentials.renew(), renew=None), name)


def _said(revisions: tuple[str, ...]) -> str:
    return ", ".join(revisions) or "no revision"
