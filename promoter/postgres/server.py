"""A PostgreSQL server of our own on loopback: started, stopped, thrown away; as root it runs as nobody."""

import fcntl
import hashlib
import hmac
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql
from pydantic import SecretStr

from promoter import scratch
from promoter.errors import CommandError, SchemaError
from promoter.postgres import cluster
from promoter.postgres.programs import program
from promoter.secrets import DatabaseCredentials
from promoter.shell import Output

HOST = "127.0.0.1"
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",  # an emptied /dev/shm would stop all new connections
    "client_connection_check_interval": "1s",  # else the backend of a killed client keeps its locks
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "min_wal_size": "8MB",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
TEMPORARY = "promoter-postgres"
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
ROOM = 2**30
"""Bytes that have to be free there: a thousand small files take a tenth of the time, and a rehearsal writes some hundred million."""
SAFETY_SCHEMA = "_promoter_safety"
"""Where copies of what a migration destroyed lie; it is no part of any schema that is compared."""
TABLE = re.compile(r"(?P<head>^CREATE TABLE [^\n]* \(\n)(?P<columns>.*?)\n(?=\))", re.MULTILINE | re.DOTALL)
"""One table in the output of `pg_dump`, up to its closing parenthesis."""
LOCK_WAIT = "10s"
"""How long `pg_dump` waits for a table: one that is being altered cannot be read."""
TRIES = 5
"""Of a start: a free port can be taken by somebody else in between, the shared memory of a killed server needs a moment."""


@dataclass(frozen=True)
class Server:
    """A server that was started from `folder`."""

    folder: Path
    port: int
    host: str = HOST

    def credentials(self, database: str = "postgres") -> DatabaseCredentials:
        """Return the superuser's credentials for `database`."""
        return self._credentials("postgres", cluster.password(self.folder), database)

    def role(self, name: str, database: str) -> DatabaseCredentials:
        """Return the credentials of a role that `create_database` made; its password comes from the superuser's."""
        key = cluster.password(self.folder).encode()
        return self._credentials(name, hmac.new(key, name.encode(), hashlib.sha256).hexdigest(), database)

    def _credentials(self, user: str, password: str, database: str) -> DatabaseCredentials:
        return DatabaseCredentials(self.host, self.port, user, SecretStr(password), database)


def start(folder: Path, *, port: int | None = None, durable: bool = True) -> Server:
    """Start the server of `folder`, made new if need be, and wait until it answers; one that runs is returned as it is.

    `port` None takes a free one. `durable` False trades safety after a power failure for speed. Raises SchemaError.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        data = cluster.ensure(folder)
        return Server(folder, cluster.running(data) or _launch(data, port, durable=durable))


def stop(server: Server) -> None:
    """Stop `server` and wait for its end; one that does not run is left alone."""
    _stop(server.folder, "fast")


def is_running(folder: Path) -> bool:
    """Say whether the server of `folder` runs."""
    return cluster.running((folder / "data").resolve()) is not None


def create_database(server: Server, name: str, owner: str | None = None) -> DatabaseCredentials:
    """Create the database `name` and return how its owner reaches it; what exists already is kept.

    `owner` is a role without further rights, made if need be; None is the superuser.
    """
    credentials = server.credentials() if owner is None else server.role(owner, name)
    with _administration(server) as connection:
        if owner is not None:
            _create_role(connection, owner, credentials.password.get_secret_value())
        with suppress(psycopg.errors.DuplicateDatabase):
            statement = sql.SQL("CREATE DATABASE {} OWNER {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(owner or "postgres")))
    return server.credentials(name) if owner is None else credentials


def drop_database(server: Server, name: str) -> None:
    """Drop the database `name`, whoever is connected; one that does not exist is no error."""
    with _administration(server) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def temporary_server() -> Iterator[Server]:
    """Run a throwaway server for the time of a `with` block, in memory where there is plenty of it.

    One whose owner was killed is removed when the next one starts.
    """
    with scratch.folder(TEMPORARY, mode=0o711, remove=_remove, place=_memory()) as folder:
        yield start(folder, durable=False)


def dump_schema(credentials: DatabaseCredentials) -> str:
    """Return the schema of a database as `read_schema` does, but equal schemas give equal texts, however they came about.

    `pg_dump` writes columns in the order of their making: a column that was dropped and added again comes last.
    """
    return TABLE.sub(_sort_columns, read_schema(credentials))


def read_schema(credentials: DatabaseCredentials) -> str:
    r"""Return the statements that make the schema of a database, owners and rights left out; no row is read.

    Safety copies are left out too, and the random `\restrict` lines of `pg_dump`. Raises SchemaError, also where a table stays
    locked by somebody else.
    """
    arguments = (
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        f"--exclude-schema={SAFETY_SCHEMA}",
        f"--lock-wait-timeout={LOCK_WAIT}",
    )
    try:
        text = program("pg_dump", *arguments, env=credentials.variables()).stdout
    except CommandError as error:
        raise SchemaError(f"the schema of {credentials.database!r} cannot be read: {error.message}") from error
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("\\"))


def _sort_columns(table: re.Match[str]) -> str:
    columns = sorted(line.removesuffix(",") for line in table["columns"].splitlines())
    return f"{table['head']}" + ",\n".join(columns) + "\n"


def _memory() -> Path | None:
    """Return a folder that is kept in memory; None where there is none, or as little room as a container has by default."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    return MEMORY if roomy else None


def _launch(data: Path, wanted: int | None, *, durable: bool) -> int:
    for _ in range(TRIES):
        port = wanted or _free_port()
        output = _pg_ctl(data, "start", "-w", "-l", "server.log", "-o", _options(port, durable=durable))
        if output.code == 0:
            return port
        time.sleep(0.2)
    log = (data / "server.log").read_text(errors="replace").splitlines()[-6:]
    raise SchemaError(
        f"PostgreSQL does not start in {data} on port {port}:\n" + "\n".join(f"    {line}" for line in log),
        hint="Give it another port or another folder.",
    )


def _options(port: int, *, durable: bool) -> str:
    settings = {"port": str(port), **SETTINGS, **({} if durable else NOT_DURABLE)}
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _pg_ctl(data: Path, *arguments: str) -> Output:
    """Run `pg_ctl` inside `data`: it hands paths to a shell, so it gets none."""
    return program("pg_ctl", *arguments, cwd=data, env={"PGDATA": str(data)}, check=False)


def _stop(folder: Path, mode: Literal["fast", "immediate"]) -> None:
    data = (folder / "data").resolve()
    if cluster.running(data) is None:
        return
    output = _pg_ctl(data, "stop", "-w", "-t", "20", "-m", mode)
    if output.code != 0 and cluster.running(data) is not None:
        raise SchemaError(f"PostgreSQL in {data} does not stop: {output.stderr.strip()}", transient=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _administration(server: Server) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(**server.credentials().connection(), autocommit=True, connect_timeout=10) as connection:
            yield connection
    except psycopg.Error as error:
        raise SchemaError(f"PostgreSQL at {server.host}:{server.port}: {str(error).strip()}") from error


def _create_role(connection: psycopg.Connection, name: str, password: str) -> None:
    role = sql.Identifier(name)
    with suppress(psycopg.errors.DuplicateObject):
        connection.execute(sql.SQL("CREATE ROLE {}").format(role))
    connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))


def _remove(outer: Path) -> None:
    _stop(outer / scratch.FILES, "immediate")
    cluster.remove(outer / scratch.FILES)
    shutil.rmtree(outer, ignore_errors=True)
