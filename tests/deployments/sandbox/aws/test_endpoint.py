"""ECS's API as clients see it; every answer in these tests is held against botocore's model."""

import json
from typing import Any

import httpx
import pytest

from deployments.sandbox.aws.operations import OPERATIONS

FULL: dict[str, Any] = {
    "family": "full",
    "taskRoleArn": "arn:aws:iam::123456789012:role/task",
    "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "memory": "512",
    "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
    "ephemeralStorage": {"sizeInGiB": 30},
    "pidMode": "task",
    "enableFaultInjection": True,
    "volumes": [{"name": "data", "configuredAtLaunch": False}],
    "proxyConfiguration": {"type": "APPMESH", "containerName": "web", "properties": [{"name": "a", "value": "b"}]},
    "containerDefinitions": [
        {
            "name": "web",
            "image": "127.0.0.1:1/x:y",
            "cpu": 10,
            "memory": 128,
            "memoryReservation": 64,
            "essential": True,
            "linuxParameters": {"initProcessEnabled": True},
            "ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 2}],
            "dependsOn": [],
            "dockerLabels": {"a": "b"},
            "readonlyRootFilesystem": True,
            "user": "10001",
            "restartPolicy": {"enabled": True, "ignoredExitCodes": [1], "restartAttemptPeriod": 60},
            "versionConsistency": "enabled",
            "portMappings": [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp", "name": "http"}],
            "secrets": [{"name": "A", "valueFrom": "arn:aws:secretsmanager:us-east-2:123456789012:secret:a"}],
            "environment": [],
            "mountPoints": [],
            "volumesFrom": [],
            "systemControls": [],
        }
    ],
}
READ_ONLY = {"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy"}  # fmt: skip


def test_every_field_of_a_task_definition_is_kept(bench: Any) -> None:
    """What DescribeTaskDefinition shows can be registered again, and is the same but for what ECS adds; tags too."""
    ecs, tags = bench.client("ecs"), [{"key": "promotion", "value": "1"}]
    first = ecs.register_task_definition(**FULL, tags=tags)["taskDefinition"]

    shown = ecs.describe_task_definition(taskDefinition=first["taskDefinitionArn"], include=["TAGS"])
    given = {name: value for name, value in shown["taskDefinition"].items() if name not in READ_ONLY}
    again = ecs.register_task_definition(**given)["taskDefinition"]

    assert (shown["tags"], given) == (tags, {**FULL, "placementConstraints": []})
    assert {name: value for name, value in again.items() if name not in READ_ONLY} == given
    assert again["revision"] == first["revision"] + 1


def test_task_definitions_come_and_go(bench: Any) -> None:
    """An INACTIVE revision is shown and listed as such, starts nothing, and its number is never used again."""
    ecs, family = bench.client("ecs"), f"f-{bench.cluster}"
    first, second = (bench.register(bench.image("v1"), family) for _ in range(2))
    ecs.deregister_task_definition(taskDefinition=second)
    ecs.create_cluster(clusterName=bench.cluster)

    with pytest.raises(ecs.exceptions.InvalidParameterException, match="inactive"):
        ecs.run_task(cluster=bench.cluster, taskDefinition=second)
    third = bench.register(bench.image("v1"), family)

    newest = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]["taskDefinitionArn"]
    active = ecs.list_task_definitions(familyPrefix=family, sort="DESC")["taskDefinitionArns"]
    inactive = ecs.list_task_definitions(familyPrefix=family, status="INACTIVE")["taskDefinitionArns"]
    assert (newest, third.rsplit(":", 1)[1]) == (third, "3")
    assert (active, inactive) == ([third, first], [second])
    assert family in ecs.list_task_definition_families(familyPrefix=family)["families"]
    assert ecs.delete_task_definitions(taskDefinitions=[second])["taskDefinitions"][0]["status"] == "DELETE_IN_PROGRESS"


def test_long_lists_come_in_pages(bench: Any) -> None:
    """Paginators see everything once."""
    family = f"f-{bench.cluster}"
    arns = [bench.register("127.0.0.1:1/x:y", family) for _ in range(5)]

    pages = bench.client("ecs").get_paginator("list_task_definitions").paginate(
        familyPrefix=family, PaginationConfig={"PageSize": 2}
    )  # fmt: skip

    assert [page["taskDefinitionArns"] for page in pages] == [arns[:2], arns[2:4], arns[4:]]


def test_tags_are_kept_with_every_resource(bench: Any) -> None:
    """Clusters, services, definitions and tasks take tags and give them back."""
    ecs, tags = bench.client("ecs"), [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    definition = bench.register(bench.image("v1"))
    service = bench.create(definition, desiredCount=0)
    request = {"taskDefinition": definition, "networkConfiguration": bench.network}
    task = ecs.run_task(cluster=bench.cluster, **request)["tasks"][0]
    cluster = ecs.describe_clusters(clusters=[bench.cluster])["clusters"][0]

    seen = []
    for arn in (cluster["clusterArn"], service["serviceArn"], definition, task["taskArn"]):
        ecs.tag_resource(resourceArn=arn, tags=tags)
        ecs.untag_resource(resourceArn=arn, tagKeys=["a"])
        seen.append(ecs.list_tags_for_resource(resourceArn=arn)["tags"])

    assert seen == [tags[1:]] * 4


def test_what_is_not_there_is_said_so(bench: Any) -> None:
    """Each missing thing has ECS's own way to say so."""
    ecs = bench.client("ecs")
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        ecs.describe_services(cluster="nowhere", services=["svc"])
    with pytest.raises(ecs.exceptions.ClientException):
        ecs.describe_task_definition(taskDefinition="nothing:1")
    ecs.create_cluster(clusterName=bench.cluster)
    with pytest.raises(ecs.exceptions.ServiceNotFoundException):
        ecs.update_service(cluster=bench.cluster, service="nothing", desiredCount=1)
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.stop_task(cluster=bench.cluster, task="nothing")
    with pytest.raises(ecs.exceptions.ServiceDeploymentNotFoundException):
        ecs.stop_service_deployment(
            serviceDeploymentArn=f"arn:aws:ecs:us-east-2:123456789012:service-deployment/{bench.cluster}/svc/x"
        )

    failures = [
        ecs.describe_services(cluster=bench.cluster, services=["nothing"])["failures"],
        ecs.describe_tasks(cluster=bench.cluster, tasks=["nothing"])["failures"],
        ecs.describe_clusters(clusters=["nothing"])["failures"],
        ecs.describe_service_deployments(serviceDeploymentArns=["nothing"])["failures"],
        ecs.describe_service_revisions(serviceRevisionArns=["nothing"])["failures"],
    ]

    assert {one["reason"] for found in failures for one in found} == {"MISSING"}


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"deploymentController": {"type": "CODE_DEPLOY"}}, id="another controller"),
        pytest.param({"deploymentConfiguration": {"strategy": "BLUE_GREEN"}}, id="another strategy"),
        pytest.param({"schedulingStrategy": "DAEMON"}, id="daemons"),
    ],
)
def test_what_the_sandbox_does_not_do_is_refused(bench: Any, settings: dict[str, Any]) -> None:
    """It never pretends."""
    ecs = bench.client("ecs")

    with pytest.raises(ecs.exceptions.UnsupportedFeatureException):
        bench.create(bench.register(bench.image("v1")), **settings)


def test_a_service_is_created_once(bench: Any) -> None:
    """A second service of the same name is refused."""
    definition = bench.register(bench.image("v1"))
    bench.create(definition, desiredCount=0)
    ecs = bench.client("ecs")

    with pytest.raises(ecs.exceptions.InvalidParameterException, match="not idempotent"):
        bench.create(definition, desiredCount=0)


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        pytest.param("ListContainerInstances", "{}", "UnsupportedFeatureException", id="an operation of ECS"),
        pytest.param("MakeCoffee", "{}", "UnsupportedFeatureException", id="no operation at all"),
        pytest.param("DescribeServices", "{}", "InvalidParameterException", id="a member is missing"),
        pytest.param("DescribeServices", '{"services": 1}', "InvalidParameterException", id="a wrong type"),
        pytest.param("DescribeServices", "no json", "SerializationException", id="no JSON"),
        pytest.param("DescribeServices", "[]", "InvalidParameterException", id="no object"),
    ],
)
def test_every_refusal_is_json(bench: Any, action: str, body: str, code: str) -> None:
    """Also what no client of ours would send."""
    headers = {
        "X-Amz-Target": f"AmazonEC2ContainerServiceV20141113.{action}",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-2/ecs/aws4_request, SignedHeaders=host, Signature=0",
    }

    answer = httpx.post(bench.endpoint_url, content=body, headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/x-amz-json-1.1")
    assert json.loads(answer.text)["__type"] == code


def test_every_answer_fits_the_model(bench: Any) -> None:
    """Each operation that the sandbox knows is asked, in a story with a rollout and a task, and held against the model."""
    ecs = bench.client("ecs")
    definition = bench.register(bench.image("v1"))
    service = bench.create(definition, tags=[{"key": "a", "value": "b"}])["serviceArn"]
    bench.settled()
    bench.update(forceNewDeployment=True)
    ecs.list_clusters()
    ecs.list_services(cluster=bench.cluster)
    ecs.describe_services(cluster=bench.cluster, services=["svc"], include=["TAGS"])
    ecs.describe_clusters(clusters=[bench.cluster], include=["TAGS"])
    [story, *_] = ecs.list_service_deployments(cluster=bench.cluster, service="svc")["serviceDeployments"]
    ecs.describe_service_deployments(serviceDeploymentArns=[story["serviceDeploymentArn"]])
    ecs.describe_service_revisions(serviceRevisionArns=[story["targetServiceRevisionArn"]])
    ecs.stop_service_deployment(serviceDeploymentArn=story["serviceDeploymentArn"])
    ecs.describe_task_definition(taskDefinition=definition, include=["TAGS"])
    ecs.list_task_definitions()
    ecs.list_task_definition_families()
    ecs.tag_resource(resourceArn=service, tags=[{"key": "c", "value": "d"}])
    ecs.untag_resource(resourceArn=service, tagKeys=["c"])
    ecs.list_tags_for_resource(resourceArn=service)
    request = {"taskDefinition": definition, "networkConfiguration": bench.network, "count": 1}
    task = ecs.run_task(cluster=bench.cluster, **request)["tasks"][0]["taskArn"]
    ecs.describe_tasks(cluster=bench.cluster, tasks=[task], include=["TAGS"])
    ecs.list_tasks(cluster=bench.cluster, serviceName="svc")
    ecs.stop_task(cluster=bench.cluster, task=task)
    bench.ended(task)
    ecs.delete_service(cluster=bench.cluster, service="svc", force=True)
    bench.until(lambda: bench.service()["status"] == "INACTIVE" and not bench.tasks())
    ecs.deregister_task_definition(taskDefinition=definition)
    ecs.delete_task_definitions(taskDefinitions=[definition])
    ecs.delete_cluster(cluster=bench.cluster)

    assert set(bench.answered) == set(OPERATIONS)
