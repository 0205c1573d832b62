"""What starts a flow: the triggers of prefect.yaml, judged by the classes with which a Prefect server reads them."""

import re
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.utilities.schema_tools.hydration import HydrationContext, hydrate
from ruamel.yaml import YAML

from deployments.gateway.announcement import check_event, event
from deployments.gateway.intake import Wanted
from promoter.config import SENTENCES, Service
from promoter.ledger.arrivals import Arrival
from promoter.ledger.changes import Asked
from tasks import pull_requests
from tasks.branches import parameters

FILE = Path(__file__).parents[2] / "prefect.yaml"
DEPLOYMENTS: dict[str, dict[str, Any]] = {one["name"]: one for one in YAML(typ="safe").load(FILE)["deployments"]}
PROMOTING = [sentence.replace("_", "-") for sentence in SENTENCES.values()]
ARRIVAL = Arrival(
    id=uuid4(),
    service="api",
    repository="https://git.example/api.git",
    branch="cicd/x",
    commit="a" * 40,
    delivery=None,
    pushed_by="ann",
    arrived_at=datetime.now(UTC),
    tries=0,
    dropped=None,
)


def received(sentence: str) -> ReceivedEvent:
    """Return the event of a push as the server takes it."""
    return ReceivedEvent.model_validate({**event(ARRIVAL, sentence, datetime.now(UTC)), "received": datetime.now(UTC)})


def trigger(deployment: str) -> dict[str, Any]:
    """Return the one trigger of a deployment that is started by an event."""
    (found,) = DEPLOYMENTS[deployment]["triggers"]
    return dict(found)


def covers(deployment: str, told: ReceivedEvent) -> bool:
    """Say whether an event starts a deployment."""
    fields = {name: value for name, value in trigger(deployment).items() if name not in {"name", "parameters"}}
    posture = {"posture": "Reactive", "threshold": 1, "within": 0}
    return EventTrigger.model_validate({**posture, **fields}).covers(told)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_deployment_starts_a_flow_that_exists(name: str) -> None:
    """By its dotted name, and it is described."""
    deployment = DEPLOYMENTS[name]
    module, _, flow = deployment["entrypoint"].rpartition(".")

    assert getattr(import_module(module), flow).name == name
    assert re.fullmatch(r"[A-Z].{20,}\.", deployment["description"])


@pytest.mark.parametrize("sentence", SENTENCES.values())
def test_a_push_starts_the_flow_of_its_branch_and_no_other(sentence: str) -> None:
    """The branch's rule has chosen the sentence."""
    told = received(sentence)

    assert [name for name in PROMOTING if covers(name, told)] == [sentence.replace("_", "-")]


@pytest.mark.parametrize("deployment", PROMOTING)
def test_the_automation_gives_what_the_poller_gives(deployment: str) -> None:
    """Service, branch and commit, as text."""
    context = HydrationContext(
        render_jinja=True,
        jinja_context={"event": received(deployment.replace("-", "_"))},
        render_workspace_variables=False,
    )

    assert hydrate(trigger(deployment)["parameters"], context) == parameters(ARRIVAL)


def test_a_pull_request_starts_its_check_and_nothing_else() -> None:
    """With what the poller gives it."""
    asked = Asked(uuid4(), "api", "r", 7, "a" * 40, "dev", "ann", datetime.now(UTC), 0, None, None, None, None, None)
    now = datetime.now(UTC)
    told = ReceivedEvent.model_validate({**check_event(asked, now), "received": now})
    context = HydrationContext(render_jinja=True, jinja_context={"event": told}, render_workspace_variables=False)

    assert [name for name in [*PROMOTING, "check-change"] if covers(name, told)] == ["check-change"]
    assert hydrate(trigger("check-change")["parameters"], context) == pull_requests.parameters(asked)


def test_the_event_follows_the_rule_of_the_branch(make_service: Any) -> None:
    """Whatever the branch is called."""
    service: Service = make_service(branches=[{"pattern": "next", "stages": ["version", "test"]}])

    assert Wanted(service, "next", "a" * 40, "ann").sentence == "promote_dev"
