"""The story: what is pushed, what has to come of it, and what was seen."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deployments import progress
from deployments.progress import Progress
from deployments.sandbox.sample.repository import SampleRepository
from deployments.sandbox.sample.scenarios import Scenario
from promoter import images, remotes, summary
from promoter.config import Service
from promoter.health import accepted_versions
from promoter.records import Version
from tasks import clients
from tasks.observation import Observation, observe

ERROR = "TypeError: can't subtract offset-naive and offset-aware datetimes"
"""What the service of the broken release writes to its log when it answers 500; the cause has to show it."""
PATIENCE = 180.0
"""Seconds after which a push that nobody promotes is given up."""
Watch = Callable[[Callable[[], Progress]], Progress]
"""Shows a promotion until it has ended, and returns it as it is then."""


@dataclass(frozen=True)
class Chapter:
    """One push and what has to come of it."""

    title: str
    branch: str
    push: Callable[[SampleRepository], str]
    """Makes and pushes the commit, and returns it."""
    expected: Mapping[str, Any]
    """What has to be seen, by name; see `look`."""


@dataclass(frozen=True)
class Result:
    """One step of the report: done right where `seen` is `expected`."""

    step: str
    expected: Mapping[str, Any]
    seen: Mapping[str, Any]
    stages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything that was expected was seen."""
        return all(self.seen.get(name) == value for name, value in self.expected.items())


def _feature(*scenarios: Scenario) -> Callable[[SampleRepository], str]:
    def push(repository: SampleRepository) -> str:
        branch = f"feat/{scenarios[-1].name.lower().replace('_', '-')}"
        for scenario in scenarios:
            repository.commit(scenario, branch)
        repository.push(branch)
        return repository.merge(branch, "dev")

    return push


def _merge(source: str, into: str) -> Callable[[SampleRepository], str]:
    return lambda repository: repository.merge(source, into)


def _broken(repository: SampleRepository) -> str:
    for scenario in (Scenario.NEW_MIGRATION, Scenario.HEALTH_500):
        repository.commit(scenario, "feat/health-500")
    return repository.merge("feat/health-500", "test")


CHAPTERS = (
    Chapter(
        "feat/new-migration is merged and pushed to dev: version and tests, nothing else",
        "dev",
        _feature(Scenario.GOOD, Scenario.NEW_MIGRATION),
        {"outcome": "released", "image": "none", "tag": "none", "staging": "unchanged", "production": "unchanged"},
    ),
    Chapter(
        "dev is merged into test: built, migrated, rolled out to staging, verified, tagged",
        "test",
        _merge("dev", "test"),
        {
            "outcome": "released",
            "image": "in the registry",
            "tag": "on the commit",
            "latest": "unmoved",
            "staging": "the new release",
            "staging schema": "migrated",
            "production": "unchanged",
        },
    ),
    Chapter(
        "test is merged into main: production, and :latest",
        "main",
        _merge("test", "main"),
        {
            "outcome": "released",
            "image": "in the registry",
            "tag": "on the commit",
            "latest": "the new release",
            "production": "the new release",
            "production schema": "migrated",
            "staging": "unchanged",
        },
    ),
    Chapter(
        "a release with a migration that answers 500 is pushed to test: staging goes back by itself",
        "test",
        _broken,
        {
            "outcome": "rolled_back",
            "tag": "none",
            "latest": "unmoved",
            "staging": "unchanged",
            "staging schema": "unchanged",
            "production": "unchanged",
            "cause": "told",
        },
    ),
)


def tell(chapter: Chapter, service: Service, repository: SampleRepository, watch: Watch) -> Result:
    """Push, watch what the push starts, and compare what is seen afterwards with what is expected."""
    before = world(service)
    ended = watch(_promotion(service, chapter.branch, chapter.push(repository)))
    seen = {"outcome": "crashed", "cause": ended.crashed}
    if ended.promotion is not None:
        seen = look(service, ended, before, world(service))
    return Result(chapter.title, chapter.expected, seen, summary.table(ended.steps))


def _promotion(service: Service, branch: str, commit: str) -> Callable[[], Progress]:
    """Return what looks how far the promotion of a push is; one that never begins ends as crashed."""
    deadline = time.monotonic() + PATIENCE

    def look() -> Progress:
        found = progress.of_push(service, branch, commit)
        if found.promotion is None and time.monotonic() > deadline:
            where = "remote.git/webhook.log and logs/ in the sandbox's folder say how far it came"
            return replace(found, crashed=f"nobody promotes the push after {PATIENCE:g} s: {where}")
        return found

    return look


def look(service: Service, ended: Progress, before: "World", after: "World") -> dict[str, Any]:
    """Return what came of a promotion, in the words of `Chapter.expected` and with the facts beside them."""
    promotion = ended.promotion
    version = next((step.result for step in ended.steps if isinstance(step.result, Version)), None)
    assert promotion is not None  # noqa: S101 - the caller saw it
    tag = version.tag if version else ""
    digest = after.digest_of(service, tag)
    tagged = remotes.tagged(service.repository, tag) if tag else None
    seen: dict[str, Any] = {
        "outcome": promotion.outcome,
        "version": tag,
        "commit": promotion.push.commit,
        "image": "in the registry" if digest else "none",
        "digest": digest,
        "tag": "on the commit" if tagged == promotion.push.commit else tagged or "none",
        "latest": "unmoved"
        if after.latest == before.latest
        else "the new release"
        if after.latest == digest
        else after.latest,
    }
    for name, now in after.environments.items():
        then = before.environments[name]
        new = (
            now.healthy and now.digest == digest and now.version in accepted_versions(tag or "-", promotion.push.branch)
        )
        seen[name] = "the new release" if new else "unchanged" if now == then else str(now)
        seen[f"{name} schema"] = "unchanged" if now.heads == then.heads else "migrated"
    if promotion.cause:
        seen["cause"] = "told" if ERROR in promotion.cause else "not told"
        seen["cause in full"] = promotion.cause
    return seen


@dataclass(frozen=True)
class World:
    """Everything a promotion may change, at one moment."""

    environments: dict[str, Observation]
    latest: str | None

    def digest_of(self, service: Service, tag: str) -> str | None:
        """Return the digest of a tag in the registry, None where it is not there."""
        with clients.registry(service.image) as registry:
            return registry.digest(tag) if tag else None


def world(service: Service) -> World:
    """Look at everything a promotion may change."""
    with clients.registry(service.image) as registry:
        latest = registry.digest(images.LATEST)
    return World({name: observe(service, name) for name in service.environments}, latest)
