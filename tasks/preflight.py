"""Looks at everything a release will touch, before anything is touched."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from prefect import task
from prefect.cache_policies import NO_CACHE

from promoter import probe, remotes
from promoter.ecs import exposure, task_definitions
from promoter.errors import ImageError, ReleaseError
from promoter.ledger.promotions import Promotion
from promoter.records import Version
from promoter.registry import Registry, split
from promoter.schema import migrations
from tasks import clients
from tasks.services import service_of
from tasks.stage import is_transient


@task(retries=3, retry_delay_seconds=[1, 5, 15], retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def check_environment(promotion: Promotion, version: Version) -> None:
    """Raise the error of the first thing that would stop this release, or its way back, later.

    Looked at: secret and database, service and container, its plain variables, the image that the old release would start from, the registry's
    credentials, the git tag, the health URL.
    """
    if promotion.ended_at is not None or promotion.verified_at is not None:
        return
    looks: tuple[Callable[[Promotion, Version], object], ...] = (
        _check_database,
        _check_definition,
        _check_registry,
        _check_tag,
        _check_health_url,
    )
    with ThreadPoolExecutor(len(looks)) as pool:
        for answer in [pool.submit(look, promotion, version) for look in looks]:
            answer.result()


def _check_database(promotion: Promotion, _version: Version) -> None:
    credentials = clients.database(promotion.service, promotion.environment, str(promotion.id))
    migrations.heads(credentials, version_table=promotion.service.migrations.version_table)


def _check_registry(promotion: Promotion, version: Version) -> None:
    with clients.registry(promotion.service.image) as registry:
        registry.digest(version.tag)


def _check_health_url(promotion: Promotion, _version: Version) -> None:
    probe.check(promotion.environment.health_url)


def _check_definition(promotion: Promotion, _version: Version) -> None:
    """Refuse a release that would show a secret, and one that could not be undone, since the image to go back to is gone."""
    environment = promotion.environment
    ecs = service_of(promotion, None)  # the deployer: a role that cannot be assumed stops the release here
    definition = ecs.definition(ecs.check().task_definition)
    exposure.refuse(definition, environment.plain_variables)
    image = task_definitions.image(definition, environment.container)
    name, _, digest = image.partition("@")
    repository, tag = _without_tag(name)
    if split(repository)[0] != split(promotion.service.image.repository)[0]:
        return  # another registry, whose credentials are the service's own
    with clients.registry(promotion.service.image.model_copy(update={"repository": repository})) as registry:
        _require(registry, digest or tag, image)


def _require(registry: Registry, reference: str, image: str) -> None:
    if registry.digest(reference) is None:
        raise ImageError(
            f"the image that runs now, {image}, is gone from the registry: there would be no way back to it",
            hint="Push it again, or deploy a release that is there, before promoting.",
        )


def _without_tag(name: str) -> tuple[str, str]:
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")


def _check_tag(promotion: Promotion, version: Version) -> None:
    tagged = remotes.tagged(promotion.push.repository, version.tag)
    if tagged not in {None, version.commit}:
        raise ReleaseError(
            f"tag {version.tag} exists in {promotion.push.repository} for commit {tagged}, this is {version.commit}",
            hint="Tags never move. Delete the wrong one, or let a new commit take the next number.",
        )
