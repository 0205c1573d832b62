"""The compose file, read and held against what is installed: no Docker engine is needed to know that a name is misspelt."""

import os
import re
import tomllib
from argparse import ArgumentError, ArgumentParser
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cyclopts import CycloptsError
from prefect.cli._app import _app
from prefect.settings import Settings as PrefectSettings
from prefect.settings.legacy import _get_valid_setting_names
from prefect_redis.client import RedisMessagingSettings
from prefect_redis.messaging import RedisMessagingConsumerSettings, RedisMessagingPublisherSettings
from psycopg.sql import SQL, Identifier
from ruamel.yaml import YAML

from deployments import cli
from deployments.cli import COMMANDS
from promoter import postgres, shell
from promoter.errors import CommandError
from promoter.postgres import Server
from promoter.postgres.programs import program
from promoter.settings import Settings
from tests.deployments.server.compose import (
    FILE,
    FOLDER,
    SECRETS,
    UnsetError,
    commands,
    environment,
    services,
    variables_of,
)

ROOT = FOLDER.parents[1]
SERVICES = services()
OURS = {name: one for name, one in SERVICES.items() if "build" in one}
REPLICAS = ("api-1", "api-2")
NAMES = {
    *_get_valid_setting_names(PrefectSettings),
    *(
        name
        for settings in (RedisMessagingSettings, RedisMessagingConsumerSettings, RedisMessagingPublisherSettings)
        for name in _get_valid_setting_names(settings)
    ),
    *(f"PROMOTER_{name.upper()}" for name in Settings.model_fields),
    "DO_NOT_TRACK",
}
"""Every variable that a program of ours reads."""


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_one_that_somebody_reads(name: str) -> None:
    """Of Prefect, of prefect-redis, of Promoter: a misspelt name would be ignored without a word."""
    assert set(OURS[name].get("environment", {})) - NAMES == set()


def test_a_misspelt_variable_is_found() -> None:
    """The list of names is not the set of all names."""
    assert "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE" in NAMES
    assert not {"PREFECT_SERVER_LEASE_STORAGE", "PREFECT_REDIS_HOST", "PROMOTER_LEDGER"} & NAMES


@pytest.mark.parametrize("name", [*REPLICAS, "services", "database"])
def test_prefect_reads_what_it_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL, and in Redis what replicas have to share; each module that is named is one of its kind."""
    for variable, value in environment(name).items():
        monkeypatch.setenv(variable, value)
    server = PrefectSettings().server

    assert server.database.connection_url is not None
    assert server.database.connection_url.get_secret_value() == (
        f"postgresql+asyncpg://prefect:{SECRETS['PREFECT_DATABASE_PASSWORD']}@postgres:5432/prefect"
    )
    assert not server.database.migrate_on_start
    assert server.api.auth_string is not None
    assert server.docket.url == f"redis://:{SECRETS['REDIS_PASSWORD']}@redis:6379/1"
    for module, kind in (
        (server.events.messaging_broker, "Publisher"),
        (server.events.messaging_cache, "Cache"),
        (server.events.causal_ordering, "CausalOrdering"),
        (server.concurrency.lease_storage, "ConcurrencyLeaseStorage"),
        (server.worker_channel.cleanup_queue_storage, "WorkerCleanupQueue"),
    ):
        assert "memory" not in module
        assert hasattr(import_module(module), kind)
    redis = RedisMessagingSettings()
    assert (redis.host, redis.port, redis.password) == ("redis", 6379, SECRETS["REDIS_PASSWORD"])
    assert RedisMessagingPublisherSettings().publish_every == timedelta(seconds=1)


def test_all_parts_of_the_server_are_told_the_same() -> None:
    """A replica that kept its leases elsewhere would let too many in."""
    told = [environment(name) for name in (*REPLICAS, "services", "database")]

    assert all(one == told[0] for one in told)


def test_both_replicas_serve_and_one_process_does_what_must_not_run_twice() -> None:
    """The scheduler and the automations are once."""
    started = [" ".join(command) for name in OURS for command in commands(name)]

    assert [name for name in SERVICES if SERVICES[name].get("command", [])[:3] == ["prefect", "server", "start"]] == [
        *REPLICAS
    ]
    assert all("--no-services" in SERVICES[name]["command"] for name in REPLICAS)
    assert started.count("prefect server services start") == 1
    assert SERVICES["services"].get("deploy") is None


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_that_exists(name: str) -> None:
    """Read by the parsers of the programs themselves."""
    for command in commands(name):
        assert read(command), command


@pytest.mark.parametrize(
    "command",
    [
        ["prefect", "server", "start", "--no-servces"],
        ["prefect", "server", "services", "begin"],
        ["promoter", "gateway", "--prot", "8090"],
        ["promoter", "pool", "kubernetes"],
        ["uvicorn"],
    ],
    ids=" ".join,
)
def test_a_misspelt_command_is_found(command: list[str]) -> None:
    """A word, an option, a value, a program."""
    assert not read(command)


def read(command: list[str]) -> bool:
    """Return whether a program takes its arguments; nothing is done."""
    program, *arguments = command
    if program == "promoter" and arguments[0] in COMMANDS:
        parser = ArgumentParser(exit_on_error=False)
        cli._load(arguments[0]).arguments(parser)
        try:
            parser.parse_args(arguments[1:])
        except (ArgumentError, SystemExit):
            return False
        return True
    if program == "prefect":
        try:
            _app.parse_args([one for one in arguments if one != "--no-prompt"], exit_on_error=False, print_error=False)
        except CycloptsError:
            return False
        return True
    return False


@pytest.mark.parametrize("name", SECRETS)
def test_nothing_starts_without(name: str) -> None:
    """Each is asked for by name, with a word on what it is."""
    with pytest.raises(UnsetError, match=rf"{name}: \w+ \w+"):
        services({other: value for other, value in SECRETS.items() if other != name})


def test_nothing_secret_has_a_default() -> None:
    """What may be left out says only where flows run."""
    used = variables_of(FILE.read_text())

    assert {name for name, operator, _ in used if operator not in {":?", None}} == {"PROMOTER_POOL"}
    assert {name for name, _, _ in used} == {*SECRETS, "PROMOTER_POOL"}
    stems = re.compile("PASSWORD|SECRET|AUTH_STRING|TOKEN|KEY")
    plain = YAML(typ="safe").load(FILE)["services"]
    for one in plain.values():
        for variable, value in one.get("environment", {}).items():
            assert not stems.search(variable) or value is None or value.startswith("${"), variable


def test_only_the_proxy_is_reached_from_outside() -> None:
    """And what keeps data is in a network that leads nowhere."""
    assert [name for name, one in SERVICES.items() if "ports" in one] == ["proxy"]
    assert [one["networks"] for one in (SERVICES["postgres"], SERVICES["redis"])] == [["inside"]] * 2
    assert YAML(typ="safe").load(FILE)["networks"]["inside"] == {"internal": True}
    assert not any(one.get("network_mode") or one.get("privileged") for one in SERVICES.values())


def test_images_are_pinned() -> None:
    """Ours is the version of this project; no other is a tag that moves by itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    for name, one in SERVICES.items():
        tag = one["image"].partition(":")[2]
        assert tag == project if name in OURS else re.fullmatch(r"\d+\.\d+(\.\d+)?(-\w+)?", tag), one["image"]


def test_each_waits_for_what_it_needs() -> None:
    """Databases before their schema, schema before who uses it; nobody waits for a health that nobody looks at."""
    order = {name: one.get("depends_on", {}) for name, one in SERVICES.items()}

    for name, wanted in order.items():
        for other, how in wanted.items():
            condition = how["condition"]
            assert condition != "service_healthy" or "healthcheck" in SERVICES[other], f"{name} on {other}"
            assert (condition == "service_completed_successfully") == (SERVICES[other].get("restart") == "no")
    assert set(order["database"]) == {"postgres", "redis"}
    assert all(set(order[name]) == {"database"} for name in ("api-1", "services"))
    assert set(order["api-2"]) == {"database", "api-1"}
    assert set(order["proxy"]) == set(REPLICAS)
    assert all("setup" in order[name] for name in ("worker", "watcher", "gateway"))
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


def test_what_is_mounted_is_there() -> None:
    """Files beside the compose file, and volumes that it declares."""
    volumes = YAML(typ="safe").load(FILE)["volumes"]

    for one in SERVICES.values():
        for mount in one.get("volumes", []):
            source = mount.partition(":")[0]
            assert (FOLDER / source).exists() if source.startswith(".") else source in volumes, mount


def test_the_image_holds_what_it_runs() -> None:
    """It is copied, as nobody's but its own user, from bases that are named."""
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY") and "--from" not in line for word in line.split()[1:-1]]
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()

    assert all((ROOT / name).exists() and f"!{name}" in ignored for name in copied)
    assert {"prefect.yaml", "requirements.lock", "deployments", "flows", "tasks", "promoter"} <= set(copied)
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001"]
    assert "deployments/server/.env" in ignored
    (uv,) = re.findall(r"^UV_VERSION = (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = " ".join(line for line in lines if line.startswith(("FROM", "COPY")))
    bases = re.findall(r"(?:FROM |--from=)(\S+:\S+)", named)
    assert bases == [
        "python:3.11-slim",
        f"ghcr.io/astral-sh/uv:{uv}",
        "python:3.11-slim",
        *["docker:28.5.1-cli"] * 2,
    ]


def test_the_databases_are_made_with_the_passwords_of_the_environment(postgres_server: Server) -> None:
    """By psql, as PostgreSQL's image does it; neither role sees the other's database, or may do more than work in its own."""
    superuser = postgres_server.credentials()
    reached = {"PGHOST": superuser.host, "PGPORT": str(superuser.port), "PGUSER": superuser.user}
    passwords = {name: SECRETS[name] for name in ("PREFECT_DATABASE_PASSWORD", "PROMOTER_LEDGER_PASSWORD")}
    try:
        program(
            "psql",
            "--no-psqlrc",
            "--dbname=postgres",
            env={**reached, **passwords, "PGPASSWORD": superuser.password.get_secret_value()},
            input_text=(FOLDER / "databases.sql").read_text(),
        )
        for role, password in (("prefect", "PREFECT_DATABASE_PASSWORD"), ("promoter", "PROMOTER_LEDGER_PASSWORD")):
            known: dict[str, Any] = {
                "host": superuser.host,
                "port": superuser.port,
                "user": role,
                "password": SECRETS[password],
            }
            with psycopg.connect(**known, dbname=role, autocommit=True) as own:
                own.execute("CREATE TABLE mine ()")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    own.execute("CREATE DATABASE more")
            other = {"prefect": "promoter", "promoter": "prefect"}[role]
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                psycopg.connect(**known, dbname=other)
    finally:
        for role in ("prefect", "promoter"):
            postgres.drop_database(postgres_server, role)
            with psycopg.connect(**superuser.connection(), autocommit=True) as connection:
                connection.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(role)))


def test_compose_itself_takes_the_file(tmp_path: Path) -> None:
    """Where `docker compose` is; without a secret it says which."""
    try:
        shell.run(["docker", "compose", "version"])
    except CommandError as error:
        if os.environ.get("PROMOTER_REQUIRE_ENGINE") == "1":
            pytest.fail(f"no `docker compose` (.ci/engine brings it): {error}")
        pytest.skip("no `docker compose`")
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in SECRETS.items()))
    (tmp_path / "empty").write_text("")
    argv: list[str | Path] = ["docker", "compose", "--file", FILE, "--env-file"]

    shell.run([*argv, tmp_path / ".env", "config", "--quiet"], env=dict.fromkeys(SECRETS, ""))
    with pytest.raises(CommandError, match="is missing a value"):
        shell.run([*argv, tmp_path / "empty", "config", "--quiet"], env=dict.fromkeys(SECRETS, ""))
