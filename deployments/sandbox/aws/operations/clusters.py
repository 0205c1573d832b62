"""Clusters: create, describe, list, delete."""

from deployments.sandbox.aws import documents
from deployments.sandbox.aws.operations import lookup
from deployments.sandbox.aws.refusals import ApiError
from deployments.sandbox.aws.state import Cluster, Document, Region

KEPT = {"settings", "configuration", "capacityProviders", "defaultCapacityProviderStrategy", "serviceConnectDefaults"}


def create(region: Region, request: Document) -> Document:
    """CreateCluster: an ACTIVE one of that name is returned as it is."""
    name = request.get("clusterName") or "default"
    found = region.clusters.get(name)
    if found is None or found.status != "ACTIVE":
        settings = {key: value for key, value in request.items() if key in KEPT}
        found = Cluster(name, region.arn(f"cluster/{name}"), settings, request.get("tags") or [])
        region.clusters[name] = found
    return {"cluster": documents.cluster(region, found, include=("TAGS",))}


def describe(region: Region, request: Document) -> Document:
    """DescribeClusters."""
    names = [lookup.last(name) for name in request.get("clusters") or ["default"]]
    found = [region.clusters[name] for name in names if name in region.clusters]
    return {
        "clusters": [documents.cluster(region, one, request.get("include") or ()) for one in found],
        "failures": [
            {"arn": region.arn(f"cluster/{name}"), "reason": "MISSING"} for name in names if name not in region.clusters
        ],
    }


def list_arns(region: Region, request: Document) -> Document:
    """ListClusters."""
    arns = [one.arn for one in region.clusters.values() if one.status == "ACTIVE"]
    return lookup.page(arns, request, "clusterArns")


def delete(region: Region, request: Document) -> Document:
    """DeleteCluster: it has to be empty, and is INACTIVE afterwards."""
    found = lookup.cluster(region, request)
    if any(one.cluster is found and one.status != "INACTIVE" for one in region.services.values()):
        raise ApiError("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
    if any(one.cluster == found.name and one.status != "STOPPED" for one in region.tasks.values()):
        raise ApiError("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
    found.status = "INACTIVE"
    return {"cluster": documents.cluster(region, found)}
