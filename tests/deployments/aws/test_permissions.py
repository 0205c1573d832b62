"""The doctor as the worker, in the account of the templates: what a role lacks is named with where to add it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from deployments.doctor import permissions
from deployments.doctor.examination import Result, examine
from deployments.sandbox.aws.authoriser import many
from promoter.config import Service
from promoter.identities import CALLS
from tests.deployments.aws.account import NUMBER, PURPOSES, Account, parsed, role_arn

pytestmark = [pytest.mark.xdist_group("account"), pytest.mark.usefixtures("worker")]

BOUNDARY = f"arn:aws:iam::{NUMBER}:policy/promoter-boundary"
LOOKS = [
    (kind, call)
    for kind, purpose in PURPOSES.items()
    for call in sorted(CALLS[purpose])
    if permissions.LOOK.match(call)
]


@pytest.fixture
def worker(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be the worker, as a task of ECS is: by what the environment says."""
    for name, value in account.session(role_arn("worker")).items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.setenv("PROMOTER_USER", "ada")


@pytest.fixture
def service(account: Account, make_service: Callable[..., Service]) -> Service:
    """Return a service that runs in the account's environments."""
    return make_service(environments=account.environments)


@pytest.fixture
def staging(account: Account, service: Service) -> Service:
    """Return the service in staging alone: each environment is looked at on its own."""
    return service.model_copy(update={"environments": {"staging": account.environments["staging"]}})


def test_a_whole_account_lacks_nothing(service: Service) -> None:
    """Each role may be become and may look; what changes something is said to be untried."""
    found = {one.name: one for one in examine(permissions.checks(service))}

    assert {name: one.outcome for name, one in found.items()} == {
        f"api/{environment}: {what}": "SKIP" if what.endswith("changes") else "OK"
        for environment in service.environments
        for what in (*PURPOSES, "deployer's changes")
    }
    session = "assumed-role/promoter-deployer-staging/promoter-deploy-ada"
    assert (
        found["api/staging: deployer"].detail == f"the deployer of staging ({session}) may make all 7 calls that look"
    )
    changes = found["api/staging: deployer's changes"].detail
    assert (
        "ecs:RegisterTaskDefinition, ecs:StopServiceDeployment, ecs:TagResource, ecs:UpdateService, iam:PassRole"
        in changes
    )


@pytest.mark.parametrize(("kind", "action"), LOOKS)
def test_a_missing_permission_is_named(account: Account, staging: Service, kind: str, action: str) -> None:
    """Which one, on what, whose, and in which template it stands; every other check is as it was."""
    with without(account, kind, action):
        found = wrong(staging)

    (one,) = found
    assert one.name == f"api/staging: {kind}"
    assert f"the {kind} of staging (assumed-role/promoter-{kind}-staging/" in one.detail
    assert f"lacks {action} on " in one.detail
    assert f"deployments/aws/{kind}.yaml" in (one.hint or "")


def test_everything_that_is_missing_is_named_at_once(account: Account, staging: Service) -> None:
    """Nobody mends an account one permission at a time."""
    with without(account, "deployer", "ecs:DescribeServices"), without(account, "deployer", "ecs:DescribeTasks"):
        (one,) = wrong(staging)

    place = f"arn:aws:ecs:us-east-2:{NUMBER}"
    assert (
        f"ecs:DescribeServices on {place}:service/ecs-staging/svc-staging, ecs:DescribeTasks on {place}:task"
        in one.detail
    )


def test_what_the_boundary_takes_is_to_be_mended_there(account: Account, staging: Service) -> None:
    """Adding it to the role again would change nothing."""
    iam = account.client("iam")
    whole = iam.get_policy(PolicyArn=BOUNDARY)["Policy"]["DefaultVersionId"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}
    less = iam.create_policy_version(PolicyArn=BOUNDARY, PolicyDocument=json.dumps(document), SetAsDefault=True)
    try:
        found = wrong(staging)
    finally:
        iam.set_default_policy_version(PolicyArn=BOUNDARY, VersionId=whole)
        iam.delete_policy_version(PolicyArn=BOUNDARY, VersionId=less["PolicyVersion"]["VersionId"])

    assert len(found) == len(PURPOSES)
    assert all("deployments/aws/boundary.yaml" in (one.hint or "") for one in found)


def test_a_role_that_the_worker_may_not_become_is_named(account: Account, staging: Service) -> None:
    """With both templates that could be wrong."""
    stranger = f"arn:aws:iam::{NUMBER}:role/staging-task"
    environment = account.environments["staging"].model_copy(update={"migrator_role": stranger})

    (one,) = wrong(staging.model_copy(update={"environments": {"staging": environment}}))

    assert one.name == "api/staging: migrator"
    assert (
        f"the worker may not become the migrator of staging: User: arn:aws:sts::{NUMBER}:assumed-role/promoter-worker"
        in one.detail
    )
    assert "worker.yaml" in (one.hint or "")
    assert "migrator.yaml" in (one.hint or "")


def test_without_roles_it_is_the_worker_who_lacks_it(account: Account, staging: Service) -> None:
    """The worker's own role may do nothing, so an environment without roles is all wrong."""
    bare = {"deployer_role": None, "migrator_role": None, "verifier_role": None}
    environments = {"staging": account.environments["staging"].model_copy(update=bare)}

    found = wrong(staging.model_copy(update={"environments": environments}))

    assert len(found) == len(PURPOSES)
    assert all(one.detail.startswith("the worker of staging (assumed-role/promoter-worker/") for one in found)
    assert all("docs/identities.md" in (one.hint or "") for one in found)


def wrong(service: Service) -> list[Result]:
    """Return what is NG."""
    return [one for one in examine(permissions.checks(service)) if one.outcome == "NG"]


@contextmanager
def without(account: Account, kind: str, action: str) -> Iterator[None]:
    """Take an action from the policy of staging's role, and give it back in the end."""
    iam = account.client("iam")
    role = {"RoleName": role_arn(kind, "staging").rpartition("/")[2]}
    (name,) = iam.list_role_policies(**role)["PolicyNames"]
    whole = parsed(iam.get_role_policy(**role, PolicyName=name)["PolicyDocument"])
    less = [{**one, "Action": _rest(one["Action"], action)} for one in whole["Statement"]]
    assert action not in str(less)
    iam.put_role_policy(**role, PolicyName=name, PolicyDocument=json.dumps({**whole, "Statement": less}))
    try:
        yield
    finally:
        iam.put_role_policy(**role, PolicyName=name, PolicyDocument=json.dumps(whole))


def _rest(actions: str | list[str], action: str) -> list[str]:
    """Return `actions` without `action`; a statement of none is no statement, so what everybody may takes its place."""
    return [one for one in many(actions) if one != action] or ["sts:GetCallerIdentity"]
