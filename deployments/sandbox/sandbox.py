"""Brings the sandbox up and down: every outside part of a promotion, in one folder, on loopback.

A sandbox lives as long as its processes do: `up` on one that runs changes nothing, and on anything else it clears the folder and
starts afresh.
"""

import json
import os
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from deployments.sandbox import parts, provision, roles, webhook
from deployments.sandbox.aws.images import host_platforms
from deployments.sandbox.parts import Part
from deployments.sandbox.sample.repository import FIRST_TAG, SampleRepository
from deployments.sandbox.sample.service import GITHUB, NAME, service, to_toml
from deployments.sandbox.webhook import Webhook
from promoter import config, postgres, remotes
from promoter.errors import ConfigurationError
from promoter.ledger import arrivals, schema
from promoter.ledger.connection import connect
from promoter.postgres import Server
from promoter.postgres.programs import OVERRIDE
from promoter.settings import Settings

USER = "promoter"
"""Who pushes and pulls images."""
REGION = "us-east-2"


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that runs."""

    folder: Path
    parts: dict[str, Part]
    """Its processes by name; the database server stands for itself."""
    variables: dict[str, str]
    """What a program needs in its environment to work with it; holds the sandbox's own passwords."""

    @property
    def remote(self) -> Path:
        """The git remote."""
        return _remote(self.folder)

    @property
    def ui(self) -> str:
        """The address of the Prefect UI."""
        return self.parts["prefect"].url

    def environ(self) -> dict[str, str]:
        """Return the environment of a program that works with this sandbox."""
        return {**os.environ, **self.variables}

    def is_alive(self) -> bool:
        """Say whether every process of it still runs."""
        return all(parts.is_alive(part) for part in self.parts.values()) and postgres.is_running(
            self.folder / "postgres"
        )


def up(folder: Path, *, prefect: bool = True, runtime: str = "process", github: bool = False) -> Sandbox:
    """Bring the sandbox of `folder` up and return it; one that runs is returned as it is.

    `prefect=False` leaves the Prefect server, its worker, the watcher and the gateway out. `runtime` is how ECS tasks run: `process` or
    `container`. `github=True` adds a GitHub that shows what is promoted. Until `promote_pushes`, a push promotes nothing by itself.
    """
    folder = folder.resolve()
    running = read(folder)
    if running is not None and running.is_alive():
        return running
    down(folder)
    folder.mkdir(parents=True, exist_ok=True)
    server = postgres.start(folder / "postgres", durable=False)
    variables = _variables(folder, server)
    started: list[Part] = []
    with ThreadPoolExecutor() as pool:
        if prefect:
            database = postgres.create_database(server, "prefect")
            orchestrator = pool.submit(parts.start_prefect, folder, database)
        registry = parts.start_registry(folder, USER, variables["PROMOTER_REGISTRY_PASSWORD"])
        aws = parts.start_aws(folder, runtime, _pull_credentials(variables))
        variables["AWS_ENDPOINT_URL"] = aws.url
        schema.upgrade(_settings(variables))
        started += [registry, aws]
        if github:
            started.append(_show(folder, variables))
        os.environ.update(variables)
        _provision_sample(folder, server, registry, aws)
        variables |= roles.worker()  # from here on nobody is the owner
        os.environ.update(variables)
        if prefect:
            started.append(orchestrator.result())
            variables["PREFECT_API_URL"] = f"{started[-1].url}/api"
            started += [parts.start_worker(folder, variables), parts.start_watcher(folder, variables)]
            started.append(parts.start_gateway(folder, variables, _webhook(folder)))
    sandbox = Sandbox(folder, {part.name: part for part in started}, variables)
    _write(sandbox)
    return sandbox


def promote_pushes(sandbox: Sandbox) -> None:
    """Let every push promote itself from now on, as if the remote's webhook had just been set up on GitHub.

    What its branches hold now is noted as what was there before: no look at them starts it.
    """
    with connect(_settings(sandbox.variables)) as ledger:
        for branch, commit in remotes.heads(str(sandbox.remote)).items():
            arrivals.note(
                ledger,
                service=NAME,
                repository=str(sandbox.remote),
                branch=branch,
                commit=commit,
                pushed_by=webhook.LOGIN,
                dropped=arrivals.BEFORE,
            )
    webhook.switch_on(sandbox.remote)


def down(folder: Path) -> list[str]:
    """End every process of the sandbox of `folder`, remove its state, and return what was ended.

    The processes are found by the records that each left before it began, so nothing of a killed sandbox stays behind.
    """
    folder = folder.resolve()
    if folder.exists() and not _is_ours(folder):
        raise ConfigurationError(f"{folder} is not a sandbox's folder", hint="Name an empty or a new folder.")
    ended = parts.end_all(folder)
    if postgres.is_running(folder / "postgres"):
        postgres.stop(postgres.start(folder / "postgres"))
        ended.append("postgres")
    shutil.rmtree(folder, ignore_errors=True)
    return ended


def read(folder: Path) -> Sandbox | None:
    """Return the sandbox that `folder` was last brought up as, running or not; None if there is none."""
    path = folder.resolve() / "sandbox.json"
    if not path.is_file():
        return None
    state = json.loads(path.read_text())
    return Sandbox(folder.resolve(), {name: Part(**part) for name, part in state["parts"].items()}, state["variables"])


def _variables(folder: Path, server: Server) -> dict[str, str]:
    ledger = postgres.create_database(server, "ledger")
    programs = {name: value for name, value in os.environ.items() if name == OVERRIDE}
    return {
        **programs,
        "PROMOTER_LEDGER_URL": f"postgresql://{ledger.user}@{ledger.host}:{ledger.port}/{ledger.database}",
        "PROMOTER_LEDGER_PASSWORD": ledger.password.get_secret_value(),
        "PROMOTER_SERVICES": str(folder / "services"),
        "PROMOTER_CACHE": str(Settings().cache),
        "PROMOTER_REGISTRY_USERNAME": USER,
        "PROMOTER_REGISTRY_PASSWORD": secrets.token_urlsafe(24),
        "AWS_DEFAULT_REGION": REGION,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_LOGGING_EXTRA_LOGGERS": "promoter,tasks,flows,deployments",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }


def _show(folder: Path, variables: dict[str, str]) -> Part:
    """Start GitHub and let whoever gets `variables` show there what happens."""
    token = f"github_pat_{secrets.token_urlsafe(24)}"
    part = parts.start_github(folder, GITHUB, token)
    variables |= {"PROMOTER_GITHUB_API": part.url, "PROMOTER_GITHUB_TOKEN": token}
    return part


def _provision_sample(folder: Path, server: Server, registry: Part, aws: Part) -> None:
    """Make the sample's repository, its service file and its two environments with the first release in them."""
    remote = _remote(folder)
    SampleRepository.create(remote, folder / "sample")
    urls = {name: f"http://127.0.0.1:{parts.free_port()}/health" for name in ("staging", "production")}
    host = registry.url.removeprefix("http://")
    platform = host_platforms()[0]
    sample = service(remote, host, urls, aws.url, region=REGION, platform=platform, role=roles.role)
    path = folder / "services" / f"{sample.name}.toml"
    path.parent.mkdir()
    path.write_text(to_toml(sample))
    provision.provision(config.load(path), FIRST_TAG, server, Settings())


def _webhook(folder: Path) -> Webhook:
    """Return the webhook of the remote, which is off."""
    url = f"http://127.0.0.1:{parts.free_port()}/github"
    hook = Webhook(url, secrets.token_urlsafe(24), GITHUB.repository, GITHUB.repository_id)
    return webhook.create(_remote(folder), hook)


def _remote(folder: Path) -> Path:
    return folder / "remote.git"


def _pull_credentials(variables: dict[str, str]) -> dict[str, str]:
    return {
        "SANDBOX_REGISTRY_USERNAME": variables["PROMOTER_REGISTRY_USERNAME"],
        "SANDBOX_REGISTRY_PASSWORD": variables["PROMOTER_REGISTRY_PASSWORD"],
    }


def _settings(variables: dict[str, str]) -> Settings:
    names = {name.removeprefix("PROMOTER_").lower(): value for name, value in variables.items() if "PROMOTER_" in name}
    return Settings.model_validate(names)


def _write(sandbox: Sandbox) -> None:
    path = sandbox.folder / "sandbox.json"
    path.touch(mode=0o600)
    state = {"parts": {name: asdict(part) for name, part in sandbox.parts.items()}, "variables": sandbox.variables}
    path.write_text(json.dumps(state, indent=2))


def _is_ours(folder: Path) -> bool:
    """Say whether `folder` is empty or was made by `up`; nothing else is ever deleted."""
    return not any(folder.iterdir()) or (folder / "postgres").is_dir()
