"""One service on the sandbox's ECS: what is checked before anything moves, and the calls that change it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from promoter.errors import LeaseError, RolloutError


def test_the_definition_keeps_everything_but_the_image(api: Any) -> None:
    """What is registered differs from what ran in image and tag alone."""
    rollout = api.begin("better", "p-7")

    before, after = (api.ecs.definition(arn) for arn in (rollout.before, rollout.after))

    changed = {"taskDefinitionArn", "revision", "registeredAt", "containerDefinitions"}
    kept = [
        {key: value for key, value in one["taskDefinition"].items() if key not in changed} for one in (before, after)
    ]
    assert kept[0] == kept[1]
    container_before = dict(before["taskDefinition"]["containerDefinitions"][0])
    assert after["taskDefinition"]["containerDefinitions"] == [
        {**container_before, "image": api.sandbox.images["better"]}
    ]
    assert sorted((tag["key"], tag["value"]) for tag in after["tags"]) == [
        ("promoter:promotion", "p-7"),
        ("team", "api"),
    ]


def test_register_and_update_do_nothing_twice(api: Any) -> None:
    """A second try of the same promotion finds the definition and the deployment of the first."""
    rollout = api.begin("better", "p-1")

    assert api.ecs.register(api.request(rollout.before, "better", "p-1"), "p-1") == rollout.after
    assert api.ecs.update(rollout.after) == rollout.deployment
    assert api.ecs.register(api.request(rollout.before, "better", "p-2"), "p-2") != rollout.after


def test_an_update_whose_reply_was_lost_is_found(api: Any) -> None:
    """The same call again returns the deployment that the first one began."""

    def lose(**_: object) -> None:
        raise ConnectionClosedError(endpoint_url="http://127.0.0.1")

    before = api.ecs.check().task_definition
    after = api.ecs.register(api.request(before, "better", "p-1"), "p-1")
    api.ecs.client.meta.events.register("after-call.ecs.UpdateService", lose)
    try:
        with pytest.raises(RolloutError) as caught:
            api.ecs.update(after)
    finally:
        api.ecs.client.meta.events.unregister("after-call.ecs.UpdateService", lose)

    begun = api.ecs.describe().primary
    assert caught.value.transient
    assert (begun.task_definition, api.ecs.update(after)) == (after, begun.id)


def test_a_promotion_has_one_image(api: Any) -> None:
    """A promotion that registered one image cannot register another."""
    before = api.ecs.check().task_definition
    api.ecs.register(api.request(before, "better", "p-1"), "p-1")

    with pytest.raises(RolloutError, match="already registered"):
        api.ecs.register(api.request(before, "sick", "p-1"), "p-1")


def test_a_lost_lease_stops_every_change(api: Any) -> None:
    """Nothing is registered, updated or stopped by somebody who lost the environment."""

    def lost() -> None:
        raise LeaseError("somebody else holds the environment")

    rollout = api.begin("better")
    fenced = replace(api.ecs, fence=lost)

    with pytest.raises(LeaseError):
        fenced.register(api.request(rollout.before, "better", "p-2"), "p-2")
    with pytest.raises(LeaseError):
        fenced.update(rollout.before)
    with pytest.raises(LeaseError):
        fenced.stop()

    api.follow(rollout)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"desiredCount": 0}, "wants 0 tasks", id="no tasks"),
        pytest.param({"deploymentConfiguration": {}}, "has no deployment circuit breaker", id="no breaker"),
        pytest.param(
            {"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}},
            "circuit breaker without rollback",
            id="breaker without rollback",
        ),
    ],
)
def test_a_service_that_could_not_be_taken_back_is_refused(
    make_api: Callable[..., Any], changes: dict[str, Any], complaint: str
) -> None:
    """It is said before anything moves, with what to do."""
    api = make_api("good", **changes)

    with pytest.raises(RolloutError, match=complaint) as caught:
        api.ecs.check()

    assert caught.value.hint


@pytest.mark.parametrize(
    ("field_name", "complaint"),
    [
        ("cluster", "ClusterNotFoundException"),
        ("service", "does not exist"),
        ("container", "has no container 'nope'; it has api"),
    ],
)
def test_a_wrong_name_is_named(api: Any, field_name: str, complaint: str) -> None:
    """Cluster, service and container that are not there are said each."""
    wrong = api.ecs.environment.model_copy(update={field_name: "nope"})

    with pytest.raises(RolloutError, match=complaint) as caught:
        replace(api.ecs, environment=wrong).check()

    assert not caught.value.transient


def test_a_deleted_service_is_refused(make_api: Callable[..., Any]) -> None:
    """INACTIVE and DRAINING services take no release."""
    api = make_api("good")
    api.ecs.client.delete_service(cluster=api.ecs.environment.cluster, service="svc-api", force=True)

    with pytest.raises(RolloutError, match=r"is (DRAINING|INACTIVE)"):
        api.ecs.check()


def test_a_deregistered_definition_is_no_way_back(api: Any) -> None:
    """A release that could not be undone does not begin."""
    running = api.ecs.check().task_definition
    api.ecs.client.deregister_task_definition(taskDefinition=running)

    with pytest.raises(RolloutError, match="deregistered"):
        api.ecs.check()


def test_an_endpoint_that_is_down_is_transient(make_api: Callable[..., Any]) -> None:
    """ECS that cannot be reached may be reached later."""
    api = make_api("good", desiredCount=0)
    nobody = boto3.client(
        "ecs",
        endpoint_url="http://127.0.0.1:9",
        region_name=api.ecs.environment.region,
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
        config=Config(retries={"total_max_attempts": 1}),
    )

    with pytest.raises(RolloutError, match="cannot describe the service") as caught:
        replace(api.ecs, client=nobody).describe()

    assert caught.value.transient
