"""The sandbox's ECS runs what Buildx built as real containers, behind its load balancer."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from deployments.sandbox.aws import client
from promoter import shell
from promoter.config import ImageRule
from promoter.images import BuildPlan
from promoter.images.buildx import BuildxBuilder
from promoter.records import Image

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine")]

CLUSTER = "ecs-story"
PATIENCE = 60.0


@pytest.fixture
def aws_folder(engine_registry: str, tmp_path: Path) -> Path:
    """Return the folder of the sandbox's AWS; without an engine there is none."""
    assert engine_registry
    return tmp_path / "aws"


@pytest.fixture
def aws(aws_folder: Path) -> Iterator[client.Running]:
    """Start the sandbox's AWS with containers as tasks."""
    running = client.start(aws_folder, time_scale=0.04, runtime="container")
    yield running
    running.stop()


@pytest.fixture
def clients(aws: client.Running) -> Callable[[str], Any]:
    """Return a maker of clients of the sandbox's AWS."""

    def make(name: str) -> Any:
        settings = {"region_name": "us-east-2", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(name, endpoint_url=aws.endpoint_url, **settings)  # type: ignore[call-overload]

    return make


def test_a_service_of_containers_is_rolled_over(
    rule: ImageRule, make_plan: Callable[..., BuildPlan], clients: Callable[[str], Any], aws_folder: Path
) -> None:
    """Through the load balancer the service answers as the version that was built, then as the next one."""
    ecs, seen = clients("ecs"), []
    group, port = _balance(clients("elbv2"), clients("ec2"))
    ecs.create_cluster(clusterName=CLUSTER)

    first = _register(ecs, _build(rule, make_plan(platforms=("linux/amd64",))))
    _create(ecs, first, group)
    _settle(ecs)
    seen.append(httpx.get(f"http://127.0.0.1:{port}/health").json())
    second = _register(ecs, _build(rule, make_plan(tag="v1.0.6", platforms=("linux/amd64",))))
    ecs.update_service(cluster=CLUSTER, service="api", taskDefinition=second)
    _settle(ecs)
    seen.append(httpx.get(f"http://127.0.0.1:{port}/health").json())

    user = {"status": "ok", "user": 10001}
    assert seen == [{**user, "version": "v1.0.5"}, {**user, "version": "v1.0.6"}]
    assert len(_containers(aws_folder)) == 1
    ecs.delete_service(cluster=CLUSTER, service="api", force=True)
    _until(lambda: not _containers(aws_folder))


def _build(rule: ImageRule, plan: BuildPlan) -> Image:
    builder = BuildxBuilder(rule)
    return builder.push(plan, builder.build(plan))


def _register(ecs: Any, image: Image) -> str:
    container = {"name": "api", "image": image.reference, "portMappings": [{"containerPort": 8080}]}
    answer = ecs.register_task_definition(
        family="api", networkMode="awsvpc", cpu="256", memory="512", containerDefinitions=[container]
    )
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def _create(ecs: Any, definition: str, group: str) -> None:
    ecs.create_service(
        cluster=CLUSTER,
        serviceName="api",
        taskDefinition=definition,
        desiredCount=1,
        loadBalancers=[{"targetGroupArn": group, "containerName": "api", "containerPort": 8080}],
    )


def _balance(balancers: Any, network: Any) -> tuple[str, int]:
    """Return the ARN of a target group, and the port where a load balancer stands before it."""
    subnets = network.describe_subnets()["Subnets"]
    group = balancers.create_target_group(
        Name="api", Protocol="HTTP", Port=80, VpcId=subnets[0]["VpcId"], TargetType="ip", HealthCheckPath="/health"
    )["TargetGroups"][0]["TargetGroupArn"]
    balancer = balancers.create_load_balancer(Name="api", Subnets=[subnet["SubnetId"] for subnet in subnets[:2]])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    balancers.create_listener(
        LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
        Protocol="HTTP",
        Port=port,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    return str(group), port


def _settle(ecs: Any) -> None:
    """Wait until one deployment is left, and see it COMPLETED."""

    def states() -> list[str]:
        service = ecs.describe_services(cluster=CLUSTER, services=["api"])["services"][0]
        return [deployment["rolloutState"] for deployment in service["deployments"]]

    _until(lambda: len(states()) == 1 and states() != ["IN_PROGRESS"])
    assert states() == ["COMPLETED"]


def _containers(folder: Path) -> list[str]:
    label = f"label=promoter.sandbox={folder / 'tasks'}"
    return shell.run(["docker", "ps", "--all", "--quiet", "--filter", label]).stdout.split()


def _until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)
