"""Writes down a new task: what its containers are once the overrides are merged in, and whose it is."""

import uuid

from deployments.sandbox.aws.state import (
    Cluster,
    Container,
    Deployment,
    Document,
    Region,
    Service,
    Target,
    Task,
    TaskDefinition,
)


def launch(region: Region, service: Service, deployment: Deployment) -> Task:
    """Start a task of `deployment`."""
    definition = region.definition(deployment.task_definition)
    task = new_task(
        region,
        service.cluster,
        definition,
        group=f"service:{service.name}",
        started_by=deployment.id,
        settings=deployment.settings,
        overrides={},
    )
    balancers = deployment.settings.get("loadBalancers") or ()
    task.targets = [Target(one["targetGroupArn"], one["containerName"]) for one in balancers]
    task.grace = float(service.settings.get("healthCheckGracePeriodSeconds") or 0)
    if service.settings.get("propagateTags") == "SERVICE":
        task.tags = list(service.tags)
    elif service.settings.get("propagateTags") == "TASK_DEFINITION":
        task.tags = list(definition.tags)
    region.start(region, task)
    return task


def new_task(
    region: Region,
    cluster: Cluster,
    definition: TaskDefinition,
    *,
    group: str,
    started_by: str,
    settings: Document,
    overrides: Document,
) -> Task:
    """Write a new task down; it is not started yet."""
    identity = uuid.uuid4().hex
    changed = {one["name"]: one for one in overrides.get("containerOverrides") or ()}
    containers = [
        Container(
            _overridden(one, changed.get(one["name"], {})),
            region.arn(f"container/{cluster.name}/{identity}/{uuid.uuid4()}"),
        )
        for one in definition.document["containerDefinitions"]
    ]
    task = Task(
        id=identity,
        arn=region.arn(f"task/{cluster.name}/{identity}"),
        cluster=cluster.name,
        definition=definition,
        group=group,
        started_by=started_by,
        settings={**settings, "overrides": overrides},
        containers=containers,
    )
    region.tasks[identity] = task
    return task


def _overridden(definition: Document, override: Document) -> Document:
    """Return the container definition with a RunTask override merged in; variables are merged by name."""
    given = {one["name"]: one["value"] for one in definition.get("environment") or ()}
    given |= {one["name"]: one["value"] for one in override.get("environment") or ()}
    rest = {name: value for name, value in override.items() if name not in {"name", "environment"}}
    variables = [{"name": name, "value": value} for name, value in given.items()]
    return {**definition, **rest, "environment": variables}
