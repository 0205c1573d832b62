"""An environment that asks a person: the run waits in Prefect, holds nothing, and does what the form says."""

import os
import time
from uuid import UUID

import httpx
import pytest

from deployments import runs
from deployments.sandbox.sample.scenarios import Scenario
from deployments.sandbox.sample.service import to_toml
from promoter.ledger import environments
from promoter.ledger.connection import connect
from promoter.settings import Settings
from tests.stories.conftest import LOOK, PATIENCE, Stage

pytestmark = [pytest.mark.xdist_group("other sandbox"), pytest.mark.slow]


def test_a_person_decides_before_anything_is_changed(stage: Stage) -> None:
    """Refused it is rejected, with name and reason; approved it is released; a form that is not filled in changes nothing."""
    path = Settings().services / f"{stage.service.name}.toml"
    before, text = stage.world(), path.read_text()
    staging = stage.service.environments["staging"].model_copy(update={"approval": True})
    asking = stage.service.model_copy(update={"environments": {**stage.service.environments, "staging": staging}})
    path.write_text(to_toml(asking))
    try:
        stage.push(Scenario.GOOD)
        commit = stage.repository.merge("dev", "test")
        first = paused(runs.promote(stage.service, "test", commit))
        with connect() as ledger:
            assert environments.standing(ledger, stage.service.name, "staging").holder is None
        assert resume(first, decision="perhaps", by="ann")["status"] == "REJECT"
        resume(first, decision="refuse", by="ann", reason="not on a Friday")
        refused = stage.wait(first)
        world = stage.world()
        second = paused(runs.promote(stage.service, "test", commit))
        resume(second, decision="approve", by="bob")
        approved = stage.wait(second)
    finally:
        path.write_text(text)

    assert (refused.promotion.outcome, refused.state()) == ("rejected", "Rejected")
    assert refused.cause.startswith(f"ann refused {refused.tag} for staging: not on a Friday")
    assert world.environments == before.environments
    assert (approved.promotion.outcome, approved.result("approve").by) == ("released", "bob")


def paused(run: UUID) -> UUID:
    """Wait until a flow run waits for a person, and return it."""
    deadline = time.monotonic() + PATIENCE
    while (now := runs.state(run))["type"] != "PAUSED":
        assert now["type"] not in runs.ENDED, now
        assert time.monotonic() < deadline, now
        time.sleep(LOOK)
    return run


def resume(run: UUID, **answer: str) -> dict[str, str]:
    """Fill the form in as Prefect's UI does, and return what the server says."""
    with httpx.Client(base_url=os.environ["PREFECT_API_URL"]) as client:
        told: dict[str, str] = (
            client.post(f"/flow_runs/{run}/resume", json={"run_input": answer}).raise_for_status().json()
        )
    return told
