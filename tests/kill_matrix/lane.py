"""One sandbox, and the cases that are played on it one after the other."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from uuid import UUID

from deployments.sandbox import owner, remote, sandbox
from deployments.sandbox.sample.repository import SampleRepository
from deployments.sandbox.sample.scenarios import Scenario
from deployments.sandbox.sample.service import to_toml
from deployments.sandbox.sandbox import Sandbox
from flows import promote
from flows.recover import recover_all
from flows.rollback import rollback
from promoter import config
from promoter.config import Checks, Service
from promoter.errors import RolloutError
from promoter.ledger import promotions, steps
from promoter.ledger.connection import connect
from promoter.ledger.steps import Step
from promoter.settings import Settings
from tasks import clients
from tests.kill_matrix import animals, calls, child, state
from tests.kill_matrix.calls import Kill, Recorder
from tests.kill_matrix.cases import Case, Result
from tests.kill_matrix.invariants import Story, violations
from tests.kill_matrix.state import State

NAME = "sample-api"
BRANCH, ENVIRONMENT = "main", "production"
GOOD = (Scenario.NEW_MIGRATION,)
BROKEN = (*GOOD, Scenario.CRASH_AT_START)
TEST = "tests/test_quickly.py"
"""The one test of the service: what is tested is no matter here."""
LEASE = "2"
"""Seconds without a sign of life until another takes over; 30 outside of tests."""
KILLED = 9
TRIES = 3
KEPT = 12
"""How many lines of each process are told of a case that broke a promise."""
SENTENCES = (promote.promote_dev, promote.promote_cicd, promote.promote_test, promote.promote_main, rollback)


@dataclass
class Lane:
    """A sandbox of its own; whatever a case breaks stays in it."""

    folder: Path
    base: str = ""
    """The commit that runs; each case pushes a new one on top of it."""
    releases: int = 0
    """How many were promoted since the last rollback, the one that it went to included."""
    now: State | None = None
    """What the last case left."""
    zoo: str = ""
    """The schema that every animal meets, as `pg_dump` writes it; "" before the first came."""
    played: int = 0
    journals: list[Path] = field(default_factory=list)
    """Of the processes of the case that is played, in their order."""

    def open(self) -> None:
        """Bring a new sandbox up, whose service has quick checks and one platform."""
        running = _up(self.folder)
        os.environ.update({**running.variables, "PROMOTER_LEASE_SECONDS": LEASE})
        path = self.folder / "services" / f"{NAME}.toml"
        path.write_text(to_toml(_quick(config.load(path))))
        _thin_out(config.load(path))
        self.base = remote.git(self.folder / "remote.git", "rev-parse", BRANCH).stdout.strip()
        self.now, self.releases, self.zoo = None, 0, ""

    def play(self, case: Case) -> Result:
        """Play one case; where it breaks a promise, the next one gets a new sandbox."""
        began = time.monotonic()
        try:
            if case.plot == "rollback":
                self._release_twice()
            if case.animal:
                self._settle_the_zoo()
            began = time.monotonic()
            story, missed = self._play(case)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the other cases are played
            result = Result(case, "no end", (f"I1: {type(error).__name__}: {error}",), seconds=time.monotonic() - began)
        else:
            outcome = str(story.promotion.outcome) if story.promotion else "never accepted"
            promotion, recovery = (tuple(calls.read(journal)) for journal in self.journals[:2])
            seconds = time.monotonic() - began
            broken = [*violations(story), *(animals.violations(case.animal, story) if case.animal else ())]
            result = Result(case, outcome, tuple(broken), missed, seconds, promotion, recovery)
        if result.violations:
            result = replace(result, log=self._said())
            self.open()
        return result

    def _release_twice(self) -> None:
        """Make sure that there is a release to go back to."""
        while self.releases < 2:
            story, _ = self._play(Case("forward"))
            if story.promotion is None or story.promotion.outcome != "released":
                msg = f"there is nothing to go back to: {story.promotion and story.promotion.cause}"
                raise RuntimeError(msg)

    def _settle_the_zoo(self) -> None:
        """Let the environment be at the revision that every animal follows, whatever the last one left of it."""
        service = config.find(NAME, Settings().services)
        credentials = clients.database(service, service.environment(ENVIRONMENT))
        if self.zoo:
            animals.restore(credentials, self.zoo)
        else:
            (self.folder / "services" / f"{NAME}.toml").write_text(to_toml(_fearless(service)))
            story, _ = self._play(Case("forward", animal=animals.KEEPER))
            if story.promotion is None or story.promotion.outcome != "released":
                msg = f"the zoo has no ground to stand on: {story.promotion and story.promotion.cause}"
                raise RuntimeError(msg)
            self.zoo = story.after.schema
        self.now = None

    def _said(self) -> str:
        """Return the last lines of what each process of the case said."""
        logs = [journal.with_suffix(".log") for journal in self.journals]
        return "\n".join(
            line
            for log in logs
            if log.exists()
            for line in [log.stem, *log.read_text(errors="replace").splitlines()[-KEPT:]]
        )

    def _play(self, case: Case) -> tuple[Story, bool]:
        self.played += 1
        self.journals = []
        service = config.find(NAME, Settings().services)
        before, known = self.now or state.read(service, ENVIRONMENT), _promotions()
        action = self._action(case)
        missed, epochs = False, [before.epoch]
        for process, act, kill in (
            ("promotion", action, case.promotion),
            *([("recover", _recover, case.recovery)] if case.recovery else []),
            ("recover", _recover, None),
        ):
            code = self._run(process, act, kill)
            missed |= kill is not None and code != KILLED
            epochs.append(state.epoch(service, ENVIRONMENT))
        self._run("recover", recover_all, None)
        story = self._story(service, before, epochs, _promotions() - known)
        self._remember(story)
        return story, missed

    def _story(self, service: Service, before: State, epochs: list[int], new: set[UUID]) -> Story:
        with connect() as ledger:
            found = [promotions.get(ledger, promotion) for promotion in new]
            recorded = [step for promotion in new for step in steps.of(ledger, promotion)]
        definition = _newer_definition(recorded)
        return Story(
            before=before,
            after=state.read(service, ENVIRONMENT),
            epochs=epochs,
            promotions=found,
            steps=recorded,
            calls=[entry for journal in self.journals[:-1] for entry in calls.read(journal)],
            lives=[] if definition is None else state.lives(service, ENVIRONMENT, definition),
            idle=calls.read(self.journals[-1]),
        )

    def _remember(self, story: Story) -> None:
        """Keep what the next case begins with."""
        self.now = story.after
        if story.promotion is not None and story.promotion.outcome == "released":
            self.base = story.promotion.push.commit
            self.releases = self.releases + 1 if story.promotion.rollback_to is None else 1

    def _action(self, case: Case) -> Callable[[], object]:
        """Return what a promotion's process does; a commit is pushed for it first where it needs one."""
        if case.plot == "rollback":
            return _roll_back
        commit = self._push_animal(case) if case.animal else self._push(GOOD if case.plot == "forward" else BROKEN)
        return lambda: _promote(commit)

    def _push_animal(self, case: Case) -> str:
        """Push migrations of the zoo: the ground of all animals with a good release, an animal with one that crashes."""
        scenario = Scenario.GOOD if case.plot == "forward" else Scenario.CRASH_AT_START
        return self._push([scenario], partial(animals.write, case.animal))

    def _run(self, process: str, action: Callable[[], object], kill: Kill | None) -> int:
        folder = self.folder / "cases"
        folder.mkdir(exist_ok=True)
        journal = folder / f"{self.played}-{len(self.journals)}-{process}.journal"
        self.journals.append(journal)
        return child.run(action, Recorder(journal, process, kill), journal.with_suffix(".log"))

    def _push(self, scenarios: Sequence[Scenario], also: Callable[[Path], None] = lambda _: None) -> str:
        """Push a new release on top of the one that runs, in the place of one that was taken back; `also` writes what else it brings."""
        folder = self.folder / "sample"
        repository = SampleRepository.create(self.folder / "remote.git", folder)
        for command in (
            ("switch", "--quiet", BRANCH),
            ("reset", "--quiet", "--hard", self.base),
            ("push", "--quiet", "--force", "origin", BRANCH),
        ):
            remote.git(folder, *command)
        (folder / TEST).write_text("def test_something_is_tested() -> None:\n    assert True\n")
        also(folder)
        commit = [repository.commit(scenario, BRANCH) for scenario in scenarios][-1]
        repository.push(BRANCH)
        return commit


def _up(folder: Path) -> Sandbox:
    """Bring a new sandbox up; on a busy machine its first release may come too late, and the next one does not."""
    for _ in range(TRIES - 1):
        sandbox.down(folder)
        with suppress(RolloutError):
            return sandbox.up(folder, prefect=False)
    sandbox.down(folder)
    return sandbox.up(folder, prefect=False)


def _quick(service: Service) -> Service:
    """Return the service with one test, no code quality, one platform, and patience for a machine that plays other cases too."""
    checks = Checks(
        test=("pytest", "--quiet", "--noconftest", "--junitxml=junit.xml", TEST),
        junit="junit.xml",
        variables=service.checks.variables,
        timeout=240,
    )
    platforms = service.rule("test").platforms
    branches = tuple(rule.model_copy(update={"platforms": platforms}) for rule in service.branches)
    patience = {"health_timeout": 60, "rollout_timeout": 120}
    environments = {name: one.model_copy(update=patience) for name, one in service.environments.items()}
    return service.model_copy(update={"checks": checks, "branches": branches, "environments": environments})


def _fearless(service: Service) -> Service:
    """Return the service whose migrations are never stopped beforehand: what they do, and what becomes of it, is to be seen."""
    environments = {
        name: one.model_copy(update={"unsafe_migrations": "warn"}) for name, one in service.environments.items()
    }
    return service.model_copy(update={"environments": environments})


def _thin_out(service: Service) -> None:
    """Let one task run where a case is played and none elsewhere: their health checks are what keeps the machine busy."""
    for name, environment in service.environments.items():
        client, count = owner.session().client("ecs"), int(name == ENVIRONMENT)
        client.update_service(cluster=environment.cluster, service=environment.service, desiredCount=count)


def _promote(commit: str) -> None:
    _forget_hooks()
    promote.promote_main(NAME, BRANCH, commit)


def _roll_back() -> None:
    _forget_hooks()
    rollback(NAME, ENVIRONMENT, with_downgrade=True)


def _recover() -> None:
    """Recover, again and again as the schedule does, until every promotion has ended."""
    _forget_hooks()
    while _unended():
        recover_all()
        time.sleep(0.1)


def _unended() -> int:
    with connect() as ledger:
        return len(promotions.unended(ledger))


def _forget_hooks() -> None:
    """Let no hook take part: the ledger alone has to be enough."""
    for sentence in SENTENCES:
        sentence.on_failure_hooks = []
        sentence.on_crashed_hooks = []
        sentence.on_cancellation_hooks = []


def _promotions() -> set[UUID]:
    with connect() as ledger:
        return {row["id"] for row in ledger.execute("SELECT id FROM promotions").fetchall()}


def _newer_definition(recorded: Sequence[Step]) -> str | None:
    """Return the definition whose tasks need the newer schema: a promotion brings it, a rollback leaves it."""
    done = {step.stage: step.result for step in recorded if step.result is not None}
    if "register_again" in done:
        return str(done["register_again"].before)
    return str(done["register"].after) if "register" in done else None
