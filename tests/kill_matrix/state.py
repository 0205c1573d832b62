"""Everything that a promotion may change, read from the real parts of a sandbox at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from deployments.sandbox import remote
from promoter import images, postgres
from promoter.config import Service
from promoter.ecs import EcsService, task_definitions
from promoter.ecs.state import Deployment, TaskState
from promoter.ledger.connection import connect
from tasks import clients
from tasks.observation import Observation, observe

LOOKED_UP = 5
"""How many of the newest numbers the registry is asked for; it keeps the older ones as they were."""
TAGS = ("for-each-ref", "--format=%(refname:short) %(*objectname)", "refs/tags")


@dataclass(frozen=True)
class Number:
    """A version as the ledger has it, and what the registry and git make of it."""

    commit: str
    digest: str | None
    """What the number is bound to, None before its image was pushed."""
    pushed: str | None
    """What the registry has under it."""
    verified: bool
    """Whether a promotion of its commit passed the commit point."""
    tagged: str | None
    """The commit of its git tag."""


@dataclass(frozen=True)
class State:
    """One environment, its database, the names of its releases, and its line in the ledger."""

    observed: Observation
    schema: str
    """Of the database, as `pg_dump` writes it."""
    deployments: tuple[Deployment, ...]
    tasks: tuple[TaskState, ...]
    """Of the service's family that are not yet STOPPED."""
    latest: str | None
    tags: Mapping[str, str]
    """tag → commit at the remote."""
    numbers: Mapping[str, Number]
    """What was reserved, by tag."""
    epoch: int
    holder: UUID | None
    frozen: str | None


@dataclass(frozen=True)
class Life:
    """Of one task, in seconds since 1970."""

    made: float
    stopped: float | None
    """None for one that is not."""


def read(service: Service, name: str) -> State:
    """Look at everything; nothing is changed."""
    environment = service.environment(name)
    ecs = EcsService(clients.ecs(environment), clients.logs(environment), environment)
    tags = _tags(Path(service.repository))
    with clients.registry(service.image) as registry:
        latest = registry.digest(images.LATEST)
    epoch, holder, frozen = _environment(service, name)
    return State(
        observed=observe(service, name),
        schema=postgres.dump_schema(clients.database(service, environment)),
        deployments=ecs.describe().deployments,
        tasks=_tasks(ecs),
        latest=latest,
        tags=tags,
        numbers=_numbers(service, tags),
        epoch=epoch,
        holder=holder,
        frozen=frozen,
    )


def lives(service: Service, name: str, definition: str) -> list[Life]:
    """Return when each task of `definition` was made and STOPPED."""
    environment = service.environment(name)
    client = clients.ecs(environment)
    family = task_definitions.family(definition)
    found = []
    for status in ("RUNNING", "STOPPED"):
        arns = client.list_tasks(cluster=environment.cluster, family=family, desiredStatus=status)["taskArns"]
        answer = client.describe_tasks(cluster=environment.cluster, tasks=arns)["tasks"] if arns else []
        found += [one for one in answer if one["taskDefinitionArn"] == definition]
    return [
        Life(one["createdAt"].timestamp(), one["stoppedAt"].timestamp() if "stoppedAt" in one else None)
        for one in found
    ]


def _tasks(ecs: EcsService) -> tuple[TaskState, ...]:
    family = ecs.environment.family
    found = ecs.list_tasks(family=family, desiredStatus="RUNNING") + ecs.list_tasks(
        family=family, desiredStatus="STOPPED"
    )
    return tuple(task for task in ecs.read_tasks(found) if task.last_status != "STOPPED")


def _tags(repository: Path) -> dict[str, str]:
    lines = remote.git(repository, *TAGS).stdout.splitlines()
    return dict(line.split(" ", 1) for line in lines)


def epoch(service: Service, name: str) -> int:
    """Return how often the environment was taken."""
    return _environment(service, name)[0]


def _environment(service: Service, name: str) -> tuple[int, UUID | None, str | None]:
    with connect() as ledger:
        row = ledger.execute(
            "SELECT epoch, holder, frozen_reason FROM environments WHERE service = %s AND environment = %s",
            [service.name, name],
        ).fetchone()
    return (0, None, None) if row is None else (row["epoch"], row["holder"], row["frozen_reason"])


def _numbers(service: Service, tags: Mapping[str, str]) -> dict[str, Number]:
    query = """
    SELECT tag, commit, digest, EXISTS (
        SELECT 1 FROM promotions JOIN pushes ON pushes.id = push
        WHERE pushes.commit = versions.commit AND pushes.branch = versions.branch AND verified_at IS NOT NULL
    ) AS verified
    FROM versions WHERE service = %s ORDER BY reserved_at DESC
    """
    with connect() as ledger:
        rows = ledger.execute(query, [service.name]).fetchall()
    with clients.registry(service.image) as registry:
        pushed = {row["tag"]: registry.digest(row["tag"]) for row in rows[:LOOKED_UP]}
    return {
        row["tag"]: Number(
            row["commit"],
            row["digest"],
            pushed.get(row["tag"], row["digest"]),
            row["verified"],
            tags.get(row["tag"]),
        )
        for row in rows
    }
