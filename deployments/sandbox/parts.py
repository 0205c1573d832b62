"""The sandbox's processes: how each is started, where it answers, and how all are ended."""

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from deployments.sandbox.aws import processes
from deployments.sandbox.github import server as github
from deployments.sandbox.registry import access
from deployments.sandbox.webhook import Webhook
from promoter.config import GitHub
from promoter.errors import PromoterError
from promoter.secrets import DatabaseCredentials
from promoter.shell import run

ROOT = Path(__file__).parents[2]
"""Where prefect.yaml is."""
POOL = "promoter"
PATIENCE = 180.0
"""How long a process may take until it answers, in seconds."""
ANSWER = 20.0
"""How long it may take for one answer, in seconds: it may have begun to listen and have much to do yet."""
KEPT = (
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "HOME",
    "LANG",
    "LC_ALL",
    "PATH",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
)
"""Variables of the caller that the sandbox's processes see; package settings (UV_…, PIP_…) come with them."""


@dataclass(frozen=True)
class Part:
    """One process of the sandbox."""

    name: str
    pid: int
    created: float
    """When it was started, as the operating system tells; a pid alone may come to name another process."""
    url: str = ""
    """Where it answers; "" where it does not."""


def start_registry(folder: Path, username: str, password: str) -> Part:
    """Start the image registry, which asks for a token as GHCR does."""
    own = folder / "registry"
    access.save(own, access.Access(mode="bearer", users={username: access.User(password)}))
    part = _start("registry", folder, ["-m", "deployments.sandbox.registry", "--folder", str(own)], {})
    return _located(part, folder, own / "ready.json", "url")


def start_aws(folder: Path, runtime: str, variables: Mapping[str, str]) -> Part:
    """Start AWS with its ECS scheduler; `variables` hold the credentials with which it pulls images."""
    own = folder / "aws"
    argv = ["-m", "deployments.sandbox.aws", "--folder", str(own), "--runtime", runtime]
    return _located(_start("aws", folder, argv, variables), folder, own / "ready.json", "endpoint_url")


def start_github(folder: Path, known: GitHub, token: str) -> Part:
    """Start GitHub, where whoever shows `token` may show what is promoted."""
    own = folder / "github"
    github.admit(own, token)
    argv = ["-m", "deployments.sandbox.github", "--folder", str(own), "--repository", known.repository]
    part = _start("github", folder, [*argv, "--number", str(known.repository_id)], {})
    return _located(part, folder, own / "ready.json", "url")


def start_prefect(folder: Path, database: DatabaseCredentials, *, deploy: bool = True) -> Part:
    """Start a Prefect server on PostgreSQL and bring its deployments in line with prefect.yaml; `deploy=False` leaves them out."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    variables = {
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_DATABASE_CONNECTION_URL": database.variables({"URL": DATABASE_URL})["URL"],
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    argv = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    part = _start("prefect", folder, argv, variables, url)
    _wait(part, folder, lambda: httpx.get(f"{url}/api/health", timeout=ANSWER).is_success)
    if deploy:
        _deploy({name: variables[name] for name in ("PREFECT_API_URL", "PREFECT_HOME")})
    return part


def _deploy(client: Mapping[str, str]) -> None:
    for words in (["deployments.cli", "pool", "process"], ["prefect", "--no-prompt", "deploy", "--all"]):
        run([sys.executable, "-m", *words], cwd=ROOT, env=client, timeout=PATIENCE)
    for name in IDLE:
        _pause(client["PREFECT_API_URL"], name)


def _pause(api: str, deployment: str) -> None:
    """Let nothing but a person start a deployment."""
    with httpx.Client(base_url=api, timeout=PATIENCE) as client:
        found = client.get(f"/deployments/name/{deployment}/{deployment}").raise_for_status().json()
        client.patch(f"/deployments/{found['id']}", json={"paused": True}).raise_for_status()


def start_worker(folder: Path, variables: Mapping[str, str]) -> Part:
    """Start the worker that runs the flows; `variables` are what a flow needs to reach everything."""
    return _start("worker", folder, ["-m", "deployments.cli", "worker"], variables)


def start_watcher(folder: Path, variables: Mapping[str, str]) -> Part:
    """Start `promoter watch`, which ends what neither flow nor worker lives to end."""
    return _start("watcher", folder, ["-m", "deployments.cli", "watch"], variables)


def start_gateway(folder: Path, variables: Mapping[str, str], hook: Webhook) -> Part:
    """Start `promoter gateway` where the remote's webhook tells of pushes, and return when it takes them."""
    place = urlsplit(hook.url)
    needed = {name: variables[name] for name in NEEDS} | {"PROMOTER_WEBHOOK_SECRET": hook.secret}
    url = f"http://{place.netloc}"
    part = _start("gateway", folder, ["-m", "deployments.cli", "gateway", "--port", str(place.port)], needed, url)
    _wait(part, folder, lambda: httpx.get(f"{url}/healthz", timeout=ANSWER).is_success)
    return part


IDLE = ("poll-branches", "verify-health")
"""Deployments that wait for somebody to start them here: a look every few minutes is a process every few minutes."""
NEEDS = ("PREFECT_API_URL", "PROMOTER_LEDGER_PASSWORD", "PROMOTER_LEDGER_URL", "PROMOTER_SERVICES")
"""What the gateway is told besides its secret."""
DATABASE_URL = "postgresql+asyncpg://{user}:{password}@{host}:{port}/{database}"


def is_alive(part: Part) -> bool:
    """Say whether the process still runs, and is still the same."""
    try:
        process = psutil.Process(part.pid)
        return abs(process.create_time() - part.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_all(folder: Path) -> list[str]:
    """End every process that left a record in `folder`, ECS tasks too; return the names of those that were parts."""
    started = [child for part in alive(folder) for child in part.children(recursive=True)]
    parts = [record for record in sorted((folder / "processes").glob("*.pid")) if processes.sweep([record])]
    processes.sweep((folder / "aws" / "tasks").glob("*/*/*.pid"))
    for child in started:  # the worker runs each flow in a process group of its own
        with suppress(psutil.NoSuchProcess):
            child.kill()
    return [record.stem for record in parts]


def alive(folder: Path) -> list[psutil.Process]:
    """Return the processes that left a record in `folder` and still run."""
    found = []
    for record in (folder / "processes").glob("*.pid"):
        with suppress(ValueError, psutil.NoSuchProcess):
            process = psutil.Process(int(record.read_text()))
            if process.create_time() <= record.stat().st_mtime + processes.CLOCK_STEP:
                found.append(process)
    return found


def _located(part: Part, folder: Path, ready: Path, key: str) -> Part:
    """Wait until the process says in `ready` under `key` where it answers."""
    _wait(part, folder, ready.is_file)
    return replace(part, url=json.loads(ready.read_text())[key])


def _start(name: str, folder: Path, argv: list[str], variables: Mapping[str, str], url: str = "") -> Part:
    for place in ("processes", "logs"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    kept = {key: value for key, value in os.environ.items() if key in KEPT or key.startswith(("UV_", "PIP_"))}
    process = processes.start(
        [sys.executable, *argv],
        cwd=ROOT,
        env={**kept, "PYTHONUNBUFFERED": "1", **variables},
        output=folder / "logs" / f"{name}.log",
        record=folder / "processes" / f"{name}.pid",
    )
    part = Part(name, process.pid, psutil.Process(process.pid).create_time(), url)
    process.release()
    return part


def _wait(part: Part, folder: Path, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if answers():
                return
        if not is_alive(part):
            break
        time.sleep(0.05)
    log = folder / "logs" / f"{part.name}.log"
    lines = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise PromoterError(f"the sandbox's {part.name} does not answer; the end of {log}:\n{lines}")


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
