"""The search finds a planted secret in every spelling and every sink, and nothing where nothing is."""

import base64
import gzip
import io
import json
import secrets
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import boto3
import psycopg
import pytest
from moto import mock_aws

from promoter import postgres
from promoter.postgres import Server
from promoter.secrets import DatabaseCredentials
from tests.canary import sinks
from tests.canary.canaries import Canaries, Find, spelled
from tests.canary.processes import Holder, Watch

VALUE = "c4nary/" + secrets.token_urlsafe(24) + " +%"
CANARIES = Canaries({"planted": VALUE, "absent": secrets.token_hex(32)})
IDLE = "import time; time.sleep(60)"


def names(*found: Find) -> set[str]:
    """Return which secrets were found."""
    return {one.canary for one in found}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(VALUE, id="plain"),
        pytest.param(quote(VALUE, safe=""), id="in a URL"),
        pytest.param(quote_plus(VALUE), id="in a form"),
        pytest.param(json.dumps({"key": VALUE}), id="in JSON"),
        pytest.param(VALUE.encode().hex(), id="in hexadecimal digits"),
        *(
            pytest.param(base64.b64encode(f"{'x' * n}{VALUE}yz".encode()).decode(), id=f"base64 + {n}")
            for n in range(4)
        ),
        pytest.param(base64.urlsafe_b64encode(f"robot:{VALUE}".encode()).decode(), id="base64 of a URL"),
    ],
)
def test_a_secret_is_found_however_it_is_written(text: str) -> None:
    """And another one is not."""
    assert CANARIES.names_in(f"before {text} after".encode()) == {"planted"}


def test_what_would_be_found_by_chance_is_no_canary() -> None:
    """A find has to mean something."""
    with pytest.raises(ValueError, match="long random"):
        spelled("sandbox")


def test_one_log_line_is_found(tmp_path: Path) -> None:
    """By the file that it stands in; the same folder without it is clean."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "worker.log").write_text("12:00 starting\n12:01 ready\n")
    assert CANARIES.find(sinks.files(tmp_path)) == []

    with (tmp_path / "logs" / "worker.log").open("a") as log:
        log.write(f"12:02 connecting to postgresql://api:{quote(VALUE, safe='')}@db\n")

    assert CANARIES.find(sinks.files(tmp_path)) == [Find(str(tmp_path / "logs" / "worker.log"), "planted")]


def test_where_a_secret_belongs_it_is_not_looked_for(tmp_path: Path) -> None:
    """Each such place is named, with a reason."""
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "access.json").write_text(VALUE)

    for place in ("registry", "registry/access.json"):
        assert CANARIES.find(sinks.files(tmp_path, {place: "its own list of users"})) == []
    assert names(*CANARIES.find(sinks.files(tmp_path, {"access.json": "another place"}))) == {"planted"}


@pytest.mark.parametrize("cut", [0, 20])
def test_a_layer_is_unpacked(tmp_path: Path, cut: int) -> None:
    """Also one that is cut off at its end."""
    text = VALUE.encode() + secrets.token_bytes(4096)
    with io.BytesIO() as stream:
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            member = tarfile.TarInfo("app/settings")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
        data = stream.getvalue()
    (tmp_path / "blob").write_bytes(data[: len(data) - cut])

    assert names(*CANARIES.find(sinks.files(tmp_path))) == {"planted"}
    assert gzip.decompress(data) == sinks.unpacked(data)


@pytest.fixture
def filled(postgres_server: Server) -> DatabaseCredentials:
    """Return a database as Prefect keeps one: text, JSON, bytes."""
    credentials = postgres.create_database(postgres_server, f"canary_{secrets.token_hex(4)}")
    with psycopg.connect(**credentials.connection()) as connection:
        connection.execute("CREATE TABLE artifact (id int, data json, raw bytea, tags text[])")
        connection.execute("INSERT INTO artifact VALUES (1, '{}', '', '{}')")
    return credentials


@pytest.mark.parametrize("column", ["data", "raw"])
def test_one_artifact_is_found(filled: DatabaseCredentials, column: str) -> None:
    """By table and column, whatever the type."""
    assert CANARIES.find(sinks.database(filled)) == []

    with psycopg.connect(**filled.connection()) as connection:
        value = {"data": json.dumps({"markdown": VALUE}), "raw": VALUE.encode()}[column]
        connection.execute(f"UPDATE artifact SET {column} = %s", [value])

    assert CANARIES.find(sinks.database(filled)) == [Find(f"{filled.database}: public.artifact.{column}", "planted")]


@pytest.mark.parametrize("place", ["environment", "command"])
def test_one_task_definition_is_found(place: str) -> None:
    """Whichever field holds it; that the secret exists under its name is no find."""
    session = boto3.Session("key", "secret", region_name="us-east-2")
    container: Any = {"name": "api", "image": "api", "memory": 64, "environment": [], "command": []}
    planted = {"environment": [{"name": "PGPASSWORD", "value": VALUE}], "command": ["serve", VALUE]}
    with mock_aws():
        session.client("secretsmanager").create_secret(Name="database", SecretString=VALUE)
        ecs = session.client("ecs")
        ecs.register_task_definition(family="api", containerDefinitions=[container])
        assert CANARIES.find(sinks.aws(session)) == []

        ecs.register_task_definition(family="api", containerDefinitions=[container | {place: planted[place]}])

        (found,) = CANARIES.find(sinks.aws(session))
    assert found.place.endswith("task-definition/api:2")


def test_one_line_of_a_service_is_found() -> None:
    """In CloudWatch, where its container writes."""
    session = boto3.Session("key", "secret", region_name="us-east-2")
    with mock_aws():
        logs = session.client("logs")
        logs.create_log_group(logGroupName="/ecs/api")
        logs.create_log_stream(logGroupName="/ecs/api", logStreamName="ecs/api/1")
        events: Any = [{"timestamp": int(time.time() * 1000), "message": f"connecting with {VALUE}"}]
        logs.put_log_events(logGroupName="/ecs/api", logStreamName="ecs/api/1", logEvents=events)

        assert CANARIES.find(sinks.aws(session)) == [Find("log group /ecs/api", "planted")]


def test_one_commit_is_found(repository: Any) -> None:
    """In what was committed and taken back, and in a message."""
    repository.commit("feat: one", settings="harmless")
    assert CANARIES.find(sinks.git(repository.path)) == []

    repository.commit("feat: two", settings=VALUE)
    repository.commit("fix: take it back", settings="harmless")

    assert names(*CANARIES.find(sinks.git(repository.path))) == {"planted"}


def test_one_argument_is_found_and_not_told(tmp_path: Path) -> None:
    """Nobody may have a secret there, not even who may have it in its environment."""
    watch = Watch(CANARIES, [Holder("sleep", frozenset({"planted"}), "it needs it")])
    with subprocess.Popen([sys.executable, "-c", IDLE, VALUE], cwd=tmp_path) as process:
        watch.look()
        process.kill()

    (found,) = watch.finds
    assert (found.canary, found.place.split(" of ")[0]) == ("planted", "arguments")
    assert VALUE not in found.place


@pytest.mark.parametrize("allowed", [True, False])
def test_one_environment_is_found(allowed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Unless the process is known to need it."""
    holder = Holder(r"time\.sleep", frozenset({"planted" if allowed else "absent"}), "it needs it")
    watch = Watch(CANARIES, [holder])
    with subprocess.Popen([sys.executable, "-c", IDLE], env={"KEY": VALUE}) as process:
        watch.look()
        watch.look()
        process.kill()

    assert names(*watch.finds) == (set() if allowed else {"planted"})
    assert watch.held == ({holder} if allowed else set())


def test_the_watch_looks_by_itself() -> None:
    """A process that comes and goes meanwhile is seen."""
    with Watch(CANARIES, []) as watch, subprocess.Popen([sys.executable, "-c", IDLE, VALUE]) as process:
        for _ in range(600):
            if watch.done.wait(0.05) or watch.finds:
                break
        process.kill()

    assert names(*watch.finds) == {"planted"}
