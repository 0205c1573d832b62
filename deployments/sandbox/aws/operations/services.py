"""Services: create, update, describe, list, delete."""

from deployments.sandbox.aws import documents, rollouts, target_groups
from deployments.sandbox.aws.operations import lookup
from deployments.sandbox.aws.refusals import ApiError, invalid, unsupported
from deployments.sandbox.aws.state import Document, Region, Service, TaskDefinition

DEFAULTS: Document = {"maximumPercent": 200, "minimumHealthyPercent": 100, "strategy": "ROLLING"}
NO_SETTING = {
    "cluster",
    "service",
    "serviceName",
    "taskDefinition",
    "desiredCount",
    "deploymentConfiguration",
    "tags",
    "clientToken",
    "role",
    "forceNewDeployment",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "gatewayConnectors",
    "monitoring",
}
"""Members of a request that are no setting, or that DescribeServices does not show."""


def create(region: Region, request: Document) -> Document:
    """CreateService: its first deployment begins at once."""
    cluster, name = lookup.cluster(region, request), request["serviceName"]
    existing = region.services.get((cluster.name, name))
    if existing and existing.status != "INACTIVE":
        raise invalid("Creation of service was not idempotent.")
    definition = lookup.usable(region, request.get("taskDefinition") or "")
    _check(request, definition)
    service = Service(
        name=name,
        arn=region.arn(f"service/{cluster.name}/{name}"),
        cluster=cluster,
        settings=_settings(request),
        task_definition=definition.arn,
        desired=request.get("desiredCount") or 0,
        configuration=_configuration({}, request),
        tags=request.get("tags") or [],
        created_by=f"arn:aws:iam::{region.account}:root",
    )
    region.services[cluster.name, name] = service
    rollouts.begin(service, definition.arn)
    return {"service": documents.service(region, service, include=("TAGS",))}


def update(region: Region, request: Document) -> Document:
    """UpdateService: a new definition, new settings of the revision or `forceNewDeployment` begin a new deployment."""
    service = lookup.service(region, request)
    if service.status != "ACTIVE":
        raise ApiError("ServiceNotActiveException", "Service was not ACTIVE.")
    definition = (
        lookup.usable(region, request["taskDefinition"])
        if request.get("taskDefinition")
        else region.definition(service.task_definition)
    )
    _check({**service.settings, **request}, definition)
    changed = {name: value for name, value in _settings(request).items() if service.settings.get(name) != value}
    service.settings |= changed
    service.configuration = _configuration(service.configuration, request)
    if request.get("desiredCount") is not None:
        service.desired = service.primary.desired = request["desiredCount"]
        service.steady = False
    renewed = definition.arn != service.task_definition or bool(rollouts.SETTLED & set(changed))
    if renewed or request.get("forceNewDeployment"):
        rollouts.begin(service, definition.arn)
    return {"service": documents.service(region, service)}


def describe(region: Region, request: Document) -> Document:
    """DescribeServices."""
    cluster = lookup.cluster(region, request)
    if not 1 <= len(request["services"]) <= 10:
        raise invalid("Between 1 and 10 services can be described at once.")
    found, failures = [], []
    for name in map(lookup.last, request["services"]):
        service = region.services.get((cluster.name, name))
        if service:
            found.append(documents.service(region, service, request.get("include") or ()))
        else:
            failures.append({"arn": region.arn(f"service/{cluster.name}/{name}"), "reason": "MISSING"})
    return {"services": found, "failures": failures}


def list_arns(region: Region, request: Document) -> Document:
    """ListServices."""
    cluster = lookup.cluster(region, request)
    arns = [
        one.arn
        for one in region.services.values()
        if one.cluster is cluster
        and one.status != "INACTIVE"
        and request.get("launchType") in {None, one.settings.get("launchType")}
    ]
    return lookup.page(arns, request, "serviceArns")


def delete(region: Region, request: Document) -> Document:
    """DeleteService: DRAINING while tasks are left, INACTIVE then."""
    service = lookup.service(region, request)
    if service.status == "INACTIVE":
        raise ApiError("ServiceNotFoundException", "Service not found.")
    if service.desired and not request.get("force"):
        raise invalid("The service cannot be stopped while it is scaled above 0.")
    service.status, service.desired = "DRAINING", 0
    service.primary.desired = 0
    for task in region.tasks_of(service):
        task.stop("Task stopped by deletion of the service", "ServiceSchedulerInitiated")
    return {"service": documents.service(region, service)}


def _settings(request: Document) -> Document:
    return {name: value for name, value in request.items() if name not in NO_SETTING}


def _configuration(before: Document, request: Document) -> Document:
    """Return the deployment configuration; what an update does not name stays."""
    return {**DEFAULTS, **before, **(request.get("deploymentConfiguration") or {})}


def _check(request: Document, definition: TaskDefinition) -> None:
    """Refuse what the scheduler cannot do."""
    controller = (request.get("deploymentController") or {}).get("type", "ECS")
    strategy = (request.get("deploymentConfiguration") or {}).get("strategy", "ROLLING")
    if controller != "ECS" and request.get("desiredCount"):
        raise unsupported(f"Starting tasks for the deployment controller {controller}")
    if strategy != "ROLLING":
        raise unsupported(f"The deployment strategy {strategy}")
    if request.get("schedulingStrategy", "REPLICA") != "REPLICA":
        raise unsupported("The scheduling strategy DAEMON")
    containers = {one["name"] for one in definition.document["containerDefinitions"]}
    for balancer in request.get("loadBalancers") or ():
        if balancer.get("containerName") not in containers:
            raise invalid(f"The container {balancer.get('containerName')} does not exist in the task definition.")
        if not target_groups.exists(balancer.get("targetGroupArn") or ""):
            raise invalid(
                f"Unable to assume role and validate the specified targetGroupArn: {balancer.get('targetGroupArn')}."
            )
