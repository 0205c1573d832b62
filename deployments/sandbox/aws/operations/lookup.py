"""Finds what a request names, by name or ARN, and cuts long answers into pages."""

from collections.abc import Sequence
from typing import TypeVar

from deployments.sandbox.aws.refusals import ApiError, invalid
from deployments.sandbox.aws.state import Cluster, Document, Region, Service, Task, TaskDefinition

Item = TypeVar("Item")


def last(name: str) -> str:
    """Return the name at the end of an ARN, or the name itself."""
    return name.rsplit("/", 1)[-1]


def cluster(region: Region, request: Document) -> Cluster:
    """Return the ACTIVE cluster that the request names, `default` if it names none."""
    found = region.clusters.get(last(request.get("cluster") or "default"))
    if found is None or found.status != "ACTIVE":
        raise ApiError("ClusterNotFoundException", "Cluster not found.")
    return found


def service(region: Region, request: Document) -> Service:
    """Return the service that the request names, INACTIVE ones too."""
    found = region.services.get((cluster(region, request).name, last(request["service"])))
    if found is None:
        raise ApiError("ServiceNotFoundException", "Service not found.")
    return found


def task(region: Region, request: Document) -> Task:
    """Return the task that the request names."""
    name = cluster(region, request).name
    found = region.tasks.get(last(request["task"]))
    if found is None or found.cluster != name:
        raise invalid("The referenced task was not found.")
    return found


def definition(region: Region, name: str) -> TaskDefinition:
    """Return the definition `family`, `family:revision` or ARN; a family stands for its newest ACTIVE revision."""
    family, _, revision = last(name).partition(":")
    found = [
        one
        for one in region.families.get(family, ())
        if (str(one.revision) == revision if revision else one.status == "ACTIVE")
    ]
    if not found:
        raise ApiError("ClientException", "Unable to describe task definition.")
    return found[-1]


def usable(region: Region, name: str) -> TaskDefinition:
    """Return a definition that tasks may be started from."""
    try:
        found = definition(region, name)
    except ApiError:
        raise ApiError("ClientException", "TaskDefinition not found.") from None
    if found.status != "ACTIVE":
        raise ApiError("ClientException", "TaskDefinition is inactive")
    return found


def page(items: Sequence[Item], request: Document, name: str, most: int = 100) -> Document:
    """Return one page of `items` as the member `name`, and `nextToken` where there is more."""
    token = request.get("nextToken") or "0"
    if not token.isdigit():
        raise invalid("Invalid token.")
    begin, size = int(token), min(int(request.get("maxResults") or most), most)
    answer: Document = {name: list(items[begin : begin + size])}
    if begin + size < len(items):
        answer["nextToken"] = str(begin + size)
    return answer
