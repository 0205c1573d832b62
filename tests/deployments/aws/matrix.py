"""Every call that a role makes or must not make, in both environments, and whether AWS lets it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from deployments.sandbox.aws.authoriser import Document, Request, many, matching, statements
from deployments.sandbox.aws.permissions import Place, needed
from promoter.identities import ANYWHERE, ASSUME, CALLS
from tests.deployments.aws.account import NUMBER, PURPOSES, REGION, Account, definition_of, passed, role_arn

PLACE = Place(NUMBER, REGION)
REFUSED = {"AccessDenied", "AccessDeniedException"}


@dataclass(frozen=True)
class Attempt:
    """One call of an API on what belongs to one environment."""

    environment: str
    action: str
    parameters: dict[str, Any] = field(hash=False)
    why_not: str = ""
    """What makes this a call that nobody may make although its action is somebody's; "" for an ordinary one."""

    def __str__(self) -> str:
        what = f"{self.action} {self.why_not}".strip()
        return f"{what} in {self.environment}"

    def allowed_to(self, kind: str, environment: str) -> bool:
        """Return whether the role of this kind and environment is to be let."""
        if self.why_not:
            return False
        if kind == "worker":
            return self.action == ASSUME
        return self.action in CALLS[PURPOSES[kind]] and (
            self.environment == environment or self.action in ANYWHERE - CONDITIONED
        )

    def needs(self, account: Account) -> tuple[Request, ...]:
        """Return the permissions that it takes."""
        service, operation = self.action.split(":")
        return needed(service, operation, self.parameters, PLACE, lambda _: account.secrets[self.environment])

    def refused(self, account: Account, credentials: dict[str, str]) -> bool:
        """Make it, and return whether it was refused; any other error is the answer of an API that was let to answer."""
        service, operation = self.action.split(":")
        client = account.client(service, credentials)
        try:
            getattr(client, xform_name(operation))(**self.parameters)
        except ClientError as error:
            return error.response["Error"]["Code"] in REFUSED
        return False


CONDITIONED = frozenset({"ecs:ListTasks"})
"""Actions without a resource that a condition ties to one cluster all the same."""


def attempts(account: Account, name: str) -> Iterator[Attempt]:
    """Yield every attempt on what belongs to the environment `name`."""
    for action, parameters in ordinary(account, name).items():
        yield Attempt(name, action, parameters)
    for kind in PURPOSES:
        yield Attempt(name, ASSUME, {"RoleArn": role_arn(kind, name), "RoleSessionName": "promoter-test"})
    for action, why_not, parameters in forbidden(account, name):
        yield Attempt(name, action, parameters, why_not)


def ordinary(account: Account, name: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of each call that the product makes."""
    environment = account.environments[name]
    service = {"cluster": environment.cluster, "service": environment.service}
    return {
        "ecs:DescribeServices": {"cluster": environment.cluster, "services": [environment.service]},
        "ecs:DescribeTaskDefinition": {"taskDefinition": f"{environment.family}:1", "include": ["TAGS"]},
        "ecs:DescribeTasks": {
            "cluster": environment.cluster,
            "tasks": [_arn(f"task/{environment.cluster}/{'0' * 32}")],
        },
        "ecs:ListServiceDeployments": service,
        "ecs:ListTaskDefinitions": {"familyPrefix": environment.family},
        "ecs:ListTasks": {"cluster": environment.cluster, "serviceName": environment.service},
        "ecs:RegisterTaskDefinition": definition_of(environment, name),
        "ecs:RunTask": {"cluster": environment.cluster, "taskDefinition": f"{environment.family}:1"},
        "ecs:StopTask": {
            "cluster": environment.cluster,
            "task": _arn(f"task/{environment.cluster}/{'0' * 32}"),
        },
        "ecs:StopServiceDeployment": {
            "serviceDeploymentArn": _arn(f"service-deployment/{environment.cluster}/{environment.service}/none")
        },
        "ecs:UpdateService": {**service, "taskDefinition": f"{environment.family}:1"},
        "logs:GetLogEvents": {"logGroupName": f"/ecs/{environment.family}", "logStreamName": "ecs/api/none"},
        "secretsmanager:GetSecretValue": {"SecretId": environment.secret},
    }


def forbidden(account: Account, name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield calls that no role may make: action, what is wrong with it, parameters."""
    environment = account.environments[name]
    service = {"cluster": environment.cluster, "service": environment.service}
    definition, roles = definition_of(environment, name), passed(name)
    document = {"PolicyName": "more", "PolicyDocument": '{"Version":"2012-10-17","Statement":[]}'}
    deployer = role_arn("deployer", name)
    task = _arn(f"task/{environment.cluster}/{'0' * 32}")
    yield "ecs:UpdateService", "to another family", {**service, "taskDefinition": "somebody-else:1"}
    exec_door = {"taskDefinition": f"{environment.family}:1", "enableExecuteCommand": True}
    yield "ecs:UpdateService", "with ECS Exec", {**service, **exec_door}
    yield "ecs:UpdateService", "of the number of tasks alone", {**service, "desiredCount": 0}
    yield "ecs:RegisterTaskDefinition", "with the deployer's role", {**definition, "taskRoleArn": deployer}
    worker = {**definition, "executionRoleArn": role_arn("worker")}
    yield "ecs:RegisterTaskDefinition", "with the worker's role", worker
    yield "ecs:RegisterTaskDefinition", "of another family", {**definition, "family": "somebody-else"}
    tags = {"resourceArn": _arn(f"task-definition/{environment.family}:1"), "tags": [{"key": "a", "value": "b"}]}
    yield "ecs:TagResource", "afterwards", tags
    yield "ecs:RunTask", "of another family", {"cluster": environment.cluster, "taskDefinition": "somebody-else:1"}
    yield "ecs:RunTask", "in another cluster", {"cluster": "another", "taskDefinition": f"{environment.family}:1"}
    run = {"cluster": environment.cluster, "taskDefinition": f"{environment.family}:1", "enableExecuteCommand": True}
    yield "ecs:RunTask", "with ECS Exec", run
    yield "ecs:StopTask", "of another cluster", {"cluster": "another", "task": _arn(f"task/another/{'0' * 32}")}
    command = {"cluster": environment.cluster, "task": task, "command": "sh", "interactive": True}
    yield "ecs:ExecuteCommand", "at all", command
    yield "ecs:CreateService", "at all", {"cluster": environment.cluster, "serviceName": "second"}
    yield "ecs:DeleteService", "at all", {**service, "force": True}
    yield "ecs:DeregisterTaskDefinition", "at all", {"taskDefinition": f"{environment.family}:1"}
    yield "ecs:DeleteCluster", "at all", {"cluster": environment.cluster}
    yield "iam:PutRolePolicy", "at all", {"RoleName": deployer.rpartition("/")[2], **document}
    yield "iam:CreateAccessKey", "at all", {}
    yield "iam:CreateRole", "at all", {"RoleName": "another", "AssumeRolePolicyDocument": "{}"}
    boundary = {"RoleName": deployer.rpartition("/")[2]}
    yield "iam:DeleteRolePermissionsBoundary", "at all", boundary
    yield "secretsmanager:PutSecretValue", "at all", {"SecretId": environment.secret, "SecretString": "{}"}
    yield "secretsmanager:DeleteSecret", "at all", {"SecretId": environment.secret}
    yield "logs:DeleteLogGroup", "at all", {"logGroupName": f"/ecs/{environment.family}"}
    yield "sts:AssumeRole", "of the service's tasks", {"RoleArn": roles["taskRoleArn"], "RoleSessionName": "promoter-x"}
    yield "sts:AssumeRole", "without saying who one is", {"RoleArn": deployer, "RoleSessionName": "somebody"}
    yield "sts:AssumeRole", "of the worker", {"RoleArn": role_arn("worker"), "RoleSessionName": "promoter-x"}


@dataclass
class Tally:
    """What came of holding one role against every attempt."""

    let: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)


def hold(account: Account, role: str, kind: str, environment: str) -> Tally:
    """Make every attempt as `role`, which should be as the template `kind` for `environment` is meant, and say what is wrong with it."""
    tally, credentials = Tally(), account.session(role)
    granted: list[Request] = []
    for name in account.environments:
        for attempt in attempts(account, name):
            refused, wanted = attempt.refused(account, credentials), attempt.allowed_to(kind, environment)
            if wanted:
                tally.let += 1
                granted += attempt.needs(account)
            else:
                tally.refused += 1
            if refused == wanted:
                tally.faults.append(f"{'is refused' if refused else 'may do'} {attempt}")
    for document in account.powers(role).identity:
        tally.faults += unused(document, granted)
    return tally


def unused(document: Document, granted: list[Request]) -> Iterator[str]:
    """Yield each action and resource of a policy that no granted request needs."""
    for statement in statements(document):
        for action in many(statement["Action"]):
            for resource in many(statement["Resource"]):
                alone = {"Statement": [{**statement, "Action": action, "Resource": resource}]}
                users = [one for one in granted if matching(alone, "Allow", one)]
                if not users:
                    yield f"{statement['Sid']}: no call needs {action} on {resource}"
                elif resource == "*" and action not in ANYWHERE:
                    yield f"{statement['Sid']}: {action} is allowed on everything"
                elif "*" in action:
                    yield f"{statement['Sid']}: {action} is a pattern"


def _arn(resource: str) -> str:
    return PLACE.arn("ecs", resource)
