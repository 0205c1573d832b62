"""What this machine and the servers around it need: programs, the ledger, Prefect's server, deployments, pool and workers."""

import os
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import httpx
from ruamel.yaml import YAML

from deployments import pools, prefect_api
from deployments.doctor.examination import Check, NotNeededError
from promoter import github, postgres, shell
from promoter.config import Service
from promoter.errors import ConfigurationError, PromoterError
from promoter.ledger import schema
from promoter.ledger.connection import connect
from promoter.settings import Settings

PATIENCE = 10.0
"""Seconds that Prefect's server may take to answer."""
ALIVE = "ONLINE"
"""The status of a pool or a worker that has given a sign of life."""
IN_MEMORY = "memory"
"""Of a server's settings: what this names is in one process only, and gone when that ends."""
SHARED = {
    "events": ("events", "messaging_broker"),
    "the events seen": ("events", "messaging_cache"),
    "the order of events": ("events", "causal_ordering"),
    "leases": ("concurrency", "lease_storage"),
    "messages to workers": ("worker_channel", "cleanup_queue_storage"),
    "work put off": ("docket", "url"),
}
"""What several replicas of a server have to share, and the setting that says where it is."""


def checks(services: Sequence[Service]) -> Iterator[Check]:
    """Yield what has to be so whatever is promoted."""
    yield Check("git", partial(_program, "git", "Install it."))
    yield Check("uv", partial(_program, "uv", "It makes the environments of the services; `pip install uv`."))
    yield Check("PostgreSQL for tests and rehearsals", lambda: str(postgres.binaries()))
    yield Check("Buildx", partial(_buildx, services))
    yield Check("ledger", _ledger)
    yield Check("Prefect: server", _server)
    yield Check("Prefect: database", _database)
    yield Check("Prefect: what replicas share", _shared)
    yield Check("Prefect: deployments", _deployments)
    yield Check("Prefect: work pool", _pool)
    yield Check("Prefect: job template", _job_template)
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
    theirs, ours = _ask("GET", "/admin/version"), version("prefect")
    if theirs != ours:
        raise ConfigurationError(
            f"it is version {theirs}, and here is {ours}",
            hint="Let server, workers and command line be of one version: the one of requirements.lock.",
        )
    return f"version {theirs} at {prefect_api.url()}"


def _database() -> str:
    kind = (_settings()["database"]["driver"] or "").partition("+")[0]
    if not kind:
        raise NotNeededError("the server was given an address, and does not tell it")
    if kind != "postgresql":
        raise ConfigurationError(f"it is {kind}", hint="Give the server a PostgreSQL: docs/server.md.")
    return kind


def _shared() -> str:
    """Say whether a second replica, or the same one after its end, would know what this one knows."""
    settings = _settings()
    kept = {what: str(settings[group][name]) for what, (group, name) in SHARED.items()}
    in_memory = [what for what, where in kept.items() if IN_MEMORY in where]
    if len(in_memory) == len(kept):
        raise NotNeededError("one server: it keeps events, leases and messages in its memory")
    if in_memory:
        raise ConfigurationError(
            f"in the memory of one process: {', '.join(in_memory)}",
            hint="Put it into Redis with the rest: docs/server.md.",
        )
    return "in Redis"


def _deployments() -> str:
    wanted = {one["name"] for one in YAML(typ="safe").load(pools.DEPLOYMENTS)["deployments"]}
    missing = wanted - {one["name"] for one in _ask("POST", "/deployments/filter", {})}
    if missing:
        raise ConfigurationError(f"missing: {', '.join(sorted(missing))}", hint="Run `prefect deploy --all`.")
    return f"all {len(wanted)} of prefect.yaml"


def _pool() -> str:
    found = _read_pool()
    if found["is_paused"]:
        raise ConfigurationError(f"{found['name']!r} is paused", hint=f"`prefect work-pool resume {found['name']}`.")
    return f"{found['name']!r}, of type {found['type']}"


def _job_template() -> str:
    found = _read_pool()
    kind = found["type"]
    if kind not in pools.WORKERS:
        raise NotNeededError(f"nothing here says what a pool of type {kind} should have")
    try:
        wanted = pools.describe(kind, os.environ)
    except ConfigurationError as error:
        raise NotNeededError(f"it cannot be compared here: {error.message}") from error
    if different := sorted(pools.differences(wanted, found["base_job_template"])):
        raise ConfigurationError(
            f"other than deployments/pools/{kind}.yaml: {', '.join(different)}", hint=f"`promoter pool {kind}`."
        )
    return f"as deployments/pools/{kind}.yaml has it"


def _read_pool() -> dict[str, Any]:
    name = pools.name()
    for found in _ask("POST", "/work_pools/filter", {}):
        if found["name"] == name:
            return dict(found)
    raise ConfigurationError(f"there is no work pool {name!r}", hint="`promoter pool process`.")


def _workers() -> str:
    name = pools.name()
    found = _ask("POST", f"/work_pools/{name}/workers/filter", {})
    alive = [one["name"] for one in found if one["status"] == ALIVE]
    if not alive:
        raise PromoterError(
            f"nobody works for {name!r}: {len(found)} known, none alive",
            hint="`promoter worker` where Docker, git and the AWS role are.",
        )
    if len(alive) == 1:
        return f"1 alive: {alive[0]}; with a second one nothing waits when it ends"
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


def _settings() -> dict[str, Any]:
    """Return what the server tells of its own settings; secrets are masked there."""
    return dict(_ask("GET", "/admin/settings")["server"])


def _ask(method: str, path: str, query: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - what Prefect's API answers
    with prefect_api.client(PATIENCE) as client:
        try:
            return client.request(method, path, json=query).raise_for_status().json()
        except httpx.HTTPError as error:
            raise PromoterError(
                f"{prefect_api.url()}{path}: {error}", hint="Is it up, and is PREFECT_API_AUTH_STRING right?"
            ) from error
