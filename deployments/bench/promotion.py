"""A promotion against the work it consists of, done by hand: tests, build, migration, ECS rollout."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deployments import progress, runs
from deployments.bench.result import Result
from deployments.sandbox import sandbox
from deployments.sandbox.sample.repository import SampleRepository
from deployments.sandbox.sample.scenarios import Scenario
from promoter import config, dependencies, git, images, postgres, remotes, shell
from promoter.config import Service
from promoter.ecs import EcsService, task_definitions
from promoter.errors import PromoterError
from promoter.images import BuildPlan
from promoter.secrets import DatabaseCredentials
from promoter.settings import Settings
from tasks import clients

LIMIT = 1.25
BRANCH = "test"


@dataclass
class Work:
    """The underlying work of a promotion, each part timed in seconds."""

    service: Service
    checkout: Path
    commit: str
    mirror: Path
    times: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the time of the block to `part`."""
        began = time.monotonic()
        yield
        self.times[part] = time.monotonic() - began

    def run(self, argv: tuple[str, ...], credentials: DatabaseCredentials, variables: dict[str, str]) -> None:
        """Run a command of the service in its own environment."""
        rule = self.service.dependencies
        target = dependencies.environment(self.checkout, rule, cache=Settings().cache, groups=rule.groups)
        env = {**target.variables(self.checkout), **variables}
        env |= credentials.variables(self.service.database.variables)
        shell.run(argv, cwd=self.checkout, env=env)

    def test(self) -> None:
        """Run migrations, code quality and tests on a PostgreSQL of their own."""
        rule = self.service.checks
        with self.timed("tests"), postgres.temporary_server() as server:
            database = postgres.create_database(server, "test")
            for argv in (("alembic", "upgrade", "heads"), *rule.quality, rule.test):
                self.run(argv, database, rule.variables)

    def build(self) -> str:
        """Build and push the image; return its pinned reference."""
        rule = self.service.image
        plan = BuildPlan(
            repository=rule.repository,
            tag="v0.0.0-bench",
            commit=self.commit,
            build_time=git.commit_time(self.mirror, self.commit),
            platforms=self.service.rule(BRANCH).platforms,
            checkout=self.checkout,
            dependencies=self.service.dependencies,
        )
        with self.timed("build and push"):
            builder = images.builder_for(rule, clients.login(rule))
            return builder.push(plan, builder.build(plan)).reference

    def migrate(self) -> None:
        """Run the pending migration on the environment's database."""
        environment = self.service.environment("staging")
        credentials = clients.database(self.service, environment)
        with self.timed("migration"):
            self.run(("alembic", "upgrade", "heads"), credentials, environment.variables)

    def roll_out(self, image: str) -> None:
        """Let the service run `image` and wait until ECS says COMPLETED."""
        environment = self.service.environment("staging")
        ecs = EcsService(clients.ecs(environment, "deploy"), clients.logs(environment, "deploy"), environment)
        with self.timed("ECS rollout"):
            answer = ecs.definition(ecs.describe().task_definition)
            allowed = task_definitions.fields(ecs.client)
            request = task_definitions.request(
                answer, container=environment.container, image=image, promotion="bench", allowed=allowed
            )
            ecs.update(ecs.register(request, "bench"))
            _until(lambda: (primary := ecs.describe().primary) is not None and primary.rollout_state == "COMPLETED")


def measure() -> Result:
    """Promote commits with a migration each, then do the same work for another one by hand, on one sandbox."""
    with tempfile.TemporaryDirectory(prefix="promoter-bench-") as name:
        folder = Path(name, "sandbox")
        running = sandbox.up(folder)
        before = dict(os.environ)
        os.environ.update(running.variables)
        try:
            return _compare(folder)
        finally:
            os.environ.clear()
            os.environ.update(before)
            sandbox.down(folder)


def _compare(folder: Path) -> Result:
    service = config.find("sample-api", Settings().services)
    repository = SampleRepository.create(folder / "remote.git", folder / "sample")
    _promote(service, _push(repository))  # the first one fills the caches that the work by hand finds full
    promotion = _promote(service, _push(repository))
    commit = _push(repository)
    mirror = remotes.mirror(service.repository, Settings().cache)
    with git.checkout(mirror, commit) as checkout:
        work = Work(service, checkout, commit, mirror)
        work.test()
        image = work.build()
        work.migrate()
        work.roll_out(image)
    times = {"promotion": promotion, **work.times}
    return Result("promotion ÷ its underlying work", promotion / sum(work.times.values()), LIMIT, times)


def _push(repository: SampleRepository) -> str:
    commit = repository.commit(Scenario.NEW_MIGRATION, BRANCH)
    repository.push(BRANCH)
    return commit


def _promote(service: Service, commit: str) -> float:
    """Return how long a promotion takes from its acceptance to its end, in seconds."""
    run = runs.promote(service, BRANCH, commit)
    _until(lambda: progress.read(run).has_ended)
    ended = progress.read(run).promotion
    if ended is None or ended.ended_at is None or ended.outcome != "released":
        raise PromoterError(f"the promotion to be measured was not released: {ended and ended.cause}")
    return (ended.ended_at - ended.accepted_at).total_seconds()


def _until(holds: Callable[[], bool], patience: float = 300) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise PromoterError(f"nothing came in {patience:g} s")
        time.sleep(0.1)
