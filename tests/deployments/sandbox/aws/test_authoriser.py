"""Policies are evaluated in the order that AWS publishes, and nothing is guessed."""

from collections.abc import Mapping
from typing import Any

import pytest

from deployments.sandbox.aws.authoriser import Powers, Request, trusts
from deployments.sandbox.aws.permissions import Place, needed

ROLE = "arn:aws:iam::123456789012:role/app"
UPDATE = Request("ecs:UpdateService", "arn:aws:ecs:us-east-2:123456789012:service/test/app")
PLACE = Place("123456789012", "us-east-2")


def policy(
    effect: str = "Allow", action: Any = "ecs:UpdateService", resource: Any = "*", **more: Any
) -> dict[str, Any]:
    """Return a policy of one statement."""
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


ALLOW, DENY, OTHER = policy(), policy("Deny"), policy(action="ecs:RunTask")


@pytest.mark.parametrize(
    ("powers", "verdict"),
    [
        pytest.param(Powers(()), ("implicit deny", "identity-based policy"), id="no policy"),
        pytest.param(Powers((OTHER, ALLOW)), ("allowed", ""), id="one of several allows"),
        pytest.param(
            Powers((ALLOW, DENY)), ("explicit deny", "identity-based policy"), id="a denial beats an allowance"
        ),
        pytest.param(Powers((ALLOW,), boundary=OTHER), ("implicit deny", "permissions boundary"), id="out of bounds"),
        pytest.param(
            Powers((ALLOW,), boundary=DENY), ("explicit deny", "permissions boundary"), id="denied by the boundary"
        ),
        pytest.param(
            Powers((), boundary=ALLOW), ("implicit deny", "identity-based policy"), id="a boundary grants nothing"
        ),
        pytest.param(Powers((ALLOW,), session=OTHER), ("implicit deny", "session policy"), id="narrowed away"),
        pytest.param(Powers((ALLOW,), session=DENY), ("explicit deny", "session policy"), id="denied by the session"),
        pytest.param(
            Powers((), session=ALLOW), ("implicit deny", "identity-based policy"), id="a session grants nothing"
        ),
        pytest.param(Powers((ALLOW,), boundary=ALLOW, session=ALLOW), ("allowed", ""), id="all three allow"),
    ],
)
def test_every_kind_of_policy_has_its_say(powers: Powers, verdict: tuple[str, str]) -> None:
    """Any denial wins; else boundary, session and identity must each allow."""
    assert powers.verdict(UPDATE) == verdict


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        pytest.param({"Action": "ECS:updateservice"}, True, id="the case of an action does not matter"),
        pytest.param({"Action": ["ecs:Run*", "ecs:Update*"]}, True, id="one of several patterns"),
        pytest.param({"Action": "ecs:UpdateServic?"}, True, id="one letter"),
        pytest.param({"Action": "ecs:Update"}, False, id="only the beginning"),
        pytest.param({"Resource": UPDATE.resource}, True, id="this resource"),
        pytest.param({"Resource": UPDATE.resource.upper()}, False, id="the case of a resource matters"),
        pytest.param({"Resource": "arn:aws:ecs:us-east-2:123456789012:service/test/*"}, True, id="below a cluster"),
        pytest.param({"Resource": "arn:aws:ecs:us-east-2:123456789012:service/prod/*"}, False, id="another cluster"),
        pytest.param({"Resource": "arn.aws.*"}, False, id="a dot is a dot"),
    ],
)
def test_actions_and_resources_are_patterns(statement: Mapping[str, Any], allowed: bool) -> None:  # noqa: FBT001 - what holds
    """`*` stands for any letters and `?` for one."""
    document = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", **statement}}

    assert (Powers((document,)).verdict(UPDATE)[0] == "allowed") == allowed


def test_all_but_what_is_named() -> None:
    """NotAction and NotResource turn the list around."""
    deny = {"Effect": "Deny", "NotAction": ["ecs:UpdateService"], "NotResource": ["arn:aws:iam::*"]}
    powers = Powers((policy(action="*"), {"Statement": [deny]}))

    assert powers.verdict(UPDATE)[0] == "allowed"
    assert powers.verdict(Request("ecs:RunTask", "*"))[0] == "explicit deny"
    assert powers.verdict(Request("iam:GetRole", "arn:aws:iam::1:role/x"))[0] == "allowed"


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"StringEquals": {"k": ["a", "b"]}}, {"K": "b"}, True),
        ({"StringEquals": {"k": "a"}}, {"k": "A"}, False),
        ({"StringEquals": {"k": "a*"}}, {"k": "ab"}, False),
        ({"StringEquals": {"k": "a"}}, {}, False),
        ({"StringEqualsIfExists": {"k": "a"}}, {}, True),
        ({"StringEqualsIfExists": {"k": "a"}}, {"k": "b"}, False),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False),
        ({"StringNotEquals": {"k": "a"}}, {}, True),
        ({"StringLike": {"k": "a*"}}, {"k": "ab"}, True),
        ({"ArnLike": {"k": "arn:aws:ecs:*:1:cluster/*"}}, {"k": "arn:aws:ecs:us-east-2:1:cluster/a"}, True),
        ({"ArnEquals": {"k": "arn:aws:ecs:us-east-2:1:cluster/a"}}, {"k": "arn:aws:ecs:us-east-2:1:cluster/ab"}, False),
        ({"ArnLike": {"k": "arn:*:cluster/a"}}, {"k": "arn:aws:ecs:us-east-2:1:cluster/a"}, False),
        ({"Bool": {"k": True}}, {"k": "true"}, True),
        ({"Bool": {"k": "true"}}, {}, False),
        ({"Null": {"k": "true"}}, {}, True),
        ({"Null": {"k": "false"}}, {}, False),
        ({"StringEquals": {"k": "a", "l": "b"}}, {"k": "a"}, False),
    ],
)
def test_conditions(condition: Mapping[str, Any], context: Mapping[str, str], holds: bool) -> None:  # noqa: FBT001 - what holds
    """Several values are alternatives, several keys are all needed, and a key that is missing fails unless it is said otherwise."""
    powers = Powers((policy(Condition=condition),))

    assert (powers.verdict(Request(UPDATE.action, UPDATE.resource, context))[0] == "allowed") == holds


@pytest.mark.parametrize(
    ("document", "said"),
    [
        pytest.param(policy(Condition={"DateLessThan": {"k": "1"}}), "operator DateLessThan", id="unknown operator"),
        pytest.param(policy(resource="arn:aws:s3:::${aws:username}"), "policy variables", id="variable"),
        pytest.param(policy(NotPrincipal="*"), "element NotPrincipal", id="unknown element"),
    ],
)
def test_what_it_cannot_evaluate_it_refuses_to_guess(document: dict[str, Any], said: str) -> None:
    """A policy with something unknown in it is an error, neither a denial nor an allowance."""
    with pytest.raises(ValueError, match=said):
        Powers((document,)).verdict(UPDATE)


def test_a_trust_policy_can_deny_too() -> None:
    """A denial wins there as well, and a principal that is not named has no say."""
    ask = Request("sts:AssumeRole", ROLE)
    allow = {"Effect": "Allow", "Principal": {"AWS": [ROLE]}, "Action": "sts:AssumeRole"}
    deny = {"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Condition": {"Null": {"mfa": "true"}}}

    assert trusts({"Statement": [allow]}, [("AWS", ROLE)], ask)
    assert not trusts({"Statement": [allow]}, [("Service", ROLE)], ask)
    assert not trusts({"Statement": [allow, deny]}, [("AWS", ROLE)], ask)


def test_one_call_can_need_several_permissions() -> None:
    """A definition that has tags and roles needs to tag it and to pass them, each with its condition keys."""
    request = {"family": "app", "tags": [{"key": "a", "value": "b"}], "taskRoleArn": ROLE}

    found = needed("ecs", "RegisterTaskDefinition", request, PLACE)

    definition = "arn:aws:ecs:us-east-2:123456789012:task-definition/app:*"
    assert found == (
        Request("ecs:RegisterTaskDefinition", definition),
        Request("ecs:TagResource", definition, {"ecs:CreateAction": "RegisterTaskDefinition"}),
        Request("iam:PassRole", ROLE, {"iam:PassedToService": "ecs-tasks.amazonaws.com"}),
    )


def test_a_call_about_several_resources_needs_each() -> None:
    """Two services are asked for: both must be allowed."""
    found = needed("ecs", "DescribeServices", {"cluster": "test", "services": ["a", "b"]}, PLACE)

    assert [one.resource.rpartition("/")[2] for one in found] == ["a", "b"]
