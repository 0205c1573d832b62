"""Looks at what really runs in an environment, without changing anything."""

from dataclasses import dataclass

from promoter import migrations, probe, task_definitions
from promoter.config import Environment, Service
from promoter.ecs import EcsService
from tasks import clients


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
        return self.image.partition("@")[2] or None


def observe(service: Service, name: str) -> Observation:
    """Ask the health URL, ECS and the database of an environment."""
    environment = service.environment(name)
    answer = probe.ask(environment.health_url, service.health)
    definition, image = _running(environment)
    heads = migrations.heads(clients.database(service, environment), version_table=service.migrations.version_table)
    return Observation(name, answer.version, answer.detail, answer.kind == "right", image, definition, heads)


def _running(environment: Environment) -> tuple[str, str]:
    ecs = EcsService(clients.ecs(environment), clients.logs(environment), environment)
    arn = ecs.describe().task_definition
    return task_definitions.name(arn), task_definitions.image(ecs.definition(arn), environment.container)
