"""Makes the next task definition out of the one that the service runs: another image, a tag, and nothing else."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast

from promoter.ecs import exposure
from promoter.errors import RolloutError

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import (
        ContainerDefinitionOutputTypeDef,
        DescribeTaskDefinitionResponseTypeDef,
        RegisterTaskDefinitionRequestTypeDef,
    )

PROMOTION_TAG = "promoter:promotion"
"""The tag that says which promotion registered a task definition; RegisterTaskDefinition has no idempotency token."""
RESERVED = "aws:"
"""Tags with this prefix are Amazon's own; registering them is refused."""


def fields(client: "ECSClient") -> frozenset[str]:
    """Return every field that RegisterTaskDefinition takes, from the model the client itself was made of.

    What DescribeTaskDefinition answers beyond them (revision, status, requiresAttributes, …) is read-only.
    """
    shape = client.meta.service_model.operation_model("RegisterTaskDefinition").input_shape
    return frozenset(shape.members if shape else ())


def request(
    answer: "DescribeTaskDefinitionResponseTypeDef",
    *,
    container: str,
    image: str,
    promotion: str,
    allowed: frozenset[str],
    plain: Collection[str] = (),
) -> "RegisterTaskDefinitionRequestTypeDef":
    """Return the request that registers the answered definition again with `image` in `container`.

    `answer` is DescribeTaskDefinition's, asked with its tags; `image` is `repository:tag@sha256:…`; `allowed` comes from `fields`;
    `plain` are variables that only look like secrets. Raises RolloutError if there is no such container, if the image is not pinned
    by its digest, or if a secret would stand among the plain variables.
    """
    if "@sha256:" not in image:
        raise RolloutError(f"image {image!r} is not pinned by its digest", hint="Deploy `repository:tag@sha256:…`.")
    definition = answer["taskDefinition"]
    find(answer, container)
    exposure.refuse(answer, plain)
    kept = {name: value for name, value in definition.items() if name in allowed}
    kept["containerDefinitions"] = [
        {**one, "image": image} if one.get("name") == container else one for one in definition["containerDefinitions"]
    ]
    kept["tags"] = [
        tag for tag in answer.get("tags", []) if tag["key"] != PROMOTION_TAG and not tag["key"].startswith(RESERVED)
    ] + [{"key": PROMOTION_TAG, "value": promotion}]
    return cast("RegisterTaskDefinitionRequestTypeDef", cast("Any", kept))


def find(answer: "DescribeTaskDefinitionResponseTypeDef", container: str) -> "ContainerDefinitionOutputTypeDef":
    """Return the definition of `container`; raise RolloutError that names the containers there are."""
    containers = answer["taskDefinition"].get("containerDefinitions", [])
    for one in containers:
        if one.get("name") == container:
            return one
    names = ", ".join(one.get("name", "?") for one in containers) or "none"
    raise RolloutError(
        f"task definition {name(answer['taskDefinition']['taskDefinitionArn'])} has no container {container!r}; it has {names}",
        hint="Name one of them as `container` of the environment.",
    )


def image(answer: "DescribeTaskDefinitionResponseTypeDef", container: str) -> str:
    """Return the image reference that `container` runs."""
    return find(answer, container).get("image", "")


def promotion(answer: "DescribeTaskDefinitionResponseTypeDef") -> str | None:
    """Return the promotion that registered the answered definition, None if no promotion did."""
    return next((tag["value"] for tag in answer.get("tags", []) if tag["key"] == PROMOTION_TAG), None)


def family(arn: str) -> str:
    """Return `app` of `arn:aws:ecs:…:task-definition/app:41`."""
    return name(arn).rpartition(":")[0]


def name(arn: str) -> str:
    """Return `app:41` of `arn:aws:ecs:…:task-definition/app:41`."""
    return arn.rpartition("/")[2]
