"""Runs Alembic where the service's own code and dependencies are; here in a subprocess of its locked environment."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from promoter import config, scratch, shell
from promoter.errors import CommandError, SchemaError
from promoter.masking import mask, spellings
from promoter.secrets import DatabaseCredentials

Command = Literal["upgrade", "downgrade", "sql"]

APPLICATION_NAME = "promoter migration"
"""Every session of a migration bears this name, so an orphan is known by it."""
PROGRAM = Path(__file__).with_name("migration_runner.py")
STARTUP = 60.0
"""What the interpreter and the service's imports may take on top of the migration's own limit, in seconds."""


@dataclass(frozen=True)
class Answer:
    """What the runner said."""

    ok: bool
    error: str | None = None
    """The class of the driver's or Alembic's error."""
    message: str | None = None
    sqlstate: str | None = None
    """Five characters, as PostgreSQL's manual lists them; None where the error is not the database's."""
    ran: tuple[str, ...] = ()
    """The revisions whose code ran to its end; their work may have been taken back with the transaction."""
    running: str | None = None
    """The revision that was running when it failed."""
    sql: str | None = None
    """The text of `sql`."""

    @property
    def reason(self) -> str:
        """One line for a person: which revision, which error."""
        place = f"revision {self.running}: " if self.running else ""
        state = f" ({self.sqlstate})" if self.sqlstate else ""
        return f"{place}{self.error}{state}: {self.message}"


@dataclass(frozen=True)
class Lock:
    """The migration lock, as the runner's sessions check it before they change anything."""

    key: int
    holder: int
    """Process id of the PostgreSQL backend that holds it."""


class Runner(Protocol):
    """What takes a database up and down with the migrations of one checkout."""

    @property
    def checkout(self) -> Path:
        """The checkout whose migrations run."""

    @property
    def rule(self) -> config.Migrations:
        """Where they are in it, and how long they may take."""

    def run(
        self,
        command: Command,
        target: Sequence[str],
        credentials: DatabaseCredentials,
        *,
        start: Sequence[str] = (),
        lock: Lock | None = None,
    ) -> Answer:
        """Take the database from the heads `start` to exactly `target`, or write the SQL for that; a failing migration is an answer.

        SchemaError is raised where nothing can be said of the migration itself.
        """

    def end_orphans(self) -> None:
        """End what an earlier process of the same promotion left running; whoever calls it holds the migration lock."""


Launch = Callable[[Path, Path, Mapping[str, str], Mapping[str, Any], Sequence[str]], str]
"""Takes interpreter, folder, variables, request and secrets; returns what the program said, for a person."""


def launch(
    python: Path, directory: Path, variables: Mapping[str, str], request: Mapping[str, Any], secrets: Sequence[str]
) -> str:
    """Start a process for one request, and wait for its end; raise SchemaError where it takes too long."""
    try:
        output = shell.run(
            [python, PROGRAM],
            cwd=directory,
            env={**variables, "PROMOTER_MIGRATION": json.dumps(request)},
            timeout=request["limit"],
            secrets=secrets,
            check=False,
        )
    except CommandError as error:
        raise SchemaError(f"the migration was given up: {error}", transient=error.transient) from error
    return shell.failure(output)


@contextmanager
def standing(python: Path, variables: Mapping[str, str]) -> Iterator[Launch]:
    """Keep one interpreter that forks for each request: the imports, most of a short migration's time, are paid once.

    Version files are compiled once too, to a folder beside the socket: a file may not change within a second while it stands.
    """
    with (
        scratch.folder("promoter-runner") as folder,
        socket.socket(socket.AF_UNIX) as listener,
        ThreadPoolExecutor(1) as pool,
    ):
        listener.bind(path := f"{folder}/socket")
        listener.listen(1)
        env = {
            **variables,
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(folder),
            "PROMOTER_MIGRATION": json.dumps({"serve": path}),
        }
        process = pool.submit(shell.run, [python, PROGRAM], cwd=folder, env=env, check=False)
        with _accept(listener, process) as connection, connection.makefile("rw", encoding="utf-8") as stream:

            def fork(
                _python: Path,
                directory: Path,
                variables: Mapping[str, str],
                request: Mapping[str, Any],
                _secrets: Sequence[str],
            ) -> str:
                asked = {**request, "directory": str(directory), "variables": dict(variables)}
                stream.write(json.dumps(asked) + "\n")
                stream.flush()
                return f"wait status {stream.readline().strip() or 'unknown: the interpreter is gone'}"

            yield fork


def _accept(listener: socket.socket, process: Future[shell.Output]) -> socket.socket:
    listener.settimeout(0.1)
    while not process.done():
        with suppress(TimeoutError):
            connection = listener.accept()[0]
            connection.settimeout(None)
            return connection
    raise SchemaError(f"the service's interpreter does not run migrations: {shell.failure(process.result())}")


@dataclass(frozen=True)
class SubprocessRunner:
    """Alembic by the service's own interpreter, in its checkout."""

    python: Path
    """The interpreter of the service's virtual environment."""
    checkout: Path
    rule: config.Migrations
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables of the migrations."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """`service.database.variables`: variables with the credentials to be filled in."""
    launch: Launch = launch
    """How the interpreter is started: anew for each command, or by `standing`."""

    @property
    def directory(self) -> Path:
        """Where Alembic runs."""
        return self.checkout / self.rule.directory

    def run(
        self,
        command: Command,
        target: Sequence[str],
        credentials: DatabaseCredentials,
        *,
        start: Sequence[str] = (),
        lock: Lock | None = None,
    ) -> Answer:
        """Do what `Runner.run` says; SchemaError is transient where the interpreter ends without an answer.

        `start` is for `sql` alone: the migration itself reads where its database is.
        """
        secrets = spellings(credentials.password.get_secret_value())
        with scratch.folder("promoter-migration") as folder:
            path = folder / "answer.json"
            said = self.launch(
                self.python,
                self.directory,
                {**self.variables, **credentials.variables(self.templates)},
                self._request(command, target, start, lock, path),
                secrets,
            )
            if not path.is_file():
                raise SchemaError(f"the migration ended without an answer: {said}", transient=True)
            return _answer(json.loads(path.read_text(encoding="utf-8")), secrets)

    def end_orphans(self) -> None:
        """End nothing: each session bears APPLICATION_NAME, and the lock has ended those."""

    def _request(
        self, command: Command, target: Sequence[str], start: Sequence[str], lock: Lock | None, answer: Path
    ) -> dict[str, Any]:
        return {
            "command": command,
            "target": list(target),
            "start": list(start) if command == "sql" else [],
            "config": self.rule.config,
            "answer": str(answer),
            "limit": self.rule.timeout + STARTUP,
            "settings": session_settings(self.rule),
            "lock": None if lock is None else {"key": lock.key, "holder": lock.holder},
        }


def session_settings(rule: config.Migrations) -> dict[str, str]:
    """Return the PostgreSQL settings of every session of a migration."""
    return {
        "application_name": APPLICATION_NAME,
        "lock_timeout": _milliseconds(rule.lock_timeout),
        "statement_timeout": _milliseconds(rule.timeout),
        "client_connection_check_interval": _milliseconds(1),
    }


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _answer(said: dict[str, Any], secrets: Sequence[str]) -> Answer:
    message = said.get("message")
    return Answer(
        ok=said["ok"],
        error=said.get("error"),
        message=None if message is None else mask(message, secrets).strip(),
        sqlstate=said.get("sqlstate"),
        ran=tuple(said["ran"]),
        running=said["running"],
        sql=said["sql"],
    )
