"""The roles of the templates may do what Promoter does, and nothing else; each of these tests could find a planted fault."""

import pytest

from tests.deployments.aws.account import TEMPLATES, Account, role_arn
from tests.deployments.aws.matrix import hold

pytestmark = pytest.mark.xdist_group("account")


def test_each_role_may_do_its_own_calls_in_its_own_environment_only(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every role makes every call of every role in both environments, and what nobody may do."""
    subjects = [("worker", "", role_arn("worker"))]
    subjects += [(kind, name, role_arn(kind, name)) for kind, name in account.roles()]

    found = {role: hold(account, role, kind, name) for kind, name, role in subjects}

    let, refused = (sum(getattr(one, what) for one in found.values()) for what in ("let", "refused"))
    with capsys.disabled():
        print(f"\n{len(subjects)} roles: {let} calls allowed, {refused} denied")  # noqa: T201 - its size is part of the proof
    assert {role: tally.faults for role, tally in found.items() if tally.faults} == {}
    assert let == 46
    assert refused > 400


def test_a_deployer_whose_migrations_run_elsewhere_may_run_no_task(account: Account) -> None:
    """As the template is by default."""
    template = (TEMPLATES / "deployer.yaml").read_text()
    text = template.replace('Default: "false"', 'Default: "false"  # RunsMigrations').replace(
        "  RunsMigrations:\n    D", "  Runs:\n    D"
    )
    role = account.deploy_role("deployer", "staging", text.replace("!Ref RunsMigrations,", "!Ref Runs,"), "-idle")

    tally = hold(account, role, "deployer", "staging")

    assert tally.faults == [f"is refused ecs:{action} in staging" for action in ("RunTask", "StopTask")]


PLANTED = {
    "superfluous action": (
        "deployer",
        (
            "                  - ecs:ListServiceDeployments\n",
            "                  - ecs:ListServiceDeployments\n                  - ecs:DeleteService\n",
        ),
        [
            "SeeService: no call needs ecs:DeleteService on arn:aws:ecs:us-east-2:123456789012:service/ecs-staging/svc-staging"
        ],
    ),
    "action of another role": (
        "verifier",
        ("Action: ecs:DescribeServices", "Action: [ecs:DescribeServices, ecs:ListServiceDeployments]"),
        [
            "may do ecs:ListServiceDeployments in staging",
            "SeeService: no call needs ecs:ListServiceDeployments on arn:aws:ecs:us-east-2:123456789012:service/ecs-staging/svc-staging",
        ],
    ),
    "any resource": (
        "deployer",
        (
            "!Sub arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:service-deployment/${Cluster}/${Service}/*",
            '"*"',
        ),
        [
            "may do ecs:StopServiceDeployment in production",
            "StopDeployment: ecs:StopServiceDeployment is allowed on everything",
        ],
    ),
    "missing action": (
        "deployer",
        ("                  - ecs:ListServiceDeployments\n", ""),
        ["is refused ecs:ListServiceDeployments in staging"],
    ),
    "missing condition": (
        "deployer",
        ('                  StringEqualsIfExists:\n                    ecs:enable-execute-command: "false"\n', ""),
        ["may do ecs:UpdateService with ECS Exec in staging"],
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_fault_is_found(account: Account, planted: str) -> None:
    """One superfluous action, one `*`, one missing action or condition in a template: the matrix names it and nothing else."""
    kind, (right, wrong), said = PLANTED[planted]
    template = (TEMPLATES / f"{kind}.yaml").read_text()
    assert template.count(right) == 1
    role = account.deploy_role(kind, "staging", template.replace(right, wrong), f"-{planted.replace(' ', '-')}")

    tally = hold(account, role, kind, "staging")

    assert tally.faults == said
