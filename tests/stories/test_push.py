"""A push promotes itself: webhook, gateway, Prefect's event, automation, worker; and the poller finds what no webhook brought."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import httpx
import psutil
import pytest

from deployments import runs
from deployments.sandbox import parts, sandbox, webhook
from deployments.sandbox.sample.scenarios import Scenario
from deployments.sandbox.webhook import Delivery
from tasks.branches import POLLER
from tests.stories.conftest import LOOK, PATIENCE, Stage, Told

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.slow]

QUIET = 3.0
"""Seconds after which something that was to come of a delivery would have begun."""


ALONE = 3
"""Pushes, one after the other."""


@pytest.fixture
def remote(running: sandbox.Sandbox) -> Iterator[Path]:
    """Return the remote while every push to it promotes itself."""
    sandbox.promote_pushes(running)
    yield running.remote
    webhook.switch_off(running.remote)


@pytest.mark.usefixtures("remote")
def test_of_three_quick_pushes_the_newest_is_promoted(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody asks for any of them; the older ones end as superseded and never touch the environment."""
    pushed = dict(push(stage, "test") for _ in range(3))

    told = [stage.promoted("test", commit) for commit in pushed]

    assert [one.promotion.outcome for one in told] == ["superseded", "superseded", "released"]
    assert [changed(one) for one in told] == [False, False, True]
    assert {one.promotion.by for one in told} == {webhook.LOGIN}
    assert stage.world().environments["staging"].version == told[-1].tag
    say(capsys, f"from push to first stage, three at once: {waited(told, pushed)}")


@pytest.mark.usefixtures("remote")
def test_a_push_that_comes_alone_begins_at_once(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """An engine waited for it; how long that takes is printed, for machines differ."""
    pushed, told = {}, []
    for _ in range(ALONE):
        commit, began = push(stage, "dev")
        pushed[commit] = began
        told.append(stage.promoted("dev", commit))

    assert [one.promotion.outcome for one in told] == ["released"] * ALONE
    say(capsys, f"from push to first stage, alone: {waited(told, pushed)}")


def test_a_duplicate_and_a_replay_change_nothing(stage: Stage, remote: Path) -> None:
    """Each gets the answer of the first; no flow run comes of them."""
    commit, _ = push(stage, "dev")
    told = stage.promoted("dev", commit)
    first = delivery_of(remote, commit)

    hook = webhook.read(remote)
    again = [webhook.send(hook, first.event, first.body, name) for name in (first.id, str(uuid4()))]

    assert [(one.status, one.answer) for one in again] == [(202, first.answer)] * 2
    time.sleep(QUIET)
    assert stage.promoted("dev", commit) == told
    assert flow_runs(commit) == [told.run]


def test_the_poller_promotes_what_a_dead_gateway_missed(stage: Stage, running: sandbox.Sandbox, remote: Path) -> None:
    """The push itself succeeds; the poller finds it at its next look, and nothing else."""
    gateway = psutil.Process(running.parts["gateway"].pid)
    gateway.kill()
    gateway.wait(PATIENCE)
    try:
        commit, _ = push(stage, "dev")
        missed = delivery_of(remote, commit)
        before = flow_runs()
        runs.wait(runs.start("poll-branches", "poll-branches", {}))
        told = stage.promoted("dev", commit)
    finally:
        parts.start_gateway(running.folder, running.variables, webhook.read(remote))

    assert missed.status is None
    assert (told.promotion.outcome, told.promotion.by) == ("released", POLLER)
    assert set(flow_runs()) - set(before) == {told.run}


def push(stage: Stage, branch: str) -> tuple[str, datetime]:
    """Push a commit of its own to `branch`, and return it with the moment when the push began."""
    commit = stage.repository.commit(Scenario.GOOD, branch)
    began = datetime.now(UTC)
    stage.repository.push(branch)
    return commit, began


def delivery_of(remote: Path, commit: str) -> Delivery:
    """Return the delivery of a push, when it was tried."""
    deadline = time.monotonic() + PATIENCE
    while not (found := [one for one in webhook.deliveries(remote) if f'"after": "{commit}"' in one.body]):
        assert time.monotonic() < deadline, (remote / "webhook.log").read_text()
        time.sleep(LOOK)
    (delivery,) = found
    return delivery


def flow_runs(commit: str | None = None) -> list[UUID]:
    """Return Prefect's newest flow runs that promote, those of one commit or all."""
    wanted = {"sort": "EXPECTED_START_TIME_DESC", "flow_runs": {"tags": {"all_": ["promotion"]}}}
    with httpx.Client(base_url=os.environ["PREFECT_API_URL"]) as client:
        found: list[dict[str, Any]] = client.post("/flow_runs/filter", json=wanted).raise_for_status().json()
    return [UUID(one["id"]) for one in found if commit in {None, one["parameters"].get("commit")}]


def changed(told: Told) -> bool:
    """Say whether a promotion meant to change its environment."""
    return any(step.stage in {"migrate", "register", "roll_out"} for step in told.steps)


def say(capsys: pytest.CaptureFixture[str], figure: str) -> None:
    """Print a figure that is asked for, also where the test passes."""
    with capsys.disabled():
        print(f"\n{figure}")  # noqa: T201


def waited(told: list[Told], pushed: dict[str, datetime]) -> str:
    """Return how long pushes waited for their first stage; one that was superseded at once had none."""
    began = [(one.steps[0].started_at - pushed[one.promotion.push.commit]) for one in told if one.steps]
    seconds = [one.total_seconds() for one in began]
    return f"median {median(seconds):.1f} s of {', '.join(f'{one:.1f}' for one in seconds)}"
