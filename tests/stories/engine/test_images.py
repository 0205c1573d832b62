"""Images on a real engine: `.ci/engine DIR`, then `source DIR/environment`. PROMOTER_REQUIRE_ENGINE=1 lets nothing skip."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from promoter import shell
from promoter.config import ImageRule
from promoter.errors import ImageError
from promoter.images import BuildPlan, Built, move_latest
from promoter.images.buildx import BuildxBuilder, build_argv
from promoter.registry import Registry
from promoter.settings import Settings

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine")]

BOTH = ("linux/amd64", "linux/arm64")


def test_an_image_for_two_platforms_is_named_only_by_its_push(
    rule: ImageRule, registry: Registry, make_plan: Callable[..., BuildPlan]
) -> None:
    """Built beside the tests, pushed when they are good: the same digest, both platforms, where each was really made."""
    plan, builder = make_plan(), BuildxBuilder(rule)

    built = builder.build(plan)
    before = registry.tags()
    image = builder.push(plan, built)

    assert (before, registry.tags()) == ([], ["v1.0.5"])
    assert (image.digest, image.platforms) == (built.digest, BOTH)
    assert registry.digest("v1.0.5") == built.digest
    machines = [_run(registry, image.digest, platform, "cat", "/machine") for platform in BOTH]
    assert machines == ["x86_64", "aarch64"]
    assert built.folder is not None
    assert not built.folder.exists()


def test_a_build_that_is_only_tried_leaves_nothing_behind(
    rule: ImageRule, registry: Registry, make_plan: Callable[..., BuildPlan]
) -> None:
    """No tag, no cache, no folder: only the digest."""
    tried = BuildxBuilder(rule).try_out(make_plan(platforms=("linux/amd64",)))

    assert tried.startswith("sha256:")
    assert registry.tags() == []
    with Registry(f"{rule.repository}-cache", insecure=True) as cache:
        assert cache.tags() == []
    assert not list((Settings().cache / "images").iterdir())


def test_the_image_says_where_it_comes_from(
    rule: ImageRule, registry: Registry, make_plan: Callable[..., BuildPlan]
) -> None:
    """Version, commit and date are in its labels and its environment, and its provenance stands beside it."""
    plan, builder = make_plan(platforms=("linux/amd64",)), BuildxBuilder(rule)

    image = builder.push(plan, builder.build(plan))

    config = registry.config(image.digest, "linux/amd64")
    assert {name: value for name, value in config["config"]["Labels"].items() if name in plan.labels} == plan.labels
    assert "VERSION=v1.0.5" in config["config"]["Env"]
    assert config["created"] == plan.created
    entries = registry.manifest(image.digest).document["manifests"]
    kinds = [entry.get("annotations", {}).get("vnd.docker.reference.type") for entry in entries]
    assert kinds == [None, "attestation-manifest"]


def test_a_second_engine_takes_every_step_from_the_registry(
    rule: ImageRule, make_plan: Callable[..., BuildPlan], tmp_path: Path
) -> None:
    """With nothing left on the machine, no step runs again: each is said to be cached, or its layers are downloaded."""
    plan = make_plan()
    BuildxBuilder(rule).build(plan)
    shell.run(["docker", "buildx", "prune", "--all", "--force"])
    shell.run(["docker", "system", "prune", "--all", "--force"])

    said = shell.run(build_argv(plan, rule, tmp_path)).stderr

    steps = dict(re.findall(r"^#(\d+) (\[.* \d/\d\] (?:RUN|COPY).*)$", said, re.MULTILINE))
    taken = set(re.findall(r"^#(\d+) (?:CACHED$|sha256:)", said, re.MULTILINE))
    assert len(steps) >= len(BOTH)
    assert [step for number, step in steps.items() if number not in taken] == []


def test_latest_is_the_same_index(rule: ImageRule, registry: Registry, make_plan: Callable[..., BuildPlan]) -> None:
    """`:latest` moves by manifest, so it keeps every platform."""
    plan, builder = make_plan(), BuildxBuilder(rule)
    image = builder.push(plan, builder.build(plan))

    moved = move_latest(registry, image.digest)

    assert moved == (None, image.digest)
    assert registry.digest("latest") == image.digest
    assert registry.platforms("latest") == BOTH


@pytest.mark.parametrize("user", ["root", "0", "0:10001"])
def test_an_image_that_runs_as_root_gets_no_name(
    rule: ImageRule, registry: Registry, make_plan: Callable[..., BuildPlan], user: str
) -> None:
    """It is refused before anybody could deploy it."""
    plan, builder = make_plan(user=user, platforms=("linux/amd64",)), BuildxBuilder(rule)
    built = builder.build(plan)

    with pytest.raises(ImageError, match="runs as"):
        builder.push(plan, built)

    assert registry.tags() == []


def test_an_interrupted_promotion_finds_its_image(
    rule: ImageRule, registry: Registry, make_plan: Callable[..., BuildPlan]
) -> None:
    """What this commit pushed under this tag is not built again; a build that was lost is."""
    plan, builder = make_plan(platforms=("linux/amd64",)), BuildxBuilder(rule)

    first = builder.push(plan, Built(folder=plan.checkout / "gone"))
    again = builder.build(plan)

    assert again == Built(digest=first.digest)
    assert builder.push(plan, again) == first
    assert registry.tags() == ["v1.0.5"]


def test_the_tag_of_another_commit_is_not_touched(
    rule: ImageRule, registry: Registry, make_plan: Callable[..., BuildPlan]
) -> None:
    """Before anything is built, the number's holder is named."""
    plan, builder = make_plan(platforms=("linux/amd64",)), BuildxBuilder(rule)
    image = builder.push(plan, builder.build(plan))
    registry.tag(image.digest, "v1.0.6")

    with pytest.raises(ImageError, match="not of commit dddd"):
        builder.build(replace(make_plan(tag="v1.0.6", platforms=("linux/amd64",)), commit="d" * 40))

    assert registry.digest("v1.0.6") == image.digest


def test_a_broken_dockerfile_shows_its_step(rule: ImageRule, make_plan: Callable[..., BuildPlan]) -> None:
    """The error ends with what the failing step said."""
    plan = make_plan(platforms=("linux/amd64",))
    (plan.checkout / "Dockerfile").write_text("FROM python:3.11-slim\nRUN python -c 'raise SystemExit(\"no luck\")'\n")

    with pytest.raises(ImageError, match="no luck"):
        BuildxBuilder(rule).build(plan)


def _run(registry: Registry, digest: str, platform: str, *command: str) -> str:
    reference = f"{registry.repository}@{digest}"
    return shell.run(["docker", "run", "--rm", "--network", "host", "--platform", platform, reference, *command]).stdout
