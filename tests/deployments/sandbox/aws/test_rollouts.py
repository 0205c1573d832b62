"""Deployments of a real service: forward, back, and not at all."""

from typing import Any

import pytest


def told(service: Any) -> list[str]:
    """Return the service's events, oldest first, with ids left out."""
    return [
        " ".join(word for word in event["message"].split() if len(word) < 30 and "ecs-svc" not in word)
        for event in reversed(service["events"])
    ]


def test_a_good_release_replaces_the_old_one(bench: Any) -> None:
    """The new deployment is COMPLETED, the only one, and its task is the only one that runs."""
    bench.create(bench.register(bench.image("v1")), desiredCount=2)
    bench.settled()
    second = bench.register(bench.image("v2"))
    identity = bench.update(taskDefinition=second)["deployments"][0]["id"]

    service = bench.settled()

    assert [(one["id"], one["status"], one["rolloutState"]) for one in service["deployments"]] == [
        (identity, "PRIMARY", "COMPLETED")
    ]
    assert (service["taskDefinition"], service["runningCount"]) == (second, 2)
    assert [task["taskDefinitionArn"] for task in bench.tasks()] == [second] * 2
    assert {task["healthStatus"] for task in bench.tasks()} == {"HEALTHY"}


@pytest.mark.parametrize(
    ("fault", "code", "reason", "exit_code"),
    [
        pytest.param("crash", "EssentialContainerExited", "Essential container in task exited", 3, id="crash at start"),
        pytest.param("sick", "ServiceSchedulerInitiated", "Task failed container health checks", 143, id="health 500"),
    ],
)
def test_a_bad_release_is_rolled_back(bench: Any, fault: str, code: str, reason: str, exit_code: int) -> None:
    """The circuit breaker brings the old deployment back under its own id, and the tasks tell why."""
    first = bench.register(bench.image("v1"))
    good = bench.create(first)["deployments"][0]["id"]
    bench.settled()
    bad = bench.update(taskDefinition=bench.register(bench.image("v2", fault)))["deployments"][0]["id"]

    service = bench.settled()

    assert [(one["id"], one["rolloutState"]) for one in service["deployments"]] == [(good, "COMPLETED")]
    assert service["taskDefinition"] == first
    failed = [task for task in bench.tasks("STOPPED") if task["startedBy"] == bad]
    assert {(task["stopCode"], task["stoppedReason"]) for task in failed} == {(code, reason)}
    assert {task["containers"][0]["exitCode"] for task in failed} == {exit_code}
    assert told(service)[-4:] == [
        "(service svc) (deployment deployment failed: tasks failed to start.",
        "(service svc) rolling back to deployment",
        "(service svc) (deployment deployment completed.",
        "(service svc) has reached a steady state.",
    ]


def test_an_image_that_cannot_be_pulled_is_rolled_back(bench: Any) -> None:
    """No task ever runs, and the stopped ones name the image."""
    first = bench.register(bench.image("v1"))
    bench.create(first)
    bench.settled()
    missing = f"{bench.host}/tiny:v9@sha256:{'0' * 64}"
    bench.update(taskDefinition=bench.register(missing))

    service = bench.settled()

    stopped = [task for task in bench.tasks("STOPPED") if task["containers"][0]["image"] == missing]
    assert service["taskDefinition"] == first
    assert {task["stopCode"] for task in stopped} == {"TaskFailedToStart"}
    assert all(task["stoppedReason"].startswith("CannotPullContainerError: ") for task in stopped)
    assert len(stopped) == 3


def test_a_first_deployment_that_fails_stalls(bench: Any) -> None:
    """There is nothing to go back to: it stays FAILED, and nothing runs."""
    bench.create(bench.register(bench.image("v1", "crash")))

    service = bench.settled()

    assert [(one["rolloutState"], one["runningCount"]) for one in service["deployments"]] == [("FAILED", 0)]
    assert bench.tasks() == []
    ecs = bench.client("ecs")
    [story] = ecs.list_service_deployments(cluster=bench.cluster, service="svc")["serviceDeployments"]
    assert story["status"] == "STOPPED"


def test_a_rolled_back_deployment_tells_its_story(bench: Any) -> None:
    """ListServiceDeployments and its like tell which revision came, which went, and why."""
    bench.create(bench.register(bench.image("v1")))
    bench.settled()
    bench.update(taskDefinition=bench.register(bench.image("v2", "crash")))
    bench.settled()
    ecs = bench.client("ecs")

    brief = ecs.list_service_deployments(cluster=bench.cluster, service="svc")["serviceDeployments"]
    [story] = ecs.describe_service_deployments(serviceDeploymentArns=[brief[0]["serviceDeploymentArn"]])[
        "serviceDeployments"
    ]
    revisions = ecs.describe_service_revisions(
        serviceRevisionArns=[story["targetServiceRevision"]["arn"], story["rollback"]["serviceRevisionArn"]]
    )["serviceRevisions"]

    assert [one["status"] for one in brief] == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]
    assert story["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    assert [one["containerImages"][0]["image"].split("@")[0].rsplit(":", 1)[1] for one in revisions] == ["v2", "v1"]


def test_a_deployment_on_its_way_can_be_stopped(bench: Any) -> None:
    """StopServiceDeployment goes back without any circuit breaker; a second time there is nothing to stop."""
    first = bench.register(bench.image("v1"))
    good = bench.create(first, deploymentConfiguration={})["deployments"][0]["id"]
    bench.settled()
    bench.update(taskDefinition=bench.register(bench.image("v2", "sick")))
    ecs = bench.client("ecs")
    [story, _] = ecs.list_service_deployments(cluster=bench.cluster, service="svc")["serviceDeployments"]
    arn = story["serviceDeploymentArn"]

    ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
    service = bench.settled()

    assert [(one["id"], one["taskDefinition"]) for one in service["deployments"]] == [(good, first)]
    statuses = ecs.list_service_deployments(cluster=bench.cluster, service="svc")["serviceDeployments"]
    assert [one["status"] for one in statuses] == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]
    with pytest.raises(ecs.exceptions.ConflictException):
        ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")


def test_a_newer_deployment_supersedes_the_one_on_its_way(bench: Any) -> None:
    """The rollback of the third goes to the first: the second was never completed."""
    first = bench.register(bench.image("v1"))
    bench.create(first)
    bench.settled()
    bench.update(taskDefinition=bench.register(bench.image("v2", "sick")))
    bench.update(taskDefinition=bench.register(bench.image("v3", "crash")))

    service = bench.settled()

    ecs = bench.client("ecs")
    stories = ecs.list_service_deployments(cluster=bench.cluster, service="svc")["serviceDeployments"]
    assert service["taskDefinition"] == first
    assert [one["status"] for one in stories] == ["ROLLBACK_SUCCESSFUL", "STOPPED", "SUCCESSFUL"]


def test_a_service_can_be_scaled_renewed_and_deleted(bench: Any) -> None:
    """A new count is no new deployment, `forceNewDeployment` is one; a deleted service is INACTIVE and can come again."""
    definition = bench.register(bench.image("v1"))
    before = bench.create(definition)["deployments"][0]["id"]
    bench.settled()

    scaled = bench.update(desiredCount=2)["deployments"][0]["id"]
    bench.until(lambda: bench.service()["runningCount"] == 2)
    renewed = bench.update(forceNewDeployment=True)["deployments"][0]["id"]
    bench.settled()
    ecs = bench.client("ecs")
    ecs.delete_service(cluster=bench.cluster, service="svc", force=True)
    bench.until(lambda: bench.service()["status"] == "INACTIVE")
    with pytest.raises(ecs.exceptions.ServiceNotActiveException):
        bench.update(desiredCount=1)
    bench.create(definition, desiredCount=0)

    assert scaled == before
    assert renewed != before
    assert bench.settled()["status"] == "ACTIVE"


def test_a_task_that_dies_is_replaced(bench: Any) -> None:
    """A service keeps its desired count without any deployment."""
    bench.create(bench.register(bench.image("v1")))
    bench.settled()
    [task] = bench.tasks()

    bench.client("ecs").stop_task(cluster=bench.cluster, task=task["taskArn"], reason="tried")
    stopped = bench.ended(task["taskArn"])

    bench.until(lambda: [one for one in bench.tasks() if one["healthStatus"] == "HEALTHY"])
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "tried")
    assert [one["rolloutState"] for one in bench.service()["deployments"]] == ["COMPLETED"]
