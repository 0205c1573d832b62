"""What GitHub's webhooks do: a push is in the ledger once, and Prefect hears of it."""

from collections.abc import Callable

import pytest
from pydantic import SecretStr

from deployments.gateway.app import build
from promoter.config import Service
from promoter.errors import ConfigurationError
from promoter.ledger import arrivals
from promoter.ledger.connection import connect
from promoter.settings import Settings
from tests.deployments.gateway.conftest import BEFORE, NAME, NUMBER, A, B, Gateway, Prefect, push, rotating


def test_a_push_is_in_the_ledger_and_told_to_prefect(gateway: Gateway, prefect: Prefect) -> None:
    """The answer holds its id, the event names and numbers only."""
    answer = gateway.deliver(push())

    pushed = answer.json()["pushes"]["api"]
    assert (answer.status_code, gateway.noted()) == (202, [("api", "test", A)])
    (event,) = prefect.events
    assert event.pop("occurred")
    assert event == {
        "id": pushed,
        "event": "promoter.push",
        "resource": {
            "prefect.resource.id": f"promoter.push.{pushed}",
            "promoter.service": "api",
            "promoter.branch": "test",
            "promoter.commit": A,
        },
        "related": [
            {
                "prefect.resource.role": "branch",
                "prefect.resource.id": "promoter.branch.api.test",
                "prefect.resource.name": "test",
                "promoter.flow": "promote-test",
            }
        ],
        "payload": {},
    }


def test_a_duplicate_has_the_same_id_and_is_told_once(gateway: Gateway, prefect: Prefect) -> None:
    """The same delivery again, the same push under another delivery, and another push under the same delivery."""
    answers = [
        gateway.deliver(push()),
        gateway.deliver(push()),
        gateway.deliver(push(), delivery="another"),
        gateway.deliver(push(after=B)),
    ]

    assert len({answer.json()["pushes"]["api"] for answer in answers}) == 1
    assert gateway.noted() == [("api", "test", A)]
    assert len(prefect.events) == 1


def test_pushes_out_of_order_and_a_rewind_are_each_noted_once(gateway: Gateway) -> None:
    """Which of them is promoted the flow decides, by the history."""
    for number, (before, after) in enumerate([(B, A), (A, B), (B, A)]):
        gateway.deliver(push(before=before, after=after, forced=True), delivery=str(number))

    assert [commit for _, _, commit in gateway.noted()] == [A, B]


def test_one_delivery_may_concern_two_services(
    settings: Settings, service: Service, make_service: Callable[..., Service], prefect: Prefect
) -> None:
    """They live in one repository; each push has an id of its own."""
    other = make_service(name="web", github={"repository": NAME, "repository_id": NUMBER})
    gateway = Gateway(build(rotating(settings), [service, other, make_service(name="alone")]), settings)

    pushes = gateway.deliver(push()).json()["pushes"]

    assert set(pushes) == {"api", "web"}
    assert {event["id"] for event in prefect.events} == set(pushes.values())


def test_two_secrets_are_accepted_while_one_is_exchanged(gateway: Gateway) -> None:
    """The one before as well."""
    assert gateway.deliver(push(), secret=BEFORE).status_code == 202


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "PROMOTER_WEBHOOK_SECRET is not set"),
        ({"webhook_secret": SecretStr("")}, "PROMOTER_WEBHOOK_SECRET is empty"),
        ({"webhook_secret": SecretStr(" ")}, "PROMOTER_WEBHOOK_SECRET is empty"),
        ({"webhook_secret": SecretStr("x"), "webhook_secret_before": SecretStr("")}, "_BEFORE is empty"),
    ],
)
def test_without_a_secret_it_does_not_start(settings: Settings, changes: dict[str, SecretStr], message: str) -> None:
    """Anybody could sign with an empty one."""
    with pytest.raises(ConfigurationError, match=message):
        build(settings.model_copy(update=changes), [])


def test_a_ping_and_other_events_are_acknowledged(gateway: Gateway, prefect: Prefect) -> None:
    """Nothing comes of them."""
    answers = [gateway.deliver({"zen": "…"}, event=event) for event in ("ping", "issues", "release", "star")]

    assert [answer.status_code for answer in answers] == [202] * 4
    assert answers[0].json() == {"ignored": "pong"}
    assert (gateway.noted(), prefect.events) == ([], [])


def test_who_pushed_is_known_where_it_can_be_shown(gateway: Gateway) -> None:
    """A login is a login."""
    for number, login in enumerate(["ann", "dependabot[bot]", "<b>ann</b>", "x" * 40], 1):
        gateway.deliver(push(after=f"{number}" * 40, sender={"login": login}), delivery=str(number))

    with connect(gateway.settings) as ledger:
        assert [one.pushed_by for one in arrivals.unstarted(ledger, "api")] == [
            "ann",
            "dependabot[bot]",
            "GitHub",
            "GitHub",
        ]


def test_odd_names_of_a_delivery_are_left_out(gateway: Gateway) -> None:
    """The commit alone tells the duplicate then."""
    for name in ("'; DROP TABLE arrivals; --", "x" * 1000, "ä"):
        assert gateway.deliver(push(), delivery=name).status_code == 202

    assert len(gateway.noted()) == 1


def test_a_ledger_that_is_down_is_said(gateway: Gateway, settings: Settings, service: Service) -> None:
    """GitHub marks the delivery as failed; the poller finds the push."""
    lost = rotating(settings).model_copy(update={"ledger_url": "postgresql://promoter@127.0.0.1:1/promoter"})
    down = Gateway(build(lost, [service]), gateway.settings)

    assert down.deliver(push()).status_code == 503
    assert down.look("/healthz").status_code == 503
    assert gateway.look("/healthz").json() == {"status": "ok"}
    assert gateway.noted() == []


def test_a_prefect_that_is_down_loses_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """The push is noted, and whoever looks next may start it at once."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")

    answer = gateway.deliver(push())

    assert answer.status_code == 202
    with connect(gateway.settings) as ledger:
        (noted,) = arrivals.unstarted(ledger, "api")
        assert arrivals.take(ledger, noted.id) == 1


def test_what_is_told_to_prefect_is_tried_again_only_after_a_while(gateway: Gateway) -> None:
    """The flow needs a moment until it takes the push up."""
    gateway.deliver(push())

    with connect(gateway.settings) as ledger:
        (noted,) = arrivals.unstarted(ledger, "api")
        assert arrivals.take(ledger, noted.id) is None
        assert arrivals.take(ledger, noted.id, patience=0) == 2


def test_it_counts_what_it_answers(gateway: Gateway) -> None:
    """By kind and status; what comes from outside is no label."""
    gateway.deliver(push())
    gateway.deliver(push(), secret=b"wrong", event="evil")
    gateway.deliver({}, event='x"} evil')

    text = gateway.look("/metrics").text

    assert 'promoter_webhooks_total{event="push",status="202"} 1.0' in text
    assert 'promoter_webhooks_total{event="unverified",status="401"} 1.0' in text
    assert 'promoter_webhooks_total{event="other",status="202"} 1.0' in text
    assert "promoter_pushes_noted_total 1.0" in text
    assert "evil" not in text
