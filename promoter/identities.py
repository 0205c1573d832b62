"""Who Promoter is on AWS for what it does: a role per purpose, a session that names the promotion, narrowed to one environment. Pure.

`CALLS` is the declared table of what is called for each purpose. The roles of `deployments/aws` allow exactly this, and a test holds the
table against the calls that are really made.

Source: AWS STS API reference, "AssumeRole"; AWS service authorization reference.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from promoter.config import Environment

Purpose = Literal["deploy", "migrate", "verify"]
CALLS: Mapping[Purpose, frozenset[str]] = MappingProxyType(
    {
        "deploy": frozenset(
            {
                "ecs:DescribeServices",
                "ecs:DescribeTaskDefinition",
                "ecs:DescribeTasks",
                "ecs:ListServiceDeployments",
                "ecs:ListTaskDefinitions",
                "ecs:ListTasks",
                "ecs:RegisterTaskDefinition",
                "ecs:RunTask",
                "ecs:StopServiceDeployment",
                "ecs:StopTask",
                "ecs:UpdateService",
                "logs:GetLogEvents",
            }
        ),
        "migrate": frozenset({"secretsmanager:GetSecretValue"}),
        "verify": frozenset(
            {"ecs:DescribeServices", "ecs:DescribeTaskDefinition", "ecs:DescribeTasks", "ecs:ListTasks"}
        ),
    }
)
"""The calls of AWS's APIs for each purpose."""
IMPLIED: Mapping[str, frozenset[str]] = MappingProxyType(
    {"ecs:RegisterTaskDefinition": frozenset({"ecs:TagResource", "iam:PassRole"})}
)
"""What else a call needs to be allowed: its request has tags and names roles."""
ASSUME = "sts:AssumeRole"
"""The one call that the worker makes as itself, where an environment names roles."""
ANYWHERE = frozenset({"ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:ListTasks"})
"""Actions that IAM knows no resource for."""
SECONDS = 1800
"""How long a session lives. botocore renews it from a quarter of an hour before its end, so a shorter one would be renewed at every call, and a
role that another role assumes lives an hour at most."""
LONGEST_NAME = 64
PREFIX = "promoter"
"""Every session's name begins so; the roles trust no other."""


@dataclass(frozen=True)
class Identity:
    """A role, and the session of it that is asked for."""

    role: str
    """Its ARN."""
    session: str
    """Its name in CloudTrail."""
    policy: str
    """What the session is narrowed to, as JSON; it can only take from what the role allows."""
    seconds: int = SECONDS

    def request(self) -> dict[str, Any]:
        """Return the parameters of STS's AssumeRole."""
        return {
            "RoleArn": self.role,
            "RoleSessionName": self.session,
            "Policy": self.policy,
            "DurationSeconds": self.seconds,
        }


def identity(environment: Environment, purpose: Purpose, subject: str) -> Identity | None:
    """Return who to be for `purpose`, None where the environment names no role for it: then who the worker is.

    `subject` is for whom it is done: a promotion's id, or a person.
    """
    roles: dict[Purpose, str | None] = {
        "deploy": environment.deployer_role,
        "migrate": environment.migrator_role,
        "verify": environment.verifier_role or environment.deployer_role,
    }
    role = roles[purpose]
    if role is None:
        return None
    return Identity(role, session_name(purpose, subject), session_policy(environment, purpose, role))


def session_name(purpose: Purpose, subject: str) -> str:
    """Return `promoter-deploy-SUBJECT` in the alphabet and length that STS takes."""
    return re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", f"{PREFIX}-{purpose}-{subject}")[:LONGEST_NAME]


def session_policy(environment: Environment, purpose: Purpose, role: str) -> str:
    """Return the policy that narrows a session of `role` to the environment's cluster, service, family and secret; at most 2048 letters."""
    _, partition, _, _, account, _ = role.split(":", 5)
    calls = CALLS[purpose]
    actions = calls.union(*(IMPLIED.get(call, ()) for call in calls))

    def arn(service: str, resource: str) -> str:
        return f"arn:{partition}:{service}:{environment.region}:{account}:{resource}"

    cluster, service = environment.cluster, environment.service
    own = [
        arn("ecs", f"service/{cluster}/{service}"),
        arn("ecs", f"service-deployment/{cluster}/{service}/*"),
        arn("ecs", f"task-definition/{environment.family}:*"),
        arn("ecs", f"task/{cluster}/*"),
    ]
    allowed = {
        "logs:": [arn("logs", "log-group:*")],
        "secretsmanager:": [_secret(environment.secret, arn)],
        "iam:": [f"arn:{partition}:iam::{account}:role/*"],
        "ecs:": own,
    }
    found = {prefix: sorted(one for one in actions - ANYWHERE if one.startswith(prefix)) for prefix in allowed}
    statements = [_allow(found[prefix], resources) for prefix, resources in allowed.items() if found[prefix]]
    anywhere = sorted(actions & ANYWHERE)
    if anywhere:
        statements.append(_allow(anywhere, ["*"]))
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def _secret(name: str, arn: Callable[[str, str], str]) -> str:
    """Return the ARN of the secret; one that is given by its name ends in six characters that Secrets Manager chose."""
    return name if name.startswith("arn:") else arn("secretsmanager", f"secret:{name}-??????")
