"""A person goes back: to the release before, with the schema, while clients ask all the time."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from deployments import runs
from deployments.commands import rollback as command
from deployments.sandbox.sample.scenarios import Scenario
from promoter.errors import SchemaError
from tests.stories.conftest import Stage, Told
from tests.stories.test_way_back import release

pytestmark = [pytest.mark.xdist_group("other sandbox"), pytest.mark.slow]

RATE = 50
"""Requests a second."""


@dataclass
class Client:
    """Asks one URL again and again, and counts the answers."""

    url: str
    answers: Counter[str] = field(default_factory=Counter)
    done: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Ask until `done`; a connection of its own each time, as many clients would."""
        due = time.monotonic()
        while not self.done.wait(max(0.0, due - time.monotonic())):
            due += 1 / RATE
            try:
                self.answers[str(httpx.get(self.url, timeout=10).status_code)] += 1
            except httpx.HTTPError as error:
                self.answers[type(error).__name__] += 1


@contextmanager
def asking(url: str) -> Iterator[Client]:
    """Let a client ask while the block runs."""
    client = Client(url)
    thread = threading.Thread(target=client.ask)
    thread.start()
    try:
        yield client
    finally:
        client.done.set()
        thread.join()


def roll_back(stage: Stage, to: str | None = None, *, with_downgrade: bool = False) -> Told:
    """Roll staging back as the worker does, and return the rollback when it has ended."""
    return stage.wait(runs.roll_back(stage.service, "staging", to, with_downgrade=with_downgrade))


def test_no_request_is_lost_forward_and_back(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Released, failed and taken back by itself, released, rolled back by a person with the schema: every answer is 200."""
    url = stage.service.environment("staging").health_url
    with asking(url) as client:
        old = release(stage, Scenario.NEW_MIGRATION)
        broken = release(stage, Scenario.CRASH_AT_START)
        new = release(stage, Scenario.GOOD, Scenario.NEW_MIGRATION)
        command.run(service="sample-api", environment="staging", to=None, with_downgrade=True, plan=True)
        told = roll_back(stage, with_downgrade=True)

    staging = stage.world().environments["staging"]
    assert [one.promotion.outcome for one in (old, broken, new, told)] == [
        "released",
        "rolled_back",
        "released",
        "released",
    ], told.cause
    assert (staging.version, staging.digest) == (old.tag, old.result("publish_image").digest)
    assert staging.heads == old.result("migrate").after != new.result("migrate").after
    assert f"{new.tag} → {old.tag}: 1 schema change since" in capsys.readouterr().out
    assert set(client.answers) == {"200"}, client.answers
    assert client.answers["200"] > 10 * RATE


def test_a_release_that_cannot_run_on_the_live_schema_is_refused(stage: Stage) -> None:
    """Nothing moves; the boundary and the reason are named, also by the plan."""
    release(stage, Scenario.LOSSY_MIGRATION)
    before = stage.world()

    told = roll_back(stage)

    assert told.promotion.outcome == "rejected"
    assert "cannot run on the live schema" in told.cause
    assert "column" in told.cause
    assert "cannot be taken back either" in told.cause
    assert told.state() == "Rejected"
    assert stage.world() == before
    with pytest.raises(SchemaError, match="cannot run on the live schema"):
        command.run(service="sample-api", environment="staging", to=None, with_downgrade=False, plan=True)
