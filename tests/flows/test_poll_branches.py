"""What the poller starts, with a Prefect server for the tests alone, a real ledger and a real remote."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.testing.utilities import prefect_test_harness

from deployments.sandbox.sample.service import to_toml
from flows.poll_branches import poll_branches
from promoter.config import Service
from promoter.ledger import arrivals
from promoter.ledger.connection import connect
from promoter.settings import Settings


@pytest.fixture(scope="module")
def prefect() -> Iterator[None]:
    """Serve Prefect, with the deployments that are started, for the tests of this file."""
    with prefect_test_harness(server_startup_timeout=180), get_client(sync_client=True) as client:
        for name in ("promote-dev", "promote-test"):
            client.create_deployment(flow_id=client.create_flow(_named(name)), name=name)
        yield


def _named(name: str) -> Any:
    @flow(name=name)
    def sentence(service: str, branch: str, commit: str) -> None: ...

    return sentence


@pytest.fixture
def service(make_service: Callable[..., Service], repository: Any, settings: Settings) -> Service:
    """Return a service on GitHub that was looked at once."""
    for branch in ("main", "dev", "test"):
        repository.commit("feat: begin") if branch == "main" else repository.branch(branch)
    github = {"repository": "owner/api", "repository_id": 1}
    found = make_service(repository=str(repository.path), github=github)
    settings.services.mkdir()
    (settings.services / "api.toml").write_text(to_toml(found))
    alone = make_service(name="alone", repository=str(repository.path))
    (settings.services / "alone.toml").write_text(to_toml(alone))
    return found


def run(started: UUID) -> FlowRun:
    """Return a flow run."""
    with get_client(sync_client=True) as client:
        return client.read_flow_run(started)


def end_try(commit: str) -> None:
    """Let the time pass after which a push is tried again."""
    with connect() as ledger:
        ledger.execute("UPDATE arrivals SET tried_at = tried_at - interval '2 hours' WHERE commit = %s", [commit])


@pytest.mark.usefixtures("prefect")
def test_a_push_that_no_webhook_brought_is_started_once(service: Service, repository: Any) -> None:
    """As often as it looks; also when the flow is late; again only when its flow run is gone."""
    assert poll_branches() == []
    commit = repository.commit("fix: something")

    (started,) = poll_branches()

    found = run(started)
    assert found.parameters == {"service": "api", "branch": "test", "commit": commit}
    assert poll_branches() == []
    end_try(commit)
    assert poll_branches() == []
    with get_client(sync_client=True) as client:
        client.delete_flow_run(started)
    end_try(commit)
    (again,) = poll_branches()
    assert run(again).parameters == found.parameters
    assert service.github is not None


@pytest.mark.usefixtures("prefect")
def test_a_push_whose_event_was_lost_is_started(service: Service, repository: Any) -> None:
    """The gateway noted it, and died before it could tell Prefect."""
    poll_branches()
    repository.switch("dev")
    commit = repository.commit("fix: something")
    with connect() as ledger:
        arrivals.note(
            ledger,
            service="api",
            repository=service.repository,
            branch="dev",
            commit=commit,
            delivery="one",
            pushed_by="ann",
        )

    (started,) = poll_branches()

    assert run(started).parameters == {"service": "api", "branch": "dev", "commit": commit}
