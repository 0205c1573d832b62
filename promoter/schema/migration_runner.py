"""Runs one Alembic command inside the service's own environment, and answers in one JSON file.

The service's interpreter executes this file, in the folder of its `alembic.ini`; only the standard library and the service's own SQLAlchemy
(1.4 to 2.1) and Alembic exist there. The request stands in PROMOTER_MIGRATION as JSON: `command` (upgrade, downgrade or sql), `target` (revisions),
`start` (revisions, for sql), `config`, `answer` (the file to write), `settings` (of every session) and `lock` (key and holder), or null.
Or it is `serve`, the path of a socket: then each line from there is a request, with `directory`, `variables` and `limit` besides.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    del sys.path[0]  # this folder: its `secrets` must not hide the standard library's

import io
import json
import os
import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine import Engine

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

SET = """
SELECT set_config(name, value, false)
FROM json_each_text('{settings}') AS wanted(name, value) JOIN pg_settings USING (name)
"""
"""A server that does not know a setting (client_connection_check_interval came with PostgreSQL 14) goes without it."""

HOLDS = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = {holder}
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32 | objid::bigint) = {key}
"""

PRELOADED = ("sqlalchemy.dialects.postgresql", "sqlalchemy.ext.asyncio", "psycopg", "psycopg2", "asyncpg")
"""What nearly every env.py imports; a child that finds it loaded is done in a tenth of the time."""


class LockLostError(Exception):
    """Whoever started this migration no longer holds the lock: nothing may be changed."""


class Journal:
    """Which revisions ran, and which one was running."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.running: str | None = None

    def steps(self, steps: Iterable[RevisionStep]) -> Iterator[RevisionStep]:
        """Hand out `steps` one by one; asking for the next one means that the last one is done."""
        for step in steps:
            self.running = step.revision.revision
            yield step
            self.ran.append(step.revision.revision)
        self.running = None


def main() -> int:
    """Answer the one request of PROMOTER_MIGRATION, or serve as many as come; the exit code is 0 where the answer says ok."""
    request = json.loads(os.environ.pop("PROMOTER_MIGRATION"))
    return serve(request["serve"]) if "serve" in request else answer(request)


def serve(path: str) -> int:
    """Fork once for every request line from the socket at `path`: what is imported is imported once, and each command starts clean."""
    for name in PRELOADED:
        with suppress(ImportError):
            import_module(name)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        with connection.makefile("rw", encoding="utf-8") as stream:
            for line in stream:
                child = os.fork()
                if child == 0:
                    begin(json.loads(line))
                status = os.waitpid(child, 0)[1]
                stream.write(f"{status}\n")
                stream.flush()
    return 0


def begin(request: dict[str, Any]) -> NoReturn:
    """Be the process of one request: its folder, its variables, its limit in seconds; never return."""
    signal.alarm(int(request["limit"]))
    os.chdir(request["directory"])
    os.environ.update(request["variables"])
    code = answer(request)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def answer(request: dict[str, Any]) -> int:
    """Do what `request` asks for and write the answer to its file; return the exit code."""
    journal = Journal()
    said: dict[str, Any] = {"ok": True, "sql": None}
    prepare_sessions(request)
    try:
        said["sql"] = run(request, journal)
    except BaseException as error:  # noqa: BLE001 - SystemExit in an env.py is an answer too
        said = {"ok": False, "sql": None, **explain(error)}
    said.update(ran=journal.ran, running=journal.running)
    with open(request["answer"], "w", encoding="utf-8") as file:  # noqa: PTH123 - as plain as can be
        json.dump(said, file)
    return 0 if said["ok"] else 1


def prepare_sessions(request: dict[str, Any]) -> None:
    """Give every session the settings of the request, and refuse it where the lock is gone."""
    settings = json.dumps(request["settings"]).replace("'", "''")

    @event.listens_for(Engine, "connect")
    def connected(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(SET.format(settings=settings))
        cursor.fetchall()
        held = not request["lock"] or holds(cursor, request["lock"])
        cursor.close()
        connection.commit()
        if not held:
            raise LockLostError("the migration lock is held by nobody or by somebody else")


def holds(cursor: DBAPICursor, lock: dict[str, int]) -> bool:
    """Say whether the session that started this runner still holds the lock."""
    cursor.execute(HOLDS.format(key=int(lock["key"]), holder=int(lock["holder"])))
    return bool(cursor.fetchall()[0][0])


def run(request: dict[str, Any], journal: Journal) -> str | None:
    """Do what Alembic's own command would do, but to several exact revisions at once; return the text of `sql`."""
    config = configuration(request["config"])
    config.output_buffer = text = io.StringIO()
    script = ScriptDirectory.from_config(config)
    target = tuple(request["target"])

    def upgrade(current: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        return journal.steps(script._upgrade_revs(target, current))  # type: ignore[arg-type]  # noqa: SLF001

    def downgrade(current: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        return journal.steps(downgrades(script, tuple(current), target))

    offline = request["command"] == "sql"
    function = downgrade if request["command"] == "downgrade" else upgrade
    start = ",".join(request.get("start") or ()) or None
    with EnvironmentContext(config, script, fn=function, as_sql=offline, starting_rev=start, destination_rev=target):
        script.run_env()
    return text.getvalue() if offline else None


def configuration(name: str) -> Config:
    """Return Alembic's configuration; `pyproject.toml` counts from Alembic 1.16 on."""
    try:
        return Config(name, toml_file="pyproject.toml")
    except TypeError:
        return Config(name)


def downgrades(script: ScriptDirectory, current: tuple[str, ...], target: tuple[str, ...]) -> list[RevisionStep]:
    """Return the steps back to exactly the heads `target`: all that `current` holds and `target` does not, newest first.

    `alembic downgrade` takes one revision and leaves other branches where they are, or takes them along; the difference of two sets of
    ancestors, which is what an upgrade from `target` to `current` would run, is exact for branches, merges and dependencies alike.
    """
    revisions = script.iterate_revisions(current, target or "base", implicit_base=True) if current else ()
    return [MigrationStep.downgrade_from_script(script.revision_map, revision) for revision in revisions]


def explain(error: BaseException) -> dict[str, Any]:
    """Return class, message and SQLSTATE of `error`: the driver's own error where there is one."""
    original = getattr(error, "orig", None) or error
    link: BaseException | None = error
    sqlstate = None
    while link is not None and sqlstate is None:
        for one in (getattr(link, "orig", None), link):
            sqlstate = sqlstate or getattr(one, "sqlstate", None) or getattr(one, "pgcode", None)
        link = link.__cause__
    return {"error": type(original).__name__, "message": str(original), "sqlstate": sqlstate}


if __name__ == "__main__":
    sys.exit(main())
