"""What one service needs: its remote, its registry, and in each environment ECS, secret, database and health."""

from collections.abc import Iterator
from functools import partial

from deployments.doctor import permissions
from deployments.doctor.examination import Check
from promoter import images, probe, remotes
from promoter.config import Environment, Service
from promoter.ecs import EcsService, exposure, task_definitions
from promoter.errors import HealthError, RepositoryError
from promoter.postgres import read_schema
from tasks import clients
from tasks.observation import read_heads


def checks(service: Service) -> Iterator[Check]:
    """Yield what has to be so for `service`, environment by environment."""
    yield Check(f"{service.name}: git remote", partial(_remote, service))
    yield Check(f"{service.name}: registry", partial(_registry, service))
    for name, environment in service.environments.items():
        place = f"{service.name}/{name}"
        yield Check(f"{place}: ECS service", partial(_ecs, environment))
        yield Check(f"{place}: secret and database", partial(_database, service, environment))
        yield Check(f"{place}: schema can be read", partial(_schema, service, environment))
        yield Check(f"{place}: health", partial(_health, service, environment))
    yield from permissions.checks(service)


def _remote(service: Service) -> str:
    heads = remotes.heads(service.repository)
    wanted = [rule.pattern for rule in service.branches if "*" not in rule.pattern]
    missing = [branch for branch in wanted if branch not in heads]
    if missing:
        raise RepositoryError(
            f"{service.repository} has no branch {', '.join(missing)}", hint="Push it, or mend [[branches]]."
        )
    return f"{len(heads)} branches at {service.repository}"


def _registry(service: Service) -> str:
    with clients.registry(service.image) as registry:
        latest = registry.digest(images.LATEST)
    return f"{service.image.repository}, `:latest` is {latest or 'not there yet'}"


def _ecs(environment: Environment) -> str:
    ecs = EcsService(clients.ecs(environment), clients.logs(environment), environment)
    state = ecs.check()
    exposure.refuse(ecs.definition(state.task_definition), environment.plain_variables)
    return f"{task_definitions.name(state.task_definition)}, {state.desired_count} wanted"


def _database(service: Service, environment: Environment) -> str:
    return f"at {', '.join(read_heads(service, environment)) or 'no revision'}"


def _schema(service: Service, environment: Environment) -> str:
    text = read_schema(clients.database(service, environment))
    return f"{text.count('CREATE TABLE')} tables: rehearsals start from them, and a way back is compared with them"


def _health(service: Service, environment: Environment) -> str:
    answer = probe.ask(environment.health_url, service.health)
    if answer.kind != "right":
        raise HealthError(
            f"{environment.health_url}: {answer.detail}", hint="Mend the service, or `health_url` and [health]."
        )
    return answer.detail
