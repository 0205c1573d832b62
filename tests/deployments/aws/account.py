"""An account with two environments, in which the templates of `deployments/aws` are deployed; the sandbox's AWS holds their roles to them."""

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from deployments.sandbox.aws.authoriser import Document, Powers
from promoter.config import Environment
from promoter.identities import Purpose

REGION, NUMBER = "us-east-2", "123456789012"
TEMPLATES = Path(__file__).parents[3] / "deployments" / "aws"
ENVIRONMENTS = ("staging", "production")
PURPOSES: dict[str, Purpose] = {"deployer": "deploy", "migrator": "migrate", "verifier": "verify"}
IMAGE = "127.0.0.1:1/team/api@sha256:" + "0" * 64
"""No registry has it: tasks of it fail at once."""
GITHUB = f"arn:aws:iam::{NUMBER}:oidc-provider/token.actions.githubusercontent.com"
PERSON = f"arn:aws:iam::{NUMBER}:user/ada"


SESSION = boto3.Session()


def role_arn(kind: str, environment: str = "") -> str:
    """Return the ARN that a role of the templates has."""
    return f"arn:aws:iam::{NUMBER}:role/promoter-{kind}" + (f"-{environment}" if environment else "")


def passed(environment: str) -> dict[str, str]:
    """Return the roles of the service's tasks, which the infrastructure team made."""
    names = {"taskRoleArn": "task", "executionRoleArn": "execution"}
    return {name: f"arn:aws:iam::{NUMBER}:role/{environment}-{role}" for name, role in names.items()}


@dataclass
class Account:
    """The account as its owner sees it."""

    endpoint_url: str
    environments: dict[str, Environment] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """The ARN of each environment's secret."""
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, credentials: dict[str, str] | None = None) -> Any:
        """Return a client, the owner's own without credentials; making one takes longer than many calls, so each is kept."""
        keys = credentials or {"aws_access_key_id": "owner", "aws_secret_access_key": "owner"}
        name = (service, keys["aws_access_key_id"])
        if name not in self.clients:
            where = {"region_name": REGION, "endpoint_url": self.endpoint_url}
            settings = Config(parameter_validation=False)  # what AWS refuses, the sandbox is to refuse
            self.clients[name] = SESSION.client(service, config=settings, **where, **keys)  # type: ignore[call-overload]
        return self.clients[name]

    def session(self, role: str, **settings: Any) -> dict[str, str]:
        """Return the credentials of a session of `role`, as whoever it trusts would get them."""
        answer = self.client("sts").assume_role(RoleArn=role, RoleSessionName="promoter-test", **settings)
        found = answer["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }

    def build(self) -> None:
        """Make both environments, and deploy every template for them."""
        for name in ENVIRONMENTS:
            self._make(name)
        self.deploy("boundary", (TEMPLATES / "boundary.yaml").read_text())
        roles = ",".join(role_arn(kind, name) for name in ENVIRONMENTS for kind in PURPOSES)
        settings = {"Roles": roles, "GitHubProvider": GITHUB, "GitHubRepository": "OWNER/NAME", "People": PERSON}
        self.deploy("worker", (TEMPLATES / "worker.yaml").read_text(), OnEcs="true", **settings)
        for name in ENVIRONMENTS:
            for kind in PURPOSES:
                self.deploy_role(kind, name)

    def deploy_role(self, kind: str, name: str, template: str | None = None, suffix: str = "") -> str:
        """Deploy a template for an environment, under a name of its own where it has a suffix; return the ARN of its role."""
        environment = self.environments[name]
        roles = passed(name)
        parameters = {
            "Environment": name + suffix,
            "Worker": role_arn("worker"),
            "Cluster": environment.cluster,
            "Service": environment.service,
            "Family": environment.family,
            "LogGroup": f"/ecs/{environment.family}",
            "TaskRole": roles["taskRoleArn"],
            "ExecutionRole": roles["executionRoleArn"],
            "Secret": self.secrets[name],
            "RunsMigrations": "true",
        }
        text = template or (TEMPLATES / f"{kind}.yaml").read_text()
        self.deploy(
            f"{kind}-{name}{suffix}", text, **{key: parameters[key] for key in parameters if f"  {key}:\n" in text}
        )
        return role_arn(kind, name + suffix)

    def deploy(self, stack: str, template: str, **parameters: str) -> None:
        """Deploy one template."""
        if "  Boundary:\n    Description: ARN" in template:
            parameters["Boundary"] = f"arn:aws:iam::{NUMBER}:policy/promoter-boundary"
        self.client("cloudformation").create_stack(
            StackName=stack,
            TemplateBody=template,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )

    def powers(self, role: str) -> Powers:
        """Return what the account's IAM says of a role."""
        iam, name = self.client("iam"), role.rpartition("/")[2]
        policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
        documents = [iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"] for one in policies]
        arn = iam.get_role(RoleName=name)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        boundary = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        return Powers(tuple(parsed(one) for one in documents), parsed(boundary))

    def trust(self, role: str) -> Document:
        """Return whom a role trusts."""
        return parsed(self.client("iam").get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"])

    def roles(self) -> Iterator[tuple[str, str]]:
        """Yield every role of the environments, as its kind and its environment."""
        yield from ((kind, name) for name in ENVIRONMENTS for kind in PURPOSES)

    def _make(self, name: str) -> None:
        """Make an environment as an infrastructure team would: cluster, service, secret, log group, roles of its tasks."""
        self.environments[name] = environment = Environment(
            region=REGION,
            cluster=f"ecs-{name}",
            service=f"svc-{name}",
            family=f"tsk-{name}",
            container="api",
            secret=f"{name}-database",
            health_url="http://127.0.0.1:1/health",
            endpoint_url=self.endpoint_url,
            deployer_role=role_arn("deployer", name),
            migrator_role=role_arn("migrator", name),
            verifier_role=role_arn("verifier", name),
        )
        values = {
            "POSTGRES_USER": "api",
            "POSTGRES_PASSWORD": f"the password of {name}",
            "POSTGRES_DB": "api",
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": "5432",
        }
        made = self.client("secretsmanager").create_secret(Name=environment.secret, SecretString=json.dumps(values))
        self.secrets[name] = made["ARN"]
        for role in passed(name).values():
            self.client("iam").create_role(RoleName=role.rpartition("/")[2], AssumeRolePolicyDocument="{}")
        self.client("logs").create_log_group(logGroupName=f"/ecs/{environment.family}")
        ecs = self.client("ecs")
        ecs.create_cluster(clusterName=environment.cluster)
        definition = ecs.register_task_definition(**definition_of(environment, name))["taskDefinition"]
        ecs.create_service(
            cluster=environment.cluster,
            serviceName=environment.service,
            taskDefinition=definition["taskDefinitionArn"],
            desiredCount=0,
            deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        )


def definition_of(environment: Environment, name: str) -> dict[str, Any]:
    """Return the request that registers a task definition with roles, logs and tags."""
    options = {
        "awslogs-group": f"/ecs/{environment.family}",
        "awslogs-region": REGION,
        "awslogs-stream-prefix": "ecs",
    }
    container = {"name": "api", "image": IMAGE, "logConfiguration": {"logDriver": "awslogs", "options": options}}
    return {
        "family": environment.family,
        "containerDefinitions": [container],
        "tags": [{"key": "team", "value": "api"}],
        **passed(name),
    }


def parsed(document: Any) -> Document:
    """Return a policy document as CloudFormation makes it.

    Where a template makes it, moto answers as Python writes it, and keeps an empty place for each statement that is AWS::NoValue.
    """
    found = ast.literal_eval(document) if isinstance(document, str) else document
    return {**found, "Statement": [one for one in found.get("Statement", ()) if one is not None]}
