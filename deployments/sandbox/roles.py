"""Makes the roles of a service as an administrator would: the templates of `deployments/aws`, on the sandbox's CloudFormation.

The same calls, with the same parameters, as docs/identities.md describes for an account of one's own.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployments.sandbox import owner
from deployments.sandbox.aws.permissions import TASKS
from deployments.sandbox.owner import NUMBER
from promoter.config import Environment, Service

TEMPLATES = Path(__file__).parents[1] / "aws"
KINDS = ("deployer", "migrator", "verifier")
"""The roles of an environment, as their templates are called."""
BOUNDARY = f"arn:aws:iam::{NUMBER}:policy/promoter-boundary"
LIFE = 30 * 24 * 3600
"""How long the worker of a sandbox is the worker, in seconds; on AWS its credentials are renewed by ECS."""


@dataclass(frozen=True)
class Stack:
    """One template and what is filled in."""

    name: str
    template: str
    """`deployer`."""
    parameters: Mapping[str, str] = field(default_factory=dict)


def role(kind: str, environment: str = "") -> str:
    """Return the ARN that a role of the templates has in the sandbox's account; without an environment the worker's."""
    return f"arn:aws:iam::{NUMBER}:role/promoter-{kind}" + (f"-{environment}" if environment else "")


def of_tasks(environment: Environment) -> dict[str, str]:
    """Return the roles of the service's tasks, as a task definition names them; none where the environment has no deployer's role.

    They are the infrastructure team's, and what the deployer may pass.
    """
    if environment.deployer_role is None:
        return {}
    names = {"taskRoleArn": "task", "executionRoleArn": "execution"}
    return {name: f"arn:aws:iam::{NUMBER}:role/{environment.family}-{kind}" for name, kind in names.items()}


def stacks(service: Service, secrets: Mapping[str, str]) -> Iterator[Stack]:
    """Yield everything that is deployed for the environments of `service` that name roles, in the order that works.

    `secrets` has the ARN of each environment's secret.
    """
    environments = {name: one for name, one in service.environments.items() if one.deployer_role is not None}
    if not environments:
        return
    yield Stack("promoter-boundary", "boundary")
    ours = ",".join(role(kind, name) for name in environments for kind in KINDS)
    yield Stack("promoter-worker", "worker", {"Boundary": BOUNDARY, "OnEcs": "true", "Roles": ours})
    for name, environment in environments.items():
        common = {"Environment": name, "Boundary": BOUNDARY, "Worker": role("worker")}
        place = {"Cluster": environment.cluster, "Service": environment.service}
        passed = of_tasks(environment)
        deploys = {
            "Family": environment.family,
            "LogGroup": f"/ecs/{environment.family}",
            "TaskRole": passed["taskRoleArn"],
            "ExecutionRole": passed["executionRoleArn"],
            "RunsMigrations": str(service.migrations.runner == "ecs-task").lower(),
        }
        further = {"deployer": place | deploys, "migrator": {"Secret": secrets[name]}, "verifier": place}
        yield from (Stack(f"promoter-{kind}-{name}", kind, common | further[kind]) for kind in KINDS)


def deploy(wanted: Iterable[Stack]) -> None:
    """Deploy `wanted` in their order."""
    client = owner.session().client("cloudformation")
    for stack in wanted:
        client.create_stack(
            StackName=stack.name,
            TemplateBody=(TEMPLATES / f"{stack.template}.yaml").read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )


def make_for_tasks(environment: Environment) -> None:
    """Make the roles of the service's tasks."""
    client = owner.session().client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": TASKS}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    for arn in of_tasks(environment).values():
        client.create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=document)


def worker() -> dict[str, str]:
    """Return the variables of a process that is the worker and nobody else, as a task of ECS with its role would be."""
    client = owner.session().client("sts")
    keys = client.assume_role(RoleArn=role("worker"), RoleSessionName="promoter-sandbox", DurationSeconds=LIFE)[
        "Credentials"
    ]
    return {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }
