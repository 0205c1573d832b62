"""Who may become whom: whom each role trusts, and what no policy could ever allow."""

from collections.abc import Mapping

import botocore.session
import pytest

from deployments.sandbox.aws.authoriser import Document, Request, statements, trusts
from promoter.identities import ASSUME, CALLS, IMPLIED
from tests.deployments.aws.account import GITHUB, NUMBER, PERSON, TEMPLATES, Account, role_arn

ECS = ("Service", "ecs-tasks.amazonaws.com")
PROVIDER = ("Federated", GITHUB)
CLAIM = "token.actions.githubusercontent.com"
HERE = {"aws:SourceAccount": NUMBER, "aws:SourceArn": f"arn:aws:ecs:us-east-2:{NUMBER}:*"}
MAIN = {f"{CLAIM}:aud": "sts.amazonaws.com", f"{CLAIM}:sub": "repo:OWNER/NAME:ref:refs/heads/main"}

pytestmark = pytest.mark.xdist_group("account")


@pytest.mark.parametrize(
    ("principal", "action", "context", "trusted"),
    [
        pytest.param(ECS, "AssumeRole", HERE, True, id="a task of ECS here"),
        pytest.param(ECS, "AssumeRole", {**HERE, "aws:SourceAccount": "1" * 12}, False, id="ECS for another account"),
        pytest.param(ECS, "AssumeRole", {}, False, id="ECS for nobody knows whom"),
        pytest.param(("Service", "ec2.amazonaws.com"), "AssumeRole", HERE, False, id="an EC2 instance"),
        pytest.param(PROVIDER, "AssumeRoleWithWebIdentity", MAIN, True, id="a job of the branch"),
        pytest.param(
            PROVIDER,
            "AssumeRoleWithWebIdentity",
            {**MAIN, f"{CLAIM}:sub": "repo:OWNER/NAME:ref:refs/heads/main2"},
            False,
            id="a job of another branch",
        ),
        pytest.param(
            PROVIDER,
            "AssumeRoleWithWebIdentity",
            {**MAIN, f"{CLAIM}:sub": "repo:OWNER/NAME:pull_request"},
            False,
            id="a job of a pull request",
        ),
        pytest.param(
            PROVIDER,
            "AssumeRoleWithWebIdentity",
            {**MAIN, f"{CLAIM}:sub": "repo:OTHER/NAME:ref:refs/heads/main"},
            False,
            id="a job of another repository",
        ),
        pytest.param(
            PROVIDER,
            "AssumeRoleWithWebIdentity",
            {**MAIN, f"{CLAIM}:aud": "x"},
            False,
            id="a token for another audience",
        ),
        pytest.param(PROVIDER, "AssumeRoleWithWebIdentity", {}, False, id="a token without claims"),
        pytest.param(("AWS", PERSON), "AssumeRole", {"aws:MultiFactorAuthPresent": "true"}, True, id="Ada with MFA"),
        pytest.param(
            ("AWS", PERSON), "AssumeRole", {"aws:MultiFactorAuthPresent": "false"}, False, id="Ada without MFA"
        ),
        pytest.param(("AWS", PERSON), "AssumeRole", {}, False, id="Ada with a long-lived key"),
        pytest.param(
            ("AWS", PERSON + "x"),
            "AssumeRole",
            {"aws:MultiFactorAuthPresent": "true"},
            False,
            id="somebody else with MFA",
        ),
    ],
)
def test_whom_the_worker_role_trusts(
    account: Account,
    principal: tuple[str, str],
    action: str,
    context: Mapping[str, str],
    trusted: bool,  # noqa: FBT001 - what holds
) -> None:
    """Tasks of this account, jobs of one branch of one repository, named people with MFA; nobody else."""
    role = role_arn("worker")

    assert trusts(account.trust(role), [principal], Request(f"sts:{action}", role, context)) == trusted


def test_a_worker_trusts_nobody_who_was_not_named(account: Account) -> None:
    """Each door is a parameter, and one that is not given is no door."""
    template = (TEMPLATES / "worker.yaml").read_text()
    account.deploy("worker-of-ada", template, Name="promoter-ada", Roles=role_arn("deployer", "staging"), People=PERSON)

    doors = [statement["Sid"] for statement in statements(account.trust(role_arn("ada")))]

    assert doors == ["PeopleWithMfa"]


def test_the_environments_roles_trust_the_worker_alone(account: Account) -> None:
    """And only sessions that say whose they are."""
    for kind, name in account.roles():
        role = role_arn(kind, name)
        ask = Request(ASSUME, role, {"sts:RoleSessionName": "promoter-deploy-1"})
        trust = account.trust(role)

        assert trusts(trust, [("AWS", role_arn("worker"))], ask)
        assert not trusts(trust, [("AWS", role_arn("worker"))], Request(ASSUME, role, {"sts:RoleSessionName": "x"}))
        assert not trusts(trust, [("AWS", role), ("AWS", f"arn:aws:iam::{NUMBER}:root"), ECS, PROVIDER], ask)


def test_the_boundary_is_exactly_what_the_roles_need(account: Account) -> None:
    """It allows the table's calls, denies the rest of AWS by name, and says the same list twice."""
    allow, deny, passing = boundary(account)
    calls = set().union(*CALLS.values())
    wanted = calls.union({ASSUME}, *(IMPLIED.get(call, ()) for call in calls))

    assert set(allow["Action"]) == wanted
    assert deny["NotAction"] == allow["Action"]
    assert (deny["Effect"], deny["Resource"], passing["Action"]) == ("Deny", "*", "iam:PassRole")


def test_no_policy_could_open_the_rest_of_aws(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """Each operation of the services about is denied explicitly to every role, except the table's."""
    (allow, _, _), checked = boundary(account), 0
    subjects = [role_arn("worker"), *(role_arn(kind, name) for kind, name in account.roles())]
    session = botocore.session.get_session()
    operations = [
        f"{model.signing_name}:{operation}"
        for service in ("ecs", "iam", "sts", "logs", "secretsmanager", "kms", "rds", "ssm")
        for model in [session.get_service_model(service)]
        for operation in model.operation_names
    ]

    for role in subjects:
        powers = account.powers(role)
        for action in operations:
            verdict, layer = powers.verdict(Request(action, "*"))
            checked += 1
            if action not in allow["Action"]:
                assert (action, verdict, layer) == (action, "explicit deny", "permissions boundary")

    with capsys.disabled():
        print(f"\n{checked} verdicts on {len(operations)} operations of AWS")  # noqa: T201 - its size is part of the proof
    assert {"ecs:ExecuteCommand", "ecs:CreateService", "ecs:DeleteService", "iam:CreateRole"} <= set(operations)


def test_roles_are_passed_to_tasks_only(account: Account) -> None:
    """Not even a role that may be passed is passed to another service."""
    powers = account.powers(role_arn("deployer", "staging"))
    task = f"arn:aws:iam::{NUMBER}:role/staging-task"

    verdicts = {
        service: powers.verdict(Request("iam:PassRole", task, {"iam:PassedToService": service}))[0]
        for service in ("ecs-tasks.amazonaws.com", "ec2.amazonaws.com", "lambda.amazonaws.com")
    }

    assert verdicts == {
        "ecs-tasks.amazonaws.com": "allowed",
        "ec2.amazonaws.com": "explicit deny",
        "lambda.amazonaws.com": "explicit deny",
    }


def boundary(account: Account) -> list[Document]:
    """Return the statements of the boundary."""
    found = account.powers(role_arn("worker")).boundary
    assert found is not None
    return list(statements(found))
