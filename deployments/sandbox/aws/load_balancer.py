"""Knows the targets of each target group, checks them, drains them, and listens where a listener says so."""

import asyncio
import contextlib
import itertools
import logging
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import httpx
import uvicorn

from deployments.sandbox.aws.health import TargetHealth
from deployments.sandbox.aws.proxy import Proxy
from deployments.sandbox.aws.state import monotonic
from deployments.sandbox.aws.target_groups import TargetCheck
from deployments.sandbox.aws.timing import TimeScale

TargetState = Literal["initial", "healthy", "unhealthy", "draining"]
logger = logging.getLogger(__name__)


@dataclass
class Target:
    """One task's port behind a target group."""

    port: int
    check: TargetCheck
    health: TargetHealth
    grace_until: float
    """On the monotonic clock: bad answers do not count before."""
    registered: float = field(default_factory=monotonic)
    listens: bool = False
    busy: int = 0
    """Requests on their way."""
    draining_since: float | None = None
    reason: str = "Request timed out"
    """Why the last check failed, as ECS's events say it."""

    @property
    def state(self) -> TargetState:
        """The state as DescribeTargetHealth names it."""
        if self.draining_since is not None:
            return "draining"
        names: dict[bool | None, TargetState] = {None: "initial", True: "healthy", False: "unhealthy"}
        return names[self.health.healthy]


class LoadBalancer:
    """All load balancers of the sandbox: one event loop in a thread of its own."""

    def __init__(self) -> None:
        self._targets: dict[str, dict[str, Target]] = {}
        self._servers: dict[int, tuple[str, uvicorn.Server]] = {}
        self._lock = threading.Lock()
        self._turns = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="load-balancer", daemon=True)
        self._thread.start()

    def register(self, group: str, task: str, port: int, check: TargetCheck, grace: float) -> None:
        """Add a target and begin to check it; `grace` is in seconds of this machine."""
        health = TargetHealth(check.healthy_after, check.unhealthy_after)
        target = Target(port, check, health, monotonic() + grace)
        with self._lock:
            self._targets.setdefault(group, {})[task] = target
        self._spawn(partial(self._watch, group, task, target))

    def drain(self, group: str, task: str) -> None:
        """Send the target no more requests."""
        with self._lock:
            target = self._targets.get(group, {}).get(task)
            if target:
                target.draining_since = monotonic()

    def drained(self, group: str, task: str) -> bool:
        """Return whether a draining target is done: no request is on its way, or the deregistration delay is over.

        A real one that has no requests is also done at once (Elastic Load Balancing user guide, "Deregistration delay").
        """
        with self._lock:
            target = self._targets.get(group, {}).get(task)
            if target is None or target.draining_since is None or target.busy == 0:
                return True
            return monotonic() - target.draining_since > target.check.deregistration_delay

    def remove(self, group: str, task: str) -> None:
        """Forget the target."""
        with self._lock:
            self._targets.get(group, {}).pop(task, None)

    def target(self, group: str, task: str) -> Target | None:
        """Return what is known of a task as a target."""
        with self._lock:
            return self._targets.get(group, {}).get(task)

    def targets(self, group: str) -> list[Target]:
        """Return the targets of a group."""
        with self._lock:
            return list(self._targets.get(group, {}).values())

    def listen(self, wanted: dict[int, str]) -> None:
        """Listen on exactly these ports, each for its target group; a port that is taken is tried again next time."""
        for port, (group, server) in list(self._servers.items()):
            if wanted.get(port) != group:
                server.should_exit = True
                del self._servers[port]
        for port, group in wanted.items():
            if port not in self._servers:
                self._open(port, group)

    def close(self) -> None:
        """Stop listening and checking."""
        self.listen({})
        done = asyncio.run_coroutine_threadsafe(self._wind_up(), self._loop)
        done.result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _open(self, port: int, group: str) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            listener.close()
            logger.warning("the load balancer cannot listen on 127.0.0.1:%s: %s", port, error)
            return
        server = uvicorn.Server(_server_configuration(Proxy(partial(self._chosen, group))))
        self._servers[port] = group, server
        self._spawn(partial(server.serve, sockets=[listener]))

    @contextlib.contextmanager
    def _chosen(self, group: str, passed_over: Iterable[int]) -> Iterator[int | None]:
        target = self._take(group, set(passed_over))
        try:
            yield target.port if target else None
        finally:
            if target:
                with self._lock:
                    target.busy -= 1

    def _take(self, group: str, passed_over: set[int]) -> Target | None:
        with self._lock:
            able = [
                target
                for target in self._targets.get(group, {}).values()
                if target.state == "healthy" and target.port not in passed_over
            ]
            if not able:
                return None
            target = able[next(self._turns) % len(able)]
            target.busy += 1
            return target

    async def _watch(self, group: str, task: str, target: Target) -> None:
        # Plain HTTP on loopback: whose certificates are trusted need not be read for each target.
        async with httpx.AsyncClient(timeout=target.check.timeout, trust_env=False, verify=False) as client:  # noqa: S501
            while self.target(group, task) is target:
                passed = await _answers(target, client)
                if passed or not _excused(target):
                    target.health.see(passed=passed)
                interval = target.check.interval if target.listens else min(target.check.interval, 0.1)
                await asyncio.sleep(TimeScale.pause(interval, target.health.streak))

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        def begin() -> None:
            task = self._loop.create_task(work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._loop.call_soon_threadsafe(begin)

    async def _wind_up(self) -> None:
        with self._lock:
            self._targets.clear()
        tasks = list(self._tasks)
        _, late = await asyncio.wait(tasks, timeout=2) if tasks else (set(), set())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _answers(target: Target, client: httpx.AsyncClient) -> bool:
    try:
        if target.check.protocol == "TCP":
            _, writer = await asyncio.open_connection("127.0.0.1", target.port)
            writer.close()
            target.listens = True
            return True
        async with client.stream("GET", f"http://127.0.0.1:{target.port}{target.check.path}") as response:
            status = response.status_code
    except (httpx.ConnectError, OSError):
        return False
    except httpx.HTTPError:
        target.listens = True
        return False
    target.listens = True
    target.reason = f"Health checks failed with these codes: [{status}]"
    return target.check.accepts(status)


def _excused(target: Target) -> bool:
    """Return whether a bad answer does not count: in the grace period, and while the target comes up and does not listen yet."""
    now = monotonic()
    return now < target.grace_until or (not target.listens and now - target.registered < target.check.patience)


def _server_configuration(app: Proxy) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )
