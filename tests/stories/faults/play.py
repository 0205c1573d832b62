"""Plays one cell: a promotion comes to its place, the fault strikes, and everybody watches what becomes of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg

from deployments import runs
from deployments.demo.story import World
from deployments.progress import Progress, read
from deployments.sandbox.sandbox import Sandbox
from promoter import summary
from promoter.ecs import EcsService
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from tasks import clients
from tasks.report import STATE_NAMES
from tests.stories.conftest import Stage
from tests.stories.faults.cells import CONVERGED, SCENARIOS, Cell, Fault, Place, Seen
from tests.stories.faults.injection import Injection, start

LOOK = 0.1
"""Seconds between two looks."""
PATIENCE = 600.0
"""How long a promotion may take until it comes to its place, in seconds; what is measured begins there."""
HELD = 15.0
"""For how long a migration waits on after the fault, unless its process ends before, in seconds."""
TOLD = 60.0
"""For how long a flow run that is at its end may bear Prefect's name for that, in seconds."""
WAITING = "SELECT count(*) FROM pg_locks WHERE relation = 'notes'::regclass AND NOT granted"


@dataclass(frozen=True)
class Play:
    """One cell on one stage."""

    cell: Cell
    stage: Stage
    sandbox: Sandbox

    def __call__(self) -> Seen:
        """Play it and return what was seen."""
        before = self.stage.world()
        self.stage.push(*SCENARIOS[self.cell.place])
        self.stage.repository.merge("dev", "test")
        injection = Injection(self.sandbox, start("promote-test", self.stage.service.name, "test"))
        try:
            since = self._strike(injection)
            ended = self._converge(injection, since)
            seconds = time.monotonic() - since
            self._until_told(injection, ended)
            return self._judge(injection, ended, before, seconds)
        finally:
            injection.mend()

    def _strike(self, injection: Injection) -> float:
        """Let the fault strike in the middle of its place, and return when that was; a server that went is back then."""
        place = self.cell.place
        if place is Place.ROLL_OUT:
            self._until(injection, lambda progress: under_way(progress, "roll_out") and self._deploys())
            injection.strike(self.cell.fault)
            return time.monotonic()
        if place is Place.WAY_BACK:
            self._until(injection, lambda progress: under_way(progress, "roll_out"))
        with self._busy_table() as table:
            self._until(injection, lambda _: waits(table))
            flow = injection.flow
            injection.strike(self.cell.fault)
            struck = time.monotonic()
            if self.cell.fault is not Fault.RESTART:
                psutil.wait_procs([flow], timeout=HELD)
        return struck

    @staticmethod
    def _until(injection: Injection, there: Callable[[Progress], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not there(progress := read(injection.run)):
            assert not progress.has_ended, f"it ended before it was there: {summary.table(progress.steps)}"
            assert time.monotonic() < deadline, f"it never came there: {summary.table(progress.steps)}"
            time.sleep(LOOK)

    @contextmanager
    def _busy_table(self) -> Iterator["psycopg.Connection[Any]"]:
        """Keep a migration waiting: somebody reads the table that it alters, and does not come to an end."""
        credentials = clients.database(self.stage.service, self.stage.service.environment("staging"))
        with psycopg.connect(**credentials.connection()) as reader:
            reader.execute("SELECT count(*) FROM notes")
            yield reader

    def _deploys(self) -> bool:
        """Say whether ECS has begun to replace the old tasks."""
        environment = self.stage.service.environment("staging")
        service = EcsService(clients.ecs(environment), clients.logs(environment), environment)
        return len(service.describe().deployments) > 1

    def _converge(self, injection: Injection, since: float) -> Progress:
        """Wait until the promotion has ended, its environment is free and its flow run says so, or the time is over."""
        while time.monotonic() - since < CONVERGED:
            progress = read(injection.run)
            if progress.has_ended and self._is_free() and runs.state(injection.run)["type"] not in RUNNING:
                return progress
            time.sleep(LOOK)
        return read(injection.run)

    @staticmethod
    def _until_told(injection: Injection, ended: Progress) -> None:
        """Give everybody a minute to name the flow run's state after the outcome."""
        outcome = ended.promotion.outcome if ended.promotion else None
        names = {"Completed", STATE_NAMES[outcome]} if outcome else set()
        deadline = time.monotonic() + TOLD
        while names and runs.state(injection.run)["name"] not in names and time.monotonic() < deadline:
            time.sleep(LOOK)

    def _is_free(self) -> bool:
        with connect() as ledger:
            row = ledger.execute(
                "SELECT holder FROM environments WHERE service = %s AND environment = 'staging'",
                [self.stage.service.name],
            ).fetchone()
        return row is None or row["holder"] is None

    def _judge(self, injection: Injection, ended: Progress, before: World, seconds: float) -> Seen:
        promotion, state = ended.promotion, runs.state(injection.run)
        return Seen(
            cell=self.cell,
            outcome=None if promotion is None else promotion.outcome,
            whole=whole(self.stage.world(), before, ended),
            state=f"{state['type']} {state['name']}",
            free=self._is_free(),
            by="nobody" if promotion is None else self._driver(injection, promotion),
            seconds=seconds,
        )

    def _driver(self, injection: Injection, promotion: Promotion) -> str:
        """Return who brought the promotion to its end."""
        driver = promotion.driver or "nobody"
        if driver == str(injection.run):
            return "the flow itself" if promotion.outcome == "released" else "a hook"
        return (
            "the watcher" if driver.endswith(f"process {injection.part('watcher').pid}") else "the deployment recover"
        )


RUNNING = {"SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"}
"""The types of a state that is not the last one."""


def under_way(progress: Progress, stage: str) -> bool:
    """Say whether a stage means to change something and has not come to its end."""
    return any(step.stage == stage and step.intent is not None and step.result is None for step in progress.steps)


def waits(table: "psycopg.Connection[Any]") -> bool:
    """Say whether a migration waits for the table."""
    row = table.execute(WAITING).fetchone()
    return row is not None and row[0] > 0


def whole(after: World, before: World, ended: Progress) -> str:
    """Return which release stands as a whole: `old`, `new`, or what differs."""
    if after == before:
        return "old"
    results = {step.stage: step.result for step in ended.steps}
    staging = after.environments["staging"]
    new = results.get("tag_release") is not None and staging.healthy
    if new and staging.image == results["publish_image"].reference and staging.heads == results["migrate"].after:
        return "new"
    return f"neither: {staging}, before {before.environments['staging']}"
