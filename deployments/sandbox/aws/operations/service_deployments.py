"""Service deployments and service revisions: list, describe, stop."""

from datetime import UTC, datetime

from deployments.sandbox.aws import documents, rollouts
from deployments.sandbox.aws.operations import lookup
from deployments.sandbox.aws.refusals import ApiError
from deployments.sandbox.aws.state import Document, Region, Service, ServiceDeployment


def list_briefs(region: Region, request: Document) -> Document:
    """ListServiceDeployments, newest first."""
    service = lookup.service(region, request)
    states, created = request.get("status"), request.get("createdAt") or {}
    after, before = _instant(created.get("after"), 0), _instant(created.get("before"), 2**33)
    found = [
        documents.service_deployment_brief(service, one)
        for one in service.service_deployments
        if (not states or one.status in states) and after <= one.created <= before
    ]
    return lookup.page(found, request, "serviceDeployments")


def describe(region: Region, request: Document) -> Document:
    """DescribeServiceDeployments."""
    found, failures = [], []
    for arn in request["serviceDeploymentArns"]:
        pair = _find(region, arn)
        if pair:
            found.append(documents.service_deployment(region, *pair))
        else:
            failures.append({"arn": arn, "reason": "MISSING"})
    return {"serviceDeployments": found, "failures": failures}


def describe_revisions(region: Region, request: Document) -> Document:
    """DescribeServiceRevisions."""
    known = {
        rollouts.revision_arn(service, one): (service, one)
        for service in region.services.values()
        for one in service.history
    }
    arns = request["serviceRevisionArns"]
    return {
        "serviceRevisions": [documents.service_revision(region, *known[arn]) for arn in arns if arn in known],
        "failures": [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known],
    }


def stop(region: Region, request: Document) -> Document:
    """StopServiceDeployment: back to the last completed deployment, or with ABORT leave everything as it stands."""
    pair = _find(region, request["serviceDeploymentArn"])
    if pair is None:
        raise ApiError("ServiceDeploymentNotFoundException", "The service deployment was not found.")
    service, story = pair
    if story.status not in {"PENDING", "IN_PROGRESS"}:
        message = f"The service deployment is in {story.status} status and can not be stopped."
        raise ApiError("ConflictException", message)
    rollouts.stop(service, rollback=request.get("stopType", "ROLLBACK") == "ROLLBACK")
    return {"serviceDeploymentArn": story.arn}


def _find(region: Region, arn: str) -> tuple[Service, ServiceDeployment] | None:
    for service in region.services.values():
        for story in service.service_deployments:
            if story.arn == arn:
                return service, story
    return None


def _instant(value: float | str | None, default: float) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return datetime.fromtimestamp(default if value is None else value, UTC)
