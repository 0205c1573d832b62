"""From a feature branch to production: what a push to each branch does, and what it leaves alone."""

from pathlib import Path

import pytest

from deployments.sandbox import remote
from deployments.sandbox.sample.scenarios import Scenario
from promoter import remotes
from promoter.records import Image
from tasks import clients
from tests.stories.conftest import Stage

pytestmark = [pytest.mark.xdist_group("other sandbox"), pytest.mark.slow]


def test_dev_is_versioned_and_tested_and_nothing_else(stage: Stage) -> None:
    """Nothing is built, nothing is tagged, no environment moves."""
    before = stage.world()

    told = stage.promote("dev", stage.push(Scenario.GOOD))

    assert told.promotion.outcome == "released"
    assert [step.stage for step in told.steps] == ["compute_version", "run_checks"]
    assert told.tag.endswith("-dev")
    assert stage.world() == before
    assert before.digest_of(stage.service, told.tag) is None
    assert remotes.tagged(stage.service.repository, told.tag) is None
    assert told.state() == "Completed"


def test_test_releases_to_staging_and_leaves_production_alone(stage: Stage) -> None:
    """What was built is what runs, under a tag on its commit; `:latest` stays where it was."""
    before = stage.world()
    stage.push(Scenario.NEW_MIGRATION)

    told = stage.promote("test", stage.repository.merge("dev", "test"))

    after = stage.world()
    image, staging = told.result("publish_image"), after.environments["staging"]
    assert told.promotion.outcome == "released"
    assert told.promotion.verified_at is not None
    assert told.tag.endswith("-test")
    assert (staging.version, staging.image, staging.healthy) == (told.tag, image.reference, True)
    assert staging.image == f"{stage.service.image.repository}:{told.tag}@{after.digest_of(stage.service, told.tag)}"
    assert staging.heads == told.result("migrate").after != before.environments["staging"].heads
    assert image.platforms == stage.service.rule("test").platforms
    assert remotes.tagged(stage.service.repository, told.tag) == told.promotion.push.commit
    assert after.environments["production"] == before.environments["production"]
    assert after.latest == before.latest
    assert set(told.artifacts()) == {"markdown", "table"}


def test_main_releases_to_production_for_all_platforms_and_moves_latest(stage: Stage) -> None:
    """`:latest` is the index that was verified, and the version is clean."""
    stage.push(Scenario.GOOD)
    stage.repository.merge("dev", "test")
    before = stage.world()

    told = stage.promote("main", stage.repository.merge("test", "main"))

    after = stage.world()
    image, production = told.result("publish_image"), after.environments["production"]
    assert told.promotion.outcome == "released"
    assert told.tag == "v1.1.0"
    assert production.image == image.reference
    assert production.version == told.tag
    assert after.latest == production.digest == image.digest
    assert platforms(stage, image) == set(stage.service.rule("main").platforms) >= {"linux/amd64", "linux/arm64"}
    assert after.environments["staging"] == before.environments["staging"]
    assert tag_of(Path(stage.service.repository), told.tag) == ("tag", told.promotion.push.commit)


def test_cicd_builds_and_changes_no_environment(stage: Stage) -> None:
    """The image is in the registry under its number, and that is all."""
    before = stage.world()
    commit = stage.repository.commit(Scenario.GOOD, "cicd/cache")
    stage.repository.push("cicd/cache")

    told = stage.promote("cicd/cache", commit)

    after = stage.world()
    assert told.promotion.outcome == "released"
    assert told.tag.endswith("-cache")
    assert after.digest_of(stage.service, told.tag) == told.result("publish_image").digest
    assert after == before
    assert remotes.tagged(stage.service.repository, told.tag) is None


def platforms(stage: Stage, image: Image) -> set[str]:
    """Return the platforms that `:latest` has in the registry."""
    with clients.registry(stage.service.image) as registry:
        assert registry.digest("latest") == image.digest
        return set(registry.platforms("latest"))


def tag_of(repository: Path, tag: str) -> tuple[str, str]:
    """Return the type of a git tag, `tag` where it is annotated, and the commit it leads to."""
    kind = remote.git(repository, "cat-file", "-t", f"refs/tags/{tag}").stdout.strip()
    return kind, remote.git(repository, "rev-parse", f"refs/tags/{tag}^{{commit}}").stdout.strip()
