"""Images without a daemon: the same plan gives the same digest, and nothing gets in that should not."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.sandbox.registry import Running, start
from promoter.config import Dependencies, ImageRule, Layers
from promoter.errors import ChecksError, ImageError
from promoter.images import BuildPlan, builder_for, move_latest, open_registry
from promoter.images.layers import LayersBuilder
from promoter.registry import Registry, split

BOTH = ("linux/amd64", "linux/arm64")
COMMIT = "4f6e0b1d2c3a495867fe01234567890abcdef123"
DIGEST = r"sha256:[0-9a-f]{64}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve an open registry; each test has a repository of its own."""
    running = start(tmp_path_factory.mktemp("registry"))
    yield running
    running.stop()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Write a service with an empty lock file."""
    folder = tmp_path / "checkout"
    (folder / "service").mkdir(parents=True)
    (folder / "service" / "__main__.py").write_text("print('ready')\n")
    (folder / "start.sh").write_text("#!/bin/sh\n")
    (folder / "start.sh").chmod(0o700)
    (folder / "service" / "again.py").symlink_to("__main__.py")
    (folder / "pyproject.toml").write_text('[project]\nname = "service"\nversion = "0"\nrequires-python = ">=3.11"\n')
    (folder / "uv.lock").write_text(LOCK)
    return folder


LOCK = """\
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "service"
version = "0"
source = { virtual = "." }
"""


@pytest.fixture
def plan(server: Running, checkout: Path) -> BuildPlan:
    """Plan an image for both platforms."""
    return BuildPlan(
        repository=f"{server.host}/{uuid.uuid4().hex}/api",
        tag="v1.0.3-test",
        commit=COMMIT,
        build_time=datetime(2025, 9, 12, 13, 45, 23, tzinfo=UTC),
        platforms=BOTH,
        checkout=checkout,
        dependencies=Dependencies(tool="uv"),
        source="https://user:secret@example.org/morpheus/api.git",
    )


@pytest.fixture
def rule(plan: BuildPlan) -> ImageRule:
    """Describe an image without a base."""
    layers = Layers(include=("service", "start.sh"), command=("python", "-m", "service"), variables={"MODE": "fast"})
    return ImageRule(repository=plan.repository, builder="layers", insecure=True, layers=layers)


@pytest.fixture
def registry(rule: ImageRule) -> Iterator[Registry]:
    """Open the repository that the image goes to."""
    with open_registry(rule) as opened:
        yield opened


def changed(rule: ImageRule, **layers: object) -> ImageRule:
    """Return `rule` with another description of its layers."""
    described = (rule.layers or Layers(include=(), command=("x",))).model_copy(update=layers)
    return rule.model_copy(update={"layers": described})


def test_one_plan_gives_one_digest(plan: BuildPlan, rule: ImageRule, tmp_path: Path) -> None:
    """Another run with an empty cache, later, gives the image that is already there."""
    first = LayersBuilder(rule, cache=tmp_path / "one")
    image = first.push(plan, first.build(plan))
    for path in plan.checkout.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)

    second = LayersBuilder(rule, cache=tmp_path / "two")

    assert second.build(plan).digest == image.digest
    assert second.push(plan, second.build(plan)) == image
    assert image.platforms == BOTH


def test_a_build_names_nothing(plan: BuildPlan, rule: ImageRule, registry: Registry, tmp_path: Path) -> None:
    """Before the push the registry has no tag: the tests may still fail."""
    LayersBuilder(rule, cache=tmp_path).build(plan)

    assert registry.tags() == []


def test_an_image_that_is_only_tried_asks_the_registry_nothing(
    plan: BuildPlan, rule: ImageRule, tmp_path: Path
) -> None:
    """It has the digest that a build would have, also where no registry answers."""
    silent = rule.model_copy(update={"repository": "127.0.0.1:1/api"})

    tried = LayersBuilder(silent, cache=tmp_path).try_out(plan)

    assert tried == LayersBuilder(rule, cache=tmp_path).build(plan).digest


def test_another_process_pushes_what_was_built(plan: BuildPlan, rule: ImageRule, tmp_path: Path) -> None:
    """A resumed promotion has only the record of its build, and that is enough."""
    built = LayersBuilder(rule, cache=tmp_path).build(plan)

    assert LayersBuilder(rule, cache=tmp_path).push(plan, built).digest == built.digest


def test_sources_that_changed_after_the_build_are_not_pushed(
    plan: BuildPlan, rule: ImageRule, registry: Registry, tmp_path: Path
) -> None:
    """What was tested is what is pushed, or nothing is."""
    built = LayersBuilder(rule, cache=tmp_path).build(plan)
    (plan.checkout / "service" / "__main__.py").write_text("print('other')\n")

    with pytest.raises(ImageError, match=f"was built as {DIGEST}, and its sources now give {DIGEST}"):
        LayersBuilder(rule, cache=tmp_path).push(plan, built)
    assert registry.tags() == []


def test_the_configuration_says_how_the_image_runs(
    plan: BuildPlan, rule: ImageRule, registry: Registry, tmp_path: Path
) -> None:
    """Variables, command, user, port and labels are those of the plan and the rule, without the source's password."""
    builder = LayersBuilder(rule, cache=tmp_path)
    image = builder.push(plan, builder.build(plan))

    config = registry.config(image.digest, "linux/arm64")

    assert (config["os"], config["architecture"], config["created"]) == ("linux", "arm64", "2025-09-12T13:45:23Z")
    assert config["config"] == {
        "Env": [
            f"BUILD_COMMIT={COMMIT}",
            "BUILD_TIME=2025-09-12T13:45:23Z",
            "BUILD_VERSION=v1.0.3-test",
            "MODE=fast",
            "PATH=/opt/dependencies/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH=/app:/opt/dependencies",
        ],
        "WorkingDir": "/app",
        "Cmd": ["python", "-m", "service"],
        "User": "10001",
        "ExposedPorts": {"8080/tcp": {}},
        "Labels": {
            "org.opencontainers.image.version": "v1.0.3-test",
            "org.opencontainers.image.revision": COMMIT,
            "org.opencontainers.image.created": "2025-09-12T13:45:23Z",
            "org.opencontainers.image.source": "https://example.org/morpheus/api.git",
        },
    }
    assert len(config["rootfs"]["diff_ids"]) == len(config["history"]) == 2


def test_latest_keeps_both_platforms(plan: BuildPlan, rule: ImageRule, registry: Registry, tmp_path: Path) -> None:
    """`:latest` moves by manifest, so no platform is lost."""
    builder = LayersBuilder(rule, cache=tmp_path)
    image = builder.push(plan, builder.build(plan))

    assert move_latest(registry, image.digest) == (None, image.digest)
    assert move_latest(registry, image.digest) == (image.digest, image.digest)
    assert registry.platforms("latest") == BOTH


def test_a_tag_is_never_moved(plan: BuildPlan, rule: ImageRule, registry: Registry, tmp_path: Path) -> None:
    """Another commit cannot take a tag that is there, not even by a builder that knew of no other."""
    builder = LayersBuilder(rule, cache=tmp_path)
    other = replace(plan, commit="0" * 40)
    built = builder.build(other)
    image = builder.push(plan, builder.build(plan))

    for attempt in (lambda: builder.push(other, built), lambda: builder.build(other)):
        with pytest.raises(ImageError, match=r"v1\.0\.3-test is there already"):
            attempt()
    assert registry.digest(plan.tag) == image.digest


def test_root_is_refused_before_the_tag_exists(
    plan: BuildPlan, rule: ImageRule, registry: Registry, tmp_path: Path
) -> None:
    """An image that would run as root never gets a name."""
    builder = LayersBuilder(changed(rule, user="root:staff"), cache=tmp_path)

    with pytest.raises(ImageError, match="runs as user 'root:staff' on linux/amd64"):
        builder.push(plan, builder.build(plan))
    assert registry.tags() == []


def test_a_base_image_lends_its_layers_and_its_variables(
    plan: BuildPlan, rule: ImageRule, registry: Registry, server: Running, tmp_path: Path
) -> None:
    """The layers of a base image come first; its variables stay unless ours say otherwise."""
    below = rule.model_copy(update={"repository": f"{server.host}/{uuid.uuid4().hex}/python"})
    base = LayersBuilder(changed(below, variables={"MODE": "slow", "LANG": "C.UTF-8"}), cache=tmp_path)
    base_plan = replace(plan, repository=below.repository, tag="3.11-slim")
    base.push(base_plan, base.build(base_plan))

    builder = LayersBuilder(changed(rule, base=f"{split(below.repository)[1]}:3.11-slim"), cache=tmp_path)
    image = builder.push(plan, builder.build(plan))
    config = registry.config(image.digest, "linux/amd64")

    assert len(registry.platform_manifest(image.digest, "linux/amd64").document["layers"]) == 4
    assert len(config["rootfs"]["diff_ids"]) == 4
    assert {"LANG=C.UTF-8", "MODE=fast"} < set(config["config"]["Env"])


def test_a_missing_lock_file_stops_the_build(plan: BuildPlan, rule: ImageRule, tmp_path: Path) -> None:
    """Without a lock file nothing is built, whatever an earlier build has left in the cache."""
    builder = LayersBuilder(rule, cache=tmp_path)
    builder.build(plan)
    (plan.checkout / "uv.lock").unlink()

    with pytest.raises(ChecksError, match=r"uv\.lock does not exist"):
        builder.build(plan)


def test_the_configuration_chooses_the_builder(rule: ImageRule) -> None:
    """`builder = "layers"` is this one."""
    assert isinstance(builder_for(rule), LayersBuilder)
