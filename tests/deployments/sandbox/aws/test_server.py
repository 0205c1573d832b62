"""The server as a process: one per folder, nothing left behind, events, and permissions."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import httpx
import psutil
import pytest

from deployments.sandbox.aws import client, processes
from promoter.errors import ConfigurationError


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Lend a folder, and stop the server in it after the test."""
    yield tmp_path
    running = client.find(tmp_path)
    if running:
        running.stop()


def clients(running: client.Running, name: str, **credentials: str) -> Any:
    """Return a boto3 client of a server of the test's own."""
    keys = {"aws_access_key_id": "root", "aws_secret_access_key": "root", **credentials}
    return boto3.client(name, endpoint_url=running.endpoint_url, region_name="us-east-2", **keys)  # type: ignore[call-overload]


def test_a_killed_server_leaves_nobody_behind(folder: Path, bench: Any) -> None:
    """The next start in the same folder ends the tasks of the last one, and no other process that has such a number."""
    image = bench.image("v1")
    running = client.start(folder, time_scale=0.04)
    ecs = clients(running, "ecs")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(family="app", containerDefinitions=[{"name": "web", "image": image}])
    ecs.run_task(cluster="c", taskDefinition="app")
    [record] = bench.until(lambda: list(folder.glob("tasks/*/*/process.pid")))
    task = psutil.Process(int(bench.until(record.read_text)))
    stranger = folder / "tasks" / "other" / "web"
    stranger.mkdir(parents=True)
    (stranger / "process.pid").write_text(str(os.getpid()))
    os.utime(stranger / "process.pid", (1, 1))

    os.killpg(running.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(running.pid)], timeout=10)
    survived = task.is_running()
    again = client.start(folder, time_scale=0.04)

    assert survived
    bench.until(lambda: not task.is_running() or task.status() == psutil.STATUS_ZOMBIE)
    assert again.pid != running.pid
    assert not list(folder.glob("tasks/*"))


def test_a_folder_has_one_server(folder: Path) -> None:
    """Starting twice is starting once, and a second server by hand is refused."""
    first = client.start(folder)

    second = client.start(folder)
    log = folder / "second.log"
    process = processes.start(
        client._argv(folder, 0, None, "process", None),
        cwd=Path.cwd(),
        env=dict(os.environ),
        output=log,
        record=folder / "second.pid",
    )

    assert first == second
    assert process.wait(30)
    assert process.poll() == ConfigurationError.exit_code
    assert "another AWS of the sandbox runs in" in log.read_text()


def test_a_server_that_cannot_come_up_says_why(folder: Path) -> None:
    """The error holds the last lines of its log."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} of 127.0.0.1 is taken"):
            client.start(folder, port=port)


def test_a_stopped_server_ends_its_tasks(folder: Path, bench: Any) -> None:
    """SIGTERM ends everything, and the folder says that nobody serves."""
    running = client.start(folder, time_scale=0.04)
    ecs = clients(running, "ecs")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(family="app", containerDefinitions=[{"name": "web", "image": bench.image("v1")}])
    ecs.run_task(cluster="c", taskDefinition="app")
    [record] = bench.until(lambda: list(folder.glob("tasks/*/*/process.pid")))
    pid = int(bench.until(record.read_text))

    running.stop()

    assert not psutil.pid_exists(pid)
    assert client.find(folder) is None


def test_deployments_are_told_on_the_event_bus(bench: Any) -> None:
    """A rule that matches finds "ECS Deployment State Change" with the deployment's id."""
    events, logs, group = bench.client("events"), bench.client("logs"), f"/aws/events/{bench.cluster}"
    logs.create_log_group(logGroupName=group)
    arn = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["arn"].removesuffix(":*")
    events.put_rule(Name=bench.cluster, EventPattern=json.dumps({"source": ["aws.ecs"]}))
    events.put_targets(Rule=bench.cluster, Targets=[{"Id": "1", "Arn": arn}])

    service = bench.create(bench.register(bench.image("v1")))
    bench.settled()

    found = [json.loads(event["message"]) for event in logs.filter_log_events(logGroupName=group)["events"]]
    mine = [event for event in found if event["resources"] == [service["serviceArn"]]]
    assert [(event["detail-type"], event["detail"]["eventName"]) for event in mine] == [
        ("ECS Deployment State Change", "SERVICE_DEPLOYMENT_IN_PROGRESS"),
        ("ECS Deployment State Change", "SERVICE_DEPLOYMENT_COMPLETED"),
    ]
    assert {event["detail"]["deploymentId"] for event in mine} == {service["deployments"][0]["id"]}


def test_a_role_may_change_its_own_environment_only(folder: Path) -> None:
    """Once permissions are enforced a policy with ARNs holds for ECS and Secrets Manager, and refusals are JSON."""
    running = client.start(folder)
    ecs, secrets, iam = (clients(running, name) for name in ("ecs", "secretsmanager", "iam"))
    definition = ecs.register_task_definition(
        family="app", containerDefinitions=[{"name": "a", "image": "127.0.0.1:1/a"}]
    )
    for cluster in ("test", "prod"):
        ecs.create_cluster(clusterName=cluster)
        ecs.create_service(
            cluster=cluster, serviceName="s", desiredCount=0, taskDefinition=definition["taskDefinition"]["family"]
        )
    own, other = (secrets.create_secret(Name=f"{name}/db", SecretString="{}")["ARN"] for name in ("test", "prod"))
    iam.create_user(UserName="ci")
    statements = [
        {"Effect": "Allow", "Action": "ecs:*Service*", "Resource": "arn:aws:ecs:us-east-2:123456789012:service/test/*"},
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": own},
    ]
    iam.put_user_policy(
        UserName="ci", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements})
    )
    key = iam.create_access_key(UserName="ci")["AccessKey"]
    httpx.post(f"{running.endpoint_url}/moto-api/reset-auth", content="0").raise_for_status()
    mine = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    ecs, secrets = clients(running, "ecs", **mine), clients(running, "secretsmanager", **mine)

    asked = [
        lambda: ecs.update_service(cluster="test", service="s", desiredCount=0),
        lambda: ecs.update_service(cluster="prod", service="s", desiredCount=0),
        lambda: ecs.run_task(cluster="test", taskDefinition="app"),
        lambda: secrets.get_secret_value(SecretId=own),
        lambda: secrets.get_secret_value(SecretId="test/db"),
        lambda: secrets.get_secret_value(SecretId=other),
    ]

    assert [refusal(one) for one in asked] == [
        None,
        "AccessDeniedException",
        "AccessDeniedException",
        None,
        None,
        "AccessDeniedException",
    ]


def refusal(call: Any) -> str | None:
    """Return the code of the error that `call` answers with, or None."""
    try:
        call()
    except botocore.exceptions.ClientError as error:
        return str(error.response["Error"]["Code"])
    return None
