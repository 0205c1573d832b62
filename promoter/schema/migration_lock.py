"""The migration lock of a database: one holder at a time, known by its name, and nothing of a dead one left behind.

It is a session advisory lock on a connection of our own: it is free when this process dies. A migration that was left behind by a
killed process is ended by whoever takes the lock next, before anybody reads the revision.
"""

import os
import random
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import blake2b

import psycopg

from promoter.errors import SchemaError
from promoter.schema.runners import APPLICATION_NAME
from promoter.secrets import DatabaseCredentials

LOCK_KEY = int.from_bytes(blake2b(b"promoter migration", digest_size=8).digest()) >> 1
"""An advisory lock belongs to one database, so one key is enough: one migration at a time in each database."""
PAUSE = 0.05, 0.25
"""Between what two numbers of seconds a try for the lock waits for the next one."""
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


def end_orphans(credentials: DatabaseCredentials) -> int:
    """End the migrations of this database that a killed process left behind; return how many there were.

    Raises SchemaError (transient) while a migration is at work whose owner lives.
    """
    with lock(credentials) as connection:
        return end_sessions(connection)


@contextmanager
def lock(credentials: DatabaseCredentials, *, patience: float = 0.0) -> Iterator[psycopg.Connection]:
    """Hold the database's migration lock, for which it waits up to `patience` seconds.

    Raises SchemaError (transient) naming the holder where somebody else still has it: wait or end, but never roll back.
    """
    with session(credentials, f"promoter on {socket.gethostname()[:30]}, process {os.getpid()}") as connection:
        deadline = time.monotonic() + patience
        while connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone() != (True,):
            if time.monotonic() >= deadline:
                raise _held_by_other(connection, credentials)
            # `pg_advisory_lock` would wait in a transaction, on which the holder's CREATE INDEX CONCURRENTLY waits in turn.
            time.sleep(random.uniform(*PAUSE))  # noqa: S311 - jitter, no secret
        yield connection


def _held_by_other(connection: psycopg.Connection, credentials: DatabaseCredentials) -> SchemaError:
    row = connection.execute(HOLDER, [LOCK_KEY]).fetchone()
    holder = "somebody who has just gone" if row is None else f"{row[0]!r} (user {row[1]}) since {row[2]}"
    return SchemaError(
        f"database {credentials.database}: the migration lock is held by {holder}",
        hint="Another promotion migrates this database. Nothing was changed; try again when it is done.",
        transient=True,
    )


def end_sessions(connection: psycopg.Connection) -> int:
    """End the sessions of migrations in this database, and return how many there were; whoever calls it holds the lock."""
    ended = set()
    deadline = time.monotonic() + ORPHAN_TIMEOUT
    while found := connection.execute(ORPHANS, [APPLICATION_NAME]).fetchall():
        ended |= {pid for pid, _ in found}
        if time.monotonic() > deadline:
            raise SchemaError(f"backends {ended} of an orphaned migration do not end", transient=True)
        time.sleep(0.02)
    return len(ended)


@contextmanager
def session(credentials: DatabaseCredentials, name: str) -> Iterator[psycopg.Connection]:
    """Be connected under this name; raise SchemaError (transient) where the database cannot be reached or is lost."""
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
