"""Serves the sandbox's AWS from one process, until it is told to end."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from deployments.sandbox.aws import emulator
from deployments.sandbox.aws.images import ImageStore
from deployments.sandbox.aws.load_balancer import LoadBalancer
from deployments.sandbox.aws.process_runtime import ProcessRuntime
from deployments.sandbox.aws.regions import Regions
from deployments.sandbox.aws.runtime import Runtime
from deployments.sandbox.aws.scheduler import Scheduler
from deployments.sandbox.aws.task_life import Surroundings
from deployments.sandbox.aws.timing import DEFAULT_FACTOR, TimeScale
from deployments.sandbox.aws.trail import Trail
from promoter.errors import ConfigurationError

READY = "ready.json"
RuntimeName = Literal["process", "container"]


def serve(
    folder: Path,
    port: int = 0,
    time_scale: float = DEFAULT_FACTOR,
    runtime: RuntimeName = "process",
    python: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then end every task. To be called in the main thread of a process of its own.

    `folder` holds everything: `ready.json` (endpoint_url and pid, written once requests are answered), `trail.jsonl`, unpacked images, tasks.
    `python` stands in for the Python of an image that has none. Credentials for pulling are SANDBOX_REGISTRY_USERNAME and
    SANDBOX_REGISTRY_PASSWORD in the environment. Raises ConfigurationError if another server has the folder.
    """
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    folder = folder.resolve()
    with _only_one(folder), _running(folder, port, TimeScale(time_scale), _runtime(runtime, folder, python)) as url:
        _announce(folder / READY, url)
        ended.wait()
        (folder / READY).unlink(missing_ok=True)


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder; the operating system lets go of it however this process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"another AWS of the sandbox runs in {folder}", hint="Stop it first, or use another folder."
            ) from error
        (folder / READY).unlink(missing_ok=True)
        yield


@contextlib.contextmanager
def _running(folder: Path, port: int, scale: TimeScale, runtime: Runtime) -> Iterator[str]:
    runtime.sweep()
    shutil.rmtree(folder / "tasks", ignore_errors=True)
    regions, balancer, trail = Regions(), LoadBalancer(), Trail(folder)
    scheduler = Scheduler(regions.all, balancer, scale)
    regions.attach(Surroundings(runtime, balancer, scale, folder / "tasks", scheduler.wake))
    server = emulator.serve(port, regions, balancer, trail)
    scheduler.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        scheduler.close()
        regions.close()
        server.stop()
        balancer.close()
        trail.close()


def _runtime(name: RuntimeName, folder: Path, python: Path | None) -> Runtime:
    username, password = _login()
    if name == "container":
        from deployments.sandbox.aws.containers import ContainerRuntime  # noqa: PLC0415 - only where it is asked for

        return ContainerRuntime(folder, username=username, password=password)
    images = ImageStore(folder / "images", username=username, password=password)
    return ProcessRuntime(images, folder / "tasks", python=python)


def _login() -> tuple[str | None, SecretStr | None]:
    """Take the credentials for pulling out of the environment, so that nothing else finds them there."""
    username = os.environ.pop("SANDBOX_REGISTRY_USERNAME", None)
    password = os.environ.pop("SANDBOX_REGISTRY_PASSWORD", None)
    return username, SecretStr(password) if password else None


def _announce(path: Path, url: str) -> None:
    """Write `ready.json`, whole or not at all."""
    half = path.with_suffix(".half")
    half.write_text(json.dumps({"endpoint_url": url, "pid": os.getpid()}))
    half.rename(path)
