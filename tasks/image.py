"""Builds the image while the tests run, and pushes it once when they are good."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect import task
from prefect.cache_policies import NO_CACHE

from promoter import git, images, remotes
from promoter.config import BranchRule, Service
from promoter.images import Builder, BuildPlan, Built
from promoter.ledger import reservations
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.records import Image, TestReport, Version
from promoter.settings import Settings
from tasks import clients
from tasks.stage import is_transient, recorded, stage


@task(retries=3, retry_delay_seconds=[1, 5, 15], retry_condition_fn=is_transient, cache_policy=NO_CACHE)
def build_image(promotion: Promotion, version: Version) -> Built | None:
    """Build the image and push nothing; None where the number has its image already.

    What it makes is only a cache: it is no stage of the ledger, and building again costs time, nothing else.
    """
    if recorded(promotion, publish_image.name) is not None or _pushed_earlier(promotion, version) is not None:
        return None
    with planned(promotion.service, promotion.rule, version) as plan:
        return builder(promotion.service).build(plan)


@stage()
def publish_image(promotion: Promotion, version: Version, report: TestReport, built: Built | None) -> Image:
    """Push the tested image under its number and read its digest back; the number is bound to that digest for ever.

    Raises ImageError if the tag holds another digest, or if the image runs as root.
    """
    if report.failed:
        msg = "nothing is pushed whose tests fail"
        raise ValueError(msg)
    image = _pushed_earlier(promotion, version) or _push(promotion, version, built)
    with clients.registry(promotion.service.image) as registry:
        images.refuse_root(registry, image.digest, image.platforms)
    with connect() as ledger:
        reservations.pin(ledger, promotion.service.name, image.tag, image.digest)
    return image


@contextmanager
def planned(service: Service, rule: BranchRule, version: Version) -> Iterator[BuildPlan]:
    """Yield the plan of the image of a commit, in a checkout of its own that is gone afterwards."""
    mirror = remotes.mirror(service.repository, Settings().cache)
    with git.checkout(mirror, version.commit) as folder:
        yield BuildPlan(
            repository=service.image.repository,
            tag=version.tag,
            commit=version.commit,
            build_time=git.commit_time(mirror, version.commit),
            platforms=rule.platforms,
            checkout=folder,
            dependencies=service.dependencies,
            context=service.image.context,
        )


def builder(service: Service) -> Builder:
    """Return the builder of the service's images, with our login at the registry."""
    return images.builder_for(service.image, clients.login(service.image))


def _push(promotion: Promotion, version: Version, built: Built | None) -> Image:
    with planned(promotion.service, promotion.rule, version) as plan:
        maker = builder(promotion.service)
        return maker.push(plan, built or maker.build(plan))


def _pushed_earlier(promotion: Promotion, version: Version) -> Image | None:
    """Return the image of an earlier promotion of the same commit: a number names one digest, so it is not built twice."""
    with connect() as ledger:
        digest = reservations.pinned(ledger, promotion.service.name, version.tag)
    if digest is None:
        return None
    with clients.registry(promotion.service.image) as registry:
        if registry.digest(version.tag) != digest:
            return None
        return Image(registry.repository, version.tag, digest, registry.platforms(digest))
