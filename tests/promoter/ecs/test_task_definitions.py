"""The next task definition is the one that runs, with another image and a tag."""

from typing import Any

import boto3
import botocore.session
import pytest
from botocore.validate import ParamValidator

from promoter.ecs import task_definitions
from promoter.errors import RolloutError

ARN = "arn:aws:ecs:us-east-2:123456789012:task-definition/app:41"
IMAGE = "ghcr.io/owner/app:v1.0.3-test@sha256:" + "a" * 64


@pytest.fixture(scope="module")
def allowed() -> frozenset[str]:
    """Return the fields of the client's own model; nothing is asked over the network."""
    return task_definitions.fields(boto3.client("ecs", region_name="us-east-2"))


def filled(shape: Any, depth: int = 0) -> Any:
    """Return a value for `shape` with every member that the API knows."""
    if shape.type_name == "structure":
        return {name: filled(member, depth + 1) for name, member in shape.members.items()} if depth < 8 else {}
    if shape.type_name == "list":
        return [filled(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {"key": filled(shape.value, depth + 1)}
    return {"boolean": True, "integer": 7, "long": 7, "double": 0.5, "timestamp": "2025-09-12"}.get(
        shape.type_name, shape.enum[0] if getattr(shape, "enum", None) else "text"
    )


def answer(**changes: Any) -> Any:
    """Return DescribeTaskDefinition's answer for a small definition."""
    definition = {
        "taskDefinitionArn": ARN,
        "family": "app",
        "revision": 41,
        "containerDefinitions": [
            {"name": "app", "image": "ghcr.io/owner/app:v1.0.2-test@sha256:" + "b" * 64, "essential": True},
            {"name": "sidecar", "image": "sidecar:1"},
        ],
    }
    return {"taskDefinition": {**definition, **changes.pop("definition", {})}, "tags": [], **changes}


def request(given: Any, allowed: frozenset[str], **changes: str) -> Any:
    """Return the request for promotion p-1."""
    return task_definitions.request(
        given, **{"container": "app", "image": IMAGE, "promotion": "p-1", **changes}, allowed=allowed
    )


def test_every_field_that_the_api_knows_is_kept(allowed: frozenset[str]) -> None:
    """A definition with all fields there are differs in the image, the tag and the read-only fields alone."""
    model = botocore.session.get_session().get_service_model("ecs")
    full = filled(model.shape_for("TaskDefinition"))
    full["containerDefinitions"][0]["name"] = "app"
    before = {"taskDefinition": full, "tags": [{"key": "team", "value": "api"}]}

    made = request(before, allowed)

    read_only = set(full) - set(made)
    assert read_only == {
        "taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy",
        "deregisteredAt", "deleteRequestedAt",
    }  # fmt: skip
    kept = {name: value for name, value in full.items() if name not in read_only}
    expected = {
        **kept,
        "containerDefinitions": [{**full["containerDefinitions"][0], "image": IMAGE}],
        "tags": [{"key": "team", "value": "api"}, {"key": "promoter:promotion", "value": "p-1"}],
    }
    assert made == expected
    shape = model.operation_model("RegisterTaskDefinition").input_shape
    assert shape is not None
    assert ParamValidator().validate(made, shape).generate_report() == ""


def test_only_the_named_container_gets_the_image(allowed: frozenset[str]) -> None:
    """A sidecar keeps its own."""
    made = request(answer(), allowed)

    assert [one["image"] for one in made["containerDefinitions"]] == [IMAGE, "sidecar:1"]


def test_the_old_promotion_and_reserved_tags_are_not_kept(allowed: frozenset[str]) -> None:
    """The tag names this promotion, and tags that are Amazon's own would be refused."""
    tags = [{"key": "promoter:promotion", "value": "p-0"}, {"key": "aws:cloudformation:stack-id", "value": "x"}]

    made = request(answer(tags=tags), allowed)

    assert made["tags"] == [{"key": "promoter:promotion", "value": "p-1"}]


def test_the_answer_is_left_as_it_was(allowed: frozenset[str]) -> None:
    """Making a request changes nothing in what ECS answered."""
    given = answer()

    request(given, allowed)

    assert given == answer()


def test_a_container_that_does_not_exist_is_named_with_those_that_do(allowed: frozenset[str]) -> None:
    """The error says what to write instead."""
    with pytest.raises(RolloutError, match=r"app:41 has no container 'api'; it has app, sidecar"):
        request(answer(), allowed, container="api")


def test_a_mutable_image_is_refused(allowed: frozenset[str]) -> None:
    """An image without its digest could be another one tomorrow."""
    with pytest.raises(RolloutError, match="not pinned"):
        request(answer(), allowed, image="ghcr.io/owner/app:v1.0.3-test")


def test_a_definition_that_shows_a_secret_is_refused(allowed: frozenset[str]) -> None:
    """What runs already is no excuse for registering it once more."""
    shown = {"name": "sidecar", "image": "sidecar:1", "environment": [{"name": "API_TOKEN", "value": "hunter2"}]}
    given = answer()
    given["taskDefinition"]["containerDefinitions"][1] = shown

    with pytest.raises(RolloutError, match="API_TOKEN of sidecar"):
        request(given, allowed)


def test_what_an_arn_says() -> None:
    """Family and short name are read from the ARN."""
    assert (task_definitions.family(ARN), task_definitions.name(ARN)) == ("app", "app:41")
