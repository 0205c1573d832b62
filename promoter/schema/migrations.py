"""Takes a database's schema to exact revisions, up or down, under a lock that no second promotion can pass; see `migration_lock`."""

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import psycopg
from psycopg import sql

from promoter.errors import SchemaError
from promoter.records import SchemaChange
from promoter.schema import catalogues
from promoter.schema.migration_lock import LOCK_KEY, WRONG_PASSWORD, end_orphans, end_sessions, lock, session
from promoter.schema.revisions import Revision, Script, script
from promoter.schema.runners import Answer, Command, Lock, Runner
from promoter.secrets import DatabaseCredentials

__all__ = [
    "LOCK_KEY",
    "CurrentHeads",
    "Revision",
    "Script",
    "current",
    "downgrade",
    "end_orphans",
    "exclusive",
    "heads",
    "lock",
    "plan",
    "script",
    "upgrade",
]

LOCK_TRIES = 5
"""How often a migration that found a table locked begins anew."""
LOCKED_OUT = {"55P03": "lock not available", "40P01": "deadlock detected", "40001": "serialization failure"}
"""SQLSTATEs that say: nothing changed, try again. https://www.postgresql.org/docs/current/errcodes-appendix.html"""
CANCELED = "57014"
"""The SQLSTATE of a statement that took too long, or that somebody cancelled."""


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
    with session(credentials, "promoter") as connection:
        return _current(connection, version_table)


@contextmanager
def exclusive(runner: Runner, credentials: DatabaseCredentials) -> Iterator[psycopg.Connection]:
    """Be the only one who migrates this database, with nothing at work that an earlier process left behind.

    Waits for whoever migrates it now as long as the rule's `lock_patience`; then raises SchemaError (transient) naming the holder.
    """
    with lock(credentials, patience=runner.rule.lock_patience) as connection:
        runner.end_orphans()
        end_sessions(connection)
        yield connection


def plan(runner: Runner, credentials: DatabaseCredentials, held: psycopg.Connection | None = None) -> SchemaChange:
    """Say what `upgrade` would do, and change nothing: from the database's heads to the checkout's.

    `held` comes from `exclusive`; None takes the lock for this call alone.
    """
    found = script(runner.checkout, runner.rule)
    with _exclusive(runner, credentials, held) as connection:
        before = _current(connection, runner.rule.version_table).heads
    found.pending(before)
    return SchemaChange(before=before, after=found.heads)


def upgrade(
    runner: Runner,
    credentials: DatabaseCredentials,
    target: tuple[str, ...] | None = None,
    held: psycopg.Connection | None = None,
) -> SchemaChange:
    """Run all pending migrations, or those up to exactly the heads `target`, and verify the heads; `held` is as in `plan`.

    Raises SchemaError; it is transient where a lock was in the way or the database did not answer, and nothing is to be rolled back then.
    """
    found = script(runner.checkout, runner.rule)
    wanted = found.heads if target is None else target
    with _exclusive(runner, credentials, held) as connection:
        before = _current(connection, runner.rule.version_table).heads
        if not found.is_ancestor(before, wanted):
            raise SchemaError(f"the database is at {_said(before)}, from which no upgrade leads to {_said(wanted)}")
        if before != wanted:
            _migrate(Move("upgrade", before, wanted, runner, credentials), connection)
    return SchemaChange(before=before, after=wanted)


def downgrade(
    runner: Runner,
    credentials: DatabaseCredentials,
    target: tuple[str, ...],
    held: psycopg.Connection | None = None,
    *,
    catalogue: Mapping[str, str] | None = None,
) -> SchemaChange:
    """Take the schema back to exactly the heads `target`, with the scripts of `runner`'s checkout, and verify the heads.

    An empty `target` is the state before the first migration; `held` is as in `plan`. `catalogue` is what the schema has to be again, as
    `catalogues.capture` saw it; None where a difference is known and accepted. Raises SchemaError as `upgrade` does.
    """
    found = script(runner.checkout, runner.rule)
    with _exclusive(runner, credentials, held) as connection:
        before = _current(connection, runner.rule.version_table).heads
        if not found.is_ancestor(target, before):
            raise SchemaError(
                f"the database is at {_said(before)}, from which no downgrade leads to {_said(target)}",
                hint="Somebody else changed it. Nothing was touched; compare the revisions before going on.",
            )
        if before != target:
            _migrate(Move("downgrade", before, target, runner, credentials), connection)
        if catalogue is not None:
            catalogues.verify(catalogue, credentials, version_table=runner.rule.version_table)
    return SchemaChange(before=before, after=target)


@dataclass(frozen=True)
class Move:
    """One change of a database, as it is asked of a runner."""

    command: Command
    start: tuple[str, ...]
    target: tuple[str, ...]
    runner: Runner
    credentials: DatabaseCredentials

    def run(self, held: Lock) -> Answer:
        """Run it, and once more with credentials read anew where the password is no longer right: nothing was changed then."""
        answer = self._run(self.credentials, held)
        renew = self.credentials.renew
        if renew is None or answer.ok or not WRONG_PASSWORD.search(f"{answer.sqlstate} {answer.message}"):
            return answer
        return self._run(renew(), held)

    def _run(self, credentials: DatabaseCredentials, held: Lock) -> Answer:
        return self.runner.run(self.command, self.target, credentials, start=self.start, lock=held)


def _exclusive(
    runner: Runner, credentials: DatabaseCredentials, held: psycopg.Connection | None
) -> AbstractContextManager[psycopg.Connection]:
    return exclusive(runner, credentials) if held is None else nullcontext(held)


def _migrate(move: Move, connection: psycopg.Connection) -> None:
    try:
        _run_patiently(move, Lock(LOCK_KEY, connection.info.backend_pid))
    finally:
        end_sessions(connection)
    reached = _current(connection, move.runner.rule.version_table).heads
    if reached != move.target:
        raise SchemaError(f"after the {move.command} the database is at {_said(reached)}, not at {_said(move.target)}")


def _run_patiently(move: Move, held: Lock) -> None:
    for attempt in range(LOCK_TRIES):
        answer = move.run(held)
        if answer.ok:
            return
        if answer.sqlstate not in LOCKED_OUT or attempt == LOCK_TRIES - 1:
            raise _failed(move, answer)
        time.sleep(random.uniform(0.2, 1.0) * 2**attempt)  # noqa: S311 - jitter, no secret


def _failed(move: Move, answer: Answer) -> SchemaError:
    message = f"the {move.command} failed at {answer.reason}"
    if answer.sqlstate in LOCKED_OUT:
        hint = (
            f"Something keeps the table busy: {LOCKED_OUT[answer.sqlstate]}, {LOCK_TRIES} times. Nothing was changed."
        )
        return SchemaError(message, hint=hint, transient=True)
    if answer.sqlstate == CANCELED and "user request" not in (answer.message or ""):
        limit = f"{move.runner.rule.timeout:g} s"
        place = f"revision {answer.running}" if answer.running else "a revision that its log does not name"
        return SchemaError(
            f"a statement took longer than {limit} at {place}: {message}",
            hint="Raise `timeout` in [migrations], or split the statement into several that are done sooner.",
        )
    return SchemaError(message, transient=answer.error == "LockLostError")


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


def _said(revisions: tuple[str, ...]) -> str:
    return ", ".join(revisions) or "no revision"
