"""One migration at a time, none that blocks the readers, none that outlives its owner."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from promoter.errors import SchemaError
from promoter.records import SchemaChange
from promoter.schema import migrations, runners

Execute = Callable[[str], list[tuple[Any, ...]]]
ALTER, BACK = 'op.execute("ALTER TABLE a ADD COLUMN x int")', 'op.execute("ALTER TABLE a DROP COLUMN x")'
WAITING = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{runners.APPLICATION_NAME}' AND wait_event = 'relation'"
BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'relation' AND query LIKE 'SELECT count(*) FROM a%'
"""
WAITERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'promoter on %'
"""
OWNER = """
import json, sys
from pathlib import Path
from pydantic import SecretStr
from promoter.config import Migrations
from promoter.schema import migrations, runners
from promoter.secrets import DatabaseCredentials

asked = json.loads(sys.stdin.read())
credentials = DatabaseCredentials(**{**asked["credentials"], "password": SecretStr(asked["credentials"]["password"])})
runner = runners.SubprocessRunner(Path(sys.executable), Path(asked["checkout"]), Migrations(lock_timeout=600, lock_patience=60))
migrations.upgrade(runner, credentials)
"""


@contextmanager
def reader(database: Any) -> Iterator[psycopg.Connection]:
    """Read table `a` in a transaction that stays open, so no ALTER gets through."""
    with psycopg.connect(**database.connection()) as connection:
        connection.execute("SELECT * FROM a")
        yield connection


def until(condition: Callable[[], object]) -> None:
    """Wait for `condition`, at most a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def altered(project: Any, execute: Execute) -> Any:
    """Make a project whose second migration alters the table `a` that exists already."""
    execute("CREATE TABLE a (id int)")
    execute("CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('one')")
    project.revision("one", None)
    project.revision("two", "one", ALTER, BACK)
    return project


def test_the_loser_learns_who_holds_the_lock(altered: Any, database: Any) -> None:
    """It is told the holder's name and since when, and changes nothing; that is no failure of its migration."""
    runner = altered.runner(lock_patience=0.3)
    with migrations.lock(database), pytest.raises(SchemaError, match=r"held by 'promoter on .*since \d{4}-") as caught:
        migrations.upgrade(runner, database)

    assert caught.value.transient
    assert migrations.heads(database) == ("one",)


def test_whoever_comes_second_waits(altered: Any, database: Any) -> None:
    """As long as the rule says; then it has the lock, and reads the revision that the first one left."""
    with ThreadPoolExecutor(1) as pool:
        with migrations.lock(database) as connection:
            second = pool.submit(migrations.upgrade, altered.runner(lock_patience=60), database)
            until(lambda: connection.execute(WAITERS).fetchone() == (1,))
            assert not second.done()
            migrations.upgrade(altered.runner(), database, held=connection)

        assert second.result(60) == SchemaChange(before=("two",), after=("two",))


def test_two_upgrades_at_once_both_end_at_the_new_schema(altered: Any, database: Any) -> None:
    """One migrates, the other one waits and finds the work done; nobody rolls anything back."""
    barrier = threading.Barrier(2)

    def upgrade(_number: int) -> SchemaChange:
        barrier.wait()
        return migrations.upgrade(altered.runner(lock_patience=60), database)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(upgrade, range(2)))

    assert sorted(change.before for change in results) == [("one",), ("two",)]
    assert migrations.heads(database) == ("two",)


def test_two_processes_at_once_both_end_at_the_new_schema(altered: Any, database: Any) -> None:
    """What is true of threads is true of two workers."""
    both = [start(OWNER, asked(altered, database)) for _ in range(2)]

    assert [process.wait(120) for process in both] == [0, 0]
    assert migrations.heads(database) == ("two",)


def test_whoever_waits_is_in_the_way_of_no_index(altered: Any, database: Any) -> None:
    """CREATE INDEX CONCURRENTLY waits for every open transaction: a waiter has none."""
    altered.revision(
        "three", "two", 'with op.get_context().autocommit_block(): op.execute("CREATE INDEX CONCURRENTLY i ON a (id)")'
    )
    with ThreadPoolExecutor(1) as pool, migrations.lock(database) as connection:
        second = pool.submit(migrations.upgrade, altered.runner(lock_patience=60), database)
        until(lambda: connection.execute(WAITERS).fetchone() == (1,))

        assert migrations.upgrade(altered.runner(timeout=20), database, held=connection).after == ("three",)
        connection.close()
        assert second.result(60).before == ("three",)


def test_a_busy_table_is_tried_again(altered: Any, database: Any) -> None:
    """A statement that gets no lock gives way to the readers behind it, and the migration begins anew."""
    with ThreadPoolExecutor(1) as pool, reader(database) as connection:
        upgrade = pool.submit(migrations.upgrade, altered.runner(lock_timeout=0.2), database)
        with psycopg.connect(**database.connection(), autocommit=True) as other:
            until(lambda: other.execute(WAITING).fetchone() == (1,))
            until(lambda: other.execute(WAITING).fetchone() == (0,))
        connection.rollback()

        assert upgrade.result(60) == SchemaChange(before=("one",), after=("two",))


def test_a_table_that_stays_busy_is_said_to_be(altered: Any, database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some tries it ends, transient, with the server's own words."""
    monkeypatch.setattr(migrations, "LOCK_TRIES", 2)
    with reader(database), pytest.raises(SchemaError, match=r"two: .*\(55P03\)") as caught:
        migrations.upgrade(altered.runner(lock_timeout=0.05), database)

    assert caught.value.transient
    assert migrations.heads(database) == ("one",)


def test_a_statement_has_a_limit(project: Any, database: Any) -> None:
    """What hangs in the database is ended by it."""
    project.revision("one", None, 'op.execute("SELECT pg_sleep(60)")')

    with pytest.raises(SchemaError, match=r"took longer than 0\.2 s at revision one: .*57014") as caught:
        migrations.upgrade(project.runner(timeout=0.2), database)

    assert not caught.value.transient
    assert "Raise `timeout` in [migrations], or split" in str(caught.value)


def test_a_statement_that_a_person_cancelled_is_no_slow_one(project: Any, database: Any) -> None:
    """The server has one SQLSTATE for both, and says which it was."""
    project.revision("one", None, 'op.execute("SELECT pg_cancel_backend(pg_backend_pid())")')

    with pytest.raises(SchemaError, match="due to user request") as caught:
        migrations.upgrade(project.runner(), database)

    assert "took longer" not in str(caught.value)


def test_a_killed_runner_frees_the_readers(altered: Any, database: Any) -> None:
    """`kill -9` of the interpreter while its ALTER waits: whoever queues behind it is served, the revision is the old one."""
    runner = replace(altered.runner(lock_timeout=600), launch=runners.launch)
    with ThreadPoolExecutor(2) as pool, reader(database):
        upgrade = pool.submit(migrations.upgrade, runner, database)
        with psycopg.connect(**database.connection(), autocommit=True) as other:
            until(lambda: other.execute(WAITING).fetchone() == (1,))
            blocked = pool.submit(read, database)
            until(lambda: other.execute(BLOCKED).fetchone() == (1,))
            killed = time.monotonic()
            os.kill(interpreter_of(altered), signal.SIGKILL)

            assert blocked.result(60) - killed < 2
            with pytest.raises(SchemaError, match="ended without an answer") as caught:
                upgrade.result(60)

    assert caught.value.transient
    assert migrations.heads(database) == ("one",)


def test_where_nobody_is_left_the_server_itself_frees_the_readers(altered: Any, database: Any) -> None:
    """`kill -9` of Promoter and its runner, as when a machine dies: readers do not wait for the recovery, which reads the old revision."""
    with ThreadPoolExecutor(1) as pool, reader(database):
        promoter = start(OWNER, asked(altered, database))
        with psycopg.connect(**database.connection(), autocommit=True) as other:
            until(lambda: other.execute(WAITING).fetchone() == (1,))
            blocked = pool.submit(read, database)
            until(lambda: other.execute(BLOCKED).fetchone() == (1,))
            interpreter = interpreter_of(altered)
            promoter.kill()
            killed = time.monotonic()
            os.kill(interpreter, signal.SIGKILL)

            assert blocked.result(60) - killed < 2
            promoter.wait()
            until(lambda: free(database))
            assert migrations.heads(database) == ("one",)


def test_whoever_comes_next_ends_the_orphans(altered: Any, database: Any) -> None:
    """`kill -9` of Promoter itself: its runner goes on waiting without an owner, until the next one takes the lock."""
    with reader(database), psycopg.connect(**database.connection(), autocommit=True) as other:
        promoter = start(OWNER, asked(altered, database))
        until(lambda: other.execute(WAITING).fetchone() == (1,))
        with pytest.raises(SchemaError, match="lock is held by"):
            migrations.end_orphans(database)
        promoter.kill()
        promoter.wait()

        until(lambda: free(database))
        assert other.execute(WAITING).fetchone() == (0,)
    assert migrations.upgrade(altered.runner(), database).before == ("one",)


def test_a_runner_whose_owner_lost_the_lock_changes_nothing(altered: Any, database: Any, execute: Execute) -> None:
    """A runner that was slow to connect finds the lock gone, and stops before its first statement."""
    answer = altered.runner().run("upgrade", ["two"], database, lock=runners.Lock(migrations.LOCK_KEY, 1))

    assert (answer.ok, answer.error, answer.ran) == (False, "LockLostError", ())
    assert execute("SELECT version_num FROM alembic_version") == [("one",)]


def read(database: Any) -> float:
    """Read the table as a client of the service does, and return when it was served."""
    with psycopg.connect(**database.connection(), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchone() == (0,)
    return time.monotonic()


def asked(project: Any, database: Any) -> dict[str, Any]:
    """Return what OWNER is told."""
    credentials = {name: value for name, value in vars(database).items() if name != "renew"}
    password = database.password.get_secret_value()
    return {"credentials": {**credentials, "password": password}, "checkout": str(project.path)}


def free(database: Any) -> bool:
    """Say whether the dead owner's lock is gone, and end its orphans then."""
    try:
        return migrations.end_orphans(database) >= 0
    except SchemaError:
        return False


def start(program: str, asked: dict[str, Any]) -> subprocess.Popen[str]:
    """Start `program` with `asked` on its standard input."""
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(json.dumps(asked))
    process.stdin.close()
    return process


def interpreter_of(project: Any) -> int:
    """Return the process id of the runner that works in the checkout of `project`."""
    links = Path("/proc").glob("[0-9]*/cwd")
    return next(int(link.parent.name) for link in links if link.resolve() == project.path)
