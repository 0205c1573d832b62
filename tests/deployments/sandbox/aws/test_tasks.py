"""Single tasks: what they get, what they leave, how they end."""

import json
import sys
import uuid
from typing import Any

import pytest


def overridden(*command: str, **variables: str) -> dict[str, Any]:
    """Return the overrides that run `command` in the container `web`."""
    environment = [{"name": name, "value": value} for name, value in variables.items()]
    return {"containerOverrides": [{"name": "web", "command": list(command), "environment": environment}]}


def awslogs(group: str, **options: str) -> dict[str, Any]:
    """Return a log configuration."""
    return {
        "logDriver": "awslogs",
        "options": {"awslogs-group": group, "awslogs-region": "us-east-2", "awslogs-stream-prefix": "ecs", **options},
    }


def test_a_task_ends_with_the_exit_code_of_its_command(bench: Any) -> None:
    """RunTask runs the command it is told to, and says how it ended."""
    task = bench.run(bench.register(bench.image("v1")), overrides=overridden("sh", "-c", "exit 7"))

    assert task["stopCode"] == "EssentialContainerExited"
    assert task["stoppedReason"] == "Essential container in task exited"
    assert task["containers"][0]["exitCode"] == 7
    assert task["containers"][0]["imageDigest"].startswith("sha256:")


def test_a_token_runs_a_task_once(bench: Any) -> None:
    """The same token with the same request is the same task, with another request a conflict."""
    definition = bench.register(bench.image("v1"))
    ecs, token = bench.client("ecs"), str(uuid.uuid4())
    request = {
        "taskDefinition": definition,
        "overrides": overridden("true"),
        "clientToken": token,
        "networkConfiguration": bench.network,
    }
    bench.run(definition, overrides=overridden("true"))

    arns = {ecs.run_task(cluster=bench.cluster, **request)["tasks"][0]["taskArn"] for _ in range(3)}

    assert len(arns) == 1
    with pytest.raises(ecs.exceptions.ConflictException):
        ecs.run_task(cluster=bench.cluster, **{**request, "count": 2})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param(
            {"overrides": {"containerOverrides": [{"name": "api", "command": ["true"]}]}},
            "Override for container named api is not a container in the TaskDefinition",
            id="no such container",
        ),
        pytest.param(
            {"launchType": "FARGATE", "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]},
            "Specifying both a launch type and capacity provider strategy is not supported",
            id="two kinds of capacity",
        ),
        pytest.param({"networkConfiguration": {}}, "Network Configuration must be provided", id="no network"),
        pytest.param({"count": 11}, "count should be between 1 and 10", id="too many"),
    ],
)
def test_a_wrong_wish_starts_nothing(bench: Any, wrong: dict[str, Any], message: str) -> None:
    """ECS's own words, and no task."""
    definition, ecs = bench.register(bench.image("v1")), bench.client("ecs")
    ecs.create_cluster(clusterName=bench.cluster)

    with pytest.raises(ecs.exceptions.InvalidParameterException, match=message):
        ecs.run_task(
            cluster=bench.cluster, taskDefinition=definition, **{"networkConfiguration": bench.network, **wrong}
        )

    assert ecs.list_tasks(cluster=bench.cluster)["taskArns"] == []


def test_tasks_are_known_by_whom_they_were_started_for(bench: Any) -> None:
    """`startedBy` is shown, and ListTasks finds the running ones by it."""
    definition, ecs = bench.register(bench.image("v1")), bench.client("ecs")
    ecs.create_cluster(clusterName=bench.cluster)
    request = {"taskDefinition": definition, "networkConfiguration": bench.network, "cluster": bench.cluster}

    [mine] = ecs.run_task(**request, startedBy="promoter/1", overrides=overridden("sleep", "60"))["tasks"]
    ecs.run_task(**request, startedBy="somebody", overrides=overridden("sleep", "60"))

    assert mine["startedBy"] == "promoter/1"
    assert ecs.list_tasks(cluster=bench.cluster, startedBy="promoter/1")["taskArns"] == [mine["taskArn"]]


def test_what_a_task_writes_is_in_its_log_stream(bench: Any) -> None:
    """Both streams of the command reach CloudWatch Logs, the unfinished last line too."""
    group = f"/ecs/{bench.cluster}"
    bench.client("logs").create_log_group(logGroupName=group)
    definition = bench.register(bench.image("v1"), logConfiguration=awslogs(group))

    task = bench.run(definition, overrides=overridden("sh", "-c", "echo one; echo two >&2; printf three"))

    stream = f"ecs/web/{task['taskArn'].rsplit('/', 1)[1]}"
    events = bench.client("logs").get_log_events(logGroupName=group, logStreamName=stream)["events"]
    assert [event["message"] for event in events] == ["one", "two", "three"]


def test_a_log_group_has_to_exist(bench: Any) -> None:
    """Without its group a task does not start, unless the definition says to make it."""
    group = f"/ecs/missing/{bench.cluster}"
    image = bench.image("v1")

    refused = bench.run(bench.register(image, logConfiguration=awslogs(group)))
    made = bench.run(
        bench.register(image, logConfiguration=awslogs(group, **{"awslogs-create-group": "true"})),
        overrides=overridden("true"),
    )

    assert refused["stopCode"] == "TaskFailedToStart"
    assert "The specified log group does not exist" in refused["stoppedReason"]
    assert made["containers"][0]["exitCode"] == 0


def test_secrets_reach_the_task_and_nothing_else(bench: Any) -> None:
    """A whole secret by name, one key of it by ARN; DescribeTasks and the definition show neither."""
    secret = json.dumps({"PASSWORD": "s3cret", "PORT": 5432})
    name = f"db-{bench.cluster}"
    arn = bench.client("secretsmanager").create_secret(Name=name, SecretString=secret)["ARN"]
    wanted = [
        {"name": "WHOLE", "valueFrom": name},
        {"name": "PASSWORD", "valueFrom": f"{arn}:PASSWORD::"},
        {"name": "DB_PORT", "valueFrom": f"{arn}:PORT:AWSCURRENT:"},
    ]
    definition = bench.register(bench.image("v1"), secrets=wanted)
    script = f"""test "$WHOLE" = '{secret}' && test "$PASSWORD" = s3cret && test "$DB_PORT" = 5432"""

    task = bench.run(definition, overrides=overridden("sh", "-c", script))

    described = bench.client("ecs").describe_task_definition(taskDefinition=definition)["taskDefinition"]
    assert task["containers"][0]["exitCode"] == 0
    assert "5432" not in json.dumps([task, described], default=str).replace(script, "").replace(
        json.dumps(script)[1:-1], ""
    )


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        pytest.param("nothing", "unable to retrieve secret", id="no such secret"),
        pytest.param(":NOTHING::", "did not contain json key NOTHING", id="no such key"),
    ],
)
def test_a_task_without_its_secret_does_not_start(bench: Any, suffix: str, message: str) -> None:
    """The reason is ECS's, and holds no value."""
    arn = bench.client("secretsmanager").create_secret(
        Name=f"db-{uuid.uuid4().hex}", SecretString='{"PASSWORD": "s3cret"}'
    )["ARN"]
    definition = bench.register(bench.image("v1"), secrets=[{"name": "A", "valueFrom": arn + suffix}])

    task = bench.run(definition)

    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("ResourceInitializationError: unable to pull secrets or registry auth: ")
    assert message in task["stoppedReason"]
    assert "s3cret" not in task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]


def test_a_task_starts_from_a_clean_environment(bench: Any) -> None:
    """Only the image, the definition, ECS and a few plain variables are in it: nothing of this machine's."""
    group = f"/ecs/{bench.cluster}"
    logs = awslogs(group, **{"awslogs-create-group": "true"})
    definition = bench.register(
        bench.image("v1"),
        logConfiguration=logs,
        environment=[{"name": "OWN", "value": "yes"}],
        healthCheck={"command": ["NONE"]},
    )
    names = "import os; print(*sorted(os.environ))"

    bench.run(definition, overrides=overridden("python", "-c", names, EXTRA="1"))

    stream = bench.client("logs").describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
    [event] = bench.client("logs").get_log_events(logGroupName=group, logStreamName=stream)["events"]
    assert set(event["message"].split()) - {"LC_CTYPE", "PWD", "SHLVL", "_", "OLDPWD"} == {
        "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_REGION", "EXTRA", "FAULT", "HOME", "LANG", "OWN", "PATH", "PORT",
        "PYTHONPATH", "VERSION",
    }  # fmt: skip


def test_a_task_that_does_not_listen_to_reason_is_killed(bench: Any) -> None:
    """After its stop timeout it ends by SIGKILL: exit code 137."""
    definition = bench.register(bench.image("v1"), stopTimeout=2)
    ecs = bench.client("ecs")
    ecs.create_cluster(clusterName=bench.cluster)
    stubborn = overridden("sh", "-c", "trap '' TERM; while true; do sleep 0.1; done")
    request = {"taskDefinition": definition, "overrides": stubborn, "networkConfiguration": bench.network}
    arn = ecs.run_task(cluster=bench.cluster, **request)["tasks"][0]["taskArn"]
    bench.until(bench.tasks)
    bench.until(lambda: bench.tasks()[0]["lastStatus"] == "RUNNING")

    ecs.stop_task(cluster=bench.cluster, task=arn)

    assert bench.ended(arn)["containers"][0]["exitCode"] == 137


def test_the_end_of_an_essential_container_is_the_end_of_the_task(bench: Any) -> None:
    """A helper beside it is stopped, a helper that ends by itself is nothing special."""
    image, ecs = bench.image("v1"), bench.client("ecs")
    ecs.create_cluster(clusterName=bench.cluster)
    containers = [
        {"name": "main", "image": image, "command": ["sh", "-c", "sleep 1"]},
        {"name": "short", "image": image, "command": ["true"], "essential": False},
        {"name": "long", "image": image, "command": ["sh", "-c", "exec sleep 60"], "essential": False},
    ]
    definition = ecs.register_task_definition(family="three", containerDefinitions=containers)["taskDefinition"]

    task = bench.run(definition["taskDefinitionArn"])

    assert {one["name"]: one["exitCode"] for one in task["containers"]} == {"main": 0, "short": 0, "long": 143}


def test_a_program_that_is_not_there_cannot_be_started(bench: Any) -> None:
    """The reason names it."""
    task = bench.run(bench.register(bench.image("v1"), command=["no-such-program"]))

    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotStartContainerError: ")
    assert "no-such-program" in task["stoppedReason"]


def test_python_is_found_even_when_the_image_has_none(bench: Any) -> None:
    """It is the interpreter below the virtual environment: without our packages."""
    script = "import sys; sys.exit(0 if sys.version_info[:2] == ({}, {}) and 'moto' not in sys.modules else 1)"
    code = script.format(*sys.version_info[:2]) + "\n"

    task = bench.run(bench.register(bench.image("v1")), overrides=overridden("python", "-c", code))

    assert task["containers"][0]["exitCode"] == 0
