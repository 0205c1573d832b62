"""Task definitions: register, describe, list, deregister, delete; every field that the API knows is kept."""

from copy import deepcopy

from deployments.sandbox.aws.operations import lookup
from deployments.sandbox.aws.refusals import ApiError
from deployments.sandbox.aws.state import Document, Region, TaskDefinition, now

LISTS = ("portMappings", "environment", "mountPoints", "volumesFrom", "systemControls")
"""Lists of a container definition that ECS shows empty where they were not given."""


def register(region: Region, request: Document) -> Document:
    """RegisterTaskDefinition: always a new revision."""
    names = [one.get("name") for one in request["containerDefinitions"]]
    if (
        not names
        or len(set(names)) != len(names)
        or not all(one.get("image") for one in request["containerDefinitions"])
    ):
        raise ApiError(
            "ClientException", "Container names must be unique, and each container needs a name and an image."
        )
    if not any(one.get("essential", True) for one in request["containerDefinitions"]):
        raise ApiError("ClientException", "TaskDefinition must have at least one essential container.")
    family = request["family"]
    revisions = region.families.setdefault(family, [])
    revision = len(revisions) + 1
    arn = region.arn(f"task-definition/{family}:{revision}")
    document = _document(region, request, arn, revision)
    revisions.append(TaskDefinition(arn, family, revision, document, request.get("tags") or []))
    return {"taskDefinition": document, "tags": revisions[-1].tags}


def describe(region: Region, request: Document) -> Document:
    """DescribeTaskDefinition."""
    found = lookup.definition(region, request["taskDefinition"])
    answer: Document = {"taskDefinition": found.document}
    if "TAGS" in (request.get("include") or ()):
        answer["tags"] = found.tags
    return answer


def list_arns(region: Region, request: Document) -> Document:
    """ListTaskDefinitions."""
    family, status = request.get("familyPrefix"), request.get("status") or "ACTIVE"
    arns = [
        one.arn
        for name in sorted(region.families)
        for one in region.families[name]
        if family in {None, name} and one.status == status
    ]
    ordered = arns[::-1] if request.get("sort") == "DESC" else arns
    return lookup.page(ordered, request, "taskDefinitionArns")


def list_families(region: Region, request: Document) -> Document:
    """ListTaskDefinitionFamilies: a family is ACTIVE as long as one of its revisions is."""
    prefix, wanted = request.get("familyPrefix") or "", request.get("status") or "ACTIVE"
    states = {
        name: "ACTIVE" if any(one.status == "ACTIVE" for one in revisions) else "INACTIVE"
        for name, revisions in region.families.items()
    }
    names = sorted(name for name, state in states.items() if name.startswith(prefix) and wanted in {"ALL", state})
    return lookup.page(names, request, "families")


def deregister(region: Region, request: Document) -> Document:
    """DeregisterTaskDefinition: what runs goes on, nothing new starts from it."""
    found = lookup.definition(region, request["taskDefinition"])
    found.document.update(status="INACTIVE", deregisteredAt=now())
    return {"taskDefinition": found.document}


def delete(region: Region, request: Document) -> Document:
    """DeleteTaskDefinitions: only INACTIVE ones."""
    deleted, failures = [], []
    for name in request["taskDefinitions"]:
        found = lookup.definition(region, name)
        if found.status == "ACTIVE":
            failures.append({"arn": found.arn, "reason": "The specified task definition is still in ACTIVE status."})
        else:
            found.document.update(status="DELETE_IN_PROGRESS", deleteRequestedAt=now())
            deleted.append(found.document)
    return {"taskDefinitions": deleted, "failures": failures}


def _document(region: Region, request: Document, arn: str, revision: int) -> Document:
    given = deepcopy({name: value for name, value in request.items() if name != "tags"})
    given["containerDefinitions"] = [_container(one, given.get("networkMode")) for one in given["containerDefinitions"]]
    fits = ["EC2", "FARGATE"] if given.get("networkMode") == "awsvpc" and given.get("cpu") else ["EC2"]
    return {
        "volumes": [],
        "placementConstraints": [],
        **given,
        "taskDefinitionArn": arn,
        "revision": revision,
        "status": "ACTIVE",
        "requiresAttributes": [{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"}],
        "compatibilities": fits,
        "registeredAt": now(),
        "registeredBy": f"arn:aws:iam::{region.account}:root",
    }


def _container(given: Document, network: str | None) -> Document:
    """Return a container definition with what ECS fills in."""
    filled = {"cpu": 0, "essential": True, **{name: [] for name in LISTS}, **given}
    for port in filled["portMappings"]:
        port.setdefault("protocol", "tcp")
        port.setdefault("hostPort", port["containerPort"] if network in {"awsvpc", "host"} else 0)
    return filled
