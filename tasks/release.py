"""Gives a verified release its permanent names: the git tag, and on main `:latest`."""

from promoter import images, remotes
from promoter.ledger.leases import Lease, fence
from promoter.ledger.promotions import Promotion
from promoter.records import HealthReport, Image, Release, Version
from promoter.settings import Settings
from tasks import clients
from tasks.stage import Acting, stage


@stage(retries=5, delays=(1, 2, 5, 15, 30))
def tag_release(
    promotion: Promotion, lease: Lease, version: Version, image: Image, health: HealthReport
) -> Acting[Release]:
    """Push the annotated git tag; there already for the same commit is done, for another is a ReleaseError."""
    settings = Settings()
    mirror = remotes.mirror(promotion.push.repository, settings.cache)
    intent = yield Release(tag=version.tag, commit=version.commit, digest=image.digest)
    fence(lease)
    message = f"{version.tag}\n\n{image.reference}\nverified at {health.url} as {health.version}"
    remotes.push_tag(
        mirror,
        promotion.push.repository,
        intent.tag,
        intent.commit,
        message,
        name=settings.git_name,
        email=settings.git_email,
    )
    return intent


@stage(retries=5, delays=(1, 2, 5, 15, 30))
def move_latest(promotion: Promotion, lease: Lease, image: Image, release: Release) -> Acting[Release]:
    """Let `:latest` name the verified image, by its manifest, with all its platforms."""
    with clients.registry(promotion.service.image) as registry:
        intent = yield Release(
            tag=release.tag,
            commit=release.commit,
            digest=release.digest,
            latest_before=registry.digest(images.LATEST),
            latest=image.digest,
        )
        fence(lease)
        images.move_latest(registry, image.digest)
        return intent
