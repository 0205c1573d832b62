"""Tags of clusters, services, task definitions and tasks."""

from deployments.sandbox.aws.refusals import ApiError, invalid
from deployments.sandbox.aws.state import Cluster, Document, Region, Service, Task, TaskDefinition

Resource = Cluster | Service | Task | TaskDefinition


def list_tags(region: Region, request: Document) -> Document:
    """ListTagsForResource."""
    return {"tags": _resource(region, request).tags}


def add(region: Region, request: Document) -> Document:
    """TagResource: a key that is there gets the new value."""
    resource = _resource(region, request)
    values = {tag["key"]: tag for tag in [*resource.tags, *request["tags"]]}
    resource.tags = list(values.values())
    return {}


def remove(region: Region, request: Document) -> Document:
    """UntagResource."""
    resource = _resource(region, request)
    resource.tags = [tag for tag in resource.tags if tag["key"] not in request["tagKeys"]]
    return {}


def _resource(region: Region, request: Document) -> Resource:
    arn = request["resourceArn"]
    definitions = (one for revisions in region.families.values() for one in revisions)
    resources: list[Resource] = [
        *region.clusters.values(),
        *region.services.values(),
        *region.tasks.values(),
        *definitions,
    ]
    for resource in resources:
        if resource.arn == arn:
            return resource
    if arn.count(":") < 5:
        raise invalid("Invalid ARN.")
    raise ApiError("ResourceNotFoundException", "The specified resource was not found.")
