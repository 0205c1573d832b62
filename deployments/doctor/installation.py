"""What this machine and the servers around it need: programs, the ledger, Prefect's server, deployments, pool and workers."""

import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

from deployments import prefect_api
from deployments.doctor.examination import Check, NotNeededError
from promoter import github, postgres, shell
from promoter.config import Service
from promoter.errors import ConfigurationError, PromoterError
from promoter.ledger import schema
from promoter.ledger.connection import connect
from promoter.settings import Settings

DEPLOYMENTS = Path(__file__).parents[2] / "prefect.yaml"
PATIENCE = 10.0
"""Seconds that Prefect's server may take to answer."""
ALIVE = "ONLINE"
"""The status of a pool or a worker that has given a sign of life."""


def checks(services: Sequence[Service]) -> Iterator[Check]:
    """Yield what has to be so whatever is promoted."""
    yield Check("git", partial(_program, "git", "Install it."))
    yield Check("uv", partial(_program, "uv", "It makes the environments of the services; `pip install uv`."))
    yield Check("PostgreSQL for tests and rehearsals", lambda: str(postgres.binaries()))
    yield Check("Buildx", partial(_buildx, services))
    yield Check("ledger", _ledger)
    yield Check("Prefect: server", _server)
    yield Check("Prefect: deployments", _deployments)
    yield Check("Prefect: work pool", _pool)
    yield Check("Prefect: workers", _workers)
    yield Check("gateway", partial(_gateway, services))
    yield Check("GitHub: credentials", partial(_github, services))


def _program(name: str, hint: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ConfigurationError(f"there is no `{name}` on PATH", hint=hint)
    return found


def _buildx(services: Sequence[Service]) -> str:
    if not any(service.image.builder == "buildx" for service in services):
        raise NotNeededError("no service builds with it")
    return shell.run(["docker", "buildx", "version"]).stdout.strip()


def _ledger() -> str:
    with connect() as ledger:
        schema.check(ledger)
    return f"at revision {schema.head()}"


def _server() -> str:
    return f"version {_ask('GET', '/admin/version')} at {prefect_api.url()}"


def _deployments() -> str:
    wanted = {one["name"] for one in YAML(typ="safe").load(DEPLOYMENTS)["deployments"]}
    missing = wanted - {one["name"] for one in _ask("POST", "/deployments/filter", {})}
    if missing:
        raise ConfigurationError(f"missing: {', '.join(sorted(missing))}", hint="Run `prefect deploy --all`.")
    return f"all {len(wanted)} of prefect.yaml"


def _pool() -> str:
    name = _pool_name()
    found = next((one for one in _ask("POST", "/work_pools/filter", {}) if one["name"] == name), None)
    if found is None:
        raise ConfigurationError(
            f"there is no work pool {name!r}", hint=f"`prefect work-pool create {name} --type process`."
        )
    if found["is_paused"]:
        raise ConfigurationError(f"{name!r} is paused", hint=f"`prefect work-pool resume {name}`.")
    return f"{name!r}, of type {found['type']}"


def _workers() -> str:
    name = _pool_name()
    found = _ask("POST", f"/work_pools/{name}/workers/filter", {})
    alive = [one["name"] for one in found if one["status"] == ALIVE]
    if not alive:
        raise PromoterError(
            f"nobody works for {name!r}: {len(found)} known, none alive",
            hint=f"`prefect worker start --pool {name}` where Docker, git and the AWS role are.",
        )
    return f"{len(alive)} alive: {', '.join(alive)}"


def _gateway(services: Sequence[Service]) -> str:
    if not any(service.github is not None for service in services):
        raise NotNeededError("no service has a [github] table")
    if Settings().webhook_secret is None:
        raise NotNeededError("PROMOTER_WEBHOOK_SECRET is not set here; it has to be where `promoter gateway` runs")
    return "the secret is set"


def _github(services: Sequence[Service]) -> str:
    repositories = sorted({service.github.repository for service in services if service.github is not None})
    if not repositories:
        raise NotNeededError("no service has a [github] table")
    known = github.credentials(Settings())
    if known is None:
        raise NotNeededError("neither PROMOTER_GITHUB_TOKEN nor PROMOTER_GITHUB_APP_ID is set: nothing is shown there")
    from promoter.github.client import Client  # noqa: PLC0415 - PyGithub is imported where something is asked

    return "; ".join(Client(repository, known).check() for repository in repositories)


def _pool_name() -> str:
    return str(YAML(typ="safe").load(DEPLOYMENTS)["definitions"]["work_pool"]["name"])


def _ask(method: str, path: str, query: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - what Prefect's API answers
    try:
        with prefect_api.client() as client:
            return client.request(method, path, json=query, timeout=PATIENCE).raise_for_status().json()
    except httpx.HTTPError as error:
        hint = "Is it up, and is PREFECT_API_AUTH_STRING right?"
        raise PromoterError(f"{prefect_api.url()}{path}: {error}", hint=hint) from error
