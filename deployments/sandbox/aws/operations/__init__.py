"""The operations of ECS's API, one file per noun; each takes a region and a request and returns the answer.

The caller holds the region's lock. Errors are `refusals.ApiError`.
"""

from collections.abc import Callable

from deployments.sandbox.aws.operations import clusters, service_deployments, services, tags, task_definitions, tasks
from deployments.sandbox.aws.state import Document, Region

Operation = Callable[[Region, Document], Document]

OPERATIONS: dict[str, Operation] = {
    "CreateCluster": clusters.create,
    "DeleteCluster": clusters.delete,
    "DescribeClusters": clusters.describe,
    "ListClusters": clusters.list_arns,
    "CreateService": services.create,
    "DeleteService": services.delete,
    "DescribeServices": services.describe,
    "ListServices": services.list_arns,
    "UpdateService": services.update,
    "DescribeServiceDeployments": service_deployments.describe,
    "DescribeServiceRevisions": service_deployments.describe_revisions,
    "ListServiceDeployments": service_deployments.list_briefs,
    "StopServiceDeployment": service_deployments.stop,
    "ListTagsForResource": tags.list_tags,
    "TagResource": tags.add,
    "UntagResource": tags.remove,
    "DeleteTaskDefinitions": task_definitions.delete,
    "DeregisterTaskDefinition": task_definitions.deregister,
    "DescribeTaskDefinition": task_definitions.describe,
    "ListTaskDefinitionFamilies": task_definitions.list_families,
    "ListTaskDefinitions": task_definitions.list_arns,
    "RegisterTaskDefinition": task_definitions.register,
    "DescribeTasks": tasks.describe,
    "ListTasks": tasks.list_arns,
    "RunTask": tasks.run,
    "StopTask": tasks.stop,
}
"""What the sandbox answers; everything else is refused by name."""
