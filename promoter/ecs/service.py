"""The one door to Amazon ECS: what one service runs, and the three calls that change it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError

from promoter.config import Environment
from promoter.ecs import task_definitions
from promoter.ecs.state import ServiceState, TaskState, service_state, task_state
from promoter.ecs.task_definitions import name
from promoter.errors import RolloutError
from promoter.text import printable

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import DescribeTaskDefinitionResponseTypeDef, RegisterTaskDefinitionRequestTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient

LOOKED_AT = 10
"""Newest revisions of the family among which an earlier try of the same promotion is looked for."""
ENDED = {"ConflictException", "ServiceDeploymentNotFoundException"}
"""What StopServiceDeployment answers about a deployment that ended by itself."""
PASSING = {
    "ServerException",
    "LimitExceededException",
    "UpdateInProgressException",
    "RequestTimeout",
    "InternalFailure",
}
NO_CAPACITY = "Capacity is unavailable"
"""What Fargate says, under more than one code, where a zone has no room just now."""


@dataclass(frozen=True)
class EcsService:
    """One service of one environment.

    `fence` is called before each call that changes something; it raises when the environment's lease is lost.
    Every method raises RolloutError, transient where ECS throttles or cannot be reached.
    """

    client: "ECSClient"
    logs: "CloudWatchLogsClient"
    environment: Environment
    fence: Callable[[], object] = lambda: None

    def describe(self) -> ServiceState:
        """Return what ECS says of the service now."""
        with self.asking("describe the service"):
            answer = self.client.describe_services(cluster=self._cluster, services=[self._service])
        if not answer["services"]:
            raise RolloutError(f"{self} does not exist", hint="Create the service, or mend the environment's names.")
        return service_state(answer["services"][0])

    def check(self) -> ServiceState:
        """Return the service's state if a release can be rolled out on it and back; raise RolloutError before anything moves."""
        state = self.describe()
        obstacles = dict(_obstacles(state))
        if obstacles:
            raise RolloutError(f"{self} {'; it '.join(obstacles)}", hint=" ".join(obstacles.values()))
        definition = self.definition(state.task_definition)
        task_definitions.find(definition, self.environment.container)
        if definition["taskDefinition"].get("status") == "INACTIVE":
            raise RolloutError(
                f"{self} runs {name(state.task_definition)}, which is deregistered: there would be no way back to it",
                hint="Register the definition again and let the service run that one first.",
            )
        return state

    def definition(self, arn: str) -> "DescribeTaskDefinitionResponseTypeDef":
        """Return the task definition `arn` with its tags."""
        with self.asking(f"describe the task definition {name(arn)}"):
            return self.client.describe_task_definition(taskDefinition=arn, include=["TAGS"])

    def register(self, request: "RegisterTaskDefinitionRequestTypeDef", promotion: str) -> str:
        """Register `request` for `promotion` and return the ARN; one that this promotion registered earlier is returned instead."""
        found = self.registered(request["family"], promotion)
        if found is not None:
            self._same_image(request, found)
            return found
        self.fence()
        with self.asking(f"register the task definition {request['family']}"):
            answer = self.client.register_task_definition(**request)
        return answer["taskDefinition"]["taskDefinitionArn"]

    def registered(self, family: str, promotion: str) -> str | None:
        """Return the ARN that `promotion` registered in `family`, None if it did not."""
        with self.asking(f"list the task definitions of {family}"):
            arns = self.client.list_task_definitions(familyPrefix=family, sort="DESC", maxResults=LOOKED_AT)
        for arn in arns["taskDefinitionArns"]:
            if task_definitions.family(arn) == family and task_definitions.promotion(self.definition(arn)) == promotion:
                return arn
        return None

    def update(self, task_definition: str, *, force: bool = False) -> str:
        """Let the service run `task_definition` and return the id of the deployment; nothing is changed where it already does.

        `force` starts a new deployment also of the definition that runs.
        """
        primary = self.describe().primary
        if primary is not None and primary.task_definition == task_definition and not force:
            return primary.id
        self.fence()
        with self.asking(f"update the service to {name(task_definition)}"):
            answer = self.client.update_service(
                cluster=self._cluster, service=self._service, taskDefinition=task_definition, forceNewDeployment=force
            )
        primary = service_state(answer["service"]).primary
        if primary is None or primary.task_definition != task_definition:
            raise RolloutError(f"{self} started no deployment of {name(task_definition)}", transient=True)
        return primary.id

    def stop(self) -> bool:
        """Stop the deployment in progress and let ECS go back; return False if there is none any more.

        A service has at most one; its ARN ends in another id than `ecs-svc/…`, so it is looked up by its status.
        """
        with self.asking("list the service deployments"):
            answer = self.client.list_service_deployments(
                cluster=self._cluster, service=self._service, status=["PENDING", "IN_PROGRESS"]
            )
        live = answer["serviceDeployments"]
        if not live:
            return False
        self.fence()
        with self.asking("stop the deployment"):
            try:
                self.client.stop_service_deployment(
                    serviceDeploymentArn=live[0]["serviceDeploymentArn"], stopType="ROLLBACK"
                )
            except ClientError as error:
                if _code(error) in ENDED:
                    return False
                raise
        return True

    def tasks(self, task_definition: str) -> tuple[TaskState, ...]:
        """Return every task of `task_definition` in the cluster that is not yet STOPPED, whoever started it."""
        family = task_definitions.family(task_definition)
        found = self.read_tasks(self.list_tasks(family=family, desiredStatus="RUNNING"))
        found += self.read_tasks(self.list_tasks(family=family, desiredStatus="STOPPED"))
        return tuple(task for task in found if task.definition == task_definition and task.last_status != "STOPPED")

    def stopped(self) -> list[str]:
        """Return the ARNs of the service's tasks that are to stop or have; ECS forgets them after about an hour."""
        return self.list_tasks(serviceName=self._service, desiredStatus="STOPPED")

    def read_tasks(self, arns: list[str]) -> tuple[TaskState, ...]:
        """Return the tasks called `arns`; those that ECS has forgotten are missing."""
        found: list[TaskState] = []
        for start in range(0, len(arns), 100):
            with self.asking("describe the tasks"):
                answer = self.client.describe_tasks(cluster=self._cluster, tasks=arns[start : start + 100])
            found += [task_state(one) for one in answer["tasks"]]
        return tuple(found)

    def fleet(self, task_definition: str) -> str | None:
        """Return None if the service runs all its tasks, and all of them of `task_definition`; otherwise the reason why not.

        A task that ECS is stopping counts as gone: its load balancer sends it nothing new.
        """
        state = self.describe()
        tasks = self.read_tasks(self.list_tasks(serviceName=self._service, desiredStatus="RUNNING"))
        return _fleet(state, tasks, task_definition)

    def list_tasks(self, **which: Any) -> list[str]:  # noqa: ANN401 - ListTasks' own filters
        """Return the ARNs of the cluster's tasks that ListTasks' filters `which` let through."""
        with self.asking("list the tasks"):
            pages = self.client.get_paginator("list_tasks").paginate(cluster=self._cluster, **which)
            return [arn for page in pages for arn in page["taskArns"]]

    def _same_image(self, request: "RegisterTaskDefinitionRequestTypeDef", arn: str) -> None:
        container = self.environment.container
        wanted = next(
            (one.get("image") for one in request["containerDefinitions"] if one.get("name") == container), None
        )
        there = task_definitions.image(self.definition(arn), container)
        if wanted != there:
            raise RolloutError(
                f"this promotion already registered {name(arn)} with {there}, now it asks for {wanted}",
                hint="A promotion has one image; start a new promotion for another one.",
            )

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Turn what ECS refuses, while it is asked to do `what`, into RolloutError."""
        try:
            yield
        except ClientError as error:
            raise self._refused(what, error) from error
        except BotoCoreError as error:
            passing = isinstance(error, EndpointConnectionError | HTTPClientError)
            raise RolloutError(f"{self}: cannot {what}: {printable(str(error))}", transient=passing) from error

    def _refused(self, what: str, error: ClientError) -> RolloutError:
        code, text = _code(error), printable(error.response.get("Error", {}).get("Message", ""), 400)
        hints = {
            "ClusterNotFoundException": "Mend the environment's cluster and region, or create the cluster.",
            "ServiceNotFoundException": "Create the service, or mend the environment's names.",
            "AccessDenied": "Let the worker assume the environment's role, in its policy and in the role's trust.",
            "AccessDeniedException": "Allow it in the policy of the role that promotes; `promoter doctor` names all that is missing.",
        }
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        passing = code in PASSING or "Throttl" in code or NO_CAPACITY in text or status == 429 or status >= 500
        return RolloutError(f"{self}: cannot {what}: {code}: {text}", hint=hints.get(code), transient=passing)

    def __str__(self) -> str:
        return f"ECS service {self._service} in {self._cluster} ({self.environment.region})"

    @property
    def _cluster(self) -> str:
        return self.environment.cluster

    @property
    def _service(self) -> str:
        return self.environment.service


def _obstacles(state: ServiceState) -> Iterator[tuple[str, str]]:
    if state.status != "ACTIVE":
        yield f"is {state.status}", "Create it again: a deleted service cannot be brought back."
    if state.controller != "ECS":
        yield f"is deployed by {state.controller}", "Only the deployment controller ECS can be followed and taken back."
    if state.strategy != "ROLLING":
        yield f"uses the strategy {state.strategy}", "Set the deployment strategy to ROLLING."
    if state.desired_count == 0:
        yield "wants 0 tasks, so no release could show that it runs", "Set its desired count to 1 or more."
    if not (state.breaker and state.breaker_rolls_back):
        missing = "has no deployment circuit breaker" if not state.breaker else "has a circuit breaker without rollback"
        yield missing, "Turn on deploymentCircuitBreaker with enable and rollback."


def _fleet(state: ServiceState, tasks: tuple[TaskState, ...], task_definition: str) -> str | None:
    if state.primary is None or state.primary.task_definition != task_definition:
        return f"the service runs {name(state.task_definition)}, not {name(task_definition)}"
    others = [task for task in tasks if task.definition != task_definition]
    if others:
        return f"{len(others)} of {len(tasks)} tasks still run {name(others[0].definition)}"
    running = sum(task.last_status == "RUNNING" for task in tasks)
    if running < state.desired_count:
        return f"{running} of {state.desired_count} tasks run"
    return None


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "error")
