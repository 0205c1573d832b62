"""What GitHub's webhooks say of pull requests: which heads are checked, once each, and when code of a fork is run at all."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from deployments.gateway.intake import Check, Ignored, decide
from deployments.gateway.payload import MalformedError
from promoter.config import Service
from promoter.ledger.connection import connect
from tests.deployments.gateway.conftest import NAME, NUMBER, A, B, Gateway, Prefect, headers
from tests.deployments.gateway.test_bad_webhooks import JSON

OURS = {"id": NUMBER, "full_name": NAME}
FORK = {"id": 9, "full_name": "fork/api"}
LABEL = {"name": "promoter: check"}


def asked(action: str = "opened", *, head: Any = OURS, **changes: Any) -> dict[str, Any]:
    """Return what GitHub sends of a pull request, without most of what nobody reads; `head` is where its code is."""
    return {
        "action": action,
        "number": 7,
        "pull_request": {
            "number": 7,
            "state": "open",
            "title": "{{ 7 * 7 }} $(touch /tmp/x)",
            "head": {"ref": "feat/x", "sha": A, "repo": head},
            "base": {"ref": "dev", "sha": B, "repo": OURS},
        },
        "repository": OURS,
        "sender": {"login": "ann", "id": 1},
        **changes,
    }


def inside(**changes: Any) -> dict[str, Any]:
    """Return a delivery whose pull request has other fields."""
    found = asked()
    return {**found, "pull_request": {**found["pull_request"], **changes}}


def decided(service: Service, delivery: dict[str, Any]) -> list[tuple[int, str, str, str]] | str:
    """Return number, head, target and asker of what is to be checked, or why nothing is."""
    found = decide("pull_request", json.dumps(delivery).encode(), [service])
    if isinstance(found, Ignored):
        return found.reason
    return [(one.number, one.commit, one.target, one.asked_by) for one in found if isinstance(one, Check)]


@pytest.mark.parametrize("action", ["opened", "synchronize", "reopened"])
def test_a_new_head_of_our_own_is_checked(service: Service, action: str) -> None:
    """Whoever may push to the repository may have code run anyway."""
    assert decided(service, asked(action)) == [(7, A, "dev", "ann")]


@pytest.mark.parametrize("action", ["opened", "synchronize", "reopened"])
@pytest.mark.parametrize("head", [pytest.param(FORK, id="a fork"), pytest.param(None, id="a fork that is gone")])
def test_code_of_a_fork_is_not_run_by_itself(service: Service, action: str, head: Any) -> None:
    """Also not what is pushed after a label, although the label is still there."""
    delivery = asked(action, head=head)
    delivery["pull_request"]["labels"] = [LABEL]

    assert decided(service, delivery) == "without the label nothing of a fork is run"


def test_code_of_a_fork_is_run_where_a_maintainer_labels_it(service: Service) -> None:
    """As it is at that moment; another label says nothing."""
    told = [decided(service, asked("labeled", head=FORK, label={"name": name})) for name in (LABEL["name"], "bug")]

    assert told == [[(7, A, "dev", "ann")], "without the label nothing of a fork is run"]
    assert decided(service, asked("labeled", head=FORK)) == "without the label nothing of a fork is run"


def test_the_label_has_the_name_that_the_service_gives_it(make_service: Any) -> None:
    """And no other."""
    service = make_service(github={"repository": NAME, "repository_id": NUMBER, "check_label": "ok to test"})
    told = [
        decided(service, asked("labeled", head=FORK, label={"name": name})) for name in ("ok to test", LABEL["name"])
    ]

    assert [isinstance(one, list) for one in told] == [True, False]


@pytest.mark.parametrize(
    "delivery",
    [
        pytest.param(asked("closed"), id="closed"),
        pytest.param(asked("unlabeled", label=LABEL, head=FORK), id="the label is taken off"),
        pytest.param(asked("edited"), id="edited"),
        pytest.param(asked("labeled", label={"name": "bug"}), id="another label on our own"),
        pytest.param(inside(state="closed"), id="pushed to after it was closed"),
        pytest.param(inside(base={"ref": "test", "sha": B, "repo": OURS}), id="into a later branch"),
        pytest.param(inside(base={"ref": "feat/y", "sha": B, "repo": OURS}), id="into an unknown branch"),
        pytest.param(inside(base={"ref": "--dev", "sha": B, "repo": OURS}), id="into an option"),
        pytest.param(asked(repository=FORK), id="in a fork"),
        pytest.param(asked(repository={"id": 1, "full_name": NAME}), id="in a foreign repository with the right name"),
    ],
)
def test_nothing_else_is_checked(service: Service, delivery: dict[str, Any]) -> None:
    """And the answer says why."""
    assert isinstance(decided(service, delivery), str)


@pytest.mark.parametrize(
    "delivery",
    [
        pytest.param(inside(head={"ref": "x", "sha": "a" * 7, "repo": OURS}), id="a short sha"),
        pytest.param(inside(head={"ref": "x", "sha": "--upload-pack=touch /tmp/x", "repo": OURS}), id="an option"),
        pytest.param(inside(head={"ref": "x", "sha": "0" * 40, "repo": OURS}), id="no commit"),
        pytest.param(inside(number=0), id="number 0"),
        pytest.param(inside(number="7; rm -rf /"), id="a number as text"),
        pytest.param(inside(number=10**12), id="a number that no pull request has"),
        pytest.param(asked(pull_request=None), id="no pull request"),
        pytest.param(asked(label="promoter: check"), id="a label as text"),
    ],
)
def test_what_github_would_not_send_is_refused(service: Service, delivery: dict[str, Any]) -> None:
    """It is signed, and no pull request."""
    with pytest.raises(MalformedError, match="not a pull request"):
        decided(service, delivery)


def test_a_head_is_in_the_ledger_once_and_told_to_prefect_once(gateway: Gateway, prefect: Prefect) -> None:
    """The same delivery again, another action with the same head, and another head under the same delivery."""
    other = asked()
    other["pull_request"]["head"]["sha"] = B
    answers = [
        gateway.deliver(asked(), event="pull_request"),
        gateway.deliver(asked(), event="pull_request"),
        gateway.deliver(asked("reopened"), event="pull_request", delivery="another"),
        gateway.deliver(other, event="pull_request"),
    ]

    (known,) = {answer.json()["pull_requests"]["api"] for answer in answers}
    assert [answer.status_code for answer in answers] == [202] * 4
    assert noted(gateway) == [("api", 7, A, "dev", "ann")]
    assert gateway.noted() == []
    (event,) = prefect.events
    assert event.pop("occurred")
    assert event == {
        "id": known,
        "event": "promoter.pull-request",
        "resource": {
            "prefect.resource.id": f"promoter.pull-request.{known}",
            "promoter.service": "api",
            "promoter.branch": "refs/pull/7/head",
            "promoter.commit": A,
            "promoter.target": "dev",
        },
        "related": [],
        "payload": {},
    }


SIDE = st.fixed_dictionaries({"ref": st.text() | JSON, "sha": st.text(max_size=41) | JSON, "repo": JSON}) | JSON
INSIDE = {"number": st.integers() | JSON, "state": st.text() | JSON, "head": SIDE, "base": SIDE}
FIELDS = {"action": st.text() | JSON, "repository": JSON, "label": JSON, "sender": JSON, "pull_request": JSON}


@profile(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(changes=st.fixed_dictionaries({}, optional=FIELDS), within=st.fixed_dictionaries({}, optional=INSIDE))
def test_random_fields_never_end_in_an_error_of_ours(
    gateway: Gateway, changes: dict[str, Any], within: dict[str, Any]
) -> None:
    """And nothing but the one true head is ever noted."""
    body = json.dumps({**inside(**within), **changes}).encode()

    answer = gateway.send(body, headers(body, event="pull_request"))

    assert answer.status_code in {202, 400}
    assert {found[2] for found in noted(gateway)} <= {A}


def noted(gateway: Gateway) -> list[tuple[str, int, str, str, str]]:
    """Return service, number, head, target and asker of every head in the ledger."""
    with connect(gateway.settings) as ledger:
        rows = ledger.execute("SELECT service, number, commit, target, asked_by FROM changes ORDER BY arrived_at")
        return [(row["service"], row["number"], row["commit"], row["target"], row["asked_by"]) for row in rows]
