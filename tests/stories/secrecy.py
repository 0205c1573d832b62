"""What the stories let out: every secret of their sandbox is looked for in every place that they wrote to, where it does not belong."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import boto3
import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from deployments.sandbox.sandbox import Sandbox
from promoter import config
from promoter.secrets import DatabaseCredentials
from promoter.settings import Settings
from tasks import clients
from tests.canary import sinks
from tests.canary.canaries import Canaries, Sink
from tests.canary.processes import Holder, Watch

SERVICE = "sample-api"
PAUSE = 0.5
"""Seconds between two looks at all processes: the stories need the machine for themselves."""
LEDGER, REGISTRY = "password of the ledger", "password of the registry"
BELONGS = {
    "sandbox.json": "what the sandbox knows of itself, for its owner alone",
    "registry/access.json": "the registry's own list of users",
    "postgres": "the server's own files; its tables are read one by one",
}
"""Where a secret may stand in the sandbox's folder."""


@contextmanager
def kept(running: Sandbox) -> Iterator[None]:
    """Fail at the end of the block where a secret of the sandbox is anywhere but where it belongs.

    A password that a story changed is looked for with the one that it took the place of.
    """
    databases = _databases(running)
    secrets = {
        LEDGER: running.variables["PROMOTER_LEDGER_PASSWORD"],
        REGISTRY: running.variables["PROMOTER_REGISTRY_PASSWORD"],
        **_passwords(databases),
    }
    with Watch(Canaries(secrets), holders(databases), pause=PAUSE) as watch:
        yield
    now = _databases(running)
    changed = {f"new {name}": value for name, value in _passwords(now).items() if value != secrets[name]}
    found = [*watch.finds, *Canaries(secrets | changed).find(*_written(running, now))]
    assert not found, "\n".join(f"the {one.canary} is in {one.place}" for one in found)


def _passwords(databases: Mapping[str, DatabaseCredentials]) -> dict[str, str]:
    return {name: one.password.get_secret_value() for name, one in databases.items()}


def holders(databases: Mapping[str, DatabaseCredentials]) -> list[Holder]:
    """Return the processes that have a secret in their environment because they need it."""
    own, environments = frozenset({LEDGER, REGISTRY}), frozenset(databases)
    return [
        Holder(
            r"\bprefect[ ./]|deployments\.worker\.engine",
            own,
            "Prefect keeps its tables on the ledger's server; flows run in engines",
        ),
        Holder(
            r"deployments\.cli|promoter |tests\.(stories|kill_matrix)",
            own,
            "who reads and writes the ledger by himself",
        ),
        Holder(r"deployments\.sandbox\.aws", frozenset({REGISTRY}), "ECS pulls images"),
        Holder(
            r"migration_runner\.py|model_reader\.py|pg_dump", environments, "they work on the environment's database"
        ),
        Holder(r"-m app\b", environments, "the service itself"),
        Holder(r"socket\.create_connection", environments, "its health check, which has the container's variables"),
    ]


def _databases(running: Sandbox) -> dict[str, DatabaseCredentials]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in running.variables.items():
            patch.setenv(name, value)
        service = config.find(SERVICE, Settings().services)
        return {
            f"database password of {name}": clients.database(service, environment)
            for name, environment in service.environments.items()
        }


def _written(running: Sandbox, databases: Mapping[str, DatabaseCredentials]) -> Iterator[Sink]:
    yield sinks.files(running.folder, BELONGS)
    yield sinks.prefect(running.variables["PREFECT_API_URL"])
    yield sinks.git(running.folder / "remote.git")
    session = boto3.Session("sandbox", "sandbox", region_name=running.variables["AWS_DEFAULT_REGION"])
    yield sinks.aws(session, running.variables["AWS_ENDPOINT_URL"])
    server = conninfo_to_dict(running.variables["PROMOTER_LEDGER_URL"])
    password = SecretStr(running.variables["PROMOTER_LEDGER_PASSWORD"])
    for name in ("ledger", "prefect"):
        own = DatabaseCredentials(str(server["host"]), int(str(server["port"])), str(server["user"]), password, name)
        yield sinks.database(own)
    yield from map(sinks.database, databases.values())
