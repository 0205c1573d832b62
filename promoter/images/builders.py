"""The one seam of image builders, and the policy that holds for every image, whoever built it."""

import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from promoter.bounds import is_inside
from promoter.config import Dependencies, ImageRule
from promoter.discretion import remember
from promoter.errors import ImageError
from promoter.records import Image
from promoter.registry import Registry

BUILDERS = {"buildx": "promoter.images.buildx:BuildxBuilder", "layers": "promoter.images.layers:LayersBuilder"}
"""Where each builder of the configuration is; it is made with an ImageRule and a Login or None."""
LATEST = "latest"


@dataclass(frozen=True)
class Login:
    """Who Promoter is at the registry; safe to print, and from now on this process never says the password."""

    username: str
    password: SecretStr

    def __post_init__(self) -> None:
        remember(self.password.get_secret_value())


@dataclass(frozen=True)
class BuildPlan:
    """Everything that an image is made of: equal plans give equal images."""

    repository: str
    """`ghcr.io/owner/name`."""
    tag: str
    """`v1.0.3-test`; also what the image calls its version."""
    commit: str
    """40 hexadecimal digits."""
    build_time: datetime
    """The date of the commit, with its time zone; a clock would give every build another digest."""
    platforms: tuple[str, ...]
    """`linux/amd64`, …"""
    checkout: Path
    """The commit's files."""
    dependencies: Dependencies
    """Where the locked dependencies are, from `checkout`."""
    context: str = "."
    """The folder that the image is made of, from `checkout`."""
    source: str | None = None
    """Where the sources are published, a web address; credentials in it are left out."""

    @property
    def context_folder(self) -> Path:
        """The folder that the image is made of; raises ImageError where a link of the commit leads out of the checkout."""
        folder = self.checkout / self.context
        if not is_inside(folder, self.checkout):
            raise ImageError(
                f"the image's context {self.context!r} leaves the checkout",
                hint="A file of this machine would get into the image. Commit the folder itself.",
            )
        return folder

    @property
    def reference(self) -> str:
        """`repository:tag`."""
        return f"{self.repository}:{self.tag}"

    @property
    def created(self) -> str:
        """`build_time` as RFC 3339 in UTC, to the second."""
        return self.build_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def arguments(self) -> dict[str, str]:
        """The build arguments, which are also environment variables of an image without a Dockerfile."""
        return {"BUILD_VERSION": self.tag, "BUILD_COMMIT": self.commit, "BUILD_TIME": self.created}

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the OCI image specification names for an image's origin."""
        published = _published(self.source)
        return {
            **({"org.opencontainers.image.source": published} if published else {}),
            "org.opencontainers.image.version": self.tag,
            "org.opencontainers.image.revision": self.commit,
            "org.opencontainers.image.created": self.created,
        }


@dataclass(frozen=True)
class Built:
    """An image that is ready to be pushed."""

    folder: Path | None = None
    """Where its parts are, as an OCI image layout; None where the builder keeps them itself."""
    digest: str | None = None
    """`sha256:…` of the index; None where only the registry will tell."""


class Builder(Protocol):
    """Makes an image of a plan and pushes it once."""

    def build(self, plan: BuildPlan) -> Built:
        """Prepare everything and push no tag; may run while the tests run. Raises ImageError."""

    def push(self, plan: BuildPlan, built: Built) -> Image:
        """Push `plan.tag` unless it is there, and return the image with the digest that the registry then has.

        A tag that is there with the same digest is done; one with another digest is an ImageError: a tag never moves.
        """

    def try_out(self, plan: BuildPlan) -> str:
        """Build as for a push, write nothing to the registry, and keep nothing; return the digest. Raises ImageError."""


def builder_for(rule: ImageRule, login: Login | None = None) -> Builder:
    """Return the builder that the configuration names."""
    builder: Builder = pkgutil.resolve_name(BUILDERS[rule.builder])(rule, login)
    return builder


def open_registry(rule: ImageRule, login: Login | None = None) -> Registry:
    """Return a client of the rule's repository."""
    return Registry(
        rule.repository,
        username=login.username if login else None,
        password=login.password if login else None,
        insecure=rule.insecure,
    )


def is_pushed(registry: Registry, tag: str, digest: str) -> bool:
    """Return whether `tag` already names `digest`; raise ImageError where it names something else."""
    present = registry.digest(tag)
    if present not in {None, digest}:
        raise ImageError(
            f"{registry.repository}:{tag} is there already as {present}, and this build is {digest}",
            hint="A tag is pushed once and never moved. Take the next version, or find out who pushed this one.",
        )
    return present is not None


def pushed_image(registry: Registry, plan: BuildPlan, digest: str) -> Image:
    """Return the image that `plan.tag` names; raise ImageError where that is not `digest` for the plan's platforms."""
    present = registry.digest(plan.tag)
    if present != digest:
        raise ImageError(f"{plan.reference} was pushed as {digest}, and the registry has {present or 'nothing'} there")
    platforms = registry.platforms(digest)
    if missing := sorted(set(plan.platforms) - set(platforms)):
        raise ImageError(f"{plan.reference} is not built for {', '.join(missing)}, but for {', '.join(platforms)}")
    return Image(plan.repository, plan.tag, digest, platforms)


def refuse_root(registry: Registry, digest: str, platforms: Sequence[str]) -> None:
    """Raise ImageError where the image runs as root, by name, by number or by saying nothing, on any platform."""
    for platform in platforms:
        user = str((registry.config(digest, platform).get("config") or {}).get("User") or "")
        if _is_root(user):
            raise ImageError(
                f"{registry.repository}@{digest} runs as {f'user {user!r}' if user else 'root, for want of a user'}"
                f" on {platform}",
                hint="End the Dockerfile with USER and a name or number that is not root's.",
            )


def move_latest(registry: Registry, digest: str) -> tuple[str | None, str]:
    """Let `:latest` name `digest`, with all its platforms; return the digests that it named before and names now."""
    before = registry.digest(LATEST)
    if before != digest:
        registry.tag(digest, LATEST)
    return before, digest


def _published(source: str | None) -> str | None:
    """Return a web address without credentials; None for anything else, such as a path of this machine."""
    address = urlsplit(source or "")
    if address.scheme not in {"http", "https"}:
        return None
    return urlunsplit(address._replace(netloc=address.netloc.rpartition("@")[2]))


def _is_root(user: str) -> bool:
    name = user.partition(":")[0].strip()
    return name in {"", "root"} or (name.isdecimal() and int(name) == 0)
