"""Shows what is remembered as ECS's API writes it; whoever calls holds the region's lock."""

from collections.abc import Iterable
from typing import Any

from deployments.sandbox.aws.deployments import threshold
from deployments.sandbox.aws.rollouts import revision_arn
from deployments.sandbox.aws.state import (
    Cluster,
    Container,
    Deployment,
    Document,
    Region,
    Service,
    ServiceDeployment,
    Task,
)

ENDED = {"SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}


def cluster(region: Region, one: Cluster, include: Iterable[str] = ()) -> Document:
    """Return the cluster as DescribeClusters does."""
    tasks = [task for task in region.tasks.values() if task.cluster == one.name]
    services = [
        service for service in region.services.values() if service.cluster is one and service.status == "ACTIVE"
    ]
    return {
        "settings": [{"name": "containerInsights", "value": "disabled"}],
        **one.settings,
        "clusterArn": one.arn,
        "clusterName": one.name,
        "status": one.status,
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": sum(task.status == "RUNNING" for task in tasks),
        "pendingTasksCount": sum(task.status == "PENDING" for task in tasks),
        "activeServicesCount": len(services),
        "statistics": [],
        "tags": one.tags if "TAGS" in include else [],
    }


def service(region: Region, one: Service, include: Iterable[str] = ()) -> Document:
    """Return the service as DescribeServices does."""
    running, pending = _counts(region.tasks_of(one))
    story = one.service_deployments[0] if one.service_deployments else None
    current = story.arn if story and story.status not in ENDED else None
    return _without_none(
        {
            "loadBalancers": [],
            "serviceRegistries": [],
            "placementConstraints": [],
            "placementStrategy": [],
            "enableECSManagedTags": False,
            "enableExecuteCommand": False,
            "propagateTags": "NONE",
            "schedulingStrategy": "REPLICA",
            "deploymentController": {"type": "ECS"},
            "availabilityZoneRebalancing": "DISABLED",
            **one.settings,
            "serviceArn": one.arn,
            "serviceName": one.name,
            "clusterArn": one.cluster.arn,
            "status": one.status,
            "desiredCount": one.desired,
            "runningCount": running,
            "pendingCount": pending,
            "taskDefinition": one.task_definition,
            "deploymentConfiguration": one.configuration,
            "deployments": [_deployment(region, one, deployment) for deployment in one.deployments],
            "events": list(one.events),
            "createdAt": one.created,
            "createdBy": one.created_by,
            "currentServiceDeployment": current,
            "currentServiceRevisions": [_summary(region, one, deployment) for deployment in one.deployments],
            "tags": one.tags if "TAGS" in include else None,
        }
    )


def task(region: Region, one: Task, include: Iterable[str] = ()) -> Document:
    """Return the task as DescribeTasks does."""
    document, settings = one.definition.document, dict(one.settings)
    overrides = settings.pop("overrides", {})
    for unknown in ("loadBalancers", "networkConfiguration", "capacityProviderStrategy", "serviceRegistries"):
        settings.pop(unknown, None)
    settings.pop("serviceConnectConfiguration", None)
    settings.pop("volumeConfigurations", None)
    return _without_none(
        {
            **settings,
            **one.times,
            "attachments": [],
            "attributes": [],
            "availabilityZone": f"{region.name}a",
            "clusterArn": region.arn(f"cluster/{one.cluster}"),
            "connectivity": "CONNECTED",
            "containers": [_container(one, container) for container in one.containers],
            "cpu": document.get("cpu"),
            "memory": document.get("memory"),
            "createdAt": one.created,
            "desiredStatus": one.desired,
            "enableExecuteCommand": False,
            "group": one.group,
            "healthStatus": _health(one),
            "lastStatus": one.status,
            "overrides": {"containerOverrides": [], "inferenceAcceleratorOverrides": [], **overrides},
            "startedBy": one.started_by or None,
            "stopCode": one.stop_code,
            "stoppedReason": one.stopped_reason,
            "tags": one.tags if "TAGS" in include else [],
            "taskArn": one.arn,
            "taskDefinitionArn": one.definition.arn,
            "version": len(one.times) + 1,
        }
    )


def service_deployment(region: Region, owner: Service, one: ServiceDeployment) -> Document:
    """Return it as DescribeServiceDeployments does."""
    breaker = one.configuration.get("deploymentCircuitBreaker") or {}
    watching = "MONITORING_COMPLETE" if one.status in ENDED else "MONITORING"
    status = "TRIGGERED" if one.tripped else watching if breaker.get("enable") else "DISABLED"
    source = [_summary(region, owner, one.source)] if one.source else []
    return _without_none(
        {
            **_brief(owner, one),
            "stoppedAt": one.stopped,
            "updatedAt": one.finished or one.target.updated,
            "sourceServiceRevisions": source,
            "targetServiceRevision": _summary(region, owner, one.target),
            "deploymentConfiguration": one.configuration,
            "rollback": one.rollback,
            "deploymentCircuitBreaker": {
                "status": status,
                "failureCount": one.target.failures,
                "threshold": threshold(one.configuration, one.target.desired or owner.desired),
            },
            "alarms": {"status": "DISABLED", "alarmNames": [], "triggeredAlarmNames": []},
        }
    )


def service_deployment_brief(owner: Service, one: ServiceDeployment) -> Document:
    """Return it as ListServiceDeployments does."""
    return _without_none({**_brief(owner, one), "targetServiceRevisionArn": revision_arn(owner, one.target)})


def service_revision(region: Region, owner: Service, one: Deployment) -> Document:
    """Return what `one` brought as DescribeServiceRevisions does."""
    containers = region.definition(one.task_definition).document["containerDefinitions"]
    digests = {
        container.name: container.digest
        for task in region.tasks_of(owner)
        if task.started_by == one.id
        for container in task.containers
    }
    images = [
        _without_none({"containerName": each["name"], "image": each["image"], "imageDigest": digests.get(each["name"])})
        for each in containers
    ]
    return {
        **one.settings,
        "serviceRevisionArn": revision_arn(owner, one),
        "serviceArn": owner.arn,
        "clusterArn": owner.cluster.arn,
        "taskDefinition": one.task_definition,
        "containerImages": images,
        "guardDutyEnabled": False,
        "createdAt": one.created,
    }


def _brief(owner: Service, one: ServiceDeployment) -> Document:
    return {
        "serviceDeploymentArn": one.arn,
        "serviceArn": owner.arn,
        "clusterArn": owner.cluster.arn,
        "createdAt": one.created,
        "startedAt": one.created,
        "finishedAt": one.finished,
        "status": one.status,
        "statusReason": one.reason,
    }


def _deployment(region: Region, owner: Service, one: Deployment) -> Document:
    running, pending = _counts([task for task in region.tasks_of(owner) if task.started_by == one.id])
    settings = {
        name: value for name, value in one.settings.items() if name not in {"loadBalancers", "serviceRegistries"}
    }
    return {
        **settings,
        "id": one.id,
        "status": one.status,
        "taskDefinition": one.task_definition,
        "desiredCount": one.desired if one.status == "PRIMARY" else 0,
        "pendingCount": pending,
        "runningCount": running,
        "failedTasks": one.failures,
        "createdAt": one.created,
        "updatedAt": one.updated,
        "rolloutState": one.rollout_state,
        "rolloutStateReason": one.reason,
    }


def _summary(region: Region, owner: Service, one: Deployment) -> Document:
    running, pending = _counts([task for task in region.tasks_of(owner) if task.started_by == one.id])
    return {
        "arn": revision_arn(owner, one),
        "requestedTaskCount": one.desired,
        "runningTaskCount": running,
        "pendingTaskCount": pending,
    }


def _container(owner: Task, one: Container) -> Document:
    definition, running = one.definition, one.running
    return _without_none(
        {
            "containerArn": one.arn,
            "taskArn": owner.arn,
            "name": one.name,
            "image": definition["image"],
            "imageDigest": one.digest,
            "runtimeId": f"{owner.id}-{one.arn.rsplit('-', 1)[1]}" if running else None,
            "lastStatus": one.status,
            "exitCode": one.exit_code,
            "reason": one.reason,
            "networkBindings": _bindings(one),
            "networkInterfaces": [],
            "healthStatus": one.health,
            "cpu": str(definition.get("cpu", 0)),
            "memory": str(definition["memory"]) if "memory" in definition else None,
            "memoryReservation": str(definition["memoryReservation"]) if "memoryReservation" in definition else None,
        }
    )


def _bindings(one: Container) -> list[Document]:
    """Return where the container can be reached: each has one port of its own."""
    ports = (one.definition.get("portMappings") or [])[:1]
    if one.running is None or not ports:
        return []
    there = {"bindIP": "127.0.0.1", "hostPort": one.running.port, "protocol": "tcp"}
    return [{**there, "containerPort": ports[0]["containerPort"]}]


def _counts(tasks: Iterable[Task]) -> tuple[int, int]:
    """Return how many tasks run and how many are on their way there."""
    states = [one.status for one in tasks if one.desired == "RUNNING"]
    return states.count("RUNNING"), states.count("PENDING")


def _health(one: Task) -> str:
    states = {container.health for container in one.containers if container.essential and container.checked}
    return next((state for state in ("UNHEALTHY", "UNKNOWN", "HEALTHY") if state in states), "UNKNOWN")


def _without_none(document: dict[str, Any]) -> Document:
    return {name: value for name, value in document.items() if value is not None}
