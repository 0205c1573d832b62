"""Chooses what runs the migrations of a commit, as the service's file says: a process here, or a task of the commit's image."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from promoter import dependencies, git, remotes
from promoter.ecs import EcsService, one_off, task_definitions
from promoter.errors import SchemaError
from promoter.ledger import releases
from promoter.ledger.connection import connect
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Promotion
from promoter.schema import migrations
from promoter.schema.runners import Runner, SubprocessRunner
from promoter.schema.task_runner import TaskRunner
from promoter.secrets import DatabaseCredentials
from promoter.settings import Settings
from tasks import clients
from tasks.services import service_of


@contextmanager
def runner_of(promotion: Promotion, lease: Lease, commit: str, purpose: str) -> Iterator[Runner]:
    """Yield the runner of `commit`: only the code that has a migration knows its way up and its way down.

    `purpose` is the stage, in a word: what an ECS task is started for.
    """
    mirror = remotes.mirror(promotion.push.repository, Settings().cache)
    with git.checkout(mirror, commit) as folder:
        if promotion.service.migrations.runner == "subprocess":
            yield _process(promotion, folder)
        else:
            yield _task(promotion, lease, commit, purpose, folder)


def end_orphans(promotion: Promotion, lease: Lease, credentials: DatabaseCredentials) -> None:
    """End what a killed process left at work on the database, before anybody reads its revision."""
    if promotion.service.migrations.runner == "ecs-task":
        one_off.end(service_of(promotion, lease), _name(promotion))
    migrations.end_orphans(credentials)


def _process(promotion: Promotion, folder: Path) -> SubprocessRunner:
    service = promotion.service
    target = dependencies.environment(
        folder, service.dependencies, cache=Settings().cache, groups=service.dependencies.groups
    )
    return SubprocessRunner(
        python=target.python,
        checkout=folder,
        rule=service.migrations,
        variables={
            **target.variables(folder / service.migrations.directory),
            **promotion.environment.variables,
        },
        templates=service.database.variables,
    )


def _task(promotion: Promotion, lease: Lease, commit: str, purpose: str, folder: Path) -> TaskRunner:
    ecs = service_of(promotion, lease)
    return TaskRunner(
        checkout=folder,
        rule=promotion.service.migrations,
        service=ecs,
        definition=partial(_definition, promotion, ecs, commit),
        started_by=_name(promotion),
        purpose=purpose,
        variables=promotion.environment.variables,
        secrets=partial(clients.hidden_spellings, promotion.service, promotion.environment, str(promotion.id)),
    )


def _definition(promotion: Promotion, ecs: EcsService, commit: str) -> str:
    """Return the ARN of a task definition with the image of `commit`; the promotion's own is the one that is rolled out later.

    It is registered here where it is not yet: that changes nothing that runs, and `register` finds it by its tag.
    """
    name, own = promotion.environment_name, commit == promotion.push.commit and promotion.rollback_to is None
    with connect() as ledger:
        found = releases.built(ledger, promotion.service.name, name, commit)
    if found is None:
        raise SchemaError(
            f"no image of {commit[:12]} was ever published for {name}, so its migrations cannot run as a task of it",
            hint='Nothing was changed. Set `runner = "subprocess"` in [migrations] for this way back.',
        )
    live = ecs.describe().task_definition
    tag = str(promotion.id) if own else f"{promotion.id}/{commit[:12]}"
    request = task_definitions.request(
        ecs.definition(live if own else found.definition or live),
        container=promotion.environment.container,
        image=found.image.reference,
        promotion=tag,
        allowed=task_definitions.fields(ecs.client),
        plain=promotion.environment.plain_variables,
    )
    return ecs.register(request, tag)


def _name(promotion: Promotion) -> str:
    """Return what tells the tasks of one promotion from all others."""
    return f"promoter/{promotion.id}"
