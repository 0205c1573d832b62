"""Requests through a load balancer, while everything behind it changes."""

import asyncio
import itertools
import threading
import time
from collections import Counter
from typing import Any, Self

import httpx
import pytest

from deployments.sandbox.aws.proxy import Proxy


class Visitors:
    """Clients that ask without a pause, and remember every answer."""

    def __init__(self, port: int, count: int = 2) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        while not self.seen:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(timeout=20) as client:
            while not self._end.wait(0.01):
                try:
                    answer = client.get(self.url)
                    seen = f"{answer.status_code} {answer.text}"
                except httpx.HTTPError as error:
                    seen = repr(error)
                with self._lock:
                    self.seen[seen] += 1


def balanced(bench: Any, **settings: Any) -> int:
    """Create a service `svc` with v1 behind a load balancer, and return the port."""
    group, port = bench.balanced()
    balancers = [{"targetGroupArn": group, "containerName": "web", "containerPort": 8080}]
    bench.create(bench.register(bench.image("v1")), loadBalancers=balancers, **settings)
    bench.settled()
    return int(port)


def test_no_request_fails_while_releases_come_and_go(bench: Any) -> None:
    """A good release, one that crashes and one that is sick: visitors see v1 and v2, and nothing else."""
    with Visitors(balanced(bench)) as visitors:
        for version, fault in (("v2", ""), ("v3", "crash"), ("v4", "sick")):
            bench.update(taskDefinition=bench.register(bench.image(version, fault)))
            bench.settled()

    assert set(visitors.seen) == {"200 v1", "200 v2"}


def test_no_request_fails_when_one_of_two_tasks_is_stopped(bench: Any) -> None:
    """The task is drained before it is stopped."""
    with Visitors(balanced(bench, desiredCount=2)) as visitors:
        [first, _] = bench.tasks()
        bench.client("ecs").stop_task(cluster=bench.cluster, task=first["taskArn"])
        bench.ended(first["taskArn"])
        bench.until(lambda: bench.service()["runningCount"] == 2)

    assert set(visitors.seen) == {"200 v1"}


def test_targets_are_shown_as_they_are(bench: Any) -> None:
    """DescribeTargetHealth knows the port of each task, and events tell of them."""
    group, _ = bench.balanced()
    balancers = [{"targetGroupArn": group, "containerName": "web", "containerPort": 8080}]
    bench.create(bench.register(bench.image("v1")), loadBalancers=balancers)
    bench.settled()

    shown = bench.client("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]

    ports = [task["containers"][0]["networkBindings"][0]["hostPort"] for task in bench.tasks()]
    assert [(one["Target"]["Port"], one["TargetHealth"]["State"]) for one in shown] == [(ports[0], "healthy")]
    told = [event["message"] for event in bench.service()["events"]]
    assert f"(service svc) registered 1 targets in (target-group {group})" in told


def test_a_sick_target_is_replaced_and_rolled_back(bench: Any) -> None:
    """Without any container health check the load balancer's own decides."""
    group, port = bench.balanced()
    balancers = [{"targetGroupArn": group, "containerName": "web", "containerPort": 8080}]
    unchecked = {"command": ["NONE"]}
    first = bench.register(bench.image("v1"), healthCheck=unchecked)
    bench.create(first, loadBalancers=balancers)
    bench.settled()
    bench.update(taskDefinition=bench.register(bench.image("v2", "sick"), healthCheck=unchecked))

    service = bench.settled()

    reasons = {task["stoppedReason"] for task in bench.tasks("STOPPED")}
    assert service["taskDefinition"] == first
    assert f"Task failed ELB health checks in (target-group {group})" in reasons
    assert any("Health checks failed with these codes: [500]" in event["message"] for event in service["events"])
    assert httpx.get(f"http://127.0.0.1:{port}/").text == "v1"


def test_there_is_no_service_without_a_healthy_task(bench: Any) -> None:
    """The load balancer answers 503, as a real one does."""
    port = balanced(bench)
    bench.update(desiredCount=0)
    bench.until(lambda: not bench.tasks())

    answer = httpx.get(f"http://127.0.0.1:{port}/")

    assert (answer.status_code, answer.headers["server"]) == (503, "awselb/2.0")


def test_a_target_group_has_to_exist(bench: Any) -> None:
    """A service with an unknown one is refused."""
    ecs = bench.client("ecs")
    arn = "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/nothing/0123456789abcdef"

    with pytest.raises(ecs.exceptions.InvalidParameterException, match="targetGroupArn"):
        bench.create(
            bench.register(bench.image("v1")),
            loadBalancers=[{"targetGroupArn": arn, "containerName": "web", "containerPort": 8080}],
        )


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        pytest.param(["refusing", "good"], 200, id="the next one answers"),
        pytest.param(["silent", "good"], 200, id="a broken answer is asked for again"),
        pytest.param(["refusing"], 502, id="nobody answers"),
        pytest.param([], 503, id="nobody is there"),
    ],
)
def test_the_next_target_is_tried(targets: list[str], expected: int) -> None:
    """A target that cannot be reached costs no request while another one is healthy."""

    async def story() -> int:
        good = await asyncio.start_server(_answer, "127.0.0.1", 0)
        silent = await asyncio.start_server(_hang_up, "127.0.0.1", 0)
        closed = await asyncio.start_server(_hang_up, "127.0.0.1", 0)
        ports = {
            "good": good.sockets[0].getsockname()[1],
            "silent": silent.sockets[0].getsockname()[1],
            "refusing": closed.sockets[0].getsockname()[1],
        }
        closed.close()
        async with good, silent:
            return await _status_through(Proxy(_Queue([ports[name] for name in targets])))

    assert asyncio.run(story()) == expected


class _Queue:
    """Hands out ports in order, as the load balancer would."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports

    def __call__(self, passed_over: Any) -> Any:
        left = (port for port in self._ports if port not in passed_over)
        return _Lent(next(itertools.chain(left, [None])))


class _Lent:
    def __init__(self, port: int | None) -> None:
        self._port = port

    def __enter__(self) -> int | None:
        return self._port

    def __exit__(self, *_: object) -> None:
        pass


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await writer.drain()
    writer.close()


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def _status_through(proxy: Proxy) -> int:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "raw_path": b"/", "query_string": b"", "headers": [(b"host", b"x")]}
    await proxy(scope, receive, send)
    return int(sent[0]["status"])
