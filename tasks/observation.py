"""Looks at what really runs in an environment, without changing anything."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from promoter import probe
from promoter.config import Environment, Service
from promoter.ecs import EcsService, task_definitions
from promoter.health import Answer
from promoter.schema import migrations
from tasks import clients

T = TypeVar("T")


@dataclass(frozen=True)
class Observation:
    """One environment at one moment."""

    environment: str
    version: str | None
    """The version in the health answer; None where there was none."""
    health: str
    """One line: what the health answer said."""
    healthy: bool
    image: str
    """The image reference in the running task definition."""
    definition: str
    """`family:revision` of the running task definition."""
    heads: tuple[str, ...]
    """The schema revisions of its database."""

    @property
    def digest(self) -> str | None:
        """`sha256:…` of the running image; None where the definition does not pin it."""
        return Running(self.definition, self.image).digest


@dataclass(frozen=True)
class Running:
    """What ECS says."""

    definition: str
    """`family:revision` of the running task definition."""
    image: str
    """The image reference in it."""

    @property
    def digest(self) -> str | None:
        """`sha256:…` of the image; None where the definition does not pin it."""
        return self.image.partition("@")[2] or None


@dataclass(frozen=True)
class Glance:
    """One environment at one moment, as far as it can be seen: each part is what was found, or why it cannot be reached."""

    health: Answer | Exception
    ecs: Running | Exception
    database: tuple[str, ...] | Exception
    """The schema revisions."""


def observe(service: Service, name: str) -> Observation:
    """Ask the health URL, ECS and the database of an environment; raise the error of the first that cannot be reached."""
    environment = service.environment(name)
    answer, running, heads = _ask(service, environment), _running(environment), read_heads(service, environment)
    return Observation(
        name, answer.version, answer.detail, answer.kind == "right", running.image, running.definition, heads
    )


def glance(service: Service, name: str) -> Glance:
    """Ask the three at once, and take what answers."""
    environment = service.environment(name)
    with ThreadPoolExecutor(max_workers=3) as pool:
        health = pool.submit(attempt, partial(_ask, service, environment))
        ecs = pool.submit(attempt, partial(_running, environment))
        database = pool.submit(attempt, partial(read_heads, service, environment))
        return Glance(health.result(), ecs.result(), database.result())


def attempt(look: Callable[[], T]) -> T | Exception:
    """Return what `look` finds, or its error."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - whatever it meets is told, and hides no other part
        return error


def _ask(service: Service, environment: Environment) -> Answer:
    return probe.ask(environment.health_url, service.health)


def _running(environment: Environment) -> Running:
    ecs = EcsService(clients.ecs(environment), clients.logs(environment), environment)
    arn = ecs.describe().task_definition
    return Running(task_definitions.name(arn), task_definitions.image(ecs.definition(arn), environment.container))


def read_heads(service: Service, environment: Environment) -> tuple[str, ...]:
    """Return the schema revisions of an environment's database; raise SchemaError or SecretError."""
    return migrations.heads(clients.database(service, environment), version_table=service.migrations.version_table)
