"""The life of one task, in a thread of its own: pull, start, watch, drain, stop."""

import shutil
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deployments.sandbox.aws.health import ContainerHealth, container_check
from deployments.sandbox.aws.load_balancer import LoadBalancer
from deployments.sandbox.aws.logs import LogStream, open_stream
from deployments.sandbox.aws.refusals import StartError
from deployments.sandbox.aws.runtime import ContainerSpec, Running, Runtime
from deployments.sandbox.aws.secret_values import value_of
from deployments.sandbox.aws.state import Container, Document, Region, Task, monotonic, now
from deployments.sandbox.aws.target_groups import target_check
from deployments.sandbox.aws.timing import TICK, TimeScale

PATIENCE = 0.02
"""How often a stopping task is looked at, in seconds."""


@dataclass(frozen=True)
class Surroundings:
    """What every task of a sandbox shares."""

    runtime: Runtime
    balancer: LoadBalancer
    scale: TimeScale
    folder: Path
    """Each task has a folder of its own in it."""
    wake: Callable[[], None]
    """Lets the scheduler look at once."""


class TaskLife:
    """Brings `task` to its end; all its changes are made under the region's lock."""

    def __init__(self, region: Region, task: Task, surroundings: Surroundings) -> None:
        self._region = region
        self._task = task
        self._all = surroundings
        self._streams: dict[str, LogStream] = {}

    def run(self) -> None:
        """Live; returns when the task is STOPPED."""
        try:
            self._start()
        except StartError as error:
            self._stop(str(error), "TaskFailedToStart")
        except Exception as error:  # noqa: BLE001 - whatever it is, the task must not stay PENDING for ever
            self._stop(f"ResourceInitializationError: {error!r}", "TaskFailedToStart")
        else:
            self._watch()
        self._drain()
        self._end_containers()
        self._finish()

    def _start(self) -> None:
        task = self._task
        self._mark("pullStartedAt")
        specs = [self._spec(container) for container in task.containers]
        for container, spec in zip(task.containers, specs, strict=True):
            if not task.stopping.is_set():
                container.running = self._all.runtime.start(spec)
                container.digest = container.running.digest
        self._mark("pullStoppedAt")
        for container in task.containers:
            if container.checked and container.running:
                self._spawn_health_check(container, container.running)
        with self._region.lock:
            if not task.stopping.is_set():
                task.status = "RUNNING"
                task.times["startedAt"], task.running_since = now(), monotonic()
                for container in task.containers:
                    container.status = "RUNNING"
        self._register_targets()
        self._all.wake()

    def _spec(self, container: Container) -> ContainerSpec:
        definition, region = container.definition, self._region
        folder = self._all.folder / self._task.id / container.name
        folder.mkdir(parents=True)
        stream = open_stream(definition, self._task.id, region.account, region.name)
        if stream:
            self._streams[container.name] = stream
        return container_spec(definition, self._task.id, folder, self._environment(definition))

    def _environment(self, definition: Document) -> dict[str, str]:
        region = self._region
        given = {entry["name"]: entry["value"] for entry in definition.get("environment") or ()}
        hidden = {
            entry["name"]: value_of(entry["valueFrom"], region.account, region.name)
            for entry in definition.get("secrets") or ()
        }
        fargate = {"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "AWS_REGION": region.name, "AWS_DEFAULT_REGION": region.name}
        return {**fargate, **given, **hidden}

    def _register_targets(self) -> None:
        task = self._task
        for target in task.targets:
            container = next((one for one in task.containers if one.name == target.container), None)
            if container and container.running and not task.stopping.is_set():
                check = target_check(target.group, self._all.scale)
                grace = self._all.scale.wait(task.grace)
                self._all.balancer.register(target.group, task.id, container.running.port, check, grace)

    def _spawn_health_check(self, container: Container, running: Running) -> None:
        name = f"health-{self._task.id[:8]}"
        threading.Thread(target=self._check_health, args=(container, running), name=name, daemon=True).start()

    def _check_health(self, container: Container, running: Running) -> None:
        check = container_check(container.definition, self._all.scale)
        count = ContainerHealth(check)
        begun, listening_since, streak = monotonic(), None, 0
        while not self._task.stopping.wait(TimeScale.pause(check.interval, streak)):
            if listening_since is None and _listens(running.port):
                listening_since = monotonic()
            passed = running.run_health_command(check.timeout)
            streak = streak + 1 if passed else 0
            listening = None if listening_since is None else monotonic() - listening_since
            container.health = count.see(passed=passed, age=monotonic() - begun, listening=listening)
            self._all.wake()

    def _watch(self) -> None:
        """Wait for the end: the task was asked to stop, or an essential container has."""
        while not self._task.stopping.wait(TICK):
            for container in self._task.containers:
                self._collect(container)
            ended = [one for one in self._task.containers if one.exit_code is not None]
            if any(one.essential for one in ended) or len(ended) == len(self._task.containers):
                self._stop("Essential container in task exited", "EssentialContainerExited")

    def _collect(self, container: Container) -> None:
        """Take over what the container has written, and its end."""
        if container.running is None:
            return
        code = container.running.poll()
        stream, lines = self._streams.get(container.name), container.running.read()
        if stream and lines:
            stream.write(lines)
        if code is not None:
            container.status, container.exit_code = "STOPPED", code

    def _drain(self) -> None:
        task, balancer = self._task, self._all.balancer
        targets = [target for target in task.targets if balancer.target(target.group, task.id)]
        if targets:
            task.status = "DEACTIVATING"
        for target in targets:
            balancer.drain(target.group, task.id)
        for target in targets:
            while not balancer.drained(target.group, task.id):
                time.sleep(PATIENCE)
            balancer.remove(target.group, task.id)

    def _end_containers(self) -> None:
        self._task.status = "STOPPING"
        for container in self._task.containers:
            if container.running and container.running.poll() is None:
                container.running.stop()
        for container in self._task.containers:
            if container.running:
                self._end(container, container.running)
            container.status = "STOPPED"

    def _end(self, container: Container, running: Running) -> None:
        until = monotonic() + self._all.scale.limit(container.definition.get("stopTimeout") or 30)
        while running.poll() is None:
            if monotonic() > until:
                running.kill()
            time.sleep(PATIENCE)
        self._collect(container)

    def _finish(self) -> None:
        with self._region.lock:
            self._task.status = "STOPPED"
            self._mark("stoppedAt")
        shutil.rmtree(self._all.folder / self._task.id, ignore_errors=True)
        self._all.wake()

    def _stop(self, reason: str, code: str) -> None:
        with self._region.lock:
            self._task.stop(reason, code)

    def _mark(self, name: str) -> None:
        self._task.times[name] = now()


def container_spec(definition: Document, task: str, folder: Path, environment: dict[str, str]) -> ContainerSpec:
    """Return what the runtime needs of a container definition."""
    ports = definition.get("portMappings") or []
    return ContainerSpec(
        task=task,
        name=definition["name"],
        image=definition["image"],
        folder=folder,
        environment=environment,
        entry_point=_words(definition.get("entryPoint")),
        command=_words(definition.get("command")),
        working_directory=definition.get("workingDirectory"),
        user=definition.get("user"),
        container_port=ports[0]["containerPort"] if ports else None,
        health_command=_words((definition.get("healthCheck") or {}).get("command")),
    )


def _words(value: list[str] | None) -> tuple[str, ...] | None:
    return tuple(value) if value else None


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
