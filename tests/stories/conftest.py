"""One sandbox for all stories: every outside part of a promotion, with a Prefect server and its worker."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from uuid import UUID

import httpx
import pytest

from deployments import progress, runs
from deployments.demo.story import World, world
from deployments.progress import Progress
from deployments.sandbox import sandbox
from deployments.sandbox.sample.repository import SampleRepository
from deployments.sandbox.sample.scenarios import Scenario
from promoter import config
from promoter.config import Service
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step
from promoter.settings import Settings
from promoter.shell import run
from tests.stories import privilege, secrecy

PATIENCE = 400.0
"""Seconds that a promotion may take until it has ended."""
LOOK = 0.5
"""Seconds between two looks at it."""


@pytest.fixture(scope="session")
def running() -> Iterator[sandbox.Sandbox]:
    """Bring the sandbox up by its command, and in the end down, whatever happened in between."""
    with TemporaryDirectory(prefix="stories-") as name:
        folder = Path(name)
        try:
            run([sys.executable, "-m", "deployments.cli", "sandbox", "up", "--folder", name], timeout=PATIENCE)
            found = _found(folder)
            with secrecy.kept(found), privilege.kept(found):
                yield found
        finally:
            sandbox.down(folder)


def _found(folder: Path) -> sandbox.Sandbox:
    found = sandbox.read(folder)
    assert found is not None
    return found


@dataclass(frozen=True)
class Told:
    """A promotion that has ended: what the ledger and Prefect say of it."""

    promotion: Promotion
    steps: tuple[Step, ...]
    run: UUID

    @property
    def cause(self) -> str:
        """Why it ended as it did."""
        return self.promotion.cause or ""

    def result(self, stage: str) -> Any:
        """Return the record of a stage, None where it has none."""
        return next((step.result for step in self.steps if step.stage == stage), None)

    @property
    def tag(self) -> str:
        """Its version."""
        return str(self.result("compute_version").tag)

    def state(self) -> str:
        """Return the name of the flow run's final state; the hooks write it a moment after the ledger's end."""
        deadline = time.monotonic() + PATIENCE
        while (name := str(runs.state(self.run)["name"])) in {"Running", "Failed"} and time.monotonic() < deadline:
            time.sleep(LOOK)
        return name

    def artifacts(self) -> dict[str, Any]:
        """Return the artifacts of the flow run, by their type."""
        with httpx.Client(base_url=os.environ["PREFECT_API_URL"]) as client:
            wanted = {"artifacts": {"flow_run_id": {"any_": [str(self.run)]}}}
            return {one["type"]: one["data"] for one in client.post("/artifacts/filter", json=wanted).json()}


@dataclass(frozen=True)
class Stage:
    """The stage on which a story is told: one service of the sandbox, and its repository."""

    service: Service
    repository: SampleRepository

    @classmethod
    def on(cls, running: sandbox.Sandbox, patch: pytest.MonkeyPatch) -> Self:
        """Return the sandbox's stage; the environment is the sandbox's until `patch` is taken back."""
        for name, value in running.variables.items():
            patch.setenv(name, value)
        service = config.find("sample-api", Settings().services)
        return cls(service, SampleRepository.create(running.remote, running.folder / "sample"))

    def world(self) -> World:
        """Return everything that a promotion may change, as it is now."""
        return world(self.service)

    def push(self, *scenarios: Scenario) -> str:
        """Let a feature branch come to `dev`, merged and pushed, and return the merge."""
        for scenario in scenarios:
            self.repository.commit(scenario, "feat/story")
        self.repository.push("feat/story")
        return self.repository.merge("feat/story", "dev")

    def promote(self, branch: str, commit: str | None = None) -> Told:
        """Promote the head of `branch` as the worker does, and return the promotion when it has ended."""
        return self.wait(runs.promote(self.service, branch, commit))

    def promoted(self, branch: str, commit: str) -> Told:
        """Return the promotion of a push that nobody else asked for, when it has ended."""
        found = self._ended(lambda: progress.of_push(self.service, branch, commit))
        assert found.promotion is not None
        assert found.promotion.flow_run is not None
        return Told(found.promotion, found.steps, found.promotion.flow_run)

    def wait(self, run: UUID) -> Told:
        """Return the promotion of a flow run when it has ended."""
        found = self._ended(lambda: progress.read(run))
        assert found.promotion is not None, f"the flow run ended without a promotion: {found.crashed}"
        return Told(found.promotion, found.steps, run)

    def refused(self, run: UUID) -> str:
        """Return why a flow run ended without a promotion."""
        found = self._ended(lambda: progress.read(run))
        assert found.promotion is None
        return found.crashed or ""

    @staticmethod
    def _ended(look: Callable[[], Progress]) -> Progress:
        deadline = time.monotonic() + PATIENCE
        while not (found := look()).has_ended:
            assert time.monotonic() < deadline, f"not at an end after {PATIENCE:g} s: {found}"
            time.sleep(LOOK)
        return found


@pytest.fixture
def stage(running: sandbox.Sandbox, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Return the sandbox's stage for one test."""
    return Stage.on(running, monkeypatch)
