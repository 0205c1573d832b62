"""What happens when nobody drives a promotion any more: automations start `recover`, and the watcher ends what is left."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments import progress, runs
from deployments.sandbox import parts
from deployments.sandbox.parts import ROOT
from deployments.sandbox.sample.scenarios import Scenario
from deployments.sandbox.sandbox import Sandbox
from promoter.ledger import promotions
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Outcome, Promotion
from promoter.records import Push
from promoter.shell import run
from tasks import report
from tests.stories.conftest import LOOK, PATIENCE, Stage
from tests.stories.faults.injection import part

pytestmark = [pytest.mark.xdist_group("other sandbox"), pytest.mark.slow]

AUTOMATIONS = [
    "check-change what a pull request brings",
    *(f"promote-{branch} what was pushed" for branch in ("cicd", "dev", "main", "test")),
    "recover what failed, crashed or was cancelled",
    "recover what lost its heartbeat",
]


@pytest.fixture
def prefect(stage: Stage) -> Iterator[httpx.Client]:
    """Return a client of the sandbox's Prefect server."""
    assert stage.service
    with httpx.Client(base_url=os.environ["PREFECT_API_URL"], timeout=30) as client:
        yield client


def begin(prefect: httpx.Client, state: str, *tags: str) -> str:
    """Make a flow run that no process drives, and return its id; with the tag `promotion` automations see it."""
    flow = prefect.post("/flows/", json={"name": "promote-dev"}).json()["id"]
    wanted = {"flow_id": flow, "tags": tags, "state": {"type": state}}
    return str(prefect.post("/flow_runs/", json=wanted).raise_for_status().json()["id"])


def started(prefect: httpx.Client) -> set[str]:
    """Return the runs of `recover` that automations started."""
    wanted = {"deployments": {"name": {"any_": ["recover"]}}, "sort": "ID_DESC"}
    runs = prefect.post("/flow_runs/filter", json=wanted).raise_for_status().json()
    return {one["id"] for one in runs if (one["created_by"] or {}).get("type") == "AUTOMATION"}


def until(found: Callable[[], Any]) -> Any:
    """Return what is found as soon as it is."""
    deadline = time.monotonic() + PATIENCE
    while not (seen := found()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(LOOK)
    return seen


def test_deploying_twice_keeps_one_of_each_automation(prefect: httpx.Client) -> None:
    """`prefect deploy --all` brings the server in line, as often as it is run."""
    run([sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"], cwd=ROOT, timeout=PATIENCE)

    found = prefect.post("/automations/filter", json={}).raise_for_status().json()

    assert sorted(one["name"] for one in found if one["enabled"]) == AUTOMATIONS


@pytest.mark.parametrize(
    ("state", "name"),
    [("FAILED", "Failed"), ("FAILED", "TimedOut"), ("CRASHED", "Crashed"), ("CANCELLED", "Cancelled")],
)
def test_a_promotion_that_ends_badly_starts_recover(prefect: httpx.Client, state: str, name: str) -> None:
    """By its automation, whoever set the state."""
    before = started(prefect)
    ended = begin(prefect, "RUNNING", "promotion")

    prefect.post(f"/flow_runs/{ended}/set_state", json={"state": {"type": state, "name": name}, "force": True})

    assert len(until(lambda: started(prefect) - before)) == 1


@pytest.mark.parametrize(
    ("before", "after"), [("RUNNING", "CRASHED"), ("PENDING", "CRASHED"), ("CANCELLING", "CANCELLED")]
)
def test_a_run_whose_process_is_dead_is_ended_by_the_watcher(
    stage: Stage, prefect: httpx.Client, before: str, after: str
) -> None:
    """Its state is named after the outcome and tells the cause; the report stands beside it."""
    dead = begin(prefect, before, "promotion")
    push = Push(repository=stage.service.repository, branch="dev", commit=token_hex(20), base=None)
    with connect() as ledger:
        promotions.accept(ledger, stage.service, push, flow_run=UUID(dead))

    def state() -> Any:
        now = prefect.get(f"/flow_runs/{dead}").raise_for_status().json()["state"]
        return now if now["type"] == after else None

    ended = until(state)
    wanted = {"artifacts": {"flow_run_id": {"any_": [dead]}}}
    artifacts = prefect.post("/artifacts/filter", json=wanted).raise_for_status().json()

    assert (ended["name"], ended["message"]) == ("Rejected", "its driver vanished")
    assert {one["type"] for one in artifacts} == {"markdown", "table"}


def test_only_a_run_that_does_not_say_how_it_ended_is_told_again(
    stage: Stage, prefect: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ended, the server is asked once; nobody's run, and one that it does not know, are nobody's to tell."""
    monkeypatch.setattr(report, "PAGE", 2)
    silent = [
        ended(stage, "rolled_back", begin(prefect, "RUNNING")),
        ended(stage, "rejected", begin(prefect, "FAILED")),
        ended(stage, "released", begin(prefect, "CRASHED")),
    ]
    said = [
        ended(stage, "released", begin(prefect, "COMPLETED")),
        ended(stage, "rejected", str(uuid4())),
        ended(stage, "rejected", None),
    ]

    with temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}):
        assert report.untold([*said, *silent]) == {one.flow_run: one for one in silent}
        assert report.untold([]) == {}


def ended(stage: Stage, outcome: Outcome, flow_run: str | None) -> Promotion:
    """Return a promotion that has ended, and whose flow run may say something else."""
    push = Push(repository=stage.service.repository, branch="dev", commit=token_hex(20), base=None)
    with connect() as ledger:
        promotion = promotions.accept(ledger, stage.service, push, flow_run=UUID(flow_run) if flow_run else None)
        promotions.end(ledger, promotion.id, outcome, "it was cut off")
        return promotions.get(ledger, promotion.id)


def test_a_worker_that_is_told_to_end_brings_its_promotion_to_an_end(stage: Stage, running: Sandbox) -> None:
    """So that the day on which promoter itself is renewed takes no promotion back; what comes meanwhile waits for another worker."""
    stage.push(Scenario.NEW_MIGRATION)
    stage.repository.merge("dev", "test")
    worker = part(running, "worker")
    promoted = runs.promote(stage.service, "test")
    until(lambda: any(step.stage == "migrate" for step in progress.read(promoted).steps))
    worker.terminate()
    later = runs.start("verify-health", "verify-health", {})
    try:
        told = stage.wait(promoted)
        worker.wait(PATIENCE)
        waits = runs.state(later)["type"]
    finally:
        if not worker.is_running():
            parts.start_worker(running.folder, running.variables)

    assert told.promotion.outcome == "released", told.cause
    assert told.promotion.driver == str(promoted)
    assert told.state() == "Completed"
    assert waits == "SCHEDULED"
    assert runs.wait(later)["type"] == "COMPLETED"
