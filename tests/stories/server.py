"""The server of deployments/server/compose.yaml as processes on loopback, around a sandbox: the same commands, the same environment.

Only what a container network gives is said here: addresses, ports and folders.
"""

import os
import secrets
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from deployments import prefect_api
from deployments.sandbox import parts, sandbox
from deployments.sandbox.aws import processes
from promoter import postgres
from promoter.postgres.programs import program
from promoter.shell import run
from tests.deployments.server import compose

HOST = "127.0.0.1"
PATIENCE = 300.0
"""How long a part may take until it answers, in seconds."""
PROGRAMS = ("redis-server", "caddy")
"""What is not Python's: Debian's packages of these names, `.ci/engine` brings them."""
RUN_BY = {"prefect": "prefect", "promoter": "deployments.cli"}
"""The module of each command, so that it is this environment's."""
UP = "import sys; from pathlib import Path; from deployments.sandbox import sandbox; sandbox.up(Path(sys.argv[1]), prefect=False)"


def missing() -> list[str]:
    """Return which programs are not on this machine."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@dataclass
class Installation:
    """Two replicas, the background services, two workers, the watcher and a proxy, in one folder."""

    folder: Path
    secrets: dict[str, str] = field(default_factory=lambda: {name: _secret(name) for name in compose.SECRETS})
    ports: dict[str, int] = field(default_factory=dict)
    """Of each part that listens."""
    pids: dict[str, int] = field(default_factory=dict)
    """Of each part that was started."""

    def up(self) -> None:
        """Start everything in the order of the compose file."""
        run([sys.executable, "-c", UP, self.folder], timeout=PATIENCE)
        self.ports = {name: parts.free_port() for name in ("redis", "api-1", "api-2", "outside", "proxy")}
        self._postgres()
        self._redis()
        for command in compose.commands("database"):
            run(_ours(command), env=self.environment("database"), timeout=PATIENCE)
        for name in ("api-1", "api-2"):
            self.start(name, name)
            self._until_ready(name)
        self.start("services", "services")
        self._proxy()
        self._until_ready("proxy")
        for command in compose.commands("setup"):
            run(_ours(command), cwd=parts.ROOT, env=self.environment("setup"), timeout=PATIENCE)
        for name, service in (("worker-1", "worker"), ("worker-2", "worker"), ("watcher", "watcher")):
            self.start(name, service)

    def down(self) -> None:
        """End everything, flows that outlived their worker too."""
        told = self.url("proxy", "/api") if self.ports else None
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if told and process.pid != os.getpid() and process.environ().get("PREFECT_API_URL") == told:
                    process.kill()
        sandbox.down(self.folder)

    def start(self, name: str, service: str) -> None:
        """Start the process `name` as the compose file has its service."""
        (command,) = compose.commands(service)
        self._start(name, _ours(command), self.environment(service))

    def process(self, name: str) -> psutil.Process:
        """Return the process of a part."""
        return psutil.Process(self.pids[name])

    def url(self, name: str, path: str = "") -> str:
        """Return where a part answers."""
        return f"http://{HOST}:{self.ports[name]}{path}"

    def environment(self, service: str) -> dict[str, str]:
        """Return what the compose file tells a service, with the places of this machine; a client's is also the sandbox's."""
        told = compose.environment(service, self.secrets)
        home = {"PREFECT_HOME": str(self.folder / "homes" / service), "NO_COLOR": "1"}
        places = self._server_places(service) if "PREFECT_API_URL" not in told else self._client_places()
        return {**told, **home, **places}

    def _server_places(self, service: str) -> dict[str, str]:
        database = postgres.start(self.folder / "postgres")
        return {
            "PREFECT_SERVER_API_HOST": HOST,
            "PREFECT_SERVER_API_PORT": str(self.ports.get(service, 0)),
            "PREFECT_SERVER_DATABASE_HOST": database.host,
            "PREFECT_SERVER_DATABASE_PORT": str(database.port),
            "PREFECT_REDIS_MESSAGING_HOST": HOST,
            "PREFECT_REDIS_MESSAGING_PORT": str(self.ports["redis"]),
            "PREFECT_SERVER_DOCKET_URL": f"redis://:{self.secrets['REDIS_PASSWORD']}@{HOST}:{self.ports['redis']}/1",
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(self.folder / "ui" / service),
        }

    def _client_places(self) -> dict[str, str]:
        found = sandbox.read(self.folder)
        assert found is not None
        return {**found.variables, "PREFECT_API_URL": self.url("proxy", "/api")}

    def _postgres(self) -> None:
        superuser = postgres.start(self.folder / "postgres").credentials()
        reached = {"PGHOST": superuser.host, "PGPORT": str(superuser.port), "PGUSER": superuser.user}
        program(
            "psql",
            "--no-psqlrc",
            "--dbname=postgres",
            env={**reached, **self.secrets, "PGPASSWORD": superuser.password.get_secret_value()},
            input_text=(compose.FOLDER / "databases.sql").read_text(),
        )

    def _redis(self) -> None:
        (self.folder / "redis").mkdir()
        told = {
            "bind": HOST,
            "port": str(self.ports["redis"]),
            "dir": str(self.folder / "redis"),
            "appendonly": "yes",
            "requirepass": self.secrets["REDIS_PASSWORD"],
        }
        self._start(
            "redis", ["redis-server", *(word for name, value in told.items() for word in (f"--{name}", value))], {}
        )

    def _proxy(self) -> None:
        told = {
            "PROMOTER_BIND": HOST,
            "PROMOTER_DOMAIN": self.url("outside"),
            "PROMOTER_GATEWAY": f"{HOST}:{parts.free_port()}",
            "PREFECT_INSIDE": self.url("proxy"),
            "PREFECT_REPLICAS": " ".join(f"{HOST}:{self.ports[name]}" for name in ("api-1", "api-2")),
            "XDG_CONFIG_HOME": str(self.folder / "caddy"),
            "XDG_DATA_HOME": str(self.folder / "caddy"),
        }
        configuration = str(compose.FOLDER / "Caddyfile")
        self._start("proxy", ["caddy", "run", "--config", configuration, "--adapter", "caddyfile"], told)

    def _start(self, name: str, argv: list[str], variables: Mapping[str, str]) -> None:
        kept = {key: value for key, value in os.environ.items() if key in parts.KEPT or key.startswith(("UV_", "PIP_"))}
        process = processes.start(
            argv,
            cwd=parts.ROOT,
            env={**kept, "PYTHONUNBUFFERED": "1", **variables},
            output=self.folder / "logs" / f"{name}.log",
            record=self.folder / "processes" / f"{name}.pid",
        )
        self.pids[name] = process.pid
        process.release()

    def _until_ready(self, name: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and processes.alive(self.pids[name]):
            with suppress(httpx.TransportError):
                if httpx.get(self.url(name, "/api/ready"), timeout=20).is_success:
                    return
            time.sleep(0.2)
        raise AssertionError(f"{name} does not answer: {(self.folder / 'logs' / f'{name}.log').read_text()[-2000:]}")


def quieten() -> None:
    """Let nothing but a person start what looks around again and again, as in the sandbox."""
    with prefect_api.client(PATIENCE) as client:
        for name in parts.IDLE:
            found = client.get(f"/deployments/name/{name}/{name}").raise_for_status().json()
            client.patch(f"/deployments/{found['id']}", json={"paused": True}).raise_for_status()


def _ours(command: list[str]) -> list[str]:
    return [sys.executable, "-m", RUN_BY[command[0]], *command[1:]]


def _secret(name: str) -> str:
    return f"admin:{secrets.token_hex(16)}" if name == "PREFECT_AUTH_STRING" else secrets.token_hex(16)
