"""Who Promoter asks to be: the right role, a session that tells for whom, and no more than the environment."""

import json

import pytest

from promoter.config import Environment
from promoter.identities import CALLS, Purpose, identity

DEPLOYER, MIGRATOR, VERIFIER = (
    f"arn:aws-cn:iam::123456789012:role/promoter/{name}" for name in ("deployer", "migrator", "verifier")
)
PROMOTION = "0193b7ae-2c7e-7d3f-9d1c-0f0f9a8b7c6d"


def environment(**parts: str) -> Environment:
    """Return an environment with these roles."""
    return Environment(
        **{
            "region": "cn-north-1",
            "cluster": "engine",
            "service": "api",
            "family": "tsk",
            "container": "api",
            "secret": "database",
            "health_url": "https://api.example/health",
            **parts,
        }
    )


@pytest.mark.parametrize(
    ("roles", "purpose", "role"),
    [
        ({}, "deploy", None),
        ({"deployer_role": DEPLOYER}, "deploy", DEPLOYER),
        ({"deployer_role": DEPLOYER}, "verify", DEPLOYER),
        ({"deployer_role": DEPLOYER}, "migrate", None),
        ({"verifier_role": VERIFIER}, "deploy", None),
        ({"deployer_role": DEPLOYER, "verifier_role": VERIFIER}, "verify", VERIFIER),
        ({"migrator_role": MIGRATOR}, "migrate", MIGRATOR),
    ],
)
def test_each_purpose_has_its_role(roles: dict[str, str], purpose: Purpose, role: str | None) -> None:
    """A purpose without a role is the worker's own; only looking may borrow the deployer's."""
    found = identity(environment(**roles), purpose, PROMOTION)

    assert (found.role if found else None) == role


def test_the_request_says_who_for_what_and_how_long() -> None:
    """The parameters of AssumeRole, whole."""
    found = identity(environment(migrator_role=MIGRATOR), "migrate", PROMOTION)

    assert found is not None
    request = found.request()
    assert json.loads(request.pop("Policy")) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["secretsmanager:GetSecretValue"],
                "Resource": ["arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:database-??????"],
            }
        ],
    }
    assert request == {
        "RoleArn": MIGRATOR,
        "RoleSessionName": f"promoter-migrate-{PROMOTION}",
        "DurationSeconds": 1800,
    }


def test_a_secret_that_is_named_by_its_arn_is_meant_exactly() -> None:
    """Nothing is guessed about its last letters."""
    arn = "arn:aws:secretsmanager:us-east-2:123456789012:secret:database-aBcDeF"
    found = identity(environment(migrator_role=MIGRATOR, secret=arn), "migrate", PROMOTION)

    assert found is not None
    assert json.loads(found.policy)["Statement"][0]["Resource"] == [arn]


def test_a_session_name_fits_whoever_asks() -> None:
    """STS takes 64 letters of a small alphabet; a person's name may hold any."""
    found = identity(environment(deployer_role=DEPLOYER), "verify", "Ada Lovelace/Zoë " + "x" * 60)

    assert found is not None
    assert found.session == "promoter-verify-Ada-Lovelace-Zo--" + "x" * 31


def test_session_policies_are_whole_and_short_enough() -> None:
    """STS takes 2048 letters; the longest names that a service file may hold fit for each purpose."""
    longest = environment(
        **{name: name[0] * 128 for name in ("cluster", "service", "family")},
        secret="x" * 256,
        region="ap-southeast-2",
        deployer_role=DEPLOYER,
        migrator_role=MIGRATOR,
    )

    for purpose in CALLS:
        found = identity(longest, purpose, PROMOTION)
        assert found is not None
        assert json.loads(found.policy)["Statement"]
        assert len(found.policy) <= 2048
