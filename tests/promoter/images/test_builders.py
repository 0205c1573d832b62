"""The policy of images: a tag never moves, root is refused, `:latest` keeps its platforms, a push is not believed."""

import gzip
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import SecretStr

from deployments.sandbox.registry import Running, start
from promoter.config import Dependencies, ImageRule
from promoter.errors import ImageError
from promoter.images import (
    BUILDERS,
    BuildPlan,
    Login,
    builder_for,
    is_pushed,
    move_latest,
    oci,
    open_registry,
    pushed_image,
    refuse_root,
)
from promoter.records import Image
from promoter.registry import Registry

BOTH = ("linux/amd64", "linux/arm64")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve an open registry; each test has a repository of its own."""
    running = start(tmp_path_factory.mktemp("registry"))
    yield running
    running.stop()


@pytest.fixture
def registry(server: Running) -> Iterator[Registry]:
    """Open a repository of the registry."""
    with open_registry(ImageRule(repository=f"{server.host}/{uuid.uuid4().hex}/api", insecure=True)) as opened:
        yield opened


@pytest.fixture
def plan(registry: Registry, tmp_path: Path) -> BuildPlan:
    """Plan an image for both platforms."""
    return BuildPlan(
        repository=registry.repository,
        tag="v1.0.3-test",
        commit="4f6e0b1d2c3a495867fe01234567890abcdef123",
        build_time=datetime(2025, 9, 12, 15, 45, 23, tzinfo=timezone(timedelta(hours=2))),
        platforms=BOTH,
        checkout=tmp_path,
        dependencies=Dependencies(tool="poetry"),
    )


def push(registry: Registry, *users: str | None) -> str:
    """Push an image without a name, with one user for each platform, and return its digest."""
    layer = gzip.compress(b"", mtime=0)
    registry.push_blob(layer)
    entries = []
    for platform, user in zip(BOTH, users, strict=True):
        own = {} if user is None else {"User": user}
        config = oci.encode({**oci.platform_fields(platform), "config": own})
        registry.push_blob(config)
        parts = {"config": oci.descriptor(oci.CONFIG, config), "layers": [oci.descriptor(oci.LAYER, layer)]}
        body = oci.encode({"schemaVersion": 2, "mediaType": oci.MANIFEST, **parts})
        registry.put_manifest(oci.digest_of(body), body, oci.MANIFEST)
        entries.append({**oci.descriptor(oci.MANIFEST, body), "platform": oci.platform_fields(platform)})
    index = oci.encode({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": entries})
    return registry.put_manifest(oci.digest_of(index), index, oci.INDEX)


def test_build_time_is_the_commits_in_utc(plan: BuildPlan) -> None:
    """The build arguments come from the commit, so that the same commit gives the same image."""
    assert plan.arguments == {
        "BUILD_VERSION": "v1.0.3-test",
        "BUILD_COMMIT": "4f6e0b1d2c3a495867fe01234567890abcdef123",
        "BUILD_TIME": "2025-09-12T13:45:23Z",
    }


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("https://user:token@github.com/a/b.git", "https://github.com/a/b.git"),
        ("git@github.com:a/b.git", None),
        ("/srv/git/b.git", None),
        (None, None),
    ],
)
def test_the_source_label_is_a_web_address_without_credentials(
    plan: BuildPlan, source: str | None, label: str | None
) -> None:
    """A token in the remote's address does not get into the image; nor does a path of this machine."""
    assert replace(plan, source=source).labels.get("org.opencontainers.image.source") == label


@pytest.mark.parametrize("user", ["10001", "app", "app:root", "1000:0", "rootless", "01"])
def test_an_ordinary_user_is_let_through(registry: Registry, user: str) -> None:
    """A name or a number that is not root's may run, whatever its group."""
    refuse_root(registry, push(registry, user, user), BOTH)


@pytest.mark.parametrize("user", ["", "0", "root", "0:0", "root:staff", "000", None])
def test_root_is_refused(registry: Registry, user: str | None) -> None:
    """Root by name, by number and by saying nothing is refused, on one platform of two as well."""
    digest = push(registry, "10001", user)

    with pytest.raises(ImageError, match=r"runs as .*root|runs as user '0") as caught:
        refuse_root(registry, digest, BOTH)
    assert "on linux/arm64" in caught.value.message


def test_a_tag_is_pushed_once(registry: Registry) -> None:
    """A tag that is absent may be pushed, the same one is done, another one is an error."""
    digest, other = push(registry, "10001", "10001"), push(registry, "10002", "10002")

    assert not is_pushed(registry, "v1.0.3-test", digest)
    registry.tag(digest, "v1.0.3-test")
    assert is_pushed(registry, "v1.0.3-test", digest)
    with pytest.raises(ImageError, match=f"is there already as {digest}, and this build is {other}"):
        is_pushed(registry, "v1.0.3-test", other)


def test_latest_says_what_it_named_before(registry: Registry) -> None:
    """Moving `:latest` tells both digests, keeps all platforms, and does nothing the second time."""
    first, second = push(registry, "10001", "10001"), push(registry, "10002", "10002")

    moves = [move_latest(registry, digest) for digest in (first, second, second)]

    assert moves == [(None, first), (first, second), (second, second)]
    assert registry.platforms("latest") == BOTH


def test_the_pushed_image_is_read_back(registry: Registry, plan: BuildPlan) -> None:
    """The record of an image is what the registry has, not what a program said it pushed."""
    digest = push(registry, "10001", "10001")

    with pytest.raises(ImageError, match="the registry has nothing there"):
        pushed_image(registry, plan, digest)
    registry.tag(digest, plan.tag)
    assert pushed_image(registry, plan, digest) == Image(plan.repository, plan.tag, digest, BOTH)
    with pytest.raises(ImageError, match="is not built for linux/s390x"):
        pushed_image(registry, replace(plan, platforms=(*BOTH, "linux/s390x")), digest)


@pytest.mark.parametrize("name", BUILDERS)
def test_every_builder_of_the_configuration_can_be_made(name: str) -> None:
    """The names in the configuration lead to builders, with or without a login."""
    layers = {"include": ["app"], "command": ["app"]}
    rule = ImageRule.model_validate({"repository": "ghcr.io/a/b", "builder": name, "layers": layers})

    for login in (None, Login("writer", SecretStr("w:ord"))):
        assert callable(builder_for(rule, login).push)


def test_a_login_prints_no_password() -> None:
    """What is shown of a login is the name."""
    assert "w:ord" not in repr(Login("writer", SecretStr("w:ord")))


def test_one_moment_is_written_in_one_way(plan: BuildPlan) -> None:
    """The time zone of the commit does not show in the image."""
    assert replace(plan, build_time=datetime(2025, 9, 12, 13, 45, 23, tzinfo=UTC)).created == plan.created
