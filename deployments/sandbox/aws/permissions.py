"""Says which permissions one call of an API needs: actions, the resources they are about, and the condition keys they carry. Pure.

Source: AWS service authorization reference, for Amazon ECS, CloudWatch Logs, Secrets Manager, STS and IAM. An action that is not named here
is about `*` and carries no condition keys.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployments.sandbox.aws.authoriser import Request

Parameters = Mapping[str, Any]
TASKS = "ecs-tasks.amazonaws.com"
"""Who takes on the roles of a task definition."""
SERVICE = {"CreateService", "DeleteService", "DescribeServices", "ListServiceDeployments", "UpdateService"}
TASK = {"DescribeTasks", "ExecuteCommand", "StopTask"}
CLUSTER = {"DeleteCluster", "DescribeClusters"}
GROUP_OF_LOGS = re.compile(r"^arn:[^:]+:logs:[^:]+:\d+:log-group:(?P<name>[^:]+)")


@dataclass(frozen=True)
class Place:
    """Where a call is made."""

    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource that is here."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def needed(
    service: str,
    operation: str,
    parameters: Parameters,
    place: Place,
    secret_arn: Callable[[str], str] = lambda name: name,
) -> tuple[Request, ...]:
    """Return everything that the call needs, all of which must be allowed; `secret_arn` finds a secret by its name."""
    if service == "ecs":
        return tuple(_ecs(operation, parameters, place))
    action = f"{service}:{operation}"
    if service == "logs":
        return (Request(action, _logs(parameters, place)),)
    if service == "secretsmanager":
        secret = parameters.get("SecretId")
        return (Request(action, secret_arn(str(secret)) if secret else "*"),)
    if service == "sts" and operation.startswith("AssumeRole"):
        context = {"sts:RoleSessionName": str(parameters.get("RoleSessionName", ""))}
        return (Request(action, str(parameters.get("RoleArn", "*")), context),)
    return (Request(action, "*"),)


def _ecs(operation: str, parameters: Parameters, place: Place) -> Iterator[Request]:
    action = f"ecs:{operation}"
    if operation == "RegisterTaskDefinition":
        # The revision does not exist yet; AWS holds the family against the policy's `FAMILY:*`.
        definition = place.arn("ecs", f"task-definition/{parameters.get('family', '')}:*")
        yield Request(action, definition)
        if parameters.get("tags"):
            yield Request("ecs:TagResource", definition, {"ecs:CreateAction": operation})
        yield from _passed(parameters)
    elif operation in {"CreateService", "UpdateService"}:
        yield Request(
            action, _service(parameters, place), {**_cluster(parameters, place), **_changes(parameters, place)}
        )
    elif operation in SERVICE:
        yield from (Request(action, arn, _cluster(parameters, place)) for arn in _services(parameters, place))
    elif operation == "RunTask":
        yield Request(
            action, _definition(parameters, place), {**_cluster(parameters, place), **_changes(parameters, place)}
        )
        yield from _passed(parameters.get("overrides") or {})
    elif operation in TASK:
        yield from (Request(action, arn, _cluster(parameters, place)) for arn in _tasks(parameters, place))
    elif operation == "StopServiceDeployment":
        yield Request(action, str(parameters.get("serviceDeploymentArn") or "*"))
    elif operation in {"TagResource", "UntagResource", "ListTagsForResource"}:
        yield Request(action, str(parameters.get("resourceArn") or "*"))
    elif operation in CLUSTER:
        yield Request(action, place.arn("ecs", f"cluster/{_last(parameters.get('cluster'))}"))
    else:
        yield Request(action, "*", _cluster(parameters, place) if operation in {"ListTasks", "ListServices"} else {})


def _passed(parameters: Parameters) -> Iterator[Request]:
    """Yield `iam:PassRole` for each role that the tasks will have."""
    for name in ("taskRoleArn", "executionRoleArn"):
        if parameters.get(name):
            yield Request("iam:PassRole", str(parameters[name]), {"iam:PassedToService": TASKS})


def _changes(parameters: Parameters, place: Place) -> dict[str, str]:
    """Return the condition keys of what a service or a task is to run."""
    keys = {}
    if parameters.get("taskDefinition"):
        keys["ecs:task-definition"] = _definition(parameters, place)
    if parameters.get("enableExecuteCommand") is not None:
        keys["ecs:enable-execute-command"] = str(parameters["enableExecuteCommand"]).lower()
    return keys


def _cluster(parameters: Parameters, place: Place) -> dict[str, str]:
    return {"ecs:cluster": place.arn("ecs", f"cluster/{_last(parameters.get('cluster'))}")}


def _service(parameters: Parameters, place: Place, name: str | None = None) -> str:
    name = name or parameters.get("serviceName") or parameters.get("service") or ""
    return place.arn("ecs", f"service/{_last(parameters.get('cluster'))}/{_last(name)}")


def _services(parameters: Parameters, place: Place) -> list[str]:
    return [_service(parameters, place, name) for name in parameters.get("services") or [None]]


def _tasks(parameters: Parameters, place: Place) -> list[str]:
    cluster = _last(parameters.get("cluster"))
    names = parameters.get("tasks") or [parameters.get("task")]
    return [place.arn("ecs", f"task/{cluster}/{_last(name or '')}") for name in names]


def _definition(parameters: Parameters, place: Place) -> str:
    return place.arn("ecs", f"task-definition/{_last(parameters.get('taskDefinition') or '')}")


def _logs(parameters: Parameters, place: Place) -> str:
    named = parameters.get("logGroupName") or parameters.get("logGroupIdentifier")
    if not named:
        return "*"
    match = GROUP_OF_LOGS.match(named)
    stream = parameters.get("logStreamName")
    group = place.arn("logs", f"log-group:{match['name'] if match else named}")
    return f"{group}:log-stream:{stream}" if stream else group


def _last(name: str | None) -> str:
    return (name or "default").rsplit("/", 1)[-1]
