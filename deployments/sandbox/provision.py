"""Makes the environments of a service as an infrastructure team would: database, secret, load balancer, service, first release.

Promoter changes environments and never creates them; on AWS this is done by CloudFormation or Terraform. Where an environment names roles,
Promoter's own templates are deployed too.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from deployments.sandbox import owner, roles
from promoter import dependencies, git, images, postgres, remotes
from promoter.config import Environment, Service
from promoter.errors import RolloutError
from promoter.images import BuildPlan, Login
from promoter.postgres import Server
from promoter.records import Image
from promoter.schema import migrations
from promoter.schema.runners import SubprocessRunner
from promoter.secrets import DatabaseCredentials
from promoter.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_secretsmanager import SecretsManagerClient

PATIENCE = 60.0
"""How long a first release may take to come up, in seconds."""

PROBE = (
    "import os, socket, sys;"
    "s = socket.create_connection(('127.0.0.1', int(os.environ.get('PORT', '{port}'))), 2);"
    "s.sendall(b'GET {path} HTTP/1.0\\r\\n\\r\\n');"
    "sys.exit(b' 200 ' not in s.recv(64))"
)
"""The container health check, on a bare socket: a dozen of them a second must not be what keeps the machine busy."""


@dataclass(frozen=True)
class Account:
    """The sandbox's AWS account and database server, as its owner sees them."""

    ecs: "ECSClient"
    balancers: "ElasticLoadBalancingv2Client"
    secrets: "SecretsManagerClient"
    network: str
    """Id of the VPC."""
    subnets: list[str]
    server: Server
    login: Login
    cache: Path
    further: Mapping[str, str]
    """Secret variables of the containers besides the database's; each is a key of the environment's secret too."""
    grace: int
    """How long a new task may fail the load balancer's health checks, in seconds."""

    def provision(self, service: Service, tag: str) -> Image:
        """Make every environment of `service` with the release `tag` of its repository running in it; return its image.

        Raises RolloutError if the first release does not come up.
        """
        mirror = remotes.mirror(service.repository, self.cache)
        commit = git.resolve(mirror, f"refs/tags/{tag}")
        with git.checkout(mirror, commit) as folder:
            image = self._build(service, mirror, commit, tag, folder)
            for name, environment in service.environments.items():
                database = self._database(service, name, environment)
                self._migrate(service, environment, database, folder)
                self._create_service(service, environment, image)
        roles.deploy(roles.stacks(service, self._secret_arns(service)))  # meanwhile the first release comes up
        for environment in service.environments.values():
            self._wait(environment)
        return image

    def _build(self, service: Service, mirror: Path, commit: str, tag: str, folder: Path) -> Image:
        rules = [rule for rule in service.branches if rule.environment is not None]
        platforms = tuple(dict.fromkeys(platform for rule in rules for platform in rule.platforms))
        plan = BuildPlan(
            repository=service.image.repository,
            tag=tag,
            commit=commit,
            build_time=git.commit_time(mirror, commit),
            platforms=platforms,
            checkout=folder,
            dependencies=service.dependencies,
            context=service.image.context,
        )
        builder = images.builder_for(service.image, self.login)
        return builder.push(plan, builder.build(plan))

    def _database(self, service: Service, name: str, environment: Environment) -> DatabaseCredentials:
        role = f"{service.name}-{name}"
        credentials = postgres.create_database(self.server, role, owner=role)
        keys = service.database.secret_keys
        values = {
            keys.user: credentials.user,
            keys.password: credentials.password.get_secret_value(),
            keys.database: credentials.database,
            keys.host: credentials.host,
            keys.port: str(credentials.port),
            **self.further,
        }
        self.secrets.create_secret(Name=environment.secret, SecretString=json.dumps(values))
        return credentials

    def _migrate(self, service: Service, environment: Environment, database: DatabaseCredentials, folder: Path) -> None:
        target = dependencies.environment(
            folder, service.dependencies, cache=self.cache, groups=service.dependencies.groups
        )
        variables = target.variables(folder / service.migrations.directory)
        runner = SubprocessRunner(
            python=target.python,
            checkout=folder,
            rule=service.migrations,
            variables={**variables, **environment.variables},
            templates=service.database.variables,
        )
        migrations.upgrade(runner, database)

    def _secret_arns(self, service: Service) -> dict[str, str]:
        return {
            name: self.secrets.describe_secret(SecretId=environment.secret)["ARN"]
            for name, environment in service.environments.items()
        }

    def _create_service(self, service: Service, environment: Environment, image: Image) -> None:
        roles.make_for_tasks(environment)
        self.ecs.create_cluster(clusterName=environment.cluster)
        arn = self.secrets.describe_secret(SecretId=environment.secret)["ARN"]
        request = definition(service, environment, image, arn, self.further)
        registered = self.ecs.register_task_definition(**request)
        self.ecs.create_service(
            cluster=environment.cluster,
            serviceName=environment.service,
            taskDefinition=registered["taskDefinition"]["taskDefinitionArn"],
            desiredCount=2,
            launchType="FARGATE",
            healthCheckGracePeriodSeconds=self.grace,
            networkConfiguration={"awsvpcConfiguration": {"subnets": self.subnets}},
            deploymentConfiguration={
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                "minimumHealthyPercent": 100,
                "maximumPercent": 200,
            },
            loadBalancers=[
                {
                    "targetGroupArn": self._balance(environment),
                    "containerName": environment.container,
                    "containerPort": _port(service),
                }
            ],
        )

    def _balance(self, environment: Environment) -> str:
        """Return the ARN of a target group behind a listener on the port of the health URL."""
        url = urlsplit(environment.health_url)
        group = self.balancers.create_target_group(
            Name=environment.service[:32],
            Protocol="HTTP",
            Port=80,
            VpcId=self.network,
            TargetType="ip",
            HealthCheckPath=url.path,
            HealthCheckIntervalSeconds=5,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        self.balancers.modify_target_group_attributes(
            TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "20"}]
        )
        balancer = self.balancers.create_load_balancer(Name=f"lb-{environment.service}"[:32], Subnets=self.subnets)
        self.balancers.create_listener(
            LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
            Protocol="HTTP",
            Port=url.port or 80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        return str(group)

    def _wait(self, environment: Environment) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            answer = self.ecs.describe_services(cluster=environment.cluster, services=[environment.service])
            if answer["services"][0]["deployments"][0].get("rolloutState") == "COMPLETED":
                return
            time.sleep(0.1)
        events = "\n".join(event["message"] for event in answer["services"][0]["events"][:5])
        raise RolloutError(f"the first release of {environment.service} does not come up:\n{events}")


def definition(
    service: Service, environment: Environment, image: Image, arn: str, further: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the request of the first task definition: credentials from the secret `arn`, logs, a container health check.

    `further` are names of secret variables besides the database's, each of which is a key of the secret too.
    """
    secret = {name: f"{arn}:{key}::" for name, key in _secret(service, further).items()}
    path = urlsplit(environment.health_url).path
    probe = PROBE.format(port=_port(service), path=path)
    plain = {name: value for name, value in _plain(service, environment).items() if name not in secret}
    container = {
        "name": environment.container,
        "image": image.reference,
        "essential": True,
        "portMappings": [{"containerPort": _port(service), "protocol": "tcp"}],
        "environment": [{"name": name, "value": value} for name, value in plain.items()],
        "secrets": [{"name": name, "valueFrom": place} for name, place in secret.items()],
        "healthCheck": {
            "command": ["CMD-SHELL", f'python3 -SEc "{probe}"'],
            "interval": 10,
            "timeout": 3,
            "retries": 3,
        },
        "stopTimeout": 10,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": f"/ecs/{environment.family}",
                "awslogs-region": environment.region,
                "awslogs-stream-prefix": "ecs",
                "awslogs-create-group": "true",
            },
        },
    }
    return {
        "family": environment.family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [container],
        "tags": [{"key": "service", "value": service.name}],
        **roles.of_tasks(environment),
    }


def _plain(service: Service, environment: Environment) -> dict[str, str]:
    """Return the variables that hold no credentials: templates without a part to fill in."""
    templates = {name: text for name, text in service.database.variables.items() if "{" not in text}
    return {"HOST": "127.0.0.1", **templates, **environment.variables}


def _secret(service: Service, further: Iterable[str]) -> dict[str, str]:
    """Return the key of the secret for each variable that holds a credential.

    These are libpq's own, the templates that are one part and nothing else, and `further`; ECS cannot put several keys into one
    variable, so a template of more parts has no place in a container.
    """
    keys = service.database.secret_keys.model_dump()
    libpq = {f"PG{part.upper()}": key for part, key in keys.items()}
    alone = {"{" + part + "}": key for part, key in keys.items()}
    templates = {name: alone[text] for name, text in service.database.variables.items() if text in alone}
    return {**libpq, **templates, **{name: name for name in further}}


def _port(service: Service) -> int:
    return service.image.layers.port if service.image.layers else 8080


def provision(
    service: Service,
    tag: str,
    server: Server,
    settings: Settings,
    *,
    secret_variables: Mapping[str, str] | None = None,
    grace: int = 0,
) -> Image:
    """Make the environments of `service` as the owner of the AWS that the environment's variables name; see `Account.provision`.

    `secret_variables` go to the environments' secrets and from there to the containers, besides the database's credentials.
    `grace` is for services that start slowly: how long a new task may fail the load balancer's health checks, in seconds.
    """
    session = owner.session()
    subnets = session.client("ec2").describe_subnets()["Subnets"]
    account = Account(
        ecs=session.client("ecs"),
        balancers=session.client("elbv2"),
        secrets=session.client("secretsmanager"),
        network=subnets[0]["VpcId"],
        subnets=[subnet["SubnetId"] for subnet in subnets],
        server=server,
        login=Login(settings.registry_username or "", settings.registry_password or SecretStr("")),
        cache=settings.cache,
        further=secret_variables or {},
        grace=grace,
    )
    return account.provision(service, tag)
